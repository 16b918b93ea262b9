package storage

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"sort"

	"atrium/storage/kv"
)

// tree is a collection at work in a transaction: its record, and the superpages and
// pages that were touched.
type tree struct {
	c      *Collection
	schema *Schema
	supers []*wsuper
	added  []Num  // rows of this transaction, ascending
	edited []span // rows changed, in any order, more than once
	gone   []gone // rows removed, in any order
	rows   bool   // rows changed: the log gets an entry
	// advanced says that the collection's modseq moved without them (see Tx.Advance).
	advanced bool
	dirty    bool
}

type wsuper struct {
	entry
	loaded, dirty bool
	pages         []*wpage
}

// wpage is a page at work: raw is its record; rows, when not nil, are its decoded rows and
// count instead of raw.
type wpage struct {
	entry
	dirty bool
	raw   []byte
	rows  []Row
}

func newTree(c *Collection, schema *Schema, supers []entry) *tree {
	t := &tree{c: c, schema: schema}
	t.supers = make([]*wsuper, len(supers), len(supers)+1)
	block := make([]wsuper, len(supers))
	for i, e := range supers {
		block[i].entry = e
		t.supers[i] = &block[i]
	}
	return t
}

func (t *tree) loadSuper(r kv.Reader, s *wsuper) error {
	if s.loaded {
		return nil
	}
	k := pageKey(t.c.Account, tagSuper, t.c.ID, s.first)
	b, err := r.Get(k)
	if err != nil {
		return fmt.Errorf("superpage %x: %w", k, err)
	}
	pages, err := decodeSuper(k, b)
	if err != nil {
		return err
	}
	s.pages = make([]*wpage, len(pages), len(pages)+1)
	block := make([]wpage, len(pages))
	for i, e := range pages {
		block[i].entry = e
		s.pages[i] = &block[i]
	}
	s.loaded = true
	return nil
}

func (t *tree) loadRaw(r kv.Reader, p *wpage) error {
	if p.raw != nil || p.rows != nil {
		return nil
	}
	k := pageKey(t.c.Account, tagPage, t.c.ID, p.first)
	b, err := r.Get(k)
	if err != nil {
		return fmt.Errorf("page %x: %w", k, err)
	}
	p.raw = b
	return nil
}

func (t *tree) loadRows(r kv.Reader, p *wpage) error {
	if p.rows != nil {
		return nil
	}
	if err := t.loadRaw(r, p); err != nil {
		return err
	}
	rows, err := decodeRows(nil, p.entry, pageKey(t.c.Account, tagPage, t.c.ID, p.first), p.raw)
	if err != nil {
		return err
	}
	if rows == nil {
		rows = []Row{} // decoded, and none there
	}
	p.rows, p.raw = rows, nil
	return nil
}

// find returns the superpage, the page and the index in it of a row.
func (t *tree) find(r kv.Reader, n Num) (*wsuper, *wpage, int, error) {
	missing := func() (*wsuper, *wpage, int, error) {
		return nil, nil, 0, fmt.Errorf("row %d of collection %d: %w", n, t.c.ID, NotFound)
	}
	i := sort.Search(len(t.supers), func(i int) bool { return t.supers[i].first > n }) - 1
	if i < 0 {
		return missing()
	}
	s := t.supers[i]
	if err := t.loadSuper(r, s); err != nil {
		return nil, nil, 0, err
	}
	j := sort.Search(len(s.pages), func(j int) bool { return s.pages[j].first > n }) - 1
	if j < 0 {
		return missing()
	}
	p := s.pages[j]
	if err := t.loadRows(r, p); err != nil {
		return nil, nil, 0, err
	}
	k := sort.Search(len(p.rows), func(k int) bool { return p.rows[k].Num >= n })
	if k == len(p.rows) || p.rows[k].Num != n {
		return missing()
	}
	return s, p, k, nil
}

// last returns the page that takes the next row, a new one when the last is full.
func (t *tree) last(r kv.Reader, row *Row) (*wsuper, *wpage, error) {
	var s *wsuper
	if k := len(t.supers); k > 0 {
		s = t.supers[k-1]
		if err := t.loadSuper(r, s); err != nil {
			return nil, nil, err
		}
		if j := len(s.pages); j > 0 {
			p := s.pages[j-1]
			if err := t.loadRaw(r, p); err != nil {
				return nil, nil, err
			}
			if p.count < pageRows && (p.rows != nil || len(p.raw)+len(row.Data) < pageBytes) {
				return s, p, nil
			}
		}
	}
	if s == nil || len(s.pages) >= superPages {
		s = &wsuper{entry: entry{first: row.Num}, loaded: true}
		t.supers = append(t.supers, s)
	}
	p := &wpage{entry: entry{first: row.Num}, raw: newPage(make([]byte, 0, 256), row.Object, row.Modseq)}
	s.pages = append(s.pages, p)
	return s, p, nil
}

// insert adds a row at the end.
func (t *tree) insert(r kv.Reader, row Row) error {
	s, p, err := t.last(r, &row)
	if err != nil {
		return err
	}
	if p.rows != nil {
		p.rows = append(p.rows, row)
	} else {
		n, base, modseq, _, ok := pageHead(p.raw)
		if !ok || n != p.count {
			return fmt.Errorf("page %d of collection %d: %w", p.first, t.c.ID, Corrupt)
		}
		if !p.dirty { // it belongs to the engine
			p.raw = append(make([]byte, 0, len(p.raw)+64), p.raw...)
		}
		p.raw = appendRow(p.raw, p.first, base, modseq, &row)
		binary.LittleEndian.PutUint16(p.raw[pageCountAt:], uint16(n+1))
	}
	t.touch(s, p, row.Modseq)
	t.charge(s, p, 1, t.tally(row.Data), Tally{})
	t.added = append(t.added, row.Num)
	return nil
}

