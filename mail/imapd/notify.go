package imapd

import (
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/imapd/wire"
	"atrium/storage"
)

// notify is RFC 5465: what happens in mailboxes that are not selected, and in the selected
// one without IDLE. notifynews.go tells it.
//
// Between two commands a session that has asked for news waits for them as well as for the next command. Once
// NOTIFY was used nothing is told unasked that was not asked for, of the selected mailbox neither (§3.1). What the
// session itself did to other mailboxes is no news to it (§5; notifyown.go).
var notify = extension{
	name: "NOTIFY", rfc: "RFC 5465", what: "News of all mailboxes as they happen",
	commands: []command{{"NOTIFY", loggedIn, breaks, (*session).notifyCommand}},
}

// events is a set of events.
type events byte

const (
	messageNew events = 1 << iota
	messageExpunge
	flagChange
	mailboxName
	subscriptionChange
	mailboxMetadataChange
	serverMetadataChange

	messageEvents = messageNew | messageExpunge | flagChange
)

// eventNames are the events that can be asked for.
var eventNames = []struct {
	name  string
	event events
}{
	{"MessageNew", messageNew}, {"MessageExpunge", messageExpunge}, {"FlagChange", flagChange},
	{"MailboxName", mailboxName}, {"SubscriptionChange", subscriptionChange},
	{"MailboxMetadataChange", mailboxMetadataChange}, {"ServerMetadataChange", serverMetadataChange},
}

// eventGroup is what is wanted of some mailboxes.
type eventGroup struct {
	filter string   // SELECTED, SUBTREE, …
	names  []string // of SUBTREE and MAILBOXES
	events events
	fetch  *fetchArgs // what to tell of new messages in the selected mailbox; may be nil
}

// maxGroups and maxFilterNames bound what a client may ask for.
const (
	maxGroups      = 100
	maxFilterNames = 1000
)

// notifyCommand handles NOTIFY (RFC 5465 §3).
func (c *session) notifyCommand(r *wire.Reader) error {
	r.SP()
	switch word := r.Keyword(); word {
	case "NONE":
		if err := r.End(); err != nil {
			return err
		}
		if err := c.catchUp(); err != nil {
			return err
		}
		c.stopNotify()
		c.asked = true
		return c.done("")
	case "SET":
	default:
		r.Fail("Expected SET or NONE")
	}
	r.SP()
	status := r.TryWord("STATUS")
	if status {
		r.SP()
	}
	p := notifyParser{c: c, r: r}
	for {
		p.group()
		if r.Err() != nil || !r.Try(' ') || r.AtEnd() {
			break
		}
	}
	if err := r.End(); err != nil {
		return err
	}
	if p.unknown {
		names := make([]string, len(eventNames))
		for i := range eventNames {
			names[i] = eventNames[i].name
		}
		return no("BADEVENT ("+strings.Join(names, " ")+")", "Not all of these events can be told")
	}
	if err := c.catchUp(); err != nil {
		return err
	}
	if err := c.startNotify(p.groups, status); err != nil {
		return err
	}
	return c.done("")
}

type notifyParser struct {
	c       *session
	r       *wire.Reader
	groups  []eventGroup
	names   int
	unknown bool // there is an event that is not known
}

// group reads "(" filter SP events ")".
func (p *notifyParser) group() {
	r := p.r
	var g eventGroup
	r.Take('(')
	switch g.filter = r.Keyword(); g.filter {
	case "SELECTED", "SELECTED-DELAYED":
		for i := range p.groups {
			if p.groups[i].ofSelected() {
				r.Fail("The selected mailbox is named twice")
			}
		}
	case "INBOXES", "PERSONAL", "SUBSCRIBED":
	case "SUBTREE", "MAILBOXES":
		r.SP()
		p.mailboxes(&g)
	default:
		r.Fail("Unknown filter of mailboxes %s", g.filter)
	}
	r.SP()
	if !r.TryWord("NONE") {
		r.List(func() { p.event(&g) })
	}
	r.Take(')')
	switch pair := g.events & (messageNew | messageExpunge); {
	case pair != 0 && pair != messageNew|messageExpunge:
		r.Fail("MessageNew and MessageExpunge belong together") // RFC 5465 §5
	case g.events&flagChange != 0 && pair == 0:
		r.Fail("FlagChange needs MessageNew and MessageExpunge")
	case g.ofSelected() && g.events&^messageEvents != 0:
		r.Fail("The selected mailbox has only events of messages")
	}
	if len(p.groups) >= maxGroups {
		r.Limit("Too many groups of events")
	}
	p.groups = append(p.groups, g)
}

func (p *notifyParser) mailboxes(g *eventGroup) {
	one := func() {
		if p.names++; p.names > maxFilterNames {
			p.r.Limit("Too many mailboxes")
		}
		g.names = append(g.names, p.c.canonical(p.r.Mailbox()))
	}
	if p.r.Peek() != '(' {
		one()
		return
	}
	p.r.List(one)
}

func (p *notifyParser) event(g *eventGroup) {
	r := p.r
	word := r.Keyword()
	i := slices.IndexFunc(eventNames, func(e struct {
		name  string
		event events
	}) bool {
		return strings.EqualFold(e.name, word)
	})
	if i < 0 || eventNames[i].event&(mailboxMetadataChange|serverMetadataChange) != 0 && !p.c.server.reg.has("METADATA") {
		p.unknown = true
		return
	}
	g.events |= eventNames[i].event
	if eventNames[i].event != messageNew || !r.Ahead(" (") {
		return
	}
	if !g.ofSelected() {
		r.Fail("Only the selected mailbox can have items of FETCH") // RFC 5465 §5.2
		return
	}
	r.SP()
	g.fetch = &fetchArgs{}
	r.List(func() { p.c.addItem(g.fetch, r, r.Item()) })
}

