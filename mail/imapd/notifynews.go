package imapd

import (
	"errors"
	"slices"
	"time"

	"atrium/mail"
	"atrium/mail/conn"
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

// selectedEvents is what is to be told of the selected mailbox unasked: all, as long as NOTIFY was not used.
func (c *session) selectedEvents() events {
	switch n := c.notify; {
	case !c.asked:
		return messageEvents
	case n == nil || n.selected == nil:
		return 0
	default:
		return n.selected.events & messageEvents
	}
}

// tellSelected tells what happened in the selected mailbox, as far as that is wanted.
func (c *session) tellSelected(expunge bool) error {
	v := c.view
	switch e := c.selectedEvents(); {
	case e == 0:
		return nil
	case e&flagChange != 0:
		return v.update(expunge)
	}
	if err := v.sync(expunge); err != nil {
		return err
	}
	if expunge && len(v.gone) > 0 {
		v.writeGone()
	}
	return v.tellContexts()
}

// selectedNews tells between two commands what happened in the selected mailbox (RFC 5465 §6.1): with
// SELECTED-DELAYED nothing goes until a command allows it.
func (c *session) selectedNews() error {
	if c.notify == nil || c.view == nil || c.notify.selected == nil {
		return nil
	}
	return c.tellSelected(c.notify.selected.filter == "SELECTED")
}

// newMessages tells what was asked for of the messages from position from on, which came just now and not
// from this session (RFC 5465 §5.2).
func (c *session) newMessages(from int) error {
	v := c.view
	mine := v.mine
	v.mine = nil
	if c.notify == nil || c.notify.selected == nil || c.notify.selected.fetch == nil {
		return nil
	}
	spans := v.only([]span{{from, v.cur.Len()}}, func(m mail.Message) bool { return !mine.Contains(m.UID) })
	f := c.newFetch(c.notify.selected.fetch)
	err := f.run(spans)
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

// look returns the mailboxes that matter as they are now, and all that there are. It takes up the subscriptions.
func (n *notifying) look(c *session) (known map[boxKey]*knownBox, boxes []mail.Mailbox, err error) {
	if boxes, err = n.mailboxes(c); err != nil {
		return nil, nil, err
	}
	subs, err := c.own.Subscriptions(c.Context())
	if err != nil {
		return nil, nil, err
	}
	n.subscribed = make(map[string]bool, len(subs))
	for _, s := range subs {
		n.subscribed[s] = true
	}
	known = make(map[boxKey]*knownBox, len(boxes))
	for i := range boxes {
		m := &boxes[i]
		e := n.eventsOf(m.Name, m.Owner == c.user.ID)
		if !m.Has() || e == 0 {
			continue
		}
		if len(known) >= maxKnown || len(subs) > maxKnown {
			return nil, nil, errOverflow
		}
		k := &knownBox{name: m.Name, events: e, uidNext: m.UIDNext, exists: m.Exists, modseq: m.Modseq, meta: m.Meta}
		key := boxKey{m.Owner, m.ID}
		if e&mailboxMetadataChange != 0 {
			k.entries = n.entries(c, key, k)
		}
		known[key] = k
	}
	return known, boxes, nil
}

var errOverflow = no("NOTIFICATIONOVERFLOW", "Too many mailboxes to tell of")

// eventsOf is what is wanted of a mailbox: what all groups together want that have it, nothing where one says
// NONE (RFC 5465 §6, §8).
func (n *notifying) eventsOf(name string, own bool) (e events) {
	for i := range n.groups {
		if g := &n.groups[i]; g.has(name, own, n.subscribed) {
			if g.events == 0 {
				return 0
			}
			e |= g.events
		}
	}
	return e
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
	now, boxes, err := n.look(c)
	if errors.Is(err, errOverflow) {
		c.untagged("OK [NOTIFICATIONOVERFLOW] Too many mailboxes to tell of")
		c.stopNotify()
		return nil
	}
	if err != nil {
		return err
	}
	c.tellNames(n, now, boxes)
	c.tellSubscriptions(n, before, boxes)
	var changed []*knownBox
	keys := map[*knownBox]boxKey{}
	for key, k := range now {
		old := n.known[key]
		if k.events&messageEvents == 0 || old != nil && k.modseq == old.modseq || old == nil && !k.news() {
			continue
		}
		if c.view != nil && c.view.box.Owner == key.owner && c.view.box.ID == key.id {
			continue // the view tells it
		}
		if old == nil || k.events&flagChange != 0 || k.uidNext != old.uidNext || k.exists != old.exists {
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

// news tells whether a mailbox that was not there has more to tell than its name: messages that came with it, and to
// those who hear of changed flags its UIDVALIDITY, for another may have had that name (RFC 5465 §5.1).
func (k *knownBox) news() bool { return k.events&flagChange != 0 || k.exists > 0 || k.uidNext > 1 }

func compareStrings(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
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
