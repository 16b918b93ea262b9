package contacts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"atrium/contacts/card"
	"atrium/contacts/query"
	"atrium/storage"
	"atrium/storage/kv/memkv"
)

func newStore(t testing.TB) *storage.Store {
	t.Helper()
	s, err := storage.Open(memkv.New(), nil, []storage.Schema{Schema}, storage.DefaultConfig(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func vcard(uid, fn, extra string) []byte {
	return fmt.Appendf(nil, "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:%s\r\nFN:%s\r\nN:%s;;;;\r\n%sEND:VCARD\r\n", uid, fn, fn, extra)
}

func label(s string) (string, []byte) { return "{DAV:}displayname", []byte(s) }

// model is an address book as a plain map, with the change of each name.
type model struct {
	t    testing.TB
	s    *storage.Store
	id   storage.CollectionID
	data map[string][]byte
	seq  map[string]uint64 // modseq of the last change of a name
}

func (m *model) put(name string, raw []byte, cond Condition) error {
	o, err := Prepare(context.Background(), nil, raw, DefaultOptions())
	if err != nil {
		m.t.Fatal(err)
	}
	defer o.Release()
	return m.s.Update(context.Background(), 1, func(tx *storage.Tx) error {
		e, created, err := Put(tx, m.id, name, o, cond)
		if err != nil {
			return err
		}
		if _, had := m.data[name]; created == had {
			m.t.Errorf("%s: created is %v", name, created)
		}
		if e.ETag != etagOf(raw) || e.Size != int64(len(raw)) {
			m.t.Errorf("%s: %+v", name, e)
		}
		return nil
	})
}

func (m *model) view(f func(v *storage.View) error) {
	if err := m.s.View(context.Background(), 1, f); err != nil {
		m.t.Error(err)
	}
}

func (m *model) compare(since uint64) {
	m.view(func(v *storage.View) error {
		t, err := v.Table(m.id)
		if err != nil {
			return err
		}
		n := 0
		for e := range Entries(t) {
			n++
			raw, err := Data(context.Background(), v, nil, e.Object)
			if err != nil || string(raw) != string(m.data[e.Name]) {
				m.t.Errorf("%s: %q %v", e.Name, raw, err)
			}
			if by, err := ByUID(v, m.id, e.UID); err != nil || by.Name != e.Name {
				m.t.Errorf("by UID %s: %+v %v", e.UID, by, err)
			}
			if by, err := ByName(v, m.id, e.Name); err != nil || by.ETag != e.ETag || by.Modseq != e.Modseq {
				m.t.Errorf("by name %s: %+v %v", e.Name, by, err)
			}
		}
		if n != len(m.data) {
			m.t.Errorf("%d entries, want %d", n, len(m.data))
		}
		d, err := Changes(v, m.id, since, 0)
		if err != nil {
			return err
		}
		var names []string
		for _, e := range d.Changed {
			names = append(names, e.Name)
		}
		slices.Sort(names)
		var want []string
		for name, at := range m.seq {
			if _, ok := m.data[name]; ok && at > since {
				want = append(want, name)
			}
		}
		slices.Sort(want)
		if !slices.Equal(names, want) {
			m.t.Errorf("changed since %d: %v, want %v", since, names, want)
		}
		for _, name := range d.Gone {
			if _, ok := m.data[name]; ok {
				m.t.Errorf("%s is there and told gone", name)
			}
		}
		return nil
	})
}

func TestModel(t *testing.T) {
	s := newStore(t)
	m := &model{t: t, s: s, data: map[string][]byte{}, seq: map[string]uint64{}}
	ctx := context.Background()
	if err := s.Update(ctx, 1, func(tx *storage.Tx) error { return EnsureDefaults(tx, label) }); err != nil {
		t.Fatal(err)
	}
	m.view(func(v *storage.View) error {
		c, err := v.CollectionByName(Schema.Code, "contacts")
		m.id = c.ID
		return err
	})
	r := rand.New(rand.NewPCG(1, 2))
	marks := []uint64{}
	for i := range 600 {
		name := fmt.Sprintf("n%d.vcf", r.IntN(40))
		old := m.data[name]
		var err error
		if r.IntN(3) == 0 {
			err = s.Update(ctx, 1, func(tx *storage.Tx) error { _, err := Delete(tx, m.id, name, Condition{}); return err })
			if old == nil != errors.Is(err, storage.NotFound) {
				t.Fatalf("delete %s: %v", name, err)
			}
			delete(m.data, name)
		} else {
			raw := vcard("u-"+name, fmt.Sprint("Name ", i), "")
			cond := Condition{NoneMatch: []string{"*"}}
			if old != nil {
				cond = Condition{Match: []string{etagOf(old)}}
			}
			if err = m.put(name, raw, cond); err != nil {
				t.Fatalf("put %s: %v", name, err)
			}
			if err := m.put(name, vcard("u-"+name, "other", ""), cond); !errors.Is(err, storage.Conflict) {
				t.Fatalf("put %s against its condition: %v", name, err)
			}
			m.data[name] = raw
		}
		m.view(func(v *storage.View) error {
			c, err := v.Collection(m.id)
			if old != nil || m.data[name] != nil {
				m.seq[name] = c.Modseq
			}
			marks = append(marks, c.Modseq)
			return err
		})
		if i%50 == 0 {
			m.compare(marks[r.IntN(len(marks))])
		}
	}
	m.compare(marks[len(marks)/2])
	s.Check(ctx, true, func(p storage.Problem) { t.Error(p) }, nil)
}

func TestUIDConflictNamesTheOther(t *testing.T) {
	s := newStore(t)
	m := &model{t: t, s: s, data: map[string][]byte{}}
	var other storage.CollectionID
	err := s.Update(context.Background(), 1, func(tx *storage.Tx) error {
		a, err := Create(tx, "a", nil)
		if err != nil {
			return err
		}
		b, err := Create(tx, "b", nil)
		m.id, other = a.ID, b.ID
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.put("one.vcf", vcard("u", "One", ""), Condition{}); err != nil {
		t.Fatal(err)
	}
	var e *card.Error
	if err := m.put("two.vcf", vcard("u", "Two", ""), Condition{}); !errors.As(err, &e) || e.Condition != card.NoUIDConflict || e.Other != "one.vcf" {
		t.Errorf("got %v", err)
	}
	move := func(from storage.CollectionID, name string, to storage.CollectionID, as string, over bool) error {
		return s.Update(context.Background(), 1, func(tx *storage.Tx) error {
			_, _, err := Move(tx, from, name, to, as, over)
			return err
		})
	}
	if err := move(m.id, "one.vcf", m.id, "renamed.vcf", false); err != nil {
		t.Errorf("a new name in the same address book: %v", err)
	}
	if err := move(m.id, "renamed.vcf", other, "x.vcf", false); err != nil {
		t.Errorf("to another address book: %v", err)
	}
	if err := m.put("two.vcf", vcard("u", "Two", ""), Condition{}); err != nil {
		t.Errorf("the UID is free again: %v", err)
	}
	if err := move(m.id, "two.vcf", other, "x.vcf", false); !errors.Is(err, storage.Exists) {
		t.Errorf("onto another without overwrite: %v", err)
	}
	if err := move(m.id, "two.vcf", other, "x.vcf", true); err != nil {
		t.Errorf("onto another: %v", err)
	}
	s.Check(context.Background(), true, func(p storage.Problem) { t.Error(p) }, nil)
}

func TestQueryReadsDigests(t *testing.T) {
	s := newStore(t)
	m := &model{t: t, s: s, data: map[string][]byte{}}
	s.Update(context.Background(), 1, func(tx *storage.Tx) error { c, err := Create(tx, "a", nil); m.id = c.ID; return err })
	photo := "PHOTO;ENCODING=b:" + strings.Repeat("QUJD", 3000) + "\r\n"
	for i := range 30 {
		if err := m.put(fmt.Sprint(i), vcard(fmt.Sprint(i), fmt.Sprintf("Person %02d", i), photo), Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	find := func(prop, text string) (n int) {
		f := &query.Filter{Props: []query.PropFilter{{Name: prop, Texts: []query.TextMatch{{Text: text}}}}}
		m.view(func(v *storage.View) error {
			for x, err := range Query(context.Background(), v, nil, m.id, f) {
				if err != nil {
					return err
				}
				if raw, err := x.Data(); err != nil || !strings.Contains(string(raw), "PHOTO") {
					t.Error("a match lacks its photo")
				}
				n++
			}
			return nil
		})
		return n
	}
	if n := find("FN", "person 1"); n != 10 {
		t.Errorf("%d found by name", n)
	}
	if n := find("PHOTO", "QUJD"); n != 30 {
		t.Errorf("%d found by photo", n)
	}
	s.Update(context.Background(), 1, func(tx *storage.Tx) error { // cards without digests are found too
		for _, n := range []storage.Num{1, 11, 12, 30} {
			if err := tx.SetIndex(m.id, digestKey(n), nil); err != nil {
				return err
			}
		}
		return tx.SetIndex(m.id, digestKey(13), []byte{})
	})
	if n := find("FN", "person 1"); n != 10 {
		t.Errorf("%d found by name without digests", n)
	}
	if n := find("FN", "person"); n != 30 {
		t.Errorf("%d found without digests", n)
	}
}

func BenchmarkQuery(b *testing.B) {
	s := newStore(b)
	m := &model{t: b, s: s, data: map[string][]byte{}}
	s.Update(context.Background(), 1, func(tx *storage.Tx) error { c, err := Create(tx, "a", nil); m.id = c.ID; return err })
	for i := range 1000 {
		m.put(fmt.Sprint(i), vcard(fmt.Sprint(i), fmt.Sprintf("Person %04d", i), "EMAIL:a@b.example\r\nTEL:1\r\n"), Condition{})
	}
	f := &query.Filter{Props: []query.PropFilter{{Name: "FN", Texts: []query.TextMatch{{Text: "person 0123"}}}}}
	for b.Loop() {
		m.view(func(v *storage.View) error {
			for _, err := range Query(context.Background(), v, nil, m.id, f) {
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
}
