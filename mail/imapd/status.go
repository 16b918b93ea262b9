package imapd

import (
	"atrium/mail"
	"atrium/mail/imapd/wire"
	"atrium/storage"
)

// statusOf is what STATUS looks at.
type statusOf = mail.Mailbox

// statusNumber makes a statusItem of a number.
func statusNumber(get func(*statusOf) uint64) statusItem {
	return func(_ *session, b []byte, m *mail.Mailbox) []byte { return wire.AppendUint(b, get(m)) }
}

// statusRecent is RECENT: messages that no session has claimed yet, an estimate by UIDs.
func statusRecent(c *session, b []byte, m *mail.Mailbox) []byte {
	from := c.server.claimRecent(c.Context(), m.Owner, m.ID, m.UIDNext, true)
	return wire.AppendUint(b, uint64(min(int(m.UIDNext-from), m.Exists)))
}

// status handles STATUS (RFC 9051 §6.3.11).
func (c *session) status(r *wire.Reader) error {
	r.SP()
	name := r.Mailbox()
	r.SP()
	items := c.readStatusItems(r)
	if err := r.End(); err != nil {
		return err
	}
	_, m, err := c.mailbox(name, storage.Read)
	if err != nil {
		return err
	}
	if !m.Has() {
		return no("NONEXISTENT", "No such mailbox")
	}
	c.writeStatus(name, m, items)
	return c.done("")
}

// readStatusItems reads the list of what STATUS asks for.
func (c *session) readStatusItems(r *wire.Reader) []string {
	var items []string
	r.List(func() {
		name := r.Keyword()
		if c.server.reg.statusItems[name] == nil || name == "RECENT" && c.has(rev2On) {
			r.Fail("Unknown STATUS item %s", name)
		}
		if name == "HIGHESTMODSEQ" {
			c.enableCondstore()
		}
		items = append(items, name)
	})
	if len(items) == 0 {
		r.Fail("STATUS of nothing")
	}
	return items
}

func (c *session) writeStatus(name string, m *mail.Mailbox, items []string) {
	b := append(c.AvailableBuffer(1024), "* STATUS "...)
	b = wire.AppendMailbox(b, name, c.utf8Names())
	b = append(b, ' ', '(')
	for i, item := range items {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(append(b, item...), ' ')
		b = c.server.reg.statusItems[item](c, b, m)
	}
	c.Write(append(b, ')', '\r', '\n'))
}
