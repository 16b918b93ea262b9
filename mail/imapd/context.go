package imapd

import (
	"context"
	"errors"
	"slices"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/imapd/wire"
)

// contextSearch lets a client hear what comes to the result of a search and goes from it.
// CONTEXT itself is only a hint, and PARTIAL is that of RFC 9394.
var contextSearch = extension{
	name: "CONTEXT=SEARCH", rfc: "RFC 5267", what: "News of what a SEARCH has found",
	caps: func(c *session) []imap.Cap {
		if reg := c.server.reg; !reg.has("ESEARCH") || !reg.has("PARTIAL") {
			return nil
		}
		return []imap.Cap{"CONTEXT=SEARCH"}
	},
	commands:      []command{{"CANCELUPDATE", selected, breaks, (*session).cancelUpdate}},
	searchReturns: map[string]func(*searchArgs, *wire.Reader){"CONTEXT": asked, "UPDATE": readUpdate},
}

// contextSort is looked at by sort.
var contextSort = extension{
	name: "CONTEXT=SORT", rfc: "RFC 5267", what: "News of what a SORT has found, with places",
	caps: func(c *session) []imap.Cap {
		if reg := c.server.reg; !reg.has("CONTEXT=SEARCH") || !reg.has("ESORT") || !reg.has("SORT") || !reg.has("PARTIAL") {
			return nil
		}
		return []imap.Cap{"CONTEXT=SORT"}
	},
}

// searchContext is a search whose client hears of changes of the result, as long as the mailbox is selected.
type searchContext struct {
	tag  string
	uid  bool        // the client is told UIDs, not numbers
	args *searchArgs // what it looks for
	uids wire.Set    // UIDs of the result as the client knows it, in its order
	next imap.UID    // messages from here on are new
}

// readUpdate reads what follows UPDATE: items of FETCH that new messages are to be told with (RFC 5465 §7).
func readUpdate(a *searchArgs, r *wire.Reader) {
	if !a.c.server.reg.has("NOTIFY") || r.Peek() != '(' && !r.Ahead(" (") {
		return
	}
	r.Try(' ')
	a.fetch = &fetchArgs{}
	r.List(func() { a.c.addItem(a.fetch, r, r.Item()) })
}

// cancelUpdate handles CANCELUPDATE (RFC 5267 §4.3.5).
func (c *session) cancelUpdate(r *wire.Reader) error {
	var tags []string
	for {
		r.SP()
		tags = append(tags, r.AString())
		if r.AtEnd() || len(tags) > r.Limits.List {
			break
		}
	}
	if err := r.End(); err != nil {
		return err
	}
	v := c.view
	for _, tag := range tags {
		if v.contextOf(tag) == nil {
			return bad("No search with that tag is kept up to date")
		}
	}
	v.contexts = slices.DeleteFunc(v.contexts, func(x *searchContext) bool { return slices.Contains(tags, x.tag) })
	if len(v.contexts) == 0 {
		v.dirty = nil
	}
	return c.done("")
}

func (v *view) contextOf(tag string) *searchContext {
	for _, x := range v.contexts {
		if x.tag == tag {
			return x
		}
	}
	return nil
}

// checkUpdate refuses what cannot be a context.
func (a *searchArgs) checkUpdate() error {
	switch v := a.c.view; {
	case len(a.sort) > 0 && (a.returns["UPDATE"] || a.returns["CONTEXT"]) && !a.c.server.reg.has("CONTEXT=SORT"):
		return bad("Unknown return option")
	case !a.returns["UPDATE"]:
		return nil
	case v.contextOf(a.c.tag) != nil:
		return bad("Tag reuse") // RFC 5267 §4.3
	}
	return nil
}

// follow makes a context of a search that was answered, or says that it does not (RFC 5267 §4.3.1).
func (a *searchArgs) follow(res *found) {
	v := a.c.view
	why := ""
	switch {
	case len(v.contexts) >= a.c.server.cfg.MaxContexts:
		why = "Too many contexts"
	case len(a.sort) > 0 && a.ranked():
		why = "Relevancy is not followed"
	case a.ageing:
		why = "The passing of time is not followed"
	}
	if why != "" {
		b := append(a.c.AvailableBuffer(256), "* NO [NOUPDATE "...)
		b = append(wire.AppendString(b, a.c.tag, false), "] "...)
		a.c.Write(append(append(b, why...), '\r', '\n'))
		return
	}
	// Numbers mean what they meant now; "*" among UIDs goes with the mailbox.
	a.sets = slices.DeleteFunc(a.sets, func(late lateSet) bool { return late.saved || !late.uid })
	a.scores, a.bounded = nil, false
	v.contexts = append(v.contexts, &searchContext{tag: a.c.tag, uid: a.c.uid, args: a, uids: slices.Clone(res.uids), next: v.box.UIDNext})
}

