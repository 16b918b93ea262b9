package storage_test

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"atrium/storage"
	"atrium/storage/blob"
	"atrium/storage/embedded"
	"atrium/storage/storetest"
)

// TestSweepKeepsWhatIsShown has bodies shown, shared, removed and dropped, and
// sweeps: what some row shows, or showed a moment ago, stays.
func TestSweepKeepsWhatIsShown(t *testing.T) {
	e, err := embedded.Open(filepath.Join(t.TempDir(), "s"), embedded.Small(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	s := storetest.Open(t, e.Engine, e.Blobs)
	ctx := context.Background()
	put := func(a storage.AccountID, text string) (ref blob.Ref, id storage.CollectionID, num storage.Num) {
		spool, err := e.Blobs.Spool(ctx, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer spool.Release()
		io.WriteString(spool, text)
		if ref, err = spool.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		err = s.Update(ctx, a, func(tx *storage.Tx) error {
			c, err := tx.Create(storetest.Schema.Code, text, nil)
			if err != nil {
				return err
			}
			o, err := tx.NewObject(storage.Object{Blob: ref})
			if err != nil {
				return err
			}
			id = c.ID
			num, err = tx.Insert(c.ID, o, []byte{1, 0, 0})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return ref, id, num
	}
	there := func(ref blob.Ref) bool {
		b, err := e.Blobs.Open(ctx, ref)
		if err == nil {
			b.Close()
		}
		return err == nil
	}
	kept, _, _ := put(1, "kept")
	removed, rc, rn := put(1, "removed")
	dropped, dc, _ := put(2, "dropped")
	shared, sc, sn := put(1, "shared")
	put(3, "shared") // the same octets in another account
	err = s.Update(ctx, 1, func(tx *storage.Tx) error {
		if err := tx.Remove(sc, sn, nil); err != nil {
			return err
		}
		return tx.Remove(rc, rn, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Update(ctx, 2, func(tx *storage.Tx) error { return tx.Drop(dc) }); err != nil {
		t.Fatal(err)
	}
	sweep := func() {
		if _, _, err := s.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
	}
	sweep()
	if !there(removed) || !there(dropped) {
		t.Error("a body went while its grace lasted")
	}
	if err := s.Clean(ctx, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	sweep()
	if !there(kept) || !there(shared) {
		t.Error("a body that is shown was swept")
	}
	if there(removed) || there(dropped) {
		t.Error("a body that nothing shows was not swept")
	}
	s.Check(ctx, true, func(p storage.Problem) { t.Error(p) }, nil)
}
