package storage_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"atrium/storage"
	"atrium/storage/kv/memkv"
	"atrium/storage/storetest"
)

// TestStage shows what was written ahead, part of it, and nothing of it: no object is lost,
// none stays for ever.
func TestStage(t *testing.T) {
	s := storetest.Open(t, memkv.New(), nil)
	id := fill(t, s, 3)
	ctx := context.Background()
	stage := func(n int) (out *storage.Staged) {
		t.Helper()
		list := make([]storage.Object, n)
		for i := range list {
			list[i].Facets = map[byte][]byte{1: fmt.Append(nil, i)}
		}
		err := s.Update(ctx, 1, func(tx *storage.Tx) (err error) {
			out, err = tx.Stage(list)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Check(ctx, false, func(p storage.Problem) { t.Error("staged:", p) }, nil)
		return out
	}
	adopt := func(show int, twice bool, staged ...*storage.Staged) error {
		return s.Update(ctx, 1, func(tx *storage.Tx) error {
			for _, st := range staged {
				if err := tx.Adopt(st); err != nil {
					return err
				}
				for _, o := range st.Objects[:show] {
					for range 1 + map[bool]int{true: 1}[twice] {
						if _, err := tx.Insert(id, o, []byte{10, 1, 0}); err != nil {
							return err
						}
					}
				}
			}
			return nil
		})
	}
	facets := func(st *storage.Staged) (n int) {
		s.View(ctx, 1, func(v *storage.View) error {
			for i, o := range st.Objects {
				if b, err := v.Facet(o, 1); err == nil && string(b) == fmt.Sprint(i) {
					n++
				}
			}
			return nil
		})
		return n
	}
	all, part, twice, late := stage(4), stage(4), stage(4), stage(4)
	for _, err := range []error{adopt(4, false, all), adopt(2, false, part), adopt(4, true, twice)} {
		if err != nil {
			t.Error(err)
		}
	}
	if err := adopt(4, false, all); !errors.Is(err, storage.Unavailable) {
		t.Errorf("adopted again: %v", err)
	}
	s.Check(ctx, false, func(p storage.Problem) { t.Error("adopted:", p) }, nil)
	if err := s.Clean(ctx, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if a, p, d, l := facets(all), facets(part), facets(twice), facets(late); a != 4 || p != 2 || d != 4 || l != 0 {
		t.Errorf("objects left: %d of 4 shown, %d of 2, %d of 4 shown twice, %d of 0", a, p, d, l)
	}
	if err := adopt(4, false, late); !errors.Is(err, storage.Unavailable) {
		t.Errorf("adopted too late: %v", err)
	}
	s.Check(ctx, false, func(p storage.Problem) { t.Error("cleaned:", p) }, nil)
}
