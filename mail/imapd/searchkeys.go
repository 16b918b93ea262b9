package imapd

import (
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"

	"atrium/mail"
	"atrium/mail/imapd/wire"
	"atrium/mail/message"
)

// searchParser reads the keys of a SEARCH.
type searchParser struct {
	c       *session
	args    *searchArgs
	decode  *encoding.Decoder // of the CHARSET, nil for UTF-8
	charset string            // one that is not known
}

func errCharset() error {
	return no("BADCHARSET (US-ASCII UTF-8)", "Unknown charset")
}

// keys reads CHARSET and all keys to the end of the command.
func (p *searchParser) keys(r *wire.Reader) mail.Criteria {
	if r.TryWord("CHARSET") {
		if p.c.has(utf8On) {
			r.Fail("CHARSET has no place beside UTF8=ACCEPT") // RFC 6855 §3
		}
		r.SP()
		p.useCharset(r.AString())
		r.SP()
	}
	and := mail.And{p.key(r)}
	for !r.AtEnd() && r.Try(' ') && !r.AtEnd() {
		and = append(and, p.key(r))
		if len(and) > r.Limits.List {
			r.Limit("Too many search keys")
		}
	}
	return and
}

func (p *searchParser) useCharset(name string) {
	switch strings.ToUpper(name) {
	case "US-ASCII", "ASCII", "UTF-8", "":
		return
	}
	e, err := htmlindex.Get(name)
	if err != nil {
		p.charset = name
		return
	}
	p.decode = e.NewDecoder()
}

