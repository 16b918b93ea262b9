package storage_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"atrium/storage"
	"atrium/storage/kv"
	"atrium/storage/kv/memkv"
	"atrium/storage/storetest"
)

func TestModel(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, storetest.Open(t, memkv.New(), nil), 7, seed, 400)
		})
	}
}

// fill makes a collection of n rows in account 1.
func fill(t testing.TB, s *storage.Store, n int) storage.CollectionID {
	t.Helper()
	ctx := context.Background()
	var id storage.CollectionID
	for done := 0; done < n || id == 0; {
		err := s.Update(ctx, 1, func(tx *storage.Tx) error {
			if id == 0 {
				c, err := tx.Create(storetest.Schema.Code, "big", nil)
				if err != nil {
					return err
				}
				id = c.ID
			}
			for range min(500, n-done) {
				o, err := tx.NewObject(storage.Object{Facets: map[byte][]byte{1: []byte("x")}})
				if err != nil {
					return err
				}
				if _, err := tx.Insert(id, o, []byte{10, 1, 0, 4, 5, 6, 7, 8}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		done += 500
	}
	return id
}

func TestRightsAreByGrant(t *testing.T) {
	s := storetest.Open(t, memkv.New(), nil)
	id := fill(t, s, 1)
	ctx := context.Background()
	allow := func(actor storage.AccountID, need storage.Rights) (err error) {
		s.View(ctx, 1, func(v *storage.View) error { _, err = v.Allow(actor, id, need); return nil })
		return err
	}
	grant := func(g storage.Grant) {
		if err := s.Update(ctx, 1, func(tx *storage.Tx) error { return tx.SetGrant(g) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := allow(1, storage.AllRights); err != nil {
		t.Error("the owner:", err)
	}
	if err := allow(2, storage.Lookup); !errors.Is(err, storage.NotFound) {
		t.Error("a stranger:", err)
	}
	grant(storage.Grant{Collection: id, To: 2, Rights: storage.ReadOnly})
	if err := allow(2, storage.Read); err != nil {
		t.Error("with a grant to read:", err)
	}
	if err := allow(2, storage.Write); !errors.Is(err, storage.Forbidden) {
		t.Error("writing with a grant to read:", err)
	}
	grant(storage.Grant{To: storage.Anyone, Rights: storage.Write})
	if err := allow(2, storage.Read|storage.Write); err != nil {
		t.Error("grants add up:", err)
	}
	if err := allow(3, storage.Read); !errors.Is(err, storage.NotFound) {
		t.Error("a right without lookup:", err)
	}
	grant(storage.Grant{Collection: id, To: 2})
	grant(storage.Grant{To: storage.Anyone})
	if err := allow(2, storage.Lookup); !errors.Is(err, storage.NotFound) {
		t.Error("after the grants went:", err)
	}
}

func TestQuota(t *testing.T) {
	s := storetest.Open(t, memkv.New(), nil)
	id := fill(t, s, 5) // 50 bytes
	ctx := context.Background()
	if err := s.SetLimits(ctx, 1, 55, 0); err != nil {
		t.Fatal(err)
	}
	err := s.Update(ctx, 1, func(tx *storage.Tx) error {
		o, err := tx.NewObject(storage.Object{})
		if err != nil {
			return err
		}
		_, err = tx.Insert(id, o, []byte{10, 0, 0})
		return err
	})
	if !errors.Is(err, storage.OverQuota) {
		t.Errorf("insert over quota: %v", err)
	}
	if err := s.SetLimits(ctx, 1, 20, 0); err != nil {
		t.Errorf("a limit below the usage can be set: %v", err)
	}
	if err := s.Update(ctx, 1, func(tx *storage.Tx) error { return tx.Remove(id, 1, nil) }); err != nil {
		t.Errorf("removing while over quota: %v", err)
	}
}

func TestWatch(t *testing.T) {
	s := storetest.Open(t, memkv.New(), nil)
	id := fill(t, s, 1)
	ctx := context.Background()
	one, all, other := s.Watch(1, id), s.Watch(1, 0), s.Watch(1, id+1)
	defer one.Close()
	defer all.Close()
	defer other.Close()
	set := func(b byte) {
		if err := s.Update(ctx, 1, func(tx *storage.Tx) error { return tx.Set(id, 1, 0, []byte{b, 0, 0}) }); err != nil {
			t.Fatal(err)
		}
	}
	set(1)
	set(2)
	for _, w := range []*storage.Watch{one, all} {
		select {
		case <-w.C:
		default:
			t.Error("a change was not told")
		}
		select {
		case <-w.C:
			t.Error("changes queue up")
		default:
		}
	}
	select {
	case <-other.C:
		t.Error("told of another collection's change")
	default:
	}
}

// TestWatchGrants: who watches an account hears of rights given to it and taken from it, for all too.
func TestWatchGrants(t *testing.T) {
	s := storetest.Open(t, memkv.New(), nil)
	id := fill(t, s, 1)
	two, three := s.Watch(2, 0), s.Watch(3, 0)
	defer two.Close()
	defer three.Close()
	told := func(w *storage.Watch) bool {
		select {
		case <-w.C:
			return true
		default:
			return false
		}
	}
	for _, c := range []struct {
		to     storage.AccountID
		rights storage.Rights
		others bool
	}{{2, storage.Read, false}, {2, 0, false}, {storage.Anyone, storage.Read, true}, {storage.Anyone, 0, true}} {
		err := s.Update(t.Context(), 1, func(tx *storage.Tx) error {
			return tx.SetGrant(storage.Grant{Collection: id, To: c.to, Rights: c.rights})
		})
		if err != nil {
			t.Fatal(err)
		}
		if a, b := told(two), told(three); !a || b != c.others {
			t.Errorf("%+v: %t and %t", c, a, b)
		}
	}
	s.Wake(3)
	if told(two) || !told(three) {
		t.Error("Wake")
	}
}

func TestTrimExpiresOldTokens(t *testing.T) {
	s := storetest.Open(t, memkv.New(), nil)
	id := fill(t, s, 1)
	ctx := context.Background()
	for i := range 1200 {
		if err := s.Update(ctx, 1, func(tx *storage.Tx) error { return tx.Set(id, 1, 0, []byte{byte(i), 0, 0}) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Trim(ctx, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	s.View(ctx, 1, func(v *storage.View) error {
		c, err := v.Collection(id)
		if err != nil {
			t.Fatal(err)
		}
		if c.Floor < 100 || c.Floor > 250 {
			t.Errorf("floor %d after 1,200 changes", c.Floor)
		}
		if _, err := v.Changes(id, 5, 0); !errors.Is(err, storage.Expired) {
			t.Errorf("changes since a forgotten modseq: %v", err)
		}
		if ch, err := v.Changes(id, c.Floor, 0); err != nil || len(ch.Changed) != 1 {
			t.Errorf("changes since the floor: %+v %v", ch, err)
		}
		return nil
	})
	s.Check(ctx, false, func(p storage.Problem) { t.Error(p) }, nil)
}

func TestCheckFindsWhatIsBroken(t *testing.T) {
	e := memkv.New()
	s := storetest.Open(t, e, nil)
	fill(t, s, 300)
	ctx := context.Background()
	for _, tag := range []byte("ACFLNORS") {
		var key, value []byte
		err := e.Update(ctx, func(w kv.Txn) error {
			r := kv.Prefix([]byte{1, 0, 0, 0, 0, 0, 0, 0, 1, tag})
			r.Limit = 1
			for k, b := range w.Scan(r) {
				key, value = append([]byte(nil), k...), append([]byte(nil), b...)
			}
			w.Delete(key)
			return nil
		})
		if err != nil || key == nil {
			t.Fatal(tag, err)
		}
		found := 0
		if err := s.Check(ctx, false, func(storage.Problem) { found++ }, nil); err != nil {
			t.Errorf("without a record %c: %v", tag, err)
		}
		if tag != 'L' && found == 0 { // a log may be short: its floor tells
			t.Errorf("a lost record %c is not found", tag)
		}
		e.Update(ctx, func(w kv.Txn) error { w.Set(key, value); return nil })
	}
}

func BenchmarkRows(b *testing.B) {
	s := storetest.Open(b, memkv.New(), nil)
	id := fill(b, s, 100_000)
	var tab *storage.Table
	s.View(context.Background(), 1, func(v *storage.View) (err error) { tab, err = v.Table(id); return err })
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, r := range tab.Rows(0, tab.Len()) {
			n += len(r.Data)
		}
	}
	b.ReportMetric(float64(b.N)*100_000/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkInsert(b *testing.B) {
	s := storetest.Open(b, memkv.New(), nil)
	id := fill(b, s, 1)
	b.ReportAllocs()
	for b.Loop() {
		s.Update(context.Background(), 1, func(tx *storage.Tx) error {
			o, _ := tx.NewObject(storage.Object{Facets: map[byte][]byte{1: []byte("x")}})
			_, err := tx.Insert(id, o, []byte{10, 1, 0, 4, 5, 6, 7, 8})
			return err
		})
	}
}

// BenchmarkChanges is the cost of ten changes in collections of different sizes.
func BenchmarkChanges(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := storetest.Open(b, memkv.New(), nil)
			id := fill(b, s, n)
			ctx := context.Background()
			var since uint64
			s.View(ctx, 1, func(v *storage.View) (err error) { since, err = v.Modseq(); return err })
			for i := range 10 {
				s.Update(ctx, 1, func(tx *storage.Tx) error { return tx.Set(id, storage.Num(i*n/10+1), 0, []byte{1, 2, 3}) })
			}
			for b.Loop() {
				s.View(ctx, 1, func(v *storage.View) error {
					c, err := v.Changes(id, since, 0)
					if len(c.Changed) != 10 {
						b.Fatal(c, err)
					}
					for _, num := range c.Changed {
						if _, err := v.Row(id, num); err != nil {
							b.Fatal(err)
						}
					}
					return nil
				})
			}
		})
	}
}
