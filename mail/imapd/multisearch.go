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
	if a.returns["UPDATE"] {
		return bad("Only what is found in the selected mailbox can be kept up to date")
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
	boxes, err := c.sourceBoxes(sources)
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
		in := func(g eventGroup) bool {
			if g.filter == "SELECTED" {
				return selected != nil && selected.box.Owner == m.Owner && selected.box.ID == m.ID
			}
			return g.has(m.Name, m.Owner == c.user.ID, subscribed)
		}
		if !slices.ContainsFunc(sources, in) {
			continue
		}
		if err := a.one(m); err != nil && !errors.Is(err, storage.NotFound) && !errors.Is(err, storage.Forbidden) && !errors.Is(err, errGone) {
			return err
		}
		if !c.Alive() {
			return errGone
		}
	}
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
	if err == nil && res.count > 0 {
		a.mailbox = m.Name
		a.writeExtended(&res)
	}
	return err
}

// sourceBoxes are the mailboxes among which the sources choose.
func (c *session) sourceBoxes(sources []eventGroup) ([]mail.Mailbox, error) {
	boxes, err := c.own.Mailboxes(c.Context())
	others := slices.ContainsFunc(sources, func(g eventGroup) bool {
		return g.filter == "SUBSCRIBED" || g.filter == "SELECTED" || slices.ContainsFunc(g.names, func(name string) bool {
			return name == mail.Shared || strings.HasPrefix(name, mail.Shared+"/")
		})
	})
	if err != nil || !others {
		return boxes, err
	}
	shared, err := c.shared()
	return append(boxes, shared...), err
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
