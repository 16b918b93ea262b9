package mail

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"atrium/mail/message"
	"atrium/storage"
)

// letter is a message that tests know all about.
type letter struct {
	subject, from, to, keywords, text string
	sent                              time.Time // zero: no Date field
	internal                          time.Time
	flags                             []imap.Flag
}

func (l *letter) raw() string {
	var b strings.Builder
	if !l.sent.IsZero() {
		fmt.Fprintf(&b, "Date: %s\r\n", l.sent.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	}
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nSubject: %s\r\n", l.from, l.to, l.subject)
	if l.keywords != "" {
		fmt.Fprintf(&b, "Keywords: %s\r\n", l.keywords)
	}
	fmt.Fprintf(&b, "\r\n%s\r\n", l.text)
	return b.String()
}

var searchWords = strings.Fields("alpha Beta gamma delta epsilon zeta eta theta iota kappa")

func randomLetter(r *rand.Rand) *letter {
	word := func() string { return searchWords[r.IntN(len(searchWords))] }
	l := &letter{
		subject:  word() + " " + word(),
		from:     fmt.Sprintf("%s <%s@example.org>", word(), strings.ToLower(word())),
		to:       strings.ToLower(word()) + "@example.net",
		text:     word() + " " + word() + "\r\n" + word(),
		internal: time.Date(2024, 1, 1+r.IntN(20), r.IntN(24), 0, 0, 0, time.FixedZone("", 3600*(r.IntN(20)-10))),
	}
	if r.IntN(5) > 0 {
		l.sent = time.Date(2024, 1, 1+r.IntN(20), r.IntN(24), 0, 0, 0, time.FixedZone("", 3600*(r.IntN(20)-10)))
	}
	if r.IntN(3) == 0 {
		l.keywords = word()
	}
	for _, f := range modelFlags {
		if r.IntN(3) == 0 {
			l.flags = append(l.flags, f)
		}
	}
	return l
}

func date(t time.Time) Day { return MakeDay(t.Year(), t.Month(), t.Day()) }

func contains(s, sub string) bool { return strings.Contains(strings.ToLower(s), strings.ToLower(sub)) }

// matches is what a search must say, found the plain way.
func (l *letter) matches(c Criteria, m *Message) bool {
	switch c := c.(type) {
	case And:
		return !slices.ContainsFunc(c, func(c Criteria) bool { return !l.matches(c, m) })
	case Or:
		return slices.ContainsFunc(c, func(c Criteria) bool { return l.matches(c, m) })
	case Not:
		return !l.matches(c.Criteria, m)
	case HasFlag:
		return slices.Contains(l.flags, c.Flag)
	case InUIDs:
		return c.UIDs.Contains(m.UID)
	case Larger:
		return int64(len(l.raw())) > c.Size
	case Smaller:
		return int64(len(l.raw())) < c.Size
	case Dates:
		d := date(l.internal)
		if c.Field == SentDate && !l.sent.IsZero() {
			d = date(l.sent)
		}
		return (c.From == 0 || d >= c.From) && (c.To == 0 || d < c.To)
	case Younger:
		return !l.internal.Before(c.Than)
	case Older:
		return !l.internal.After(c.Than)
	case ModSeq:
		return m.Modseq >= c.Min
	case SameEmail:
		return m.Object == c.Object
	case Header:
		switch c.Name {
		case "Subject":
			return contains(l.subject, c.Text)
		case "From":
			return contains(l.from, c.Text)
		case "To":
			return contains(l.to, c.Text)
		}
		return l.keywords != "" && contains(l.keywords, c.Text)
	case Text:
		if c.In == message.InBody {
			return contains(l.text, c.Text)
		}
		for _, s := range []string{l.subject, l.from, l.to, l.keywords, l.text} {
			if contains(s, c.Text) {
				return true
			}
		}
		return false
	}
	panic(fmt.Sprintf("%T", c))
}

func randomCriteria(r *rand.Rand, depth int, s *Snapshot) Criteria {
	word := func() string {
		w := searchWords[r.IntN(len(searchWords))]
		return w[r.IntN(2) : 2+r.IntN(len(w)-1)]
	}
	day := func() Day { return MakeDay(2024, 1, 1+r.IntN(20)) }
	if depth > 0 && r.IntN(2) == 0 {
		var list []Criteria
		for range r.IntN(4) {
			list = append(list, randomCriteria(r, depth-1, s))
		}
		switch r.IntN(3) {
		case 0:
			return And(list)
		case 1:
			return Or(list)
		}
		return Not{randomCriteria(r, depth-1, s)}
	}
	switch r.IntN(14) {
	case 0, 1:
		return HasFlag{modelFlags[r.IntN(len(modelFlags))]}
	case 2:
		lo := imap.UID(1 + r.IntN(s.Len()))
		return InUIDs{imap.UIDSet{{Start: lo, Stop: lo + imap.UID(r.IntN(50))}}}
	case 3:
		return Larger{int64(100 + r.IntN(200))}
	case 4:
		return Smaller{int64(100 + r.IntN(200))}
	case 5:
		return Dates{Field: DateField(r.IntN(2)), From: day()}
	case 6:
		return Dates{Field: DateField(r.IntN(2)), To: day()}
	case 7:
		return Younger{time.Date(2024, 1, 1+r.IntN(20), 5, 0, 0, 0, time.UTC)}
	case 8:
		return Older{time.Date(2024, 1, 1+r.IntN(20), 5, 0, 0, 0, time.UTC)}
	case 9:
		return ModSeq{s.At(r.IntN(s.Len())).Modseq}
	case 10:
		return SameEmail{s.Owner, s.At(r.IntN(s.Len())).Object}
	case 11:
		return Header{[]string{"Subject", "From", "To"}[r.IntN(3)], word()}
	case 12:
		return Header{"Keywords", []string{"", word()}[r.IntN(2)]}
	}
	return Text{[]message.Scope{message.InBody, message.Anywhere}[r.IntN(2)], word()}
}

// searchBox is an account with so many random letters in INBOX.
func searchBox(t testing.TB, s *Store, n int) (*Account, *Snapshot, []*letter) {
	a := account(t, s, 1)
	id := mailboxID(t, a, Inbox)
	r := rand.New(rand.NewPCG(3, 4))
	letters := make([]*letter, n)
	for i := range letters {
		l := randomLetter(r)
		letters[i] = l
		if _, err := a.Append(t.Context(), id, NewMessage{Prepared: prepare(t, s, l.raw()), Flags: l.flags, Date: l.internal}); err != nil {
			t.Fatal(err)
		}
	}
	return a, snapshot(t, a, id), letters
}

func found(t testing.TB, a *Account, s *Snapshot, c Criteria) (list []int) {
	for pos, err := range a.Search(t.Context(), s, c) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, pos)
	}
	return list
}

