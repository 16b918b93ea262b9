package imapd

import (
	"errors"
	"fmt"

	"atrium/mail/imapd/wire"
	"atrium/storage"
)

// selectArgs is what a SELECT asks for.
type selectArgs struct {
	name     string // of the mailbox, and as the client wrote it
	given    string
	readOnly bool
	known    *knownState // QRESYNC (RFC 7162 §3.2.5)
}

// selectMailbox handles SELECT and EXAMINE.
//
// RFC 9051 §6.3.2; parameters: RFC 4466 §2.4. A mailbox that was selected before is closed
// first, whether or not this succeeds. No message record is read.
func (c *session) selectMailbox(r *wire.Reader, readOnly bool) error {
	a := &selectArgs{readOnly: readOnly}
	r.SP()
	name := r.Mailbox()
	a.name, a.given = name, r.Given()
	if r.Err() == nil && r.Try(' ') {
		r.List(func() {
			word := r.Keyword()
			param := c.server.reg.selectParams[word]
			if param == nil {
				r.Fail("Unknown parameter %s", word)
				return
			}
			param(c, a, r)
		})
	}
	if err := r.End(); err != nil {
		return err
	}
	if c.view != nil {
		c.deselect()
		if c.server.reg.has("QRESYNC") || c.has(rev2On) {
			c.untagged("OK [CLOSED] Closed") // RFC 7162 §3.2.11: whether or not it is enabled
		}
	}
	account, m, err := c.mailbox(name, storage.Read)
	if err != nil {
		return err
	}
	if !m.Has() {
		return no("NONEXISTENT", "No such mailbox")
	}
	a.readOnly = readOnly || !changeable(m.Rights)
	c.view = c.open(account, m, a.readOnly)
	c.state = selected
	if err := c.writeSelected(); err != nil {
		c.deselect()
		return err
	}
	for _, x := range c.server.reg.extensions {
		if x.opened == nil {
			continue
		}
		if err := x.opened(c, a); err != nil {
			return err
		}
	}
	code := "READ-WRITE"
	if a.readOnly {
		code = "READ-ONLY"
	}
	c.tagged("OK", code, c.cmd.name+" completed")
	return nil
}

// deselect leaves the selected mailbox.
func (c *session) deselect() {
	c.view = nil
	c.state = authed
}

// writeSelected writes what SELECT tells of a mailbox.
func (c *session) writeSelected() error {
	v := c.view
	v.writeFlagLists()
	c.untagged("%d EXISTS", v.box.Exists)
	if !c.has(rev2On) {
		n, err := v.countRecent()
		if err != nil {
			return err
		}
		c.untagged("%d RECENT", n)
		if c.has(uidOnlyOn) {
			return c.writeUIDs() // UNSEEN is a number
		}
		if err := c.writeUnseen(); err != nil {
			return err
		}
	}
	return c.writeUIDs()
}

func (c *session) writeUIDs() error {
	v := c.view
	c.untagged("OK [UIDVALIDITY %d] UIDs valid", v.box.UIDValidity)
	c.untagged("OK [UIDNEXT %d] Predicted next UID", v.box.UIDNext)
	return nil
}

// writeUnseen tells the first unseen message.
func (c *session) writeUnseen() error {
	v := c.view
	switch {
	case v.box.Unseen == 0:
		return nil
	case v.box.Unseen == v.box.Exists:
		c.untagged("OK [UNSEEN 1] First unseen")
		return nil
	}
	pos, modseq, err := v.account.FirstUnseen(c.Context(), v.box.ID)
	if err != nil {
		return v.lost(err)
	}
	if pos >= 0 && modseq == v.box.Modseq { // else the news tell more
		c.untagged("OK [UNSEEN %d] First unseen", pos+1)
	}
	return nil
}

// close handles CLOSE (RFC 9051 §6.4.1): messages with \Deleted go, and nothing is told of it.
func (c *session) close() error {
	v := c.view
	c.deselect()
	if !v.readOnly && mayExpunge(v.box.Rights) {
		if _, err := v.account.Expunge(c.Context(), v.box.ID); err != nil && !errors.Is(err, storage.Forbidden) {
			return fmt.Errorf("CLOSE: %w", err)
		}
	}
	return c.done("")
}
