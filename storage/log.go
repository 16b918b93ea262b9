package storage

import (
	"encoding/binary"
	"fmt"
	"slices"

	"atrium/storage/kv"
)

// span is a run of row numbers, from first to last.
type span struct{ first, last Num }

// gone is a run of removed rows that were created at the same modseq. A run of
// more than one row has no note.
type gone struct {
	span
	created uint64
	note    []byte
}

// change is what one transaction did to one collection: a record of the log.
type change struct {
	at      int64  // Unix seconds
	changed []span // created and changed rows, ascending
	gone    []gone // ascending
}

// addSpan adds a number to a list, which stays ascending when no number is below the last one.
func addSpan(list []span, n Num) []span {
	if k := len(list) - 1; k >= 0 && n <= list[k].last+1 && n >= list[k].first {
		list[k].last = max(list[k].last, n)
		return list
	}
	return append(list, span{n, n})
}

// joinSpan adds a run that begins at or behind the last one's first number to an ascending list.
func joinSpan(list []span, s span) []span {
	if k := len(list) - 1; k >= 0 && s.first <= list[k].last+1 {
		list[k].last = max(list[k].last, s.last)
		return list
	}
	return append(list, s)
}

func addGone(list []gone, n Num, created uint64, note []byte) []gone {
	if k := len(list) - 1; k >= 0 && list[k].last+1 == n && list[k].created == created && note == nil && list[k].note == nil {
		list[k].last = n
		return list
	}
	return append(list, gone{span{n, n}, created, note})
}

func (c *change) encode() []byte {
	b := append(make([]byte, 0, 24+4*len(c.changed)+8*len(c.gone)), logVersion)
	b = binary.AppendUvarint(b, uint64(c.at))
	b = binary.AppendUvarint(b, uint64(len(c.changed)))
	prev := Num(0)
	for _, s := range c.changed {
		b = appendSpan(b, prev, s)
		prev = s.last
	}
	b = binary.AppendUvarint(b, uint64(len(c.gone)))
	prev = 0
	for _, g := range c.gone {
		b = appendSpan(b, prev, g.span)
		b = binary.AppendUvarint(b, g.created)
		b = appendBytes(b, g.note)
		prev = g.last
	}
	return b
}

func appendSpan(b []byte, prev Num, s span) []byte {
	b = binary.AppendUvarint(b, uint64(s.first-prev))
	return binary.AppendUvarint(b, uint64(s.last-s.first))
}

func (d *decoder) span(prev Num) span {
	first := prev + Num(d.uint())
	return span{first, first + Num(d.uint())}
}

// decodeChange returns notes that are parts of b.
func decodeChange(key, b []byte) (change, error) {
	d := open(b, logVersion)
	c := change{at: int64(d.uint())}
	prev := Num(0)
	for range d.length() {
		s := d.span(prev)
		prev = s.last
		c.changed = append(c.changed, s)
	}
	prev = 0
	for range d.length() {
		g := gone{span: d.span(prev), created: d.uint(), note: d.bytes()}
		prev = g.last
		c.gone = append(c.gone, g)
	}
	return c, d.err("log entry", key)
}

// Changes returns what changed in a collection since a modseq that it or the
// account had. limit bounds the number of changes, by whole transactions (0: no limit). It costs
// what changed, not what the collection holds. The error is Expired when the
// log does not reach back so far.
func (v *View) Changes(id CollectionID, since uint64, limit int) (Changes, error) {
	c, err := v.Collection(id)
	if err != nil {
		return Changes{}, err
	}
	out := Changes{Modseq: max(since, c.Modseq)}
	if since < c.Floor {
		return out, fmt.Errorf("changes of collection %d since %d: %w", id, since, Expired)
	}
	if since >= c.Modseq {
		return out, nil
	}
	if err := v.settle(id); err != nil {
		return out, err
	}
	sum := summary{since: since}
	r := kv.Range{From: logKey(v.a, id, since+1), To: kv.After(collKey(v.a, tagLog, id, 0))}
	for k, b := range v.r.Scan(r) {
		modseq := binary.BigEndian.Uint64(k[len(k)-8:])
		if limit > 0 && sum.size >= limit {
			out.More = true
			break
		}
		ch, err := decodeChange(k, b)
		if err != nil {
			return out, err
		}
		sum.add(&ch)
		out.Modseq = modseq
	}
	if !out.More {
		out.Modseq = max(since, c.Modseq)
	}
	out.Changed, out.Gone, out.Passed = sum.result()
	return out, nil
}

// summary adds up changes.
type summary struct {
	since   uint64
	size    int
	changed []span
	gone    []gone
}

func (s *summary) add(c *change) {
	s.changed = append(s.changed, c.changed...)
	for _, r := range c.changed {
		s.size += int(r.last-r.first) + 1
	}
	for _, g := range c.gone {
		s.size += int(g.last-g.first) + 1
		g.note = slices.Clone(g.note)
		s.gone = append(s.gone, g)
	}
}

// result lists each row once: as gone when it is gone and was there before, as
// passed when it was not, as changed when it is not gone.
func (s *summary) result() (changed []Num, out, passed []Gone) {
	slices.SortFunc(s.changed, func(a, b span) int { return int(int64(a.first) - int64(b.first)) })
	slices.SortFunc(s.gone, func(a, b gone) int { return int(int64(a.first) - int64(b.first)) })
	g, next := 0, Num(0)
	for _, r := range s.changed {
		for n := max(r.first, next); n <= r.last; n++ {
			for g < len(s.gone) && s.gone[g].last < n {
				g++
			}
			if g == len(s.gone) || n < s.gone[g].first {
				changed = append(changed, n)
			}
		}
		next = max(next, r.last+1)
	}
	for _, r := range s.gone {
		list := &out
		if r.created > s.since {
			list = &passed
		}
		for n := r.first; n <= r.last; n++ {
			*list = append(*list, Gone{Num: n, Note: r.note})
		}
	}
	return changed, out, passed
}
