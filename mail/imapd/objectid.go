package imapd

import (
	"strconv"
	"strings"

	"atrium/mail"
	"atrium/mail/imapd/wire"
	"atrium/storage"
)

// objectID names messages and mailboxes for ever. Threads have no names here: THREADID is NIL, as
// RFC 8474 §5.2 allows.
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
				f.buf = append(f.buf, "THREADID NIL"...)
				return nil
			})
		},
	},
	searchKeys: map[string]searchKey{
		"EMAILID": func(p *searchParser, r *wire.Reader) mail.Criteria {
			r.SP()
			p.args.owner = p.c.view.box.Owner
			return sameEmail(p.args.owner, r.AString())
		},
		"THREADID": func(_ *searchParser, r *wire.Reader) mail.Criteria {
			r.SP()
			r.AString()
			return mail.InUIDs{}
		},
	},
}

// sameEmail finds the object that an EMAILID names.
func sameEmail(owner storage.AccountID, id string) mail.Criteria {
	_, n, _ := strings.Cut(id, "-")
	object, err := strconv.ParseUint(n, 36, 64)
	if err != nil || mail.EmailID(owner, storage.ObjectID(object)) != id {
		return mail.InUIDs{}
	}
	return mail.SameEmail{Object: storage.ObjectID(object)}
}
