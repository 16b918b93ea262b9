package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"atrium/storage"
	"atrium/storage/blob"
	"atrium/storage/embedded"
	"atrium/storage/kv"
	"atrium/storage/storetest"
)

func openFolder(t testing.TB) *embedded.Store {
	e, err := embedded.Open(filepath.Join(t.TempDir(), "s"), embedded.Small(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// putBody adds a row to a collection of the account; the first one makes the collection.
func putBody(s *storage.Store, a storage.AccountID, text string) error {
	ctx := context.Background()
	spool, err := s.Blobs().Spool(ctx, 0)
	if err != nil {
		return err
	}
	defer spool.Release()
	io.WriteString(spool, text)
	ref, err := spool.Commit(ctx)
	if err != nil {
		return err
	}
	return s.Update(ctx, a, func(tx *storage.Tx) error {
		c, err := tx.CollectionByName(storetest.Schema.Code, "c")
		if errors.Is(err, storage.NotFound) {
			c, err = tx.Create(storetest.Schema.Code, "c", nil)
		}
		if err != nil {
			return err
		}
		o, err := tx.NewObject(storage.Object{Blob: ref, Facets: map[byte][]byte{1: []byte(text[:1])}})
		if err != nil {
			return err
		}
		_, err = tx.Insert(c.ID, o, []byte{1, 0, 0})
		return err
	})
}

func opener(p []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(p)), nil }
}

func restored(t *testing.T, want storage.Restored, backups ...[]byte) *storage.Store {
	t.Helper()
	e := openFolder(t)
	var list []func() (io.ReadCloser, error)
	for _, p := range backups {
		list = append(list, opener(p))
	}
	r, err := storage.Restore(t.Context(), e.Engine, e.Blobs, list, nil)
	if err != nil || r != want {
		t.Fatalf("restored %+v, %v; want %+v", r, err, want)
	}
	s := storetest.Open(t, e.Engine, e.Blobs)
	if want.Missing == 0 {
		s.Check(t.Context(), true, func(p storage.Problem) { t.Error(p) }, nil)
	}
	return s
}

func rowsOf(t *testing.T, s *storage.Store, a storage.AccountID) (n int) {
	s.View(t.Context(), a, func(v *storage.View) error {
		c, err := v.CollectionByName(storetest.Schema.Code, "c")
		if err == nil {
			n = c.Count
		}
		return nil
	})
	return n
}

func TestBackup(t *testing.T) {
	e := openFolder(t)
	s := storetest.Open(t, e.Engine, e.Blobs)
	for i := range 20 {
		text := strings.Repeat(fmt.Sprint(i%15), 1+i*i*3000) // some twice, some large
		if err := putBody(s, storage.AccountID(1+i%3), text); err != nil {
			t.Fatal(err)
		}
	}
	var first, second bytes.Buffer
	made, err := s.Backup(t.Context(), &first, nil, nil)
	if err != nil || made.Bodies != 20 || made.Bytes != int64(first.Len()) {
		t.Fatalf("%+v, %v", made, err)
	}
	restored(t, storage.Restored{Bodies: 20}, first.Bytes())
	if err := putBody(s, 1, "one more"); err != nil {
		t.Fatal(err)
	}
	have := map[blob.Hash]bool{}
	err = storage.ReadBackup(bytes.NewReader(first.Bytes()), nil, func(r blob.Ref, _ io.Reader) error { have[r.Hash] = true; return nil })
	if err != nil || len(have) != 20 {
		t.Fatalf("%d bodies, %v", len(have), err)
	}
	made, err = s.Backup(t.Context(), &second, func(h blob.Hash) bool { return have[h] }, nil)
	if err != nil || made.Bodies != 1 || made.Earlier != 20 {
		t.Fatalf("%+v, %v", made, err)
	}
	again := restored(t, storage.Restored{Bodies: 21}, second.Bytes(), first.Bytes())
	if a, b := rowsOf(t, again, 1), rowsOf(t, s, 1); a != b || a == 0 {
		t.Errorf("%d rows, had %d", a, b)
	}
	restored(t, storage.Restored{Bodies: 1, Missing: 20}, second.Bytes())

	whole := first.Bytes()
	for _, n := range []int{0, 5, 40, len(whole) / 2, len(whole) - 1} {
		e := openFolder(t)
		if _, err := storage.Restore(t.Context(), e.Engine, e.Blobs, []func() (io.ReadCloser, error){opener(whole[:n])}, nil); !errors.Is(err, kv.Damaged) {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
}

// TestBackupMeanwhile makes backups while writers are at work: each is whole by itself.
func TestBackupMeanwhile(t *testing.T) {
	e := openFolder(t)
	s := storetest.Open(t, e.Engine, e.Blobs)
	var stop atomic.Bool
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; !stop.Load() && i < 3000; i++ {
				if err := putBody(s, storage.AccountID(1+w), fmt.Sprint(w, i)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 3 {
		var b bytes.Buffer
		made, err := s.Backup(t.Context(), &b, nil, nil)
		if err != nil || len(made.Broken) > 0 {
			t.Fatalf("%+v, %v", made, err)
		}
		restored(t, storage.Restored{Bodies: made.Bodies}, b.Bytes())
	}
	stop.Store(true)
	wg.Wait()
}

func FuzzReadBackup(f *testing.F) {
	e := openFolder(f)
	s := storetest.Open(f, e.Engine, e.Blobs)
	for _, text := range []string{"a", "bb"} {
		if err := putBody(s, 1, text); err != nil {
			f.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := s.Backup(context.Background(), &b, nil, nil); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:60])
	f.Add([]byte("atrium-backup 1\nk\xff\xff\xff\xff"))
	f.Add(append([]byte("atrium-backup 1\nb"), make([]byte, 45)...))
	f.Fuzz(func(t *testing.T, p []byte) {
		seen := 0
		read := func(r io.Reader) error {
			return storage.ReadBackup(r, func(p []byte) error { seen += len(p); return nil }, func(_ blob.Ref, r io.Reader) error {
				n, err := io.Copy(io.Discard, r)
				seen += int(n)
				return err
			})
		}
		err := read(struct{ io.Reader }{bytes.NewReader(p)})
		if seen > len(p) {
			t.Errorf("%d bytes of %d", seen, len(p))
		}
		if err2 := storage.ReadBackup(bytes.NewReader(p), nil, nil); (err == nil) != (err2 == nil) {
			t.Errorf("read: %v, passed over: %v", err, err2)
		}
	})
}
