package imapd

import (
	"errors"
	"slices"
	"strings"

	"atrium/mail"
	"atrium/mail/imapd/wire"
	"atrium/storage"
)

// multiSearch is ESEARCH: a search of many mailboxes at once. Its answers have UIDs only.
var multiSearch = extension{
	name: "MULTISEARCH", rfc: "RFC 7377", what: "SEARCH of many mailboxes at once",
	commands: []command{{"ESEARCH", loggedIn, breaks, (*session).multiSearch}},
}

// multiSearch handles ESEARCH (RFC 7377 §2).
func (c *session) multiSearch(r *wire.Reader) error {
	a := &searchArgs{c: c, multi: true}
	c.uid = true
	r.SP()
	var sources []eventGroup
	if r.TryWord("IN") {
		r.SP()
		sources = c.readSources(r)
		r.SP()
	}
	alone := len(sources) == 0 || len(sources) == 1 && sources[0].filter == "SELECTED"
	// The keys are read for no mailbox in particular: what is \Recent in the selected one means nothing elsewhere.
	real := c.view
	if !alone || real == nil {
		c.view = &view{c: c, account: c.own, box: mail.Mailbox{Owner: c.user.ID}}
		defer func() { c.view = real }()
	}
	c.readReturns(a, r)
	if !a.extended {
		a.extended, a.returns = true, map[string]bool{"ALL": true}
	}
	p := &searchParser{c: c, args: a}
	a.criteria = p.keys(r)
	if err := r.End(); err != nil {
		return err
	}
	if alone {
		if c.view = real; real == nil {
			return bad("No mailbox is selected")
		}
		return a.finish(p)
	}
	if err := a.check(p); err != nil {
		return err
	}
	if a.returns["SAVE"] {
		return bad("Only what is found in the selected mailbox can be saved") // RFC 7377 §2.2
	}
	if real == nil && (a.returns["UPDATE"] || slices.ContainsFunc(sources, eventGroup.selects)) {
		return bad("No mailbox is selected") // RFC 7377 §2.2
	}
	if a.returns["UPDATE"] && real.contextOf(c.tag) != nil {
		return bad("Tag reuse")
	}
	for _, late := range a.sets {
		if late.saved || !late.uid {
			return bad("Numbers mean messages of the selected mailbox alone")
		}
	}
	if err := a.all(sources, real); err != nil {
		return err
	}
	c.view = real
	return c.done("")
}

func (g eventGroup) selects() bool { return g.filter == "SELECTED" }

// readSources reads "(" source-mbox ")" (RFC 7377 §3). There are no scope options.
func (c *session) readSources(r *wire.Reader) []eventGroup {
	p := notifyParser{c: c, r: r}
	var list []eventGroup
	r.List(func() {
		var g eventGroup
		switch g.filter = r.Keyword(); g.filter {
		case "SELECTED", "INBOXES", "PERSONAL", "SUBSCRIBED":
		case "SUBTREE", "SUBTREE-ONE", "MAILBOXES":
			r.SP()
			p.mailboxes(&g)
		default:
			r.Fail("Unknown source %s", g.filter)
		}
		if list = append(list, g); len(list) > maxGroups {
			r.Limit("Too many sources")
		}
	})
	if len(list) == 0 {
		r.Fail("No sources")
	}
	return list
}

// all searches the mailboxes of the sources, each once. Those that are not there, or may not be read, are
// passed over, and those in which nothing is found are not told (RFC 7377 §2.1).
func (a *searchArgs) all(sources []eventGroup, selected *view) error {
	c := a.c
	boxes, err := c.sourceBoxes(sources, selected)
	if err != nil {
		return err
	}
	subs, err := c.own.Subscriptions(c.Context())
	if err != nil {
		return err
	}
	subscribed := make(map[string]bool, len(subs))
	for _, s := range subs {
		subscribed[s] = true
	}
	for i := range boxes {
		m := &boxes[i]
		if !m.Has() || !m.Rights.Has(storage.Read) {
			continue
		}
		here := selected.is(m)
		in := func(g eventGroup) bool {
			return g.selects() && here || g.has(m.Name, m.Owner == c.user.ID, subscribed)
		}
		if !slices.ContainsFunc(sources, in) {
			continue
		}
		if here && a.returns["UPDATE"] {
			err = a.oneFollowed(selected)
		} else {
			err = a.one(m)
		}
		if err != nil && !errors.Is(err, storage.NotFound) && !errors.Is(err, storage.Forbidden) && !errors.Is(err, errGone) {
			return err
		}
		if !c.Alive() {
			return errGone
		}
	}
	return nil
}

// is tells whether a view is of a mailbox; a nil one is not.
func (v *view) is(m *mail.Mailbox) bool {
	return v != nil && v.box.Owner == m.Owner && v.box.ID == m.ID
}

// oneFollowed searches the selected mailbox, the only one whose result is kept up to date (RFC 7377 §2.2).
func (a *searchArgs) oneFollowed(selected *view) error {
	own := *a
	own.mailbox, own.c.view = "", selected
	if err := own.begin(); err != nil {
		return err
	}
	res, err := own.run()
	if err != nil {
		return err
	}
	own.writeExtended(&res)
	own.follow(&res)
	return nil
}

// one searches one mailbox through a view of its own.
func (a *searchArgs) one(m *mail.Mailbox) error {
	account := a.c.server.store.Open(a.c.user.ID, m.Owner)
	s, err := account.Snapshot(a.c.Context(), m.ID)
	if err != nil || s.Len() == 0 {
		return err
	}
	a.c.view = &view{c: a.c, account: account, box: s.Mailbox, cur: s, readOnly: true}
	res, err := a.run()
	if err == nil {
		a.mailbox = m.Name
		a.writeExtended(&res)
	}
	return err
}

// sourceBoxes are the mailboxes among which the sources choose. One that is named need not be one that LIST shows: the
// right to read it is enough (RFC 7377 §2.2).
func (c *session) sourceBoxes(sources []eventGroup, selected *view) ([]mail.Mailbox, error) {
	boxes, err := c.own.Mailboxes(c.Context())
	if err != nil {
		return nil, err
	}
	others := false
	var named []mail.Mailbox
	for _, g := range sources {
		others = others || g.filter == "SUBSCRIBED"
		if g.selects() && selected.box.Owner != c.user.ID {
			m := selected.box
			m.Name = c.nameOf(selected.account, m.Name)
			named = append(named, m)
		}
		for _, name := range g.names {
			if name != mail.Shared && !strings.HasPrefix(name, mail.Shared+"/") {
				continue
			}
			others = others || g.filter != "MAILBOXES"
			if _, m, err := c.mailbox(name, storage.Read); err == nil {
				m.Name = name
				named = append(named, *m)
			}
		}
	}
	if others {
		shared, err := c.shared()
		if err != nil {
			return nil, err
		}
		boxes = append(boxes, shared...)
	}
	for i := range named {
		same := func(m mail.Mailbox) bool { return m.Owner == named[i].Owner && m.ID == named[i].ID }
		if !slices.ContainsFunc(boxes, same) {
			boxes = append(boxes, named[i])
		}
	}
	return boxes, nil
}

// appendSource says which mailbox an answer is about (RFC 7377 §2.1).
func (a *searchArgs) appendSource(b []byte) []byte {
	v := a.c.view
	name := a.mailbox
	if name == "" {
		name = a.c.nameOf(v.account, v.box.Name)
	}
	b = wire.AppendMailbox(append(b, " MAILBOX "...), name, a.c.utf8Names())
	return wire.AppendUint(append(b, " UIDVALIDITY "...), uint64(v.box.UIDValidity))
}
