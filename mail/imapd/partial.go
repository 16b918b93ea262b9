package imapd

import (
	"slices"

	"atrium/mail/imapd/wire"
)

var partial = extension{
	name: "PARTIAL", rfc: "RFC 9394", what: "SEARCH and FETCH of a window of the result",
	searchReturns: map[string]func(*searchArgs, *wire.Reader){"PARTIAL": func(a *searchArgs, r *wire.Reader) {
		r.SP()
		a.partial = readWindow(r)
	}},
	fetchMods: map[string]func(*session, *fetchArgs, *wire.Reader){"PARTIAL": func(c *session, a *fetchArgs, r *wire.Reader) {
		if !c.uid {
			r.Fail("PARTIAL needs UID FETCH") // RFC 9394 §3.3
		}
		r.SP()
		w := readWindow(r)
		a.window = &w
	}},
}

// window is a range of places in a result, from 1; last: they count from its end.
type window struct {
	from, to uint32
	last     bool
}

// readWindow reads 1:100 or -1:-100.
func readWindow(r *wire.Reader) (w window) {
	w.last = r.Try('-')
	w.from = r.NZNumber()
	r.Take(':')
	if r.Err() == nil && r.Try('-') != w.last {
		r.Fail("A range must count from one end")
	}
	if w.to = r.NZNumber(); w.from > w.to {
		w.from, w.to = w.to, w.from
	}
	return w
}

// size is how many places there are.
func (w window) size() int { return int(w.to) - int(w.from) + 1 }

// bounds returns the places in a result of n, from 0, the second one not included.
func (w window) bounds(n int) (from, to int) {
	from, to = min(int(w.from)-1, n), min(int(w.to), n)
	if w.last {
		from, to = n-to, n-from
	}
	return from, to
}

func (w window) append(b []byte) []byte {
	sign := ""
	if w.last {
		sign = "-"
	}
	b = wire.AppendUint(append(b, sign...), uint64(w.from))
	b = append(append(b, ':'), sign...)
	return wire.AppendUint(b, uint64(w.to))
}

// appendResult appends PARTIAL (range set).
func (w window) appendResult(b []byte, res *found) []byte {
	b = append(w.append(append(b, " PARTIAL ("...)), ' ')
	part := w.of(res.set, res.count)
	if len(part) == 0 {
		return append(b, "NIL)"...)
	}
	return append(wire.AppendSet(b, part), ')')
}

// of returns what is in the window of a set of count numbers.
func (w window) of(set wire.Set, count int) (part wire.Set) {
	from, to := w.bounds(count)
	at := 0
	for _, x := range set {
		n := int(x.To-x.From) + 1
		lo, hi := max(from-at, 0), min(to-at, n)
		if lo < hi {
			part = append(part, wire.Range{From: x.From + uint32(lo), To: x.From + uint32(hi) - 1})
		}
		at += n
	}
	return part
}

// cut leaves of spans what is in the window.
func (w window) cut(spans []span) []span {
	n := 0
	for _, s := range spans {
		n += s.to - s.from
	}
	from, to := w.bounds(n)
	out := slices.Clone(spans[:0])
	at := 0
	for _, s := range spans {
		size := s.to - s.from
		lo, hi := max(from-at, 0), min(to-at, size)
		if lo < hi {
			out = append(out, span{s.from + lo, s.from + hi})
		}
		at += size
	}
	return out
}
