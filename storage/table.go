package storage

import (
	"iter"
	"sort"
)

// Table is all rows of a collection at one snapshot, by Num ascending. It never
// changes and may be used by many goroutines, also after its View ended.
// Tables of one collection share what did not change between them.
type Table struct {
	c      Collection
	supers []*super
	starts []int // position of the first row of each super
}

// super is one superpage in memory. It never changes.
type super struct {
	entry
	pages  []*page
	starts []int // position of the first row of each page, within the super
}

func (s *super) index() {
	s.starts = make([]int, len(s.pages))
	at := 0
	for i, p := range s.pages {
		s.starts[i] = at
		at += p.count
	}
}

func (t *Table) index() {
	t.starts = make([]int, len(t.supers))
	at := 0
	for i, s := range t.supers {
		t.starts[i] = at
		at += s.count
	}
}

// Modseq is the collection's modseq at the snapshot.
func (t *Table) Modseq() uint64 { return t.c.Modseq }

// Next is the Num of the row that would have come next.
func (t *Table) Next() Num { return t.c.Next }

// Len is the number of rows.
func (t *Table) Len() int { return t.c.Count }

// Tally sums up all rows.
func (t *Table) Tally() Tally { return t.c.Tally }

// Collection is the collection at the snapshot; not to be changed.
func (t *Table) Collection() *Collection { return &t.c }

// At returns the row at a position, 0 <= pos < Len.
func (t *Table) At(pos int) Row {
	if pos < 0 || pos >= t.c.Count {
		panic("storage: Table.At out of range")
	}
	p, i := t.locate(pos)
	return p.row(i)
}

// locate returns the page of a position and the index in it.
func (t *Table) locate(pos int) (*page, int) {
	i := sort.SearchInts(t.starts, pos+1) - 1
	s := t.supers[i]
	pos -= t.starts[i]
	j := sort.SearchInts(s.starts, pos+1) - 1
	return s.pages[j], pos - s.starts[j]
}

// Find returns the position of the first row whose Num is n or higher, and
// whether it is n. The position is Len when there is none.
func (t *Table) Find(n Num) (pos int, exact bool) {
	i := sort.Search(len(t.supers), func(i int) bool { return t.supers[i].first > n }) - 1
	if i < 0 {
		return 0, false
	}
	s := t.supers[i]
	j := sort.Search(len(s.pages), func(j int) bool { return s.pages[j].first > n }) - 1
	if j < 0 {
		return t.starts[i], false
	}
	p := s.pages[j]
	k := p.find(n)
	return t.starts[i] + s.starts[j] + k, k < p.count && p.num(k) == n
}

// Rows yields the rows from position from to before position to.
func (t *Table) Rows(from, to int) iter.Seq2[int, Row] {
	return func(yield func(int, Row) bool) {
		from, to := max(from, 0), min(to, t.c.Count)
		if from >= to {
			return
		}
		i := sort.SearchInts(t.starts, from+1) - 1
		for ; i < len(t.supers); i++ {
			s := t.supers[i]
			for j, p := range s.pages {
				at := t.starts[i] + s.starts[j]
				if at+p.count <= from {
					continue
				}
				if at >= to || !p.yield(at, from, to, yield) {
					return
				}
			}
		}
	}
}

// yield yields the page's rows that lie in [from, to), its first row being at position at.
func (p *page) yield(at, from, to int, yield func(int, Row) bool) bool {
	k := max(from-at, 0)
	b := p.raw[p.off(k):]
	var r Row
	for ; k < p.count; k++ {
		if at+k >= to {
			return false
		}
		b = b[readRow(b, p.first, p.base, p.modseq, &r):]
		if !yield(at+k, r) {
			return false
		}
	}
	return true
}

func (t *Table) size() int64 {
	n := int64(256)
	for _, s := range t.supers {
		n += 128
		for _, p := range s.pages {
			n += p.size()
		}
	}
	return n
}
