package imapd

import (
	"context"
	"errors"

	"atrium/mail"
	"atrium/mail/imapd/wire"
)

// searchArgs is what a SEARCH asks for.
type searchArgs struct {
	c        *session
	name     string         // of the answer that is not extended
	sort     []mail.SortKey // SORT (RFC 5256)
	partial  window         // PARTIAL (RFC 9394)
	extended bool           // the answer is ESEARCH
	returns  map[string]bool
	criteria mail.Criteria
	modseq   bool          // MODSEQ is among the keys
	fuzzy    bool          // FUZZY is (RFC 6203)
	scores   map[int]uint8 // by position, when they are asked for
	sets     []lateSet
	recents  []mail.And // keys that mean what is \Recent; each one's only element
	bounded  bool       // MESSAGELIMIT (RFC 9738) bounds it
	limited  string     // the response code of that
	fetch    *fetchArgs // what UPDATE is to tell of new messages
	ageing   bool       // the result changes as time goes by (RFC 5032)
	multi    bool       // ESEARCH (RFC 7377): the answer names its mailbox
	mailbox  string     // in it; "" is the selected one
}

// lateSet is a set of numbers or UIDs among the keys, that gets its meaning when the mailbox is up to date.
type lateSet struct {
	numSet
	into mail.And // its only element
}

// found is the result of a search.
type found struct {
	set         wire.Set // numbers or UIDs, in order
	uids        wire.Set // UIDs, when they are to be saved
	count       int
	modseq      uint64 // the highest of those found
	first, last uint64 // modseq of the first and the last
	scores      []uint8
}

// search handles SEARCH and UID SEARCH.
//
// RFC 9051 §6.4.4; RETURN: RFC 4731. There is always an answer, also when nothing was found.
func (c *session) search(r *wire.Reader) error {
	r.SP()
	a := &searchArgs{c: c, name: "SEARCH", bounded: true}
	c.readReturns(a, r)
	p := &searchParser{c: c, args: a}
	a.criteria = p.keys(r)
	if err := r.End(); err != nil {
		return a.failed(err)
	}
	return a.finish(p)
}

// failed empties what a search that fails was to save: not for BAD (RFC 5182 §2.1).
func (a *searchArgs) failed(err error) error {
	var syntax *wire.SyntaxError
	r := new(reply)
	if v := a.c.view; v != nil && a.returns["SAVE"] && !errors.As(err, &syntax) && !(errors.As(err, &r) && r.status == "BAD") {
		v.saved = nil
	}
	return err
}

// finish runs a search that was read and answers.
func (a *searchArgs) finish(p *searchParser) error {
	c := a.c
	err := a.check(p)
	var res found
	if err == nil {
		if err = a.begin(); err == nil {
			res, err = a.run()
		}
	}
	if err != nil {
		return a.failed(err)
	}
	if a.returns["SAVE"] {
		a.save(&res)
	}
	if a.extended {
		a.writeExtended(&res)
	} else {
		a.write(&res)
	}
	if a.returns["UPDATE"] {
		a.follow(&res)
	}
	return c.finish("", a.limited)
}

// check finds what does not fit together.
func (a *searchArgs) check(p *searchParser) error {
	if p.charset != "" {
		return errCharset()
	}
	if a.returns["PARTIAL"] && a.returns["ALL"] {
		return bad("PARTIAL and ALL exclude each other") // RFC 9394 §3.1
	}
	if a.ranked() && !a.fuzzy {
		return bad("RELEVANCY needs FUZZY") // RFC 6203 §4
	}
	return a.checkUpdate()
}

// begin brings the mailbox up to date. Keys that are numbers keep EXPUNGE
// back in UID SEARCH too (RFC 9051 §7.5.1).
func (a *searchArgs) begin() error {
	for _, late := range a.sets {
		if !late.uid && !late.saved {
			if err := a.c.view.update(false); err != nil {
				return err
			}
			return a.c.view.need()
		}
	}
	return a.c.begin()
}

// readReturns reads RETURN (…) (RFC 4731 §3.1).
func (c *session) readReturns(a *searchArgs, r *wire.Reader) {
	if len(c.server.reg.searchReturns) == 0 || !r.TryWord("RETURN") {
		a.extended = c.has(rev2On) // RFC 9051 §6.4.4
		if a.extended {
			a.returns = map[string]bool{"ALL": true}
		}
		return
	}
	a.extended, a.returns = true, map[string]bool{}
	r.SP()
	r.List(func() {
		name := r.Keyword()
		option := c.server.reg.searchReturns[name]
		if option == nil {
			r.Fail("Unknown return option %s", name)
			return
		}
		if a.returns[name] && (name == "ALL" || name == "PARTIAL") {
			r.Fail("%s more than once", name) // RFC 9394 §3.1
		}
		a.returns[name] = true
		option(a, r)
	})
	if len(a.returns) == 0 {
		a.returns["ALL"] = true
	}
	r.SP()
}

