package imapd

import (
	"fmt"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/imapd/wire"
)

// messageLimit bounds how many messages one command works on, where Config.MessageLimit says so: the highest UIDs
// are taken, and the answer tells how far it came. EXPUNGE, CLOSE, STATUS, SORT and THREAD have no limit.
var messageLimit = extension{
	name: "MESSAGELIMIT", rfc: "RFC 9738", what: "A limit to the messages of one command, where it is configured",
	caps: func(c *session) []imap.Cap {
		if n := c.messageLimit(); n > 0 {
			return []imap.Cap{imap.Cap(fmt.Sprintf("MESSAGELIMIT=%d", n))}
		}
		return nil
	},
	searchKeys: map[string]searchKey{
		"UIDAFTER": func(_ *searchParser, r *wire.Reader) mail.Criteria {
			r.SP()
			uid := imap.UID(r.NZNumber())
			if uid == ^imap.UID(0) {
				return mail.InUIDs{}
			}
			return mail.InUIDs{UIDs: imap.UIDSet{{Start: uid + 1, Stop: ^imap.UID(0)}}}
		},
		"UIDBEFORE": func(_ *searchParser, r *wire.Reader) mail.Criteria {
			r.SP()
			uid := imap.UID(r.NZNumber())
			if uid <= 1 {
				return mail.InUIDs{}
			}
			return mail.InUIDs{UIDs: imap.UIDSet{{Start: 1, Stop: uid - 1}}}
		},
	},
}

// saveLimit is the limit for COPY and APPEND alone.
var saveLimit = extension{
	name: "SAVELIMIT", rfc: "RFC 9738", what: "A limit to the messages of one COPY or APPEND, where it is configured",
	caps: func(c *session) []imap.Cap {
		if n := c.saveLimit(); n > 0 && c.messageLimit() == 0 {
			return []imap.Cap{imap.Cap(fmt.Sprintf("SAVELIMIT=%d", n))}
		}
		return nil
	},
}

// messageLimit is how many messages one command may work on, 0 without a limit.
func (c *session) messageLimit() int {
	if !c.server.reg.has("MESSAGELIMIT") {
		return 0
	}
	return c.server.cfg.MessageLimit
}

// saveLimit is how many messages one COPY or APPEND may make, 0 without a limit.
func (c *session) saveLimit() int {
	if n := c.messageLimit(); n > 0 || !c.server.reg.has("SAVELIMIT") {
		return n
	}
	return c.server.cfg.SaveLimit
}

// limitCode is the response code MESSAGELIMIT; lowest is the last UID that was worked on, 0 if none was.
func limitCode(n int, lowest imap.UID) string {
	if lowest == 0 {
		return fmt.Sprintf("MESSAGELIMIT %d", n)
	}
	return fmt.Sprintf("MESSAGELIMIT %d %d", n, lowest)
}

// limit leaves of spans the highest messages that one command may work on. code says that there were more.
func (v *view) limit(spans []span) (kept []span, code string) {
	n := v.c.messageLimit()
	if n == 0 || count(spans) <= n {
		return spans, ""
	}
	kept = highest(spans, n)
	return kept, limitCode(n, v.cur.At(kept[0].from).UID)
}

// limitFetch is limit for FETCH, of which CHANGEDSINCE takes what did not change.
func (v *view) limitFetch(spans []span, a *fetchArgs) ([]span, string) {
	if v.c.messageLimit() == 0 {
		return spans, ""
	}
	if a.changed {
		spans = v.only(spans, func(m mail.Message) bool { return m.Modseq > a.since })
	}
	return v.limit(spans)
}

// highest returns the last n messages of spans.
func highest(spans []span, n int) []span {
	skip := count(spans) - n
	for i, s := range spans {
		if size := s.to - s.from; size <= skip {
			skip -= size
			continue
		}
		kept := append([]span{{s.from + skip, s.to}}, spans[i+1:]...)
		return kept
	}
	return nil
}

// descending returns the messages of spans one by one from the last to the first: so they are worked on where
// there is a limit (RFC 9738 §3.1).
func descending(spans []span) []span {
	out := make([]span, 0, count(spans))
	for i := len(spans) - 1; i >= 0; i-- {
		for pos := spans[i].to - 1; pos >= spans[i].from; pos-- {
			out = append(out, span{pos, pos + 1})
		}
	}
	return out
}

// only returns those messages of spans of which keep is true.
func (v *view) only(spans []span, keep func(mail.Message) bool) []span {
	var out []span
	for _, s := range spans {
		for pos, m := range v.cur.Messages(s.from, s.to) {
			switch n := len(out); {
			case !keep(m):
			case n > 0 && out[n-1].to == pos:
				out[n-1].to++
			default:
				out = append(out, span{pos, pos + 1})
			}
		}
	}
	return out
}

// finish is done with two response codes, of which limited (MESSAGELIMIT) comes in an untagged NO when there
// is another (RFC 9738 §3.1).
func (c *session) finish(code, limited string) error {
	return c.done(c.oneCode(code, limited))
}

func (c *session) oneCode(code, limited string) string {
	switch {
	case limited == "":
		return code
	case code == "":
		return limited
	}
	c.untagged("NO [%s] There are more messages than one command may work on", limited)
	return code
}

// searched restricts a search to the highest messages that it may look at: of those in sets of numbers and UIDs
// that all must be in, else of the mailbox.
func (a *searchArgs) searched(criteria mail.Criteria) mail.Criteria {
	v := a.c.view
	if !a.bounded || a.c.messageLimit() == 0 {
		return criteria
	}
	all := wire.Set{{From: 1, To: ^uint32(0)}}
	and, _ := criteria.(mail.And)
	for _, x := range and {
		if one, ok := x.(mail.And); ok && len(one) == 1 {
			x = one[0]
		}
		if in, ok := x.(mail.InUIDs); ok {
			all = subtract(all, subtract(all, fromUIDSet(in.UIDs).Sorted()))
		}
	}
	var spans []span
	spans, a.limited = v.limit(v.resolveUIDs(all))
	if a.limited == "" {
		return criteria
	}
	return mail.And{mail.InUIDs{UIDs: v.uids(spans)}, criteria}
}
