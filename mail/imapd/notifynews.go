package imapd

import (
	"errors"
	"slices"
	"time"

	"atrium/mail"
	"atrium/mail/conn"
	"atrium/mail/imapd/wire"
	"atrium/storage"
)

// wake is where a session that waits for a command hears of news: nil when it asked for none.
func (c *session) wake() <-chan struct{} {
	if c.notify == nil {
		return nil
	}
	return c.notify.watch.C
}

// watchSelected watches the selected mailbox too where it is another account's. The function that it
// returns ends that.
func (c *session) watchSelected() func() {
	if c.view == nil || c.view.box.Owner == c.user.ID {
		return func() {}
	}
	return c.server.store.Storage().WatchWith(c.notify.watch, c.view.box.Owner, c.view.box.ID).Close
}

// waitNotify is Wait between two commands of a session that asked for news.
func (c *session) waitNotify(d time.Duration) error {
	if c.notify == nil {
		return c.Wait(nil, d)
	}
	defer c.watchSelected()()
	end := time.Now().Add(d)
	for {
		err := c.Wait(c.wake(), max(0, time.Until(end)))
		if !errors.Is(err, conn.Woken) {
			return err
		}
		if err := c.selectedNews(); err != nil {
			return err
		}
		if err := c.notifyNews(); err != nil {
			return err
		}
		if c.notify == nil {
			return c.Wait(nil, max(0, time.Until(end)))
		}
	}
}

// selectedNews tells between two commands what happened in the selected mailbox, as far as that was
// asked for (RFC 5465 §6.1, §6.2): with SELECTED-DELAYED nothing goes until a command allows it.
func (c *session) selectedNews() error {
	n := c.notify
	if n == nil || c.view == nil || n.selected == nil || n.selected.events&messageEvents == 0 {
		return nil
	}
	expunge := n.selected.filter == "SELECTED"
	if n.selected.events&flagChange != 0 {
		return c.view.update(expunge)
	}
	if err := c.view.sync(expunge); err != nil {
		return err
	}
	if expunge && len(c.view.gone) > 0 {
		c.view.writeGone()
	}
	return c.view.tellContexts()
}

// newMessages tells what was asked for of the messages from position from on, which came just now.
func (c *session) newMessages(from int) error {
	n := c.notify
	if n == nil || n.selected == nil || n.selected.fetch == nil {
		return nil
	}
	f := c.newFetch(n.selected.fetch)
	err := f.run([]span{{from, c.view.cur.Len()}})
	return errors.Join(err, f.end())
}

// maxShareWatches is how many accounts that share something a session watches.
const maxShareWatches = 1000

// mailboxes are those that some group may have.
func (n *notifying) mailboxes(c *session) ([]mail.Mailbox, error) {
	boxes, err := c.own.Mailboxes(c.Context())
	if err != nil || !n.others {
		return boxes, err
	}
	store := c.server.store.Storage()
	shares, err := store.Shared(c.Context(), c.user.ID)
	if err != nil {
		return nil, err
	}
	owners := map[storage.AccountID]bool{}
	for _, s := range shares {
		owners[s.Owner] = true
		if n.more[s.Owner] == nil && s.Owner != c.user.ID && len(n.more) < maxShareWatches {
			n.more[s.Owner] = store.WatchWith(n.watch, s.Owner, 0)
		}
	}
	for a, w := range n.more {
		if !owners[a] {
			w.Close()
			delete(n.more, a)
		}
	}
	shared, err := c.shared()
	return append(boxes, shared...), err
}

// look returns the mailboxes that matter as they are now, and takes up the subscriptions.
func (n *notifying) look(c *session) (map[boxKey]*knownBox, error) {
	boxes, err := n.mailboxes(c)
	if err != nil {
		return nil, err
	}
	subs, err := c.own.Subscriptions(c.Context())
	if err != nil {
		return nil, err
	}
	n.subscribed = make(map[string]bool, len(subs))
	for _, s := range subs {
		n.subscribed[s] = true
	}
	known := make(map[boxKey]*knownBox, len(boxes))
	for i := range boxes {
		m := &boxes[i]
		e := n.eventsOf(m.Name, m.Owner == c.user.ID)
		if !m.Has() || e == 0 {
			continue
		}
		if len(known) >= maxKnown || len(subs) > maxKnown {
			return nil, errOverflow
		}
		k := &knownBox{name: m.Name, events: e, uidNext: m.UIDNext, exists: m.Exists, modseq: m.Modseq, meta: m.Meta}
		key := boxKey{m.Owner, m.ID}
		if e&mailboxMetadataChange != 0 {
			k.entries = n.entries(c, key, k)
		}
		known[key] = k
	}
	return known, nil
}

var errOverflow = no("NOTIFICATIONOVERFLOW", "Too many mailboxes to tell of")

// eventsOf is what is wanted of a mailbox: what the first group says that has it (RFC 5465 §6).
func (n *notifying) eventsOf(name string, own bool) events {
	for i := range n.groups {
		if g := &n.groups[i]; g.has(name, own, n.subscribed) {
			return g.events
		}
	}
	return 0
}

