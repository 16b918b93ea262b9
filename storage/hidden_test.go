package storage_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"atrium/storage"
	"atrium/storage/kv/memkv"
	"atrium/storage/storetest"
)

// TestHidden follows collections that no View lists until they are shown, and what becomes of those that never are.
func TestHidden(t *testing.T) {
	engine, ctx := memkv.New(), context.Background()
	s := storetest.Open(t, engine, nil)
	do := func(fn func(*storage.Tx) error) {
		t.Helper()
		if err := s.Update(ctx, 1, fn); err != nil {
			t.Fatal(err)
		}
	}
	hide := func() (id storage.CollectionID) {
		t.Helper()
		do(func(tx *storage.Tx) error {
			c, err := tx.CreateHidden(storetest.Schema.Code, []byte("data"))
			if err == nil {
				id = c.ID
			}
			return err
		})
		return id
	}
	check := func(want ...string) {
		t.Helper()
		err := s.View(ctx, 1, func(v *storage.View) error {
			for _, schema := range []byte{0, storetest.Schema.Code} {
				list, err := v.Collections(schema)
				if err != nil {
					return err
				}
				var names []string
				for _, c := range list {
					names = append(names, c.Name)
				}
				if !slices.Equal(names, want) {
					t.Errorf("schema %d lists %q, want %q", schema, names, want)
				}
			}
			gone, _, err := v.Dropped(storetest.Schema.Code)
			if len(gone) > 0 {
				t.Errorf("names that went: %v", gone)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	there := func(id storage.CollectionID) bool {
		t.Helper()
		err := s.View(ctx, 1, func(v *storage.View) error {
			_, err := v.Collection(id)
			return err
		})
		if err != nil && !errors.Is(err, storage.NotFound) {
			t.Fatal(err)
		}
		return err == nil
	}
	clean := func() {
		t.Helper()
		if err := s.Clean(ctx, time.Now()); err != nil {
			t.Fatal(err)
		}
	}

	a, b, c := hide(), hide(), hide()
	check()
	clean() // they are of this process
	if !there(a) || !there(b) || !there(c) {
		t.Fatal("cleaning took what somebody works at")
	}
	do(func(tx *storage.Tx) error { return tx.Show(a, "a") })
	check("a")
	for _, bad := range []func(tx *storage.Tx) error{
		func(tx *storage.Tx) error { return tx.Show(b, "a") },                                               // taken
		func(tx *storage.Tx) error { return tx.Show(a, "b") },                                               // not hidden
		func(tx *storage.Tx) error { return tx.Show(b, "\x00x") },                                           // no name
		func(tx *storage.Tx) error { return tx.Rename(a, "\x001") },                                         // no name
		func(tx *storage.Tx) error { _, err := tx.Create(storetest.Schema.Code, "\x001", nil); return err }, // no name
	} {
		if err := s.Update(ctx, 1, bad); err == nil {
			t.Error("no error")
		}
	}
	for _, id := range []storage.CollectionID{a, b} {
		if err := s.DropHidden(ctx, 1, id); err != nil {
			t.Fatal(err)
		}
	}
	if !there(a) || there(b) {
		t.Error("of a collection that was shown and one that was not, the wrong one went")
	}
	check("a")

	// another process
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	given := map[storage.CollectionID]int{}
	schema := storetest.Schema
	schema.Dropping = func(tx *storage.Tx, id storage.CollectionID) error {
		given[id]++ // the engine of this test runs a transaction once
		return nil
	}
	s, err := storage.Open(engine, nil, []storage.Schema{schema}, storage.DefaultConfig(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	do(func(tx *storage.Tx) error { return tx.SetRecord("x", []byte("y")) })
	if !there(c) {
		t.Fatal("gone too early")
	}
	for n := 0; there(c) && n < 10; n++ {
		do(func(tx *storage.Tx) error { // something to clean: who starts looks at all accounts
			d, err := tx.Create(storetest.Schema.Code, "d", nil)
			if err != nil {
				return err
			}
			return tx.Drop(d.ID)
		})
		clean()
	}
	if there(c) {
		t.Error("what another process has left hidden stays")
	}
	if given[c] != 1 {
		t.Errorf("the domain was asked %d times to give back what that held", given[c])
	}
}
