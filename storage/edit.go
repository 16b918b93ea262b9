package storage

import "sort"

// Edit looks at the rows of a collection whose numbers are in list, which
// ascends, and gives those that are there to fn. Where fn says so, what it
// appended to dst is the row's data from now on. It does what Row and Set would do for each, page by
// page. The Row and its Data are valid within fn only.
func (t *Tx) Edit(id CollectionID, list []Num, fn func(dst []byte, r *Row) (data []byte, changed bool, err error)) error {
	w, err := t.tree(id)
	if err != nil {
		return err
	}
	h, err := t.account()
	if err != nil {
		return err
	}
	e := editor{tree: w, modseq: h.modseq + 1, fn: fn}
	before := w.c.Tally.Bytes
	for len(list) > 0 && err == nil {
		s, _, _ := w.page(list[0])
		if s == nil {
			break
		}
		if err = w.loadSuper(t.r, s); err != nil {
			break
		}
		s, p, end := w.page(list[0]) // now that it is loaded
		if p == nil {
			list = list[1:]
			continue
		}
		n := len(list)
		if end != 0 {
			n = sort.Search(len(list), func(i int) bool { return list[i] >= end })
		}
		if err = w.loadRows(t.r, p); err == nil {
			err = e.page(s, p, list[:n])
		}
		list = list[n:]
	}
	if e.changed {
		t.charge(0, w.c.Tally.Bytes-before)
	}
	return err
}

// page returns the superpage and the page that would hold a row, and where the page after it begins, 0
// when there is none. The page is nil when the superpage is not loaded or has none.
func (t *tree) page(n Num) (s *wsuper, p *wpage, end Num) {
	i := sort.Search(len(t.supers), func(i int) bool { return t.supers[i].first > n }) - 1
	if i < 0 {
		if len(t.supers) == 0 {
			return nil, nil, 0
		}
		return t.supers[0], nil, 0
	}
	s = t.supers[i]
	if i+1 < len(t.supers) {
		end = t.supers[i+1].first
	}
	j := sort.Search(len(s.pages), func(j int) bool { return s.pages[j].first > n }) - 1
	if j < 0 {
		return s, nil, 0
	}
	if j+1 < len(s.pages) {
		end = s.pages[j+1].first
	}
	return s, s.pages[j], end
}

// editor is an Edit at work.
type editor struct {
	*tree
	modseq  uint64
	fn      func([]byte, *Row) ([]byte, bool, error)
	room    []byte // for the data of rows to come
	changed bool
}

const editRoom = 16 << 10

// page edits the rows of one page.
func (e *editor) page(s *wsuper, p *wpage, list []Num) error {
	k := sort.Search(len(p.rows), func(k int) bool { return p.rows[k].Num >= list[0] })
	for _, n := range list {
		for k < len(p.rows) && p.rows[k].Num < n {
			k++
		}
		if k == len(p.rows) {
			return nil
		}
		row := &p.rows[k]
		if row.Num != n {
			continue
		}
		if cap(e.room)-len(e.room) < 256 {
			e.room = make([]byte, 0, editRoom)
		}
		at := len(e.room)
		data, changed, err := e.fn(e.room[at:at:cap(e.room)], row)
		if err != nil {
			return err
		}
		if !changed {
			continue
		}
		if len(data) > maxRowData {
			return tooLong(len(data))
		}
		if len(data) <= cap(e.room)-at { // it is there, or elsewhere when fn made its own
			e.room = e.room[:at+len(data)]
		}
		was := e.tally(row.Data)
		row.Data, row.Modseq = data[:len(data):len(data)], e.modseq
		e.touch(s, p, e.modseq)
		e.charge(s, p, 0, e.tally(row.Data), was)
		if row.Created != e.modseq {
			e.edited = append(e.edited, n)
		}
		e.changed = true
	}
	return nil
}
