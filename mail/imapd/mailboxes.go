package imapd

import (
	"context"
	"errors"
	"strings"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/imapd/wire"
	"atrium/storage"
)

// changeable tells whether a mailbox with these rights can be opened for
// more than reading (RFC 4314 §5.2).
func changeable(r storage.Rights) bool {
	return r&(storage.Insert|storage.Expunge|storage.Seen|storage.Write|storage.Delete) != 0
}

func mayExpunge(r storage.Rights) bool { return r.Has(storage.Expunge) }

// createArgs is what a CREATE asks for.
type createArgs struct {
	uses []imap.MailboxAttr
}

// create handles CREATE (RFC 9051 §6.3.4; parameters: RFC 4466 §2.2).
func (c *session) create(r *wire.Reader) error {
	var a createArgs
	r.SP()
	name := r.Mailbox()
	if r.Err() == nil && r.Try(' ') {
		r.List(func() {
			word := r.Keyword()
			param := c.server.reg.createParams[word]
			if param == nil {
				r.Fail("Unknown parameter %s", word)
				return
			}
			param(&a, r)
		})
	}
	if err := r.End(); err != nil {
		return err
	}
	account, local := c.locate(name)
	m, err := account.Create(c.Context(), local, a.uses...)
	if err != nil {
		return err
	}
	c.ownNames(c.canonical(name))
	if given := strings.TrimSuffix(r.Given(), "/"); c.rewritten(given, name) {
		if err := c.tellName(name, given); err != nil {
			return err
		}
	}
	return c.done(c.created(m))
}

// created is the response code of a CREATE.
func (c *session) created(m *mail.Mailbox) string {
	if !c.server.reg.has("OBJECTID") {
		return ""
	}
	return "MAILBOXID (" + mail.MailboxID(m.Owner, m.ID) + ")" // RFC 8474 §4.1
}

// delete handles DELETE (RFC 9051 §6.3.5).
func (c *session) delete(r *wire.Reader) error {
	r.SP()
	name := r.Mailbox()
	if err := r.End(); err != nil {
		return err
	}
	account, local := c.locate(name)
	m, err := account.Mailbox(c.Context(), local)
	if err != nil && !errors.Is(err, storage.NotFound) { // a name may only be implied
		return err
	}
	if err := account.Delete(c.Context(), local); err != nil {
		return err
	}
	c.ownNames(c.canonical(name))
	if given := r.Given(); c.rewritten(given, name) { // RFC 9051 §6.3.5
		c.writeOldName(`\NonExistent`, name, given)
	}
	if c.view != nil && m != nil && c.view.box.Owner == m.Owner && c.view.box.ID == m.ID {
		c.deselect()
		if c.has(qresyncOn) || c.has(rev2On) {
			c.untagged("OK [CLOSED] Closed")
		}
	}
	return c.done("")
}

// rename handles RENAME (RFC 9051 §6.3.6).
func (c *session) rename(r *wire.Reader) error {
	r.SP()
	from := r.Mailbox()
	given := r.Given()
	r.SP()
	to := r.Mailbox()
	if err := r.End(); err != nil {
		return err
	}
	account, source := c.locate(from)
	other, target := c.locate(to)
	if account.Owner() != other.Owner() {
		return no("CANNOT", "A mailbox stays in its account")
	}
	if err := account.Rename(c.Context(), source, target); err != nil {
		return err
	}
	c.ownNames(c.canonical(from), c.canonical(to))
	// RFC 9051 §6.3.6. Nothing is told of INBOX, which stays.
	if from != mail.Inbox && (c.rewritten(given, from) || c.rewritten(r.Given(), to)) {
		if err := c.tellName(to, given); err != nil {
			return err
		}
	}
	return c.done("")
}

// subscribe and unsubscribe handle SUBSCRIBE and UNSUBSCRIBE (RFC 9051 §6.3.7, §6.3.8).
func (c *session) subscribe(r *wire.Reader) error {
	return c.subscription(r, (*mail.Account).Subscribe)
}

func (c *session) unsubscribe(r *wire.Reader) error {
	return c.subscription(r, (*mail.Account).Unsubscribe)
}

func (c *session) subscription(r *wire.Reader, change func(*mail.Account, context.Context, string) error) error {
	r.SP()
	name := r.Mailbox()
	if err := r.End(); err != nil {
		return err
	}
	if err := change(c.own, c.Context(), c.canonical(name)); err != nil {
		return err
	}
	c.ownNames(c.canonical(name))
	return c.done("")
}