// set replaces a row; modseq is the transaction's.
func (t *tree) set(r kv.Reader, n Num, o ObjectID, data []byte, modseq uint64) (old ObjectID, err error) {
	s, p, k, err := t.find(r, n)
	if err != nil {
		return 0, err
	}
	row := &p.rows[k]
	old = row.Object
	was := t.tally(row.Data)
	row.Data, row.Modseq = data, modseq
	if o != 0 {
		row.Object = o
	}
	t.touch(s, p, modseq)
	t.charge(s, p, 0, t.tally(data), was)
	if row.Created != modseq {
		t.edited = addSpan(t.edited, n)
	}
	return old, nil
}

// remove removes a row and returns the object it showed.
func (t *tree) remove(r kv.Reader, n Num, note []byte, modseq uint64) (ObjectID, error) {
	s, p, k, err := t.find(r, n)
	if err != nil {
		return 0, err
	}
	row := p.rows[k]
	p.rows = slices.Delete(p.rows, k, k+1)
	t.touch(s, p, modseq)
	t.charge(s, p, -1, Tally{}, t.tally(row.Data))
	if row.Created == modseq {
		if i, ok := slices.BinarySearch(t.added, n); ok {
			t.added = slices.Delete(t.added, i, i+1)
		}
		return row.Object, nil
	}
	t.gone = append(t.gone, gone{span{n, n}, row.Created, note})
	return row.Object, nil
}

func (t *tree) tally(data []byte) Tally {
	if t.schema == nil || t.schema.Tally == nil {
		return Tally{}
	}
	return t.schema.Tally(data)
}

func (t *tree) touch(s *wsuper, p *wpage, modseq uint64) {
	s.dirty, p.dirty, t.dirty, t.rows = true, true, true, true
	s.ver, p.ver, t.c.Modseq = modseq, modseq, modseq
}

func (t *tree) charge(s *wsuper, p *wpage, rows int, add, sub Tally) {
	for _, e := range []*entry{&s.entry, &p.entry} {
		e.count += rows
		e.tally.add(add)
		e.tally.sub(sub)
	}
	t.c.Count += rows
	t.c.Tally.add(add)
	t.c.Tally.sub(sub)
}

// flush writes what changed. It may be called several times in a transaction.
func (t *tree) flush(w kv.Txn, now int64) {
	if !t.dirty {
		return
	}
	a, id := t.c.Account, t.c.ID
	supers := make([]entry, 0, len(t.supers))
	kept := t.supers[:0]
	for _, s := range t.supers {
		if s.dirty {
			t.flushPages(w, s)
			k := pageKey(a, tagSuper, id, s.first)
			if len(s.pages) == 0 {
				w.Delete(k)
				continue
			}
			pages := make([]entry, len(s.pages))
			for i, p := range s.pages {
				pages[i] = p.entry
			}
			w.Set(k, encodeSuper(pages))
			s.dirty = false
		}
		kept = append(kept, s)
		supers = append(supers, s.entry)
	}
	t.supers = kept
	w.Set(collKey(a, tagCollection, id, 0), encodeCollection(t.c, supers))
	if t.rows {
		w.Set(logKey(a, id, t.c.Modseq), t.log(now).encode())
	}
	t.dirty = false
}

func (t *tree) flushPages(w kv.Txn, s *wsuper) {
	kept := s.pages[:0]
	for _, p := range s.pages {
		if p.dirty {
			k := pageKey(t.c.Account, tagPage, t.c.ID, p.first)
			switch {
			case p.count == 0:
				w.Delete(k)
				continue
			case p.rows != nil:
				w.Set(k, encodeRows(p.first, p.rows))
			default:
				w.Set(k, p.raw)
			}
			p.dirty = false // the engine's now: insert copies it
		}
		kept = append(kept, p)
	}
	s.pages = kept
}

// log is the transaction's entry in the change log.
func (t *tree) log(now int64) *change {
	byNum := func(a, b gone) int { return cmp.Compare(a.first, b.first) }
	if !slices.IsSortedFunc(t.gone, byNum) {
		slices.SortFunc(t.gone, byNum)
	}
	spans := slices.Clone(t.edited)
	for _, n := range t.added {
		spans = addSpan(spans, n)
	}
	byFirst := func(a, b span) int { return cmp.Compare(a.first, b.first) }
	if !slices.IsSortedFunc(spans, byFirst) {
		slices.SortFunc(spans, byFirst)
	}
	joined := spans[:0]
	for _, s := range spans {
		joined = joinSpan(joined, s)
	}
	c := &change{at: now}
	g := 0
	for _, s := range joined {
		if g == len(t.gone) {
			c.changed = append(c.changed, s)
			continue
		}
		for n := s.first; n <= s.last; n++ {
			for g < len(t.gone) && t.gone[g].first < n {
				g++
			}
			if g == len(t.gone) || t.gone[g].first != n { // else changed, then removed
				c.changed = addSpan(c.changed, n)
			}
		}
	}
	for _, g := range t.gone {
		c.gone = addGone(c.gone, g.first, g.created, g.note)
	}
	return c
}
