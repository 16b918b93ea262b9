package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"atrium/storage"
	"atrium/storage/blob"
	"atrium/storage/kv"
)

// Schema is the collections' schema in tests: a row's data is its size in
// bytes, then what Tally.A and Tally.B count.
var Schema = storage.Schema{Code: 9, Name: "test", Tally: func(b []byte) storage.Tally {
	if len(b) < 3 {
		return storage.Tally{}
	}
	return storage.Tally{Bytes: int64(b[0]), A: int64(b[1] & 1), B: int64(b[2])}
}}

// Open opens a store with Schema, closed with the test.
func Open(t testing.TB, e kv.Engine, blobs blob.Store) *storage.Store {
	t.Helper()
	s, err := storage.Open(e, blobs, []storage.Schema{Schema}, storage.DefaultConfig(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// row and coll are the model's own view of things.
type row struct {
	object  storage.ObjectID
	data    []byte
	modseq  uint64
	created uint64
}

type coll struct {
	name  string
	next  storage.Num
	rows  map[storage.Num]row
	gone  map[storage.Num]storage.Gone
	goneM map[storage.Num][2]uint64 // created, gone
	index map[string]string
}

type model struct {
	t     testing.TB
	s     *storage.Store
	a     storage.AccountID
	r     *rand.Rand
	colls map[storage.CollectionID]*coll
	facet map[storage.ObjectID]string
	seq   uint64
	ops   []string
}

// Run runs a random history of n operations on one account and compares the
// store with the model all along.
func Run(t testing.TB, s *storage.Store, a storage.AccountID, seed uint64, n int) {
	m := &model{t: t, s: s, a: a, r: rand.New(rand.NewPCG(seed, 1)), colls: map[storage.CollectionID]*coll{}, facet: map[storage.ObjectID]string{}}
	for range n {
		m.step()
		if m.r.IntN(20) == 0 {
			m.compare()
		}
		if t.Failed() {
			t.Fatalf("seed %d, the last operations: %q", seed, m.ops[max(0, len(m.ops)-12):])
		}
	}
	m.compare()
	ctx := context.Background()
	if err := s.Clean(ctx, time.Now().Add(time.Hour)); err != nil {
		t.Error("Clean:", err)
	}
	m.compare()
	err := s.Check(ctx, true, func(p storage.Problem) { t.Errorf("seed %d, check: %v", seed, p) }, nil)
	if err != nil {
		t.Error("Check:", err)
	}
}

func (m *model) pick() (storage.CollectionID, *coll) {
	ids := make([]storage.CollectionID, 0, len(m.colls))
	for id := range m.colls {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	if len(ids) == 0 {
		return 0, nil
	}
	id := ids[m.r.IntN(len(ids))]
	return id, m.colls[id]
}

func (c *coll) nums() []storage.Num {
	list := make([]storage.Num, 0, len(c.rows))
	for n := range c.rows {
		list = append(list, n)
	}
	slices.Sort(list)
	return list
}

var errUndo = errors.New("undo")

// step does one transaction; every eighth is undone and must leave nothing.
func (m *model) step() {
	undo := m.r.IntN(8) == 0
	seed := m.r.Uint64()
	var after *model
	err := m.s.Update(context.Background(), m.a, func(t *storage.Tx) error {
		after = m.copy(seed) // fn may run again
		after.seq++
		for range 1 + after.r.IntN(4) {
			if err := after.act(t); err != nil {
				return err
			}
		}
		if undo {
			return errUndo
		}
		return nil
	})
	m.ops = after.ops
	switch {
	case undo && !errors.Is(err, errUndo), !undo && err != nil:
		m.t.Errorf("Update: %v", err)
	case !undo:
		m.colls, m.facet = after.colls, after.facet
		if got := m.modseq(); got != m.seq && got != after.seq {
			m.t.Errorf("modseq %d, want %d or %d", got, m.seq, after.seq)
		}
		m.seq = m.modseq()
	}
}

func (m *model) modseq() (n uint64) {
	err := m.s.View(context.Background(), m.a, func(v *storage.View) (err error) { n, err = v.Modseq(); return err })
	if err != nil {
		m.t.Error(err)
	}
	return n
}

func (m *model) copy(seed uint64) *model {
	out := *m
	out.r = rand.New(rand.NewPCG(seed, 2))
	out.colls = map[storage.CollectionID]*coll{}
	for id, c := range m.colls {
		d := &coll{name: c.name, next: c.next, rows: map[storage.Num]row{}, gone: map[storage.Num]storage.Gone{}, goneM: map[storage.Num][2]uint64{}, index: map[string]string{}}
		for k, v := range c.rows {
			d.rows[k] = v
		}
		for k, v := range c.gone {
			d.gone[k], d.goneM[k] = v, c.goneM[k]
		}
		for k, v := range c.index {
			d.index[k] = v
		}
		out.colls[id] = d
	}
	out.facet = map[storage.ObjectID]string{}
	for k, v := range m.facet {
		out.facet[k] = v
	}
	return &out
}

func (m *model) data() []byte {
	b := make([]byte, 3+m.r.IntN(60))
	for i := range b {
		b[i] = byte(m.r.IntN(200))
	}
	return b
}

func (m *model) act(t *storage.Tx) error {
	id, c := m.pick()
	k := m.r.IntN(100)
	if c == nil || k < 3 && len(m.colls) < 6 {
		return m.create(t)
	}
	switch {
	case k < 45:
		return m.insert(t, id, c, 1+m.r.IntN(40))
	case k < 65:
		return m.edit(t, id, c)
	case k < 85:
		return m.remove(t, id, c)
	case k < 92:
		return m.share(t, id, c)
	case k < 96:
		key, val := fmt.Sprint("k", m.r.IntN(20)), fmt.Sprint(m.r.IntN(1000))
		c.index[key] = val
		m.note("index %d %s=%s", id, key, val)
		return t.SetIndex(id, []byte(key), []byte(val))
	case k < 98:
		c.name = fmt.Sprint("n", m.r.Uint32())
		m.note("rename %d %s", id, c.name)
		return t.Rename(id, c.name)
	case len(m.colls) > 3:
		m.note("drop %d", id)
		delete(m.colls, id)
		return t.Drop(id)
	}
	return nil
}

func (m *model) note(format string, args ...any) {
	m.ops = append(m.ops, fmt.Sprintf(format, args...))
}

func (m *model) create(t *storage.Tx) error {
	name := fmt.Sprint("c", m.r.Uint32())
	c, err := t.Create(Schema.Code, name, []byte("d"))
	if err != nil {
		return err
	}
	m.note("create %d %s", c.ID, name)
	m.colls[c.ID] = &coll{name: name, next: 1, rows: map[storage.Num]row{}, gone: map[storage.Num]storage.Gone{}, goneM: map[storage.Num][2]uint64{}, index: map[string]string{}}
	return nil
}

func (m *model) insert(t *storage.Tx, id storage.CollectionID, c *coll, n int) error {
	m.note("insert %d x %d", id, n)
	for range n {
		val := fmt.Sprint("facet", m.r.Uint32())
		o, err := t.NewObject(storage.Object{Facets: map[byte][]byte{1: []byte(val)}})
		if err != nil {
			return err
		}
		m.facet[o] = val
		if err := m.insertRow(t, id, c, o); err != nil {
			return err
		}
	}
	return nil
}

func (m *model) insertRow(t *storage.Tx, id storage.CollectionID, c *coll, o storage.ObjectID) error {
	d := m.data()
	num, err := t.Insert(id, o, d)
	if err != nil {
		return err
	}
	if num != c.next {
		return fmt.Errorf("insert gave %d, want %d", num, c.next)
	}
	c.next++
	c.rows[num] = row{o, d, m.seq, m.seq}
	return nil
}

// share shows an object of one collection in another, or moves it there.
func (m *model) share(t *storage.Tx, id storage.CollectionID, c *coll) error {
	to, d := m.pick()
	nums := c.nums()
	if len(nums) == 0 {
		return nil
	}
	n := nums[m.r.IntN(len(nums))]
	m.note("share %d/%d in %d", id, n, to)
	if err := m.insertRow(t, to, d, c.rows[n].object); err != nil {
		return err
	}
	if m.r.IntN(2) == 0 {
		return m.removeRow(t, id, c, n)
	}
	return nil
}

func (m *model) edit(t *storage.Tx, id storage.CollectionID, c *coll) error {
	for _, n := range c.nums() {
		if m.r.IntN(5) > 0 {
			continue
		}
		r := c.rows[n]
		r.data, r.modseq = m.data(), m.seq
		m.note("set %d/%d", id, n)
		if err := t.Set(id, n, 0, r.data); err != nil {
			return err
		}
		c.rows[n] = r
	}
	if err := t.Set(id, c.next, 0, nil); !errors.Is(err, storage.NotFound) {
		return fmt.Errorf("a row that is not there was set: %v", err)
	}
	return nil
}

func (m *model) remove(t *storage.Tx, id storage.CollectionID, c *coll) error {
	all := m.r.IntN(12) == 0
	for _, n := range c.nums() {
		if !all && m.r.IntN(6) > 0 {
			continue
		}
		if err := m.removeRow(t, id, c, n); err != nil {
			return err
		}
	}
	return nil
}

func (m *model) removeRow(t *storage.Tx, id storage.CollectionID, c *coll, n storage.Num) error {
	var note []byte
	if m.r.IntN(2) == 0 {
		note = fmt.Append(nil, "name", n)
	}
	m.note("remove %d/%d", id, n)
	if r := c.rows[n]; r.created != m.seq {
		c.gone[n] = storage.Gone{Num: n, Note: note}
		c.goneM[n] = [2]uint64{r.created, m.seq}
	}
	delete(c.rows, n)
	return t.Remove(id, n, note)
}

// compare holds the store against the model.
func (m *model) compare() {
	err := m.s.View(context.Background(), m.a, func(v *storage.View) error {
		list, err := v.Collections(Schema.Code)
		if err != nil {
			return err
		}
		if len(list) != len(m.colls) {
			m.t.Errorf("%d collections, want %d", len(list), len(m.colls))
		}
		var bytes, rows int64
		for _, c := range list {
			w := m.colls[c.ID]
			if w == nil || w.name != c.Name || w.next != c.Next || len(w.rows) != c.Count {
				m.t.Errorf("collection %+v is not as it should be", c)
				continue
			}
			bytes += c.Tally.Bytes
			rows += int64(c.Count)
			if err := m.compareRows(v, c, w); err != nil {
				return err
			}
			if err := m.compareChanges(v, c, w); err != nil {
				return err
			}
			for k, val := range w.index {
				if b, err := v.Index(c.ID, []byte(k)); err != nil || string(b) != val {
					m.t.Errorf("index %s: %q %v, want %q", k, b, err, val)
				}
			}
		}
		if u, err := v.Usage(); err != nil || u.Bytes != bytes || u.Objects != rows {
			m.t.Errorf("usage %+v %v, want %d in %d", u, err, bytes, rows)
		}
		return nil
	})
	if err != nil {
		m.t.Error("View:", err)
	}
}

func (m *model) compareRows(v *storage.View, c *storage.Collection, w *coll) error {
	tab, err := v.Table(c.ID)
	if err != nil {
		return err
	}
	nums := w.nums()
	if tab.Len() != len(nums) {
		m.t.Errorf("table of %d rows, want %d", tab.Len(), len(nums))
		return nil
	}
	var sum storage.Tally
	for pos, r := range tab.Rows(0, tab.Len()) {
		want := w.rows[nums[pos]]
		if r.Num != nums[pos] || r.Object != want.object || !bytes.Equal(r.Data, want.data) || r.Modseq != want.modseq || r.Created != want.created {
			m.t.Errorf("row %d of collection %d: %+v, want %d %+v", pos, c.ID, r, nums[pos], want)
		}
		t := Schema.Tally(r.Data)
		sum.Bytes, sum.A, sum.B = sum.Bytes+t.Bytes, sum.A+t.A, sum.B+t.B
		if p, ok := tab.Find(r.Num); !ok || p != pos {
			m.t.Errorf("Find(%d) = %d, %v, want %d", r.Num, p, ok, pos)
		}
		if m.r.IntN(10) == 0 {
			if one, err := v.Row(c.ID, r.Num); err != nil || one.Num != r.Num || !bytes.Equal(one.Data, r.Data) {
				m.t.Errorf("Row(%d) = %+v, %v", r.Num, one, err)
			}
			if at := tab.At(pos); at.Num != r.Num || at.Modseq != r.Modseq {
				m.t.Errorf("At(%d) = %+v", pos, at)
			}
			if b, err := v.Facet(r.Object, 1); err != nil || string(b) != m.facet[r.Object] {
				m.t.Errorf("facet of %d: %q %v, want %q", r.Object, b, err, m.facet[r.Object])
			}
		}
	}
	if sum != c.Tally {
		m.t.Errorf("tally %+v, want %+v", c.Tally, sum)
	}
	return nil
}

func (m *model) compareChanges(v *storage.View, c *storage.Collection, w *coll) error {
	since := c.Floor + m.r.Uint64N(m.seq-c.Floor+1)
	got, err := v.Changes(c.ID, since, 0)
	if err != nil {
		return err
	}
	var changed []storage.Num
	for _, n := range w.nums() {
		if w.rows[n].modseq > since {
			changed = append(changed, n)
		}
	}
	var gone []storage.Num
	for n, x := range w.goneM {
		if x[0] <= since && x[1] > since {
			gone = append(gone, n)
		}
	}
	slices.Sort(gone)
	passed := 0
	for _, x := range w.goneM {
		if x[0] > since {
			passed++
		}
	}
	if len(got.Passed) != passed {
		m.t.Errorf("%d rows came and went since %d, want %d", len(got.Passed), since, passed)
	}
	if !slices.Equal(got.Changed, changed) || len(got.Gone) != len(gone) {
		m.t.Errorf("changes of %d since %d: %v %v, want %v %v", c.ID, since, got.Changed, got.Gone, changed, gone)
		return nil
	}
	for i, g := range got.Gone {
		if g.Num != gone[i] || !bytes.Equal(g.Note, w.gone[g.Num].Note) {
			m.t.Errorf("gone %+v, want %+v", g, w.gone[gone[i]])
		}
	}
	if _, err := v.Changes(c.ID, c.Floor-1, 0); !errors.Is(err, storage.Expired) {
		m.t.Errorf("changes from before the floor: %v", err)
	}
	return nil
}
