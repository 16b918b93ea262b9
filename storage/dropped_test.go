package storage_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"atrium/storage"
	"atrium/storage/kv/memkv"
	"atrium/storage/storetest"
)

// TestDropped follows names of collections that go, come again and go again.
func TestDropped(t *testing.T) {
	s, ctx := storetest.Open(t, memkv.New(), nil), context.Background()
	do := func(fn func(*storage.Tx) error) {
		t.Helper()
		if err := s.Update(ctx, 1, fn); err != nil {
			t.Fatal(err)
		}
	}
	create := func(name string) (id storage.CollectionID) {
		do(func(tx *storage.Tx) error {
			c, err := tx.Create(storetest.Schema.Code, name, nil)
			if err == nil {
				id = c.ID
			}
			return err
		})
		return id
	}
	list := func() (out string, floor uint64) {
		err := s.View(ctx, 1, func(v *storage.View) error {
			l, f, err := v.Dropped(storetest.Schema.Code)
			for i, d := range l {
				out += d.Name + " "
				if i > 0 && d.Modseq < l[i-1].Modseq {
					t.Error("not in order")
				}
			}
			floor = f
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return out, floor
	}
	a, b := create("a"), create("b")
	do(func(tx *storage.Tx) error { return errors.Join(tx.Drop(a), tx.Drop(b)) })
	a = create("a")
	do(func(tx *storage.Tx) error { return tx.Rename(a, "c") })
	do(func(tx *storage.Tx) error { return tx.Rename(a, "c") }) // to its own name: nothing goes
	if got, floor := list(); got != "b a " || floor != 0 {
		t.Errorf("%q above %d", got, floor)
	}
	for i := range 100 {
		id := create(fmt.Sprint(i, strings.Repeat("x", 300)))
		do(func(tx *storage.Tx) error { return tx.Drop(id) })
	}
	got, floor := list()
	if n := len(strings.Fields(got)); n < 10 || n > 50 || floor == 0 {
		t.Errorf("%d names above %d", n, floor)
	}
}
