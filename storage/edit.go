package storage

import "sort"

// Span is a run of row numbers, from First to Last.
type Span struct{ First, Last Num }

// Edit looks at the rows of a collection whose numbers are in list, which
// ascends, and gives those that are there to fn. Where fn says so, what it
// appended to dst is the row's data from now on. It does what Row and Set would do for each, page by
// page. The Row and its Data are valid within fn only.
func (t *Tx) Edit(id CollectionID, list []Span, fn func(dst []byte, r *Row) (data []byte, changed bool, err error)) error {
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
	for i := 0; i < len(list) && err == nil; {
		from := list[i].First
		if e.next > from {
			from = e.next
		}
		if from > list[i].Last {
			i++
			continue
		}
		s, _, _ := w.page(from)
		if s == nil {
			break
		}
		if err = w.loadSuper(t.r, s); err != nil {
			break
		}
		s, p, next := w.page(from) // now that it is loaded
		if p != nil {
			err = e.page(t, s, p, list[i:])
		}
		if e.next = next; next == 0 {
			break
		}
	}
	if e.changed {
		t.charge(0, w.c.Tally.Bytes-before)
	}
	return err
}

// page returns the superpage and the page that would hold a row, and where the page after it begins, 0
// when there is none. The page is nil when the superpage is not loaded or the row would be before all.
func (t *tree) page(n Num) (s *wsuper, p *wpage, next Num) {
	if len(t.supers) == 0 {
		return nil, nil, 0
	}
	i := sort.Search(len(t.supers), func(i int) bool { return t.supers[i].first > n }) - 1
	if i < 0 {
		return t.supers[0], nil, t.supers[0].first
	}
	s = t.supers[i]
	if i+1 < len(t.supers) {
		next = t.supers[i+1].first
	}
	j := sort.Search(len(s.pages), func(j int) bool { return s.pages[j].first > n }) - 1
	if j+1 < len(s.pages) {
		next = s.pages[j+1].first
	}
	if j < 0 {
		return s, nil, next
	}
	return s, s.pages[j], next
}

// editor is an Edit at work.
type editor struct {
	*tree
	modseq  uint64
	fn      func([]byte, *Row) ([]byte, bool, error)
	next    Num    // rows below it are done
	rows    []Row  // of the page at work
	room    []byte // for the data of its rows
	changed bool
}

const editRoom = 16 << 10

// page edits those rows of one page that are in list. A page that was not decoded before is put
// together again at once, in memory that serves all pages.
func (e *editor) page(t *Tx, s *wsuper, p *wpage, list []Span) error {
	if err := e.loadRaw(t.r, p); err != nil {
		return err
	}
	rows, raw := p.rows, p.rows == nil
	if !raw { // it keeps what fn makes
		e.room = nil
		defer func() { e.room = nil }()
	} else {
		var err error
		rows, err = decodeRows(e.rows[:0], p.entry, pageKey(e.c.Account, tagPage, e.c.ID, p.first), p.raw)
		if err != nil {
			return err
		}
		e.rows, e.room = rows, e.room[:0]
	}
	changed, err := e.edit(rows, list, s, p)
	if err != nil || !changed {
		return err
	}
	if raw {
		p.raw = encodeRows(p.first, rows)
	}
	e.changed = true
	e.touch(s, p, e.modseq)
	return nil
}

func (e *editor) edit(rows []Row, list []Span, s *wsuper, p *wpage) (changed bool, err error) {
	var add, sub Tally
	for i := range rows {
		row := &rows[i]
		for len(list) > 0 && list[0].Last < row.Num {
			list = list[1:]
		}
		if len(list) == 0 {
			break
		}
		if row.Num < list[0].First {
			continue
		}
		if cap(e.room)-len(e.room) < 256 {
			e.room = make([]byte, 0, editRoom)
		}
		at := len(e.room)
		data, ok, err := e.fn(e.room[at:at:cap(e.room)], row)
		if err != nil {
			return changed, err
		}
		if !ok {
			continue
		}
		if len(data) > maxRowData {
			return changed, tooLong(len(data))
		}
		if len(data) <= cap(e.room)-at { // it is there, or elsewhere when fn made its own
			e.room = e.room[:at+len(data)]
		}
		sub.add(e.tally(row.Data))
		row.Data, row.Modseq = data[:len(data):len(data)], e.modseq
		add.add(e.tally(row.Data))
		if row.Created != e.modseq {
			e.edited = addSpan(e.edited, row.Num)
		}
		changed = true
	}
	if changed {
		e.charge(s, p, 0, add, sub)
	}
	return changed, nil
}
