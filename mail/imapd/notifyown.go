package imapd

import (
	"strings"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/storage"
)

// What a session did itself is no news to it (RFC 5465 §5). It is taken up after the command, name by name and
// message by message, so that what others did meanwhile is still told.

// ownNames takes up the names that a command of the session made, removed, renamed or subscribed to: those
// given and all below them.
func (c *session) ownNames(tops ...string) {
	n := c.notify
	if n == nil {
		return
	}
	mine := func(name string) bool {
		for _, top := range tops {
			if name == top || strings.HasPrefix(name, top+"/") {
				return true
			}
		}
		return false
	}
	before := n.subscribed
	now, _, err := n.look(c)
	if err != nil {
		n.subscribed = before
		return
	}
	subs := n.subscribed
	n.subscribed = map[string]bool{}
	for name := range before {
		if !mine(name) {
			n.subscribed[name] = true
		}
	}
	for name := range subs {
		if mine(name) {
			n.subscribed[name] = true
		}
	}
	for key, k := range now {
		old := n.known[key]
		if old != nil {
			old.entries, old.meta = k.entries, k.meta // look told them
		}
		switch {
		case !mine(k.name) && (old == nil || !mine(old.name)):
		case old == nil:
			n.known[key] = k
		default:
			old.name, old.events = k.name, k.events
		}
	}
	for key, old := range n.known {
		if now[key] == nil && mine(old.name) {
			delete(n.known, key)
		}
	}
}

// ownMessages takes up messages that a command of the session put into a mailbox.
func (c *session) ownMessages(owner storage.AccountID, id mail.ID, uids imap.UIDSet) {
	n := c.notify
	if n == nil || len(uids) == 0 {
		return
	}
	if v := c.view; v != nil && v.box.Owner == owner && v.box.ID == id {
		v.mine = append(v.mine, uids...)
		return
	}
	k := n.known[boxKey{owner, id}]
	if k == nil {
		return
	}
	count := 0
	for _, r := range uids {
		count += int(r.Stop-r.Start) + 1
	}
	a := c.server.store.Open(c.user.ID, owner)
	m, err := a.MailboxByID(c.Context(), id)
	if err != nil {
		return
	}
	ch, err := a.Changes(c.Context(), id, k.modseq, 2*count)
	if err != nil || ch.More || len(ch.Vanished)+len(ch.Passed) > 0 || len(ch.Changed) != count {
		return // there is more to tell
	}
	for _, uid := range ch.Changed {
		if !uids.Contains(uid) {
			return
		}
	}
	k.uidNext, k.exists, k.modseq = m.UIDNext, m.Exists, m.Modseq
}

// ownEntries takes up metadata that the session set, of the account with id 0.
func (n *notifying) ownEntries(owner storage.AccountID, id mail.ID, changes []mail.Metadata) {
	if n == nil {
		return
	}
	if id == 0 {
		noteEntries(n.server, changes)
	} else if k := n.known[boxKey{owner, id}]; k != nil {
		noteEntries(k.entries, changes)
	}
}
