package imapd

import (
	"atrium/mail"
	"atrium/mail/imapd/wire"
)

// searchArgs is what a SEARCH asks for.
type searchArgs struct {
	c        *session
	extended bool // the answer is ESEARCH
	returns  map[string]bool
	criteria mail.Criteria
	modseq   bool // MODSEQ is among the keys
	sets     []lateSet
}

// lateSet is a set of numbers or UIDs among the keys, that gets its meaning when the mailbox is up to date.
type lateSet struct {
	set  wire.Set
	uid  bool
	into mail.And // its only element
}

// found is the result of a search.
type found struct {
	set         wire.Set // numbers or UIDs, in order
	count       int
	modseq      uint64 // the highest of those found
	first, last uint64 // modseq of the first and the last
}

// search handles SEARCH and UID SEARCH.
//
// RFC 9051 §6.4.4; RETURN: RFC 4731. There is always an answer, also when nothing was found.
func (c *session) search(r *wire.Reader) error {
	r.SP()
	a := &searchArgs{c: c}
	c.readReturns(a, r)
	p := &searchParser{c: c, args: a}
	a.criteria = p.keys(r)
	if err := r.End(); err != nil {
		return err
	}
	if p.charset != "" {
		return errCharset()
	}
	if err := c.begin(); err != nil {
		return err
	}
	res, err := a.run()
	if err != nil {
		return err
	}
	if a.extended {
		a.writeExtended(&res)
	} else {
		a.write(&res)
	}
	return c.done("")
}

// readReturns reads RETURN (…) (RFC 4731 §3.1).
func (c *session) readReturns(a *searchArgs, r *wire.Reader) {
	if len(c.server.reg.searchReturns) == 0 || !r.TryWord("RETURN") {
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
		a.returns[name] = true
		option(a, r)
	})
	if len(a.returns) == 0 {
		a.returns["ALL"] = true
	}
	r.SP()
}

// run searches the selected mailbox.
func (a *searchArgs) run() (res found, err error) {
	v := a.c.view
	for _, late := range a.sets {
		spans, _, err := v.resolve(late.set, late.uid)
		if err != nil {
			return res, err
		}
		late.into[0] = mail.InUIDs{UIDs: v.uids(spans)}
	}
	for pos, err := range v.account.Search(a.c.Context(), v.cur, a.criteria) {
		if err != nil {
			return res, v.lost(err)
		}
		m := v.cur.At(pos)
		n := uint32(m.UID)
		if !a.c.uid {
			n = v.seq(pos, m.UID)
		}
		res.set.Add(n)
		if res.count++; res.count == 1 {
			res.first = m.Modseq
		}
		res.last = m.Modseq
		res.modseq = max(res.modseq, m.Modseq)
	}
	return res, nil
}

// write writes the SEARCH answer (RFC 3501 §7.2.5; MODSEQ: RFC 7162 §3.1.5).
func (a *searchArgs) write(res *found) {
	buf := a.c.server.buffer()
	defer a.c.server.release(buf)
	b := append((*buf)[:0], "* SEARCH"...)
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
	b := append(make([]byte, 0, 256), "* ESEARCH (TAG "...)
	b = wire.AppendString(b, a.c.tag, false)
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
		if a.returns["ALL"] || a.returns["COUNT"] {
			modseq = res.modseq
		}
	}
	if a.returns["COUNT"] {
		b = wire.AppendUint(append(b, " COUNT "...), uint64(res.count))
	}
	if a.modseq && modseq > 0 {
		b = wire.AppendUint(append(b, " MODSEQ "...), modseq)
	}
	a.c.Write(append(b, '\r', '\n'))
}
