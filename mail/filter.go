package mail

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"atrium/mail/message"
	"atrium/storage"
)

// truth is what is known of a message: maybe until there is more evidence.
type truth byte

const (
	no truth = iota
	maybe
	yes
)

func is(b bool) truth {
	if b {
		return yes
	}
	return no
}

// needs is what evidence a filter decides by, beyond the row; more is dearer.
type needs byte

const (
	needIndex needs = 1 << iota
	needText        // signature, and body with index
)

// evidence is what is known of one message so far.
type evidence struct {
	m       Message
	rec     []byte // nil: not known
	indexed bool   // x is rec, opened
	x       message.Index
	sig     message.Signature // nil: not known
	body    io.ReaderAt       // nil: not open; comes last
	err     error             // of reading the body
}

// filter is a compiled Criteria. eval tells as much as the evidence does; with
// index and body it is yes or no.
type filter interface {
	eval(e *evidence) truth
	needs() needs
}

type (
	all    struct{ of []filter }
	some   struct{ of []filter }
	not    struct{ filter }
	byTest struct{ test func(*Message) bool }
	inUIDs struct{ set imap.UIDSet }
	sent   struct{ from, to Day }
	header struct {
		name  string
		known bool // one of those that the index has
		m     *message.Matcher
	}
	text struct {
		in message.Scope
		m  *message.Matcher
	}
)

// maxCriteria bounds the nodes of a search.
const maxCriteria = 4096

// compile makes a filter for one snapshot. TooLarge when there are too many nodes.
func compile(s *Snapshot, c Criteria) (filter, error) {
	left := maxCriteria
	return compileNode(s, c, &left)
}

func compileNode(s *Snapshot, c Criteria, left *int) (filter, error) {
	if *left--; *left < 0 {
		return nil, fmt.Errorf("search of more than %d keys: %w", maxCriteria, storage.TooLarge)
	}
	switch c := c.(type) {
	case And:
		of, err := compileNodes(s, c, left)
		return &all{of}, err
	case Or:
		of, err := compileNodes(s, c, left)
		return &some{of}, err
	case Not:
		f, err := compileNode(s, c.Criteria, left)
		return &not{f}, err
	case Fuzzy:
		return compileFuzzy(s, c.Criteria, left)
	case InUIDs:
		return &inUIDs{clean(c.UIDs)}, nil
	case Header:
		return &header{c.Name, inIndex(c.Name) && c.Text != "", message.NewMatcher(c.Text)}, nil
	case Text:
		if c.Text == "" {
			return &all{}, nil
		}
		return &text{c.In, message.NewMatcher(c.Text)}, nil
	case Dates:
		if c.Field == SentDate {
			return &sent{c.From, c.To}, nil
		}
	}
	test := rowTest(s, c)
	if test == nil {
		return nil, fmt.Errorf("search key %T: %w", c, storage.Invalid)
	}
	return &byTest{test}, nil
}

// compileNodes compiles the parts of a node, those that cost least first.
func compileNodes(s *Snapshot, list []Criteria, left *int) ([]filter, error) {
	of := make([]filter, len(list))
	for i := range list {
		var err error
		if of[i], err = compileNode(s, list[i], left); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(of, func(a, b filter) int { return cmp.Compare(a.needs(), b.needs()) })
	return of, nil
}

// inIndex tells whether the index has a field, decoded.
func inIndex(name string) bool {
	for _, f := range []string{"Subject", "From", "To", "Cc", "Bcc"} {
		if strings.EqualFold(f, name) {
			return true
		}
	}
	return false
}

// rowTest compiles the keys that a row decides, nil when c is none of them.
func rowTest(s *Snapshot, c Criteria) func(*Message) bool {
	switch c := c.(type) {
	case HasFlag:
		bit := s.Keywords.Find(c.Flag)
		return func(m *Message) bool { return m.Flags&bit != 0 }
	case Larger:
		return func(m *Message) bool { return m.Size > c.Size }
	case Smaller:
		return func(m *Message) bool { return m.Size < c.Size }
	case Dates:
		if c.Field == SaveDate {
			return func(m *Message) bool { return within(dayOf(m.Saved), c.From, c.To) }
		}
		return func(m *Message) bool { return within(internalDay(m), c.From, c.To) }
	case Younger:
		than := c.Than.Unix()
		return func(m *Message) bool { return m.Date >= than }
	case Older:
		than := c.Than.Unix()
		return func(m *Message) bool { return m.Date <= than }
	case ModSeq:
		return func(m *Message) bool { return m.Modseq >= c.Min }
	case SameEmail:
		return func(m *Message) bool { return m.Object == c.Object && c.Owner == s.Owner }
	case SameThread:
		return func(m *Message) bool { return m.Thread == c.Thread && c.Owner == s.Owner }
	}
	return nil
}

func within(d, from, to Day) bool { return d >= from && (to == 0 || d < to) }

func internalDay(m *Message) Day { return dayOf(m.Date + 60*int64(m.Zone)) }

func (f *all) eval(e *evidence) truth {
	t := yes
	for _, g := range f.of {
		if u := g.eval(e); u < t {
			if t = u; t == no {
				break
			}
		}
	}
	return t
}

func (f *some) eval(e *evidence) truth {
	t := no
	for _, g := range f.of {
		if u := g.eval(e); u > t {
			if t = u; t == yes {
				break
			}
		}
	}
	return t
}

func (f *not) eval(e *evidence) truth    { return yes - f.filter.eval(e) }
func (f *byTest) eval(e *evidence) truth { return is(f.test(&e.m)) }
func (f *inUIDs) eval(e *evidence) truth { return is(f.set.Contains(e.m.UID)) }

func (f *sent) eval(e *evidence) truth {
	if !e.indexed {
		return maybe
	}
	unix, zone, ok := e.x.Sent()
	if !ok {
		return is(within(internalDay(&e.m), f.from, f.to))
	}
	return is(within(dayOf(unix+int64(zone)), f.from, f.to))
}

func (f *header) eval(e *evidence) truth {
	if f.known && e.indexed {
		if match, known := e.x.Matches(f.name, f.m); known {
			return is(match)
		}
	}
	if e.sig != nil && !f.m.MayMatch(e.sig, message.InHeader) {
		return no
	}
	if e.body == nil {
		return maybe
	}
	match, err := e.x.SearchHeader(e.body, f.name, f.m)
	e.fail(err)
	return is(match)
}

func (f *text) eval(e *evidence) truth {
	if e.sig != nil && !f.m.MayMatch(e.sig, f.in) {
		return no
	}
	if e.body == nil {
		return maybe
	}
	match, err := e.x.Search(e.body, f.in, f.m)
	e.fail(err)
	return is(match)
}

func (e *evidence) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

func (f *all) needs() needs    { return needsOf(f.of) }
func (f *some) needs() needs   { return needsOf(f.of) }
func (f *not) needs() needs    { return f.filter.needs() }
func (f *byTest) needs() needs { return 0 }
func (f *inUIDs) needs() needs { return 0 }
func (f *sent) needs() needs   { return needIndex }
func (f *text) needs() needs   { return needText }

func (f *header) needs() needs {
	if f.known {
		return needIndex // and text where the index has the field cut
	}
	return needText
}

func needsOf(of []filter) (n needs) {
	for _, f := range of {
		n |= f.needs()
	}
	return n
}