// entries are a mailbox's metadata, as known when they cannot have changed.
func (n *notifying) entries(c *session, key boxKey, k *knownBox) map[string]uint64 {
	var before map[string]uint64
	if old := n.known[key]; old != nil {
		if before = old.entries; before != nil && old.meta == k.meta {
			return before
		}
	}
	a := c.server.store.Open(c.user.ID, key.owner)
	return c.changedEntries(a, key.id, k.name, before, before != nil)
}

// notifyNews tells what happened to the mailboxes that matter since they were looked at last.
func (c *session) notifyNews() error {
	n := c.notify
	if n == nil {
		return nil
	}
	before := n.subscribed
	now, err := n.look(c)
	if errors.Is(err, errOverflow) {
		c.untagged("OK [NOTIFICATIONOVERFLOW] Too many mailboxes to tell of")
		c.stopNotify()
		return nil
	}
	if err != nil {
		return err
	}
	c.tellNames(n, now)
	c.tellSubscriptions(n, before)
	var changed []*knownBox
	keys := map[*knownBox]boxKey{}
	for key, k := range now {
		old := n.known[key]
		if old == nil || k.modseq == old.modseq || k.events&messageEvents == 0 {
			continue
		}
		if c.view != nil && c.view.box.Owner == key.owner && c.view.box.ID == key.id {
			continue // the view tells it
		}
		if k.events&flagChange != 0 || k.uidNext != old.uidNext || k.exists != old.exists {
			changed, keys[k] = append(changed, k), key
		}
	}
	slices.SortFunc(changed, func(a, b *knownBox) int { return compareStrings(a.name, b.name) })
	for _, k := range changed {
		key := keys[k]
		m, err := c.server.store.Open(c.user.ID, key.owner).MailboxByID(c.Context(), key.id)
		if err == nil && m.Rights.Has(storage.Read) {
			c.writeStatus(k.name, m, c.newsItems(k.events))
			k.uidNext, k.exists, k.modseq = m.UIDNext, m.Exists, m.Modseq
		}
	}
	n.known = now
	c.tellServer(n)
	return nil
}

func compareStrings(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// tellNames tells which mailboxes came, went or have another name (RFC 5465 §5.4).
func (c *session) tellNames(n *notifying, now map[boxKey]*knownBox) {
	if n.events&mailboxName == 0 {
		return
	}
	type line struct{ name, old, attr string }
	var lines []line
	for key, k := range now {
		old := n.known[key]
		if k.events&mailboxName == 0 || old != nil && old.name == k.name {
			continue
		}
		l := line{name: k.name}
		if old != nil {
			l.old = old.name
		}
		lines = append(lines, l)
	}
	for key, old := range n.known {
		if old.events&mailboxName != 0 && now[key] == nil {
			lines = append(lines, line{name: old.name, attr: `\NonExistent`})
		}
	}
	slices.SortFunc(lines, func(a, b line) int { return compareStrings(a.name+"\x00"+b.attr, b.name+"\x00"+a.attr) })
	for _, l := range lines {
		b := append(c.AvailableBuffer(2048), "* LIST ("...)
		b = append(b, l.attr...)
		b = c.appendSubscribed(b, n, l.name, l.attr != "")
		b = append(b, ") \"/\" "...)
		b = wire.AppendMailbox(b, l.name, c.utf8Names())
		if l.old != "" {
			b = append(b, ` ("OLDNAME" (`...)
			b = append(wire.AppendMailbox(b, l.old, c.utf8Names()), "))"...)
		}
		c.Write(append(b, '\r', '\n'))
	}
}

func (c *session) appendSubscribed(b []byte, n *notifying, name string, after bool) []byte {
	if !n.subscribed[name] {
		return b
	}
	if after {
		b = append(b, ' ')
	}
	return append(b, `\Subscribed`...)
}

// tellSubscriptions tells which names came onto the list and went from it (RFC 5465 §5.5).
func (c *session) tellSubscriptions(n *notifying, before map[string]bool) {
	if n.events&subscriptionChange == 0 {
		return
	}
	var names []string
	for name := range n.subscribed {
		if !before[name] {
			names = append(names, name)
		}
	}
	for name := range before {
		if !n.subscribed[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		_, _, shared := cutShared(name)
		e := n.eventsOf(name, !shared)
		if before[name] && e == 0 { // it was there by being subscribed
			n.subscribed[name] = true
			e = n.eventsOf(name, !shared)
			delete(n.subscribed, name)
		}
		if e&subscriptionChange == 0 {
			continue
		}
		b := append(c.AvailableBuffer(2048), "* LIST ("...)
		b = c.appendSubscribed(b, n, name, false)
		b = append(b, ") \"/\" "...)
		b = wire.AppendMailbox(b, name, c.utf8Names())
		c.Write(append(b, '\r', '\n'))
	}
}

// tellServer tells which of the account's own metadata changed (RFC 5465 §5.7).
func (c *session) tellServer(n *notifying) {
	if n.events&serverMetadataChange == 0 {
		return
	}
	if at, err := c.own.Meta(c.Context()); err == nil && at != n.serverAt {
		n.server = c.changedEntries(c.own, 0, "", n.server, true)
		n.serverAt = at
	}
}
