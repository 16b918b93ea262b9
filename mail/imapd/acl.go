package imapd

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/imapd/wire"
	"atrium/storage"
)

// acl lets users share their mailboxes. Identifiers are the names of accounts, groups among them, and "anyone". There are
// no negative rights. The owner has all rights, which no one can change.
var acl = extension{
	name: "ACL", rfc: "RFC 4314", what: "Who may do what in a mailbox",
	caps: func(*session) []imap.Cap { return []imap.Cap{imap.CapACL, "RIGHTS=texk"} },
	commands: []command{
		{"SETACL", loggedIn, breaks, (*session).setACL},
		{"DELETEACL", loggedIn, breaks, (*session).deleteACL},
		{"GETACL", loggedIn, breaks, (*session).getACL},
		{"LISTRIGHTS", loggedIn, breaks, (*session).listRights},
		{"MYRIGHTS", loggedIn, breaks, (*session).myRights},
	},
}

// setACL handles SETACL (RFC 4314 §3.1).
func (c *session) setACL(r *wire.Reader) error {
	r.SP()
	name := r.Mailbox()
	r.SP()
	who := r.AString()
	r.SP()
	mod := r.AString()
	if err := r.End(); err != nil {
		return err
	}
	op, letters := byte('='), mod
	if mod != "" && (mod[0] == '+' || mod[0] == '-') {
		op, letters = mod[0], mod[1:]
	}
	rights, err := mail.ParseRights(letters)
	if err != nil {
		return bad("Unknown right in %q", mod) // RFC 4314 §3.1
	}
	return c.grant(name, who, func(old storage.Rights) storage.Rights {
		switch op {
		case '+':
			return old | rights
		case '-':
			return old &^ rights
		}
		return rights
	})
}

// deleteACL handles DELETEACL (RFC 4314 §3.2).
func (c *session) deleteACL(r *wire.Reader) error {
	r.SP()
	name := r.Mailbox()
	r.SP()
	who := r.AString()
	if err := r.End(); err != nil {
		return err
	}
	return c.grant(name, who, func(storage.Rights) storage.Rights { return 0 })
}

// grant changes the rights of one identifier.
func (c *session) grant(name, who string, change func(storage.Rights) storage.Rights) error {
	a, m, err := c.mailbox(name, storage.Administer)
	if err != nil {
		return err
	}
	to, err := c.identified(who)
	if err != nil {
		return err
	}
	if to == a.Owner() {
		if change(mail.AllLetters) != mail.AllLetters {
			return no("CANNOT", "The owner has all rights")
		}
		return c.done("")
	}
	if err := a.Grant(c.Context(), m.ID, to, change); err != nil {
		if errors.Is(err, storage.Invalid) {
			return no("CANNOT", "These rights are granted on all of the account")
		}
		return err
	}
	return c.done("")
}

// identified returns the account that an identifier means. What cannot be a name is BAD (RFC 4314 §3).
func (c *session) identified(who string) (storage.AccountID, error) {
	switch {
	case who == "" || !utf8.ValidString(who) || strings.ContainsFunc(who, unicode.IsControl):
		return 0, bad("Not an identifier")
	case who == "anyone":
		return storage.Anyone, nil
	case strings.HasPrefix(who, "-"):
		return 0, no("CANNOT", "There are no negative rights here")
	}
	a, err := c.server.auth.Directory().Find(c.Context(), who)
	if errors.Is(err, storage.NotFound) {
		return 0, no("CANNOT", "No such identifier")
	}
	if err != nil {
		return 0, err
	}
	return a.ID, nil
}

// getACL handles GETACL (RFC 4314 §3.3): the owner first.
func (c *session) getACL(r *wire.Reader) error {
	r.SP()
	name := r.Mailbox()
	if err := r.End(); err != nil {
		return err
	}
	a, m, err := c.mailbox(name, storage.Administer)
	if err != nil {
		return err
	}
	grants, err := a.Grants(c.Context(), m.ID)
	if err != nil {
		return err
	}
	b := append(make([]byte, 0, 1024), "* ACL "...)
	b = wire.AppendMailbox(b, c.canonical(name), c.utf8Names())
	b = c.appendIdentifier(b, a.Owner(), storage.AllRights)
	for _, g := range grants {
		if g.Rights&mail.AllLetters != 0 {
			b = c.appendIdentifier(b, g.To, g.Rights)
		}
	}
	c.Write(append(b, '\r', '\n'))
	return c.done("")
}

// appendIdentifier appends an identifier with its rights. One whose account went is left out.
func (c *session) appendIdentifier(b []byte, id storage.AccountID, r storage.Rights) []byte {
	name := "anyone"
	if id != storage.Anyone {
		a, err := c.server.auth.Directory().Get(c.Context(), id)
		if err != nil {
			return b
		}
		name = a.Name
	}
	b = wire.AppendAString(append(b, ' '), name, c.utf8Names())
	return append(append(b, ' '), mail.FormatRights(r, true)...)
}

// listRights handles LISTRIGHTS (RFC 4314 §3.4): the owner has all rights always, who was granted rights on the
// whole account those, and all others can be given each right alone.
func (c *session) listRights(r *wire.Reader) error {
	r.SP()
	name := r.Mailbox()
	r.SP()
	who := r.AString()
	if err := r.End(); err != nil {
		return err
	}
	a, m, err := c.mailbox(name, storage.Administer)
	if err != nil {
		return err
	}
	to, err := c.identified(who)
	if err != nil {
		return err
	}
	always := mail.AllLetters
	if to != a.Owner() {
		if always, err = a.Granted(c.Context(), m.ID, to); err != nil {
			return err
		}
	}
	b := append(make([]byte, 0, 1024), "* LISTRIGHTS "...)
	b = wire.AppendMailbox(b, c.canonical(name), c.utf8Names())
	b = wire.AppendAString(append(b, ' '), who, c.utf8Names())
	required := mail.FormatRights(always, true)
	b = wire.AppendAString(append(b, ' '), required, false)
	for _, letter := range []byte(mail.FormatRights(mail.AllLetters, true)) {
		if strings.IndexByte(required, letter) < 0 { // each once (§3.7)
			b = append(b, ' ', letter)
		}
	}
	c.Write(append(b, '\r', '\n'))
	return c.done("")
}

// myRights handles MYRIGHTS (RFC 4314 §3.5), for those who have any of the rights that it names.
func (c *session) myRights(r *wire.Reader) error {
	r.SP()
	name := r.Mailbox()
	if err := r.End(); err != nil {
		return err
	}
	_, m, err := c.mailbox(name, 0)
	if err != nil {
		return err
	}
	const some = storage.Lookup | storage.Read | storage.Insert | storage.Create | storage.Remove | storage.Administer
	if m.Rights&some == 0 {
		return storage.NotFound
	}
	c.writeMyRights(name, m)
	return c.done("")
}

func (c *session) writeMyRights(name string, m *mail.Mailbox) {
	b := append(c.AvailableBuffer(1024), "* MYRIGHTS "...)
	b = wire.AppendMailbox(b, c.canonical(name), c.utf8Names())
	b = append(append(b, ' '), mail.FormatRights(m.Rights, true)...)
	c.Write(append(b, '\r', '\n'))
}
