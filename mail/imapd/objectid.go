package imapd

import (
	"strconv"
	"strings"

	"atrium/mail"
	"atrium/mail/imapd/wire"
	"atrium/storage"
)

// objectID names messages, threads and mailboxes for ever. THREADID is NIL of a message that came before
// threads were known, as RFC 8474 §5.2 allows.
var objectID = extension{
	name: "OBJECTID", rfc: "RFC 8474", what: "Names of messages and mailboxes that never change",
	opened: func(c *session, _ *selectArgs) error {
		c.untagged("OK [MAILBOXID (%s)] Ok", mail.MailboxID(c.view.box.Owner, c.view.box.ID))
		return nil
	},
	statusItems: map[string]statusItem{"MAILBOXID": func(_ *session, b []byte, m *mail.Mailbox) []byte {
		return append(append(append(b, '('), mail.MailboxID(m.Owner, m.ID)...), ')')
	}},
	fetchItems: map[string]fetchItem{
		"EMAILID": func(c *session, a *fetchArgs, _ *wire.Reader) {
			a.add(func(f *fetch, m *fetched) error {
				f.buf = append(f.buf, "EMAILID ("...)
				f.buf = append(f.buf, mail.EmailID(f.v.box.Owner, m.Object)...)
				f.buf = append(f.buf, ')')
				return nil
			})
		},
		"THREADID": func(c *session, a *fetchArgs, _ *wire.Reader) {
			a.add(func(f *fetch, m *fetched) error {
				id := mail.ThreadID(f.v.box.Owner, m.Thread)
				if id == "" {
					f.buf = append(f.buf, "THREADID NIL"...)
					return nil
				}
				f.buf = append(f.buf, "THREADID ("...)
				f.buf = append(append(f.buf, id...), ')')
				return nil
			})
		},
	},
	searchKeys: map[string]searchKey{
		"EMAILID": func(_ *searchParser, r *wire.Reader) mail.Criteria {
			r.SP()
			id := r.AString()
			owner, n := objectNamed(id)
			if o := storage.ObjectID(n); n != 0 && mail.EmailID(owner, o) == id {
				return mail.SameEmail{Owner: owner, Object: o}
			}
			return mail.InUIDs{}
		},
		"THREADID": func(_ *searchParser, r *wire.Reader) mail.Criteria {
			r.SP()
			id := r.AString()
			owner, n := objectNamed(id)
			if o := storage.ObjectID(n); n != 0 && mail.ThreadID(owner, o) == id {
				return mail.SameThread{Owner: owner, Thread: o}
			}
			return mail.InUIDs{}
		},
	},
}

// objectNamed takes an object's name apart; n is 0 when it is none.
func objectNamed(id string) (owner storage.AccountID, n uint64) {
	if id == "" {
		return 0, 0
	}
	account, number, _ := strings.Cut(id[1:], "-")
	a, err := strconv.ParseUint(account, 36, 64)
	if err == nil {
		n, err = strconv.ParseUint(number, 36, 64)
	}
	if err != nil {
		return 0, 0
	}
	return storage.AccountID(a), n
}
