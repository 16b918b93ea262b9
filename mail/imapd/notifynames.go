package imapd

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"atrium/mail"
	"atrium/mail/imapd/wire"
)

// tellNames tells which mailboxes came, went or have another name (RFC 5465 §5.4). What comes and goes touches the
// mailbox above it, which is told too; of the names below one that was renamed nothing is.
func (c *session) tellNames(n *notifying, now map[boxKey]*knownBox, boxes []mail.Mailbox) {
	if n.events&mailboxName == 0 {
		return
	}
	names := map[string]string{} // and what they were before
	came := func(name string) {
		names[name] = ""
		i := strings.LastIndexByte(name, '/')
		if i < 0 {
			return
		}
		_, _, shared := cutShared(name)
		if above := name[:i]; n.eventsOf(above, !shared)&mailboxName != 0 {
			names[above] = ""
		}
	}
	renamed := map[string]string{}
	for key, k := range now {
		switch old := n.known[key]; {
		case k.events&mailboxName == 0 || old != nil && old.name == k.name:
		case old == nil:
			came(k.name)
		default:
			renamed[old.name] = k.name
		}
	}
	for key, old := range n.known {
		if old.events&mailboxName != 0 && now[key] == nil {
			came(old.name)
		}
	}
	for old, name := range renamed {
		if !movedAlong(renamed, old, name) {
			names[name] = old
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		c.writeNotified(boxes, name, names[name], "")
	}
}

// movedAlong tells whether a name above old was renamed so that old became name.
func movedAlong(renamed map[string]string, old, name string) bool {
	for i := strings.LastIndexByte(old, '/'); i > 0; i = strings.LastIndexByte(old[:i], '/') {
		if to, ok := renamed[old[:i]]; ok && to+old[i:] == name {
			return true
		}
	}
	return false
}

// writeNotified tells a name as LIST would (RFC 5465 §5.4, §5.5), with its name before and one more attribute where
// these are not empty.
func (c *session) writeNotified(boxes []mail.Mailbox, name, old, attr string) {
	l := listed{name: name, subscribed: c.notify.subscribed[name]}
	if i := slices.IndexFunc(boxes, func(m mail.Mailbox) bool { return m.Name == name }); i >= 0 {
		l.Mailbox = &boxes[i]
	}
	b := append(c.AvailableBuffer(2048), "* LIST ("...)
	if attr != "" {
		b = append(append(b, attr...), ' ')
	}
	b = c.appendAttrs(b, &listArgs{c: c, subscribed: true}, &l)
	b = append(bytes.TrimSuffix(b, []byte{' '}), ") \"/\" "...)
	b = wire.AppendMailbox(b, name, c.utf8Names())
	if old != "" {
		b = append(b, ` ("OLDNAME" (`...)
		b = append(wire.AppendMailbox(b, old, c.utf8Names()), "))"...)
	}
	c.Write(append(b, '\r', '\n'))
}

// tellSubscriptions tells which names came onto the list and went from it (RFC 5465 §5.5).
func (c *session) tellSubscriptions(n *notifying, before map[string]bool, boxes []mail.Mailbox) {
	if n.events&subscriptionChange == 0 {
		return
	}
	changed := map[string]bool{}
	for name := range n.subscribed {
		changed[name] = !before[name]
	}
	for name := range before {
		changed[name] = !n.subscribed[name]
	}
	for _, name := range slices.Sorted(maps.Keys(changed)) {
		if !changed[name] {
			continue
		}
		_, _, shared := cutShared(name)
		e := n.eventsOf(name, !shared)
		if before[name] && e == 0 { // it was there by being subscribed
			n.subscribed[name] = true
			e = n.eventsOf(name, !shared)
			delete(n.subscribed, name)
		}
		if e&subscriptionChange != 0 {
			c.writeNotified(boxes, name, "", "")
		}
	}
}