// run searches the selected mailbox, and sorts.
func (a *searchArgs) run() (res found, err error) {
	if len(a.sort) == 0 && !a.ranked() {
		err = a.each(func(pos int) { a.add(&res, pos) })
		return res, err
	}
	positions, err := a.positions()
	if err == nil && a.ranked() {
		err = a.rank(positions)
	}
	if err == nil {
		err = a.order(positions)
	}
	if err != nil {
		return res, err
	}
	for _, pos := range positions {
		a.add(&res, pos)
	}
	return res, nil
}

// order sorts positions as the command wants them.
func (a *searchArgs) order(positions []int) error {
	if len(a.sort) == 0 {
		return nil
	}
	v := a.c.view
	err := a.c.long(len(positions), func(ctx context.Context) error {
		return v.account.Sort(ctx, v.cur, positions, a.sort)
	})
	if err != nil {
		return v.lost(err)
	}
	return nil
}

// each calls fn with the position of each message that is found.
func (a *searchArgs) each(fn func(pos int)) error {
	v := a.c.view
	for _, late := range a.sets {
		spans, _, err := v.resolve(v.known(late.numSet))
		if err != nil {
			return err
		}
		late.into[0] = mail.InUIDs{UIDs: v.uids(spans)}
	}
	for _, recent := range a.recents {
		recent[0] = mail.InUIDs{UIDs: uidSet(v.recent)}
	}
	criteria := a.searched(a.criteria)
	return a.c.long(v.effort(v.cur.Len()), func(ctx context.Context) error {
		for pos, err := range v.account.Search(ctx, v.cur, criteria) {
			if err != nil {
				return v.lost(err)
			}
			fn(pos)
		}
		return nil
	})
}

func (a *searchArgs) positions() (out []int, err error) {
	err = a.each(func(pos int) { out = append(out, pos) })
	return out, err
}

// add takes a message into the result.
func (a *searchArgs) add(res *found, pos int) {
	v := a.c.view
	m := v.cur.At(pos)
	n := uint32(m.UID)
	if a.returns["SAVE"] || a.returns["UPDATE"] {
		res.uids.Add(n)
	}
	if !a.c.uid {
		n = v.seq(pos, m.UID)
	}
	res.set.Add(n)
	if res.count++; res.count == 1 {
		res.first = m.Modseq
	}
	if a.scores != nil {
		res.scores = append(res.scores, a.scores[pos])
	}
	res.last = m.Modseq
	res.modseq = max(res.modseq, m.Modseq)
}

// write writes the SEARCH or SORT answer (RFC 3501 §7.2.5; MODSEQ: RFC 7162 §3.1.5).
func (a *searchArgs) write(res *found) {
	buf := a.c.server.buffer()
	defer a.c.server.release(buf)
	b := append(append((*buf)[:0], "* "...), a.name...)
	for n := range res.set.All {
		b = wire.AppendUint(append(b, ' '), uint64(n))
		if len(b) > bufSize-64 {
			a.c.Write(b)
			b = b[:0]
		}
	}
	if a.modseq && res.count > 0 {
		b = append(wire.AppendUint(append(b, " (MODSEQ "...), res.modseq), ')')
	}
	a.c.Write(append(b, '\r', '\n'))
}

// writeExtended writes the ESEARCH answer: what was asked for and nothing else (RFC 4731 §3.1).
func (a *searchArgs) writeExtended(res *found) {
	if len(a.returns) == 1 && a.returns["SAVE"] {
		return // RFC 5182 §2.1
	}
	if a.multi && res.count == 0 {
		return // RFC 7377 §2.1: also where it is the selected mailbox alone, and for COUNT
	}
	b := append(make([]byte, 0, 256), "* ESEARCH (TAG "...)
	b = wire.AppendString(b, a.c.tag, false)
	if a.multi {
		b = a.appendSource(b)
	}
	b = append(b, ')')
	if a.c.uid {
		b = append(b, " UID"...)
	}
	modseq := uint64(0)
	if res.count > 0 {
		low, high := res.set[0].From, res.set[len(res.set)-1].To
		if a.returns["MIN"] {
			b = wire.AppendUint(append(b, " MIN "...), uint64(low))
			modseq = res.first
		}
		if a.returns["MAX"] {
			b = wire.AppendUint(append(b, " MAX "...), uint64(high))
			modseq = max(modseq, res.last)
		}
		if a.returns["ALL"] {
			b = wire.AppendSet(append(b, " ALL "...), res.set)
		}
		if a.returns["ALL"] || a.returns["COUNT"] || a.returns["PARTIAL"] {
			modseq = res.modseq
		}
	}
	if a.returns["COUNT"] {
		b = wire.AppendUint(append(b, " COUNT "...), uint64(res.count))
	}
	if a.returns["PARTIAL"] {
		b = a.partial.appendResult(b, res)
	}
	if a.returns["RELEVANCY"] && res.count > 0 {
		b = a.appendRelevancy(b, res)
	}
	if a.modseq && modseq > 0 {
		b = wire.AppendUint(append(b, " MODSEQ "...), modseq)
	}
	a.c.Write(append(b, '\r', '\n'))
}