// text reads a string to be looked for.
func (p *searchParser) text(r *wire.Reader) string {
	s := r.AString()
	if p.decode != nil {
		if u, err := p.decode.String(s); err == nil {
			s = u
		}
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// key reads one key, a set, or a list of keys in parentheses.
func (p *searchParser) key(r *wire.Reader) mail.Criteria {
	switch c := r.Peek(); {
	case c == '(':
		var and mail.And
		r.List(func() { and = append(and, p.key(r)) })
		if len(and) == 0 {
			r.Fail("An empty list of search keys")
		}
		return and
	case c == '*' || c >= '0' && c <= '9' || c == '$':
		n := p.number(r)
		if !n.saved && p.c.has(uidOnlyOn) {
			r.SetErr(errUIDRequired)
		}
		return p.set(n)
	}
	name := r.Keyword()
	key := p.c.server.reg.searchKeys[name]
	if key == nil {
		r.Fail("Unknown search key %s", name)
		return mail.And{}
	}
	return key(p, r)
}

// set is true of a set's messages. What it names is found when the mailbox is
// up to date, just before the search.
func (p *searchParser) set(n numSet) mail.Criteria {
	holder := mail.And{mail.InUIDs{}}
	p.args.sets = append(p.args.sets, lateSet{n, holder})
	return holder
}

// number reads a set of message numbers, which it is in UID SEARCH too.
func (p *searchParser) number(r *wire.Reader) numSet {
	n := p.c.readSet(r)
	n.uid = false
	return n
}

// baseKeys are the keys of RFC 3501.
var baseKeys = map[string]searchKey{
	"ALL":        func(*searchParser, *wire.Reader) mail.Criteria { return mail.And{} },
	"ANSWERED":   flagKey(imap.FlagAnswered),
	"DELETED":    flagKey(imap.FlagDeleted),
	"DRAFT":      flagKey(imap.FlagDraft),
	"FLAGGED":    flagKey(imap.FlagFlagged),
	"SEEN":       flagKey(imap.FlagSeen),
	"UNANSWERED": notFlagKey(imap.FlagAnswered),
	"UNDELETED":  notFlagKey(imap.FlagDeleted),
	"UNDRAFT":    notFlagKey(imap.FlagDraft),
	"UNFLAGGED":  notFlagKey(imap.FlagFlagged),
	"UNSEEN":     notFlagKey(imap.FlagSeen),
	"KEYWORD": func(_ *searchParser, r *wire.Reader) mail.Criteria {
		r.SP()
		return mail.HasFlag{Flag: r.Flag()}
	},
	"UNKEYWORD": func(_ *searchParser, r *wire.Reader) mail.Criteria {
		r.SP()
		return mail.Not{Criteria: mail.HasFlag{Flag: r.Flag()}}
	},
	"RECENT": func(p *searchParser, _ *wire.Reader) mail.Criteria { return p.recent() },
	"OLD":    func(p *searchParser, _ *wire.Reader) mail.Criteria { return mail.Not{Criteria: p.recent()} },
	"NEW": func(p *searchParser, _ *wire.Reader) mail.Criteria {
		return mail.And{p.recent(), mail.Not{Criteria: mail.HasFlag{Flag: imap.FlagSeen}}}
	},
	"BCC":     headerKey("Bcc"),
	"CC":      headerKey("Cc"),
	"FROM":    headerKey("From"),
	"SUBJECT": headerKey("Subject"),
	"TO":      headerKey("To"),
	"HEADER": func(p *searchParser, r *wire.Reader) mail.Criteria {
		r.SP()
		name := r.AString()
		r.SP()
		return mail.Header{Name: name, Text: p.text(r)}
	},
	"BODY":       textKey(message.InBody),
	"TEXT":       textKey(message.Anywhere),
	"BEFORE":     dateKey(mail.InternalDate, before),
	"ON":         dateKey(mail.InternalDate, on),
	"SINCE":      dateKey(mail.InternalDate, since),
	"SENTBEFORE": dateKey(mail.SentDate, before),
	"SENTON":     dateKey(mail.SentDate, on),
	"SENTSINCE":  dateKey(mail.SentDate, since),
	"LARGER": func(_ *searchParser, r *wire.Reader) mail.Criteria {
		r.SP()
		return mail.Larger{Size: int64(r.Number64())}
	},
	"SMALLER": func(_ *searchParser, r *wire.Reader) mail.Criteria {
		r.SP()
		return mail.Smaller{Size: int64(r.Number64())}
	},
	"UID": func(p *searchParser, r *wire.Reader) mail.Criteria {
		r.SP()
		n := p.number(r)
		n.uid = true
		return p.set(n)
	},
	"NOT": func(p *searchParser, r *wire.Reader) mail.Criteria {
		defer r.Nest()()
		r.SP()
		return mail.Not{Criteria: p.key(r)}
	},
	"OR": func(p *searchParser, r *wire.Reader) mail.Criteria {
		defer r.Nest()()
		r.SP()
		one := p.key(r)
		r.SP()
		return mail.Or{one, p.key(r)}
	},
}

func flagKey(f imap.Flag) searchKey {
	return func(*searchParser, *wire.Reader) mail.Criteria { return mail.HasFlag{Flag: f} }
}

func notFlagKey(f imap.Flag) searchKey {
	return func(*searchParser, *wire.Reader) mail.Criteria { return mail.Not{Criteria: mail.HasFlag{Flag: f}} }
}

func headerKey(name string) searchKey {
	return func(p *searchParser, r *wire.Reader) mail.Criteria {
		r.SP()
		return mail.Header{Name: name, Text: p.text(r)}
	}
}

func textKey(in message.Scope) searchKey {
	return func(p *searchParser, r *wire.Reader) mail.Criteria {
		r.SP()
		return mail.Text{In: in, Text: p.text(r)}
	}
}

// recent is true of the messages that are \Recent in this session.
func (p *searchParser) recent() mail.Criteria {
	holder := mail.And{mail.InUIDs{}}
	p.args.recents = append(p.args.recents, holder)
	return holder
}

type dateRelation byte

const (
	before dateRelation = iota
	on
	since
)

func dateKey(field mail.DateField, rel dateRelation) searchKey {
	return func(_ *searchParser, r *wire.Reader) mail.Criteria {
		r.SP()
		t := r.Date()
		day := dayOf(t)
		switch rel {
		case before:
			return mail.Dates{Field: field, To: day}
		case on:
			return mail.Dates{Field: field, From: day, To: day + 1}
		}
		return mail.Dates{Field: field, From: day}
	}
}

func dayOf(t time.Time) mail.Day { return mail.MakeDay(t.Year(), t.Month(), t.Day()) }