func TestSearch(t *testing.T) {
	a, s, letters := searchBox(t, openStore(t, nil), 1200)
	r := rand.New(rand.NewPCG(5, 6))
	for range 400 {
		c := randomCriteria(r, 3, s)
		var want []int
		for pos, m := range s.Messages(0, s.Len()) {
			if letters[pos].matches(c, &m) {
				want = append(want, pos)
			}
		}
		if got := found(t, a, s, c); !slices.Equal(got, want) {
			t.Fatalf("%#v:\ngot  %v\nwant %v", c, got, want)
		}
	}
}

func TestSearchEnds(t *testing.T) {
	a, s, _ := searchBox(t, openStore(t, nil), 40)
	for range a.Search(t.Context(), s, Text{message.Anywhere, "a"}) {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range a.Search(ctx, s, Text{message.Anywhere, "a"}) {
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	var deep Criteria = And{}
	for range maxCriteria {
		deep = Not{deep}
	}
	for _, err := range a.Search(t.Context(), s, deep) {
		if !errors.Is(err, storage.TooLarge) {
			t.Fatal(err)
		}
	}
}

func TestIndexesAndBody(t *testing.T) {
	a, s, letters := searchBox(t, openStore(t, nil), 700)
	n := 0
	for x, err := range a.Indexes(t.Context(), s.ID, s.Messages(0, s.Len())) {
		if err != nil {
			t.Fatal(err)
		}
		if x.Pos != n || x.Index.Size() != x.Size || x.UID != imap.UID(n+1) {
			t.Fatalf("%d: %+v", n, x)
		}
		n++
	}
	if n != s.Len() {
		t.Fatalf("%d of %d", n, s.Len())
	}
	b, err := a.Body(t.Context(), s.ID, s.At(9))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var text strings.Builder
	if _, err := b.WriteTo(&text); err != nil || text.String() != letters[9].raw() {
		t.Fatalf("%q, %v", text.String(), err)
	}
	x, err := a.Index(t.Context(), s.ID, s.At(9))
	if err != nil || x.Size() != int64(text.Len()) {
		t.Fatal(err)
	}
}

func TestSort(t *testing.T) {
	a, s, letters := searchBox(t, openStore(t, nil), 300)
	positions := func() (list []int) {
		for pos := range s.Len() {
			list = append(list, pos)
		}
		return list
	}
	sent := func(l *letter) int64 {
		if l.sent.IsZero() {
			return l.internal.Unix()
		}
		return l.sent.Unix()
	}
	local := func(s string) string { s, _, _ = strings.Cut(s, "@"); return s[strings.IndexByte(s, '<')+1:] }
	for _, tc := range []struct {
		keys    []SortKey
		compare func(x, y *letter) int
	}{
		{[]SortKey{{Field: SortArrival, Reverse: false}}, func(x, y *letter) int { return x.internal.Compare(y.internal) }},
		{[]SortKey{{Field: SortDate, Reverse: true}}, func(x, y *letter) int { return int(sent(y) - sent(x)) }},
		{[]SortKey{{Field: SortSubject, Reverse: false}, {Field: SortSize, Reverse: true}}, func(x, y *letter) int {
			if c := strings.Compare(strings.ToUpper(x.subject), strings.ToUpper(y.subject)); c != 0 {
				return c
			}
			return len(y.raw()) - len(x.raw())
		}},
		{[]SortKey{{Field: SortFrom, Reverse: false}, {Field: SortTo, Reverse: true}}, func(x, y *letter) int {
			if c := strings.Compare(local(x.from), local(y.from)); c != 0 {
				return c
			}
			return strings.Compare(local(y.to), local(x.to))
		}},
	} {
		got, want := positions(), positions()
		if err := a.Sort(t.Context(), s, got, tc.keys); err != nil {
			t.Fatal(err)
		}
		slices.SortStableFunc(want, func(i, j int) int { return tc.compare(letters[i], letters[j]) })
		if !slices.Equal(got, want) {
			t.Fatalf("%v:\ngot  %v\nwant %v", tc.keys, got, want)
		}
	}
}

func BenchmarkSearch(b *testing.B) { onEach(b, searches) }

func searches(b *testing.B, open func(func(*Config)) *Store) {
	a, s, _ := searchBox(b, open(nil), 10000)
	for _, bc := range []struct {
		name string
		c    Criteria
	}{
		{"unseen", Not{HasFlag{imap.FlagSeen}}},
		{"subject", Header{"Subject", "epsi"}},
		{"text that is in none", Text{message.Anywhere, "xylophone"}},
		{"text that is in some", Text{message.Anywhere, "gamma"}},
	} {
		b.Run(bc.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				found(b, a, s, bc.c)
			}
			b.ReportMetric(10000*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
	b.Run("sort by subject", func(b *testing.B) {
		for b.Loop() {
			list := make([]int, s.Len())
			for i := range list {
				list[i] = i
			}
			if err := a.Sort(b.Context(), s, list, []SortKey{{Field: SortSubject}}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