func (g *eventGroup) ofSelected() bool { return strings.HasPrefix(g.filter, "SELECTED") }

// has tells whether a mailbox that is not selected belongs to a group.
func (g *eventGroup) has(name string, own bool, subscribed map[string]bool) bool {
	switch g.filter {
	case "INBOXES", "PERSONAL": // a user's rules may deliver into any mailbox (§6.3)
		return own
	case "SUBSCRIBED":
		return subscribed[name]
	case "MAILBOXES":
		return slices.Contains(g.names, name)
	case "SUBTREE-ONE": // RFC 7377 §2.2
		return slices.ContainsFunc(g.names, func(top string) bool {
			rest, below := strings.CutPrefix(name, top+"/")
			return name == top || below && !strings.Contains(rest, "/")
		})
	case "SUBTREE":
		return slices.ContainsFunc(g.names, func(top string) bool { return name == top || strings.HasPrefix(name, top+"/") })
	}
	return false
}

// notifying is what a session wants to be told, and what it was told.
type notifying struct {
	groups   []eventGroup
	selected *eventGroup // of groups; nil: there is none
	others   bool        // some group may have others' mailboxes
	events   events      // of all groups
	watch    *storage.Watch
	more     map[storage.AccountID]*storage.Watch // of those who share

	known      map[boxKey]*knownBox
	subscribed map[string]bool
	server     map[string]uint64 // entries of metadata, hashed
	serverAt   uint64
}

// knownBox is a mailbox as it was told.
type knownBox struct {
	name    string
	events  events // of the groups that have it
	uidNext imap.UID
	exists  int
	modseq  uint64
	meta    uint64
	entries map[string]uint64
}

// maxKnown bounds the mailboxes that a session is told of.
const maxKnown = 20000

// catchUp tells all that happened in the selected mailbox, as NOTIFY does before it changes what is told (§3.1).
func (c *session) catchUp() error {
	if c.view == nil || c.selectedEvents() == 0 {
		return nil
	}
	return c.view.update(true)
}

// startNotify puts new groups in the place of those before, which stay where it fails.
func (c *session) startNotify(groups []eventGroup, status bool) error {
	n := &notifying{groups: groups, more: map[storage.AccountID]*storage.Watch{}}
	for i := range groups {
		g := &groups[i]
		n.events |= g.events
		if g.ofSelected() {
			n.selected = g
		}
		n.others = n.others || g.filter == "SUBSCRIBED" ||
			slices.ContainsFunc(g.names, func(s string) bool { _, _, ok := cutShared(s); return ok })
	}
	store := c.server.store.Storage()
	n.watch = store.Watch(c.user.ID, 0)
	known, boxes, err := n.look(c)
	if err == nil && n.events&serverMetadataChange != 0 {
		if n.serverAt, err = c.own.Meta(c.Context()); err == nil {
			n.server = c.changedEntries(c.own, 0, "", nil, false)
		}
	}
	if err != nil {
		n.close()
		return err
	}
	n.known = known
	c.stopNotify()
	c.notify, c.asked = n, true
	c.tellNoAccess(boxes)
	if status {
		c.notifyStatus(boxes)
	}
	return nil
}

// tellNoAccess tells the mailboxes that were asked for and may be listed but not read (§3.1).
func (c *session) tellNoAccess(boxes []mail.Mailbox) {
	n := c.notify
	for i := range boxes {
		m := &boxes[i]
		if m.Has() && !m.Rights.Has(storage.Read) && n.eventsOf(m.Name, m.Owner == c.user.ID) != 0 {
			c.writeNotified(boxes, m.Name, "", `\NoAccess`)
		}
	}
}

// stopNotify forgets what was asked for.
func (c *session) stopNotify() {
	n := c.notify
	if n == nil {
		return
	}
	n.close()
	c.notify = nil
}

func (n *notifying) close() {
	n.watch.Close()
	for _, w := range n.more {
		w.Close()
	}
}

// notifyStatus tells the STATUS of all mailboxes whose messages matter (RFC 5465 §3.1).
func (c *session) notifyStatus(boxes []mail.Mailbox) {
	for i := range boxes {
		m := &boxes[i]
		k := c.notify.known[boxKey{m.Owner, m.ID}]
		if k != nil && k.events&messageEvents != 0 && m.Rights.Has(storage.Read) && !c.isSelected(m) {
			c.writeStatus(m.Name, m, c.newsItems(k.events))
		}
	}
}

// newsItems is what a STATUS about news has.
func (c *session) newsItems(e events) []string {
	items := []string{"MESSAGES", "UIDNEXT", "UIDVALIDITY", "UNSEEN"}
	if c.server.reg.has("CONDSTORE") && (e&flagChange != 0 || c.has(condstoreOn)) {
		items = append(items, "HIGHESTMODSEQ")
	}
	return items
}

func (c *session) isSelected(m *mail.Mailbox) bool {
	return c.view != nil && c.view.box.Owner == m.Owner && c.view.box.ID == m.ID
}