// note takes up what happened in the mailbox, for the contexts: what went is told at once, while numbers still mean
// it; what came or changed when the client has heard of that.
func (v *view) note(gone, changed []imap.UID, next imap.UID) error {
	if len(v.contexts) == 0 {
		return nil
	}
	v.dirty = merge(without(v.dirty, gone), changed)
	pos, _ := v.cur.Find(next)
	for _, m := range v.cur.Messages(pos, v.cur.Len()) {
		v.dirty = append(v.dirty, m.UID)
	}
	if len(gone) == 0 {
		return nil
	}
	for _, x := range v.contexts {
		if err := x.change(v, x.having(gone), nil); err != nil {
			return err
		}
	}
	return nil
}

// tellContexts looks which of the messages that came or changed belong into results now.
func (v *view) tellContexts() error {
	if len(v.dirty) == 0 || len(v.contexts) == 0 {
		return nil
	}
	if err := v.need(); err != nil {
		return err
	}
	dirty := v.dirty
	v.dirty = nil
	for _, x := range v.contexts {
		match, err := x.matching(v, dirty)
		if err != nil {
			return err
		}
		had := x.having(dirty)
		if err := x.tellNew(v, without(match, had)); err != nil {
			return err
		}
		if err := x.change(v, without(had, match), without(match, had)); err != nil {
			return err
		}
	}
	return nil
}

// tellNew tells what was asked for of those messages that are new, before the result tells of them.
func (x *searchContext) tellNew(v *view, in []imap.UID) error {
	next := x.next
	x.next = v.box.UIDNext
	if x.args.fetch == nil {
		return nil
	}
	f := v.c.newFetch(x.args.fetch)
	err := f.run(v.resolveUIDs(runs(in[len(below(in, next)):])))
	return errors.Join(err, f.end())
}

// matching returns those of ascending UIDs that the search finds.
func (x *searchContext) matching(v *view, uids []imap.UID) (out []imap.UID, err error) {
	a := *x.args
	a.criteria = mail.And{mail.InUIDs{UIDs: uidSet(runs(uids))}, x.args.criteria}
	err = a.each(func(pos int) { out = append(out, v.cur.At(pos).UID) })
	return out, err
}

// having returns those of ascending UIDs that are in the result.
func (x *searchContext) having(uids []imap.UID) (out []imap.UID) {
	set := x.uids
	if len(x.args.sort) > 0 {
		set = slices.Clone(set).Sorted()
	}
	for _, uid := range uids {
		if set.Has(uint32(uid)) {
			out = append(out, uid)
		}
	}
	return out
}

// change takes UIDs out of the result and puts others in, and tells the client.
func (x *searchContext) change(v *view, out, in []imap.UID) error {
	if len(out) == 0 && len(in) == 0 {
		return nil
	}
	b := append(v.c.AvailableBuffer(1024), "* ESEARCH (TAG "...)
	b = wire.AppendString(b, x.tag, false)
	if x.args.multi {
		b = x.args.appendSource(b) // RFC 7377 §2.1: each answer has it
	}
	b = append(b, ')')
	if x.uid || v.c.has(uidOnlyOn) {
		b = append(b, " UID"...)
	}
	var removed, added placed
	if len(x.args.sort) == 0 {
		removed, added = placed{{0, out}}, placed{{0, in}}
		x.uids = subtract(x.uids, runs(out))
		x.uids = append(x.uids, runs(in)...).Sorted()
	} else {
		var err error
		if removed, added, err = x.reorder(v, out, in); err != nil {
			return err
		}
	}
	if len(out) > 0 {
		b = removed.append(append(b, " REMOVEFROM "...), x, v)
	}
	if len(in) > 0 {
		b = added.append(append(b, " ADDTO "...), x, v)
	}
	v.c.Write(append(b, '\r', '\n'))
	return nil
}

