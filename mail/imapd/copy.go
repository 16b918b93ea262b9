package imapd

import (
	"context"
	"errors"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/imapd/wire"
	"atrium/storage"
)

// readCopy reads the arguments of COPY and MOVE and finds messages and target.
func (c *session) readCopy(r *wire.Reader) (spans []span, dst *mail.Account, to *mail.Mailbox, err error) {
	r.SP()
	set := c.readSet(r)
	r.SP()
	name := r.Mailbox()
	if err := r.End(); err != nil {
		return nil, nil, nil, err
	}
	if err := c.begin(); err != nil {
		return nil, nil, nil, err
	}
	spans, missing, err := c.view.resolve(set)
	if err != nil {
		return nil, nil, nil, err
	}
	if missing {
		return nil, nil, nil, errIssued() // RFC 2180 §4.4: all or none
	}
	dst, to, err = c.target(name)
	return spans, dst, to, err
}

// target finds the mailbox that messages are to go to; one that is not there could be
// made (TRYCREATE, RFC 9051 §6.3.12).
func (c *session) target(name string) (*mail.Account, *mail.Mailbox, error) {
	a, m, err := c.mailbox(name, storage.Insert)
	if errors.Is(err, storage.NotFound) || err == nil && !m.Has() {
		return nil, nil, no("TRYCREATE", "No such mailbox")
	}
	if err == nil {
		c.server.claimRecent(c.Context(), m.Owner, m.ID, m.UIDNext, true) // what comes now is recent
	}
	return a, m, err
}

// copy handles COPY and UID COPY (RFC 9051 §6.4.7).
func (c *session) copy(r *wire.Reader) error {
	spans, dst, to, err := c.readCopy(r)
	if err != nil {
		return err
	}
	if len(spans) == 0 {
		return c.done("")
	}
	v := c.view
	if n := c.saveLimit(); n > 0 && count(spans) > n { // all or none
		return no(limitCode(n, v.cur.At(highest(spans, n)[0].from).UID), "Too many messages, copy fewer")
	}
	var res mail.Copied
	err = c.long(count(spans), func(ctx context.Context) (err error) {
		res, err = v.account.Copy(ctx, v.box.ID, v.uids(spans), dst, to.ID)
		return err
	})
	if err != nil {
		return err
	}
	c.ownMessages(dst.Owner(), to.ID, res.To)
	return c.done(c.copyUID(&res))
}

// copyUID is the response code COPYUID (RFC 4315 §3), empty when nothing was copied.
func (c *session) copyUID(res *mail.Copied) string {
	if len(res.From) == 0 || !c.server.reg.has("UIDPLUS") {
		return ""
	}
	b := append(make([]byte, 0, 64), "COPYUID "...)
	b = append(wire.AppendUint(b, uint64(res.UIDValidity)), ' ')
	b = append(wire.AppendSet(b, fromUIDSet(res.From)), ' ')
	return string(wire.AppendSet(b, fromUIDSet(res.To)))
}

// expunge handles EXPUNGE (RFC 9051 §6.4.3); what went is told by the view.
func (c *session) expunge() error {
	if c.view.readOnly {
		return no("", "The mailbox was opened read-only")
	}
	var gone imap.UIDSet
	err := c.long(c.view.box.Exists, func(ctx context.Context) (err error) {
		gone, err = c.view.account.Expunge(ctx, c.view.box.ID)
		return err
	})
	if err != nil {
		return c.view.lost(err)
	}
	return c.expunged(len(gone) > 0, "")
}

// expunged tells the view's news and answers, with HIGHESTMODSEQ when the client
// wants it (RFC 7162 §3.2.7); limited is the response code MESSAGELIMIT, or empty.
func (c *session) expunged(some bool, limited string) error {
	if err := c.news(); err != nil {
		return err
	}
	if some && c.selectedEvents() == 0 { // what the client did itself it is told
		if err := c.view.update(true); err != nil {
			return err
		}
	}
	code := ""
	if some && c.has(qresyncOn) {
		code = "HIGHESTMODSEQ " + string(wire.AppendUint(nil, c.view.box.Modseq))
	}
	c.tagged("OK", c.oneCode(code, limited), c.cmd.name+" completed")
	return nil
}