// placed are UIDs with the places, from 1, where they are put in or taken out, one after another. Place 0 is
// for results in the order of the mailbox (RFC 5267 §4.3.3).
type placed []struct {
	at   int
	uids []imap.UID
}

// append appends the places, and UIDs or numbers.
func (p placed) append(b []byte, x *searchContext, v *view) []byte {
	b = append(b, '(')
	for i, part := range p {
		if i > 0 {
			b = append(b, ' ')
		}
		var set wire.Set
		for _, uid := range part.uids {
			n := uint32(uid)
			if !x.uid {
				pos, _ := v.cur.Find(uid)
				n = v.seq(pos, uid)
			}
			set.Add(n)
		}
		b = append(wire.AppendUint(b, uint64(part.at)), ' ')
		b = wire.AppendSet(b, set)
	}
	return append(b, ')')
}

// add adds one more; it goes with those before when it stands right after them.
func (p *placed) add(at int, uid imap.UID) {
	if n := len(*p); n > 0 && at == (*p)[n-1].at+len((*p)[n-1].uids) {
		(*p)[n-1].uids = append((*p)[n-1].uids, uid)
		return
	}
	*p = append(*p, struct {
		at   int
		uids []imap.UID
	}{at, []imap.UID{uid}})
}

// reorder changes a sorted result. What goes is told from the end, so that places before it stay.
func (x *searchContext) reorder(v *view, out, in []imap.UID) (removed, added placed, err error) {
	var list []imap.UID
	for n := range x.uids.All {
		if _, gone := slices.BinarySearch(out, imap.UID(n)); gone {
			removed.add(len(list)+1+removed.count(), imap.UID(n))
			continue
		}
		list = append(list, imap.UID(n))
	}
	slices.Reverse(removed)
	fresh := runs(in)
	if in, err = x.sorted(v, in); err != nil {
		return nil, nil, err
	}
	if len(in)*20 >= len(list) {
		list, err = x.sorted(v, append(list, in...))
		for i, uid := range list {
			if fresh.Has(uint32(uid)) {
				added.add(i+1, uid)
			}
		}
	} else {
		for _, uid := range in {
			var at int
			if at, err = x.place(v, list, uid); err != nil {
				break
			}
			list = slices.Insert(list, at, uid)
			added.add(at+1, uid)
		}
	}
	x.uids = nil
	for _, uid := range list {
		x.uids.Add(uint32(uid))
	}
	return removed, added, err
}

func (p placed) count() (n int) {
	for _, part := range p {
		n += len(part.uids)
	}
	return n
}

// sorted returns the UIDs of messages that are there in the context's order.
func (x *searchContext) sorted(v *view, uids []imap.UID) ([]imap.UID, error) {
	positions := make([]int, 0, len(uids))
	for _, uid := range uids {
		if pos, ok := v.cur.Find(uid); ok {
			positions = append(positions, pos)
		}
	}
	err := v.c.long(len(positions), func(ctx context.Context) error {
		return v.account.Sort(ctx, v.cur, positions, x.args.sort)
	})
	if err != nil {
		return nil, v.lost(err)
	}
	out := make([]imap.UID, len(positions))
	for i, pos := range positions {
		out[i] = v.cur.At(pos).UID
	}
	return out, nil
}

// place finds where a message belongs in a sorted list.
func (x *searchContext) place(v *view, list []imap.UID, uid imap.UID) (int, error) {
	from, to := 0, len(list)
	for from < to {
		mid := (from + to) / 2
		two, err := x.sorted(v, []imap.UID{list[mid], uid})
		if err != nil {
			return 0, err
		}
		if two[0] == uid {
			to = mid
		} else {
			from = mid + 1
		}
	}
	return from, nil
}

// subtract returns s without what is in t, both in order.
func subtract(s, t wire.Set) wire.Set {
	if len(t) == 0 {
		return s
	}
	var out wire.Set
	for _, x := range s {
		for len(t) > 0 && t[0].To < x.From {
			t = t[1:]
		}
		for _, y := range t {
			if y.From > x.To {
				break
			}
			if x.From < y.From {
				out = append(out, wire.Range{From: x.From, To: y.From - 1})
			}
			x.From = y.To + 1
			if y.To >= x.To {
				break
			}
		}
		if x.From <= x.To && x.From != 0 {
			out = append(out, x)
		}
	}
	return out
}
