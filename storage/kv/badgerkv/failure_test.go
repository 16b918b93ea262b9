package badgerkv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"atrium/storage/journal"
	"atrium/storage/kv"
)

func openWith(t *testing.T, dir string, hooks journal.Hooks) *Engine {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Reserve = 0
	cfg.Journal.Hooks = hooks
	e, err := Open(dir, cfg, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func content(t *testing.T, e *Engine) (list string) {
	t.Helper()
	err := e.View(context.Background(), func(r kv.Reader) error {
		for k, v := range r.Scan(kv.Range{}) {
			list += fmt.Sprintf("%s=%s ", k, v)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestDiskFull: while the disk takes nothing, every Update fails and leaves
// nothing, also those that were executed over one that failed; then all goes on.
func TestDiskFull(t *testing.T) {
	var full atomic.Bool
	dir := t.TempDir()
	e := openWith(t, dir, journal.Hooks{Write: func() error {
		if full.Load() {
			return syscall.ENOSPC
		}
		return nil
	}})
	ctx := context.Background()
	var wg sync.WaitGroup
	counts := make([]int, 16) // what each writer knows to be there
	for w := range counts {
		wg.Go(func() {
			for i := range 60 {
				if i%20 == 10 && w == 0 {
					full.Store(true)
				}
				if i%20 == 15 && w == 0 {
					full.Store(false)
				}
				err := e.Update(ctx, func(tx kv.Txn) error {
					key := fmt.Appendf(nil, "n%02d", w)
					v, err := tx.Get(key)
					if errors.Is(err, kv.NotFound) {
						v, err = []byte("0"), nil
					}
					if string(v) != fmt.Sprint(counts[w]) {
						return fmt.Errorf("writer %d reads %s, wants %d", w, v, counts[w])
					}
					tx.Set(key, fmt.Append(nil, counts[w]+1))
					return err
				})
				switch {
				case err == nil:
					counts[w]++
				case !errors.Is(err, kv.Full):
					t.Errorf("Update: %v", err)
				}
			}
		})
	}
	wg.Wait()
	full.Store(false)
	want := ""
	for w, n := range counts {
		if n == 60 {
			t.Errorf("writer %d had no failure", w)
		}
		want += fmt.Sprintf("n%02d=%d ", w, n)
	}
	for range 2 {
		if got := content(t, e); got != want {
			t.Errorf("content %s, want %s", got, want)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		e = openWith(t, dir, journal.Hooks{})
	}
	e.Close()
}

// TestAttachedSurvives: what was attached to a group that failed comes with the next.
func TestAttachedSurvives(t *testing.T) {
	var full atomic.Bool
	e := openWith(t, t.TempDir(), journal.Hooks{Write: func() error {
		if full.Load() {
			return syscall.ENOSPC
		}
		return nil
	}})
	defer e.Close()
	ctx := context.Background()
	var applied atomic.Int64
	e.Side().Attach([]byte("k"), []byte("v"), func() { applied.Add(1) })
	full.Store(true)
	set := func(tx kv.Txn) error { tx.Set([]byte("a"), nil); return nil }
	if err := e.Update(ctx, set); !errors.Is(err, kv.Full) || applied.Load() != 0 {
		t.Errorf("Update: %v, applied %d times", err, applied.Load())
	}
	full.Store(false)
	if err := e.Update(ctx, func(kv.Txn) error { return nil }); err != nil || applied.Load() != 1 {
		t.Errorf("Update: %v, applied %d times", err, applied.Load())
	}
	err := e.Side().View(ctx, func(r kv.Reader) error {
		v, err := r.Get([]byte("k"))
		if string(v) != "v" {
			t.Errorf("the Side has %q", v)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if got := content(t, e); got != "" {
		t.Errorf("the Side shows in the engine, or a failed write: %s", got)
	}
}

// TestSyncFails: nothing is acknowledged after a sync failed, reads go on.
func TestSyncFails(t *testing.T) {
	var broken atomic.Bool
	dir := t.TempDir()
	e := openWith(t, dir, journal.Hooks{Sync: func() error {
		if broken.Load() {
			return syscall.EIO
		}
		return nil
	}})
	ctx := context.Background()
	set := func(v string) error {
		return e.Update(ctx, func(tx kv.Txn) error { tx.Set([]byte("a"), []byte(v)); return nil })
	}
	if err := set("1"); err != nil {
		t.Fatal(err)
	}
	broken.Store(true)
	for range 2 {
		if err := set("2"); !errors.Is(err, kv.Broken) {
			t.Errorf("Update: %v", err)
		}
		broken.Store(false)
	}
	if got := content(t, e); got != "a=1 " {
		t.Errorf("content %s", got)
	}
	if err := e.Close(); !errors.Is(err, kv.Broken) {
		t.Errorf("Close: %v", err)
	}
	e = openWith(t, dir, journal.Hooks{})
	if got := content(t, e); got != "a=1 " && got != "a=2 " { // the disk knows
		t.Errorf("content after opening again: %s", got)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// TestReserve: writes are refused when the disk is nearly full.
func TestReserve(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Reserve = 1 << 60
	e, err := Open(t.TempDir(), cfg, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	err = e.Update(context.Background(), func(tx kv.Txn) error { return nil })
	if _, known := freeBytes(e.dir); known && !errors.Is(err, kv.Full) {
		t.Errorf("Update: %v", err)
	}
}

// TestCheckpointTrims: segments without bodies go when they are not needed for a
// replay any more.
func TestCheckpointTrims(t *testing.T) {
	dir := t.TempDir()
	cfg := DefaultConfig()
	cfg.Reserve, cfg.CheckpointBytes, cfg.Journal.SegmentSize = 0, 128<<10, 64<<10
	e, err := Open(dir, cfg, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	e.Journal().Counted()
	for i := range 100 {
		err := e.Update(context.Background(), func(tx kv.Txn) error {
			tx.Set(fmt.Appendf(nil, "k%d", i%10), make([]byte, 20<<10))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	list, err := e.Journal().Usage()
	for begun := time.Now(); len(list) > 4 && err == nil && time.Since(begun) < 5*time.Second; {
		time.Sleep(10 * time.Millisecond)
		list, err = e.Journal().Usage()
	}
	if err != nil || len(list) > 4 {
		t.Errorf("%d segments left, %v", len(list), err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = openWith(t, dir, journal.Hooks{})
	defer e.Close()
	if got := len(content(t, e)); got < 10*20<<10 {
		t.Errorf("%d bytes of content", got)
	}
}

func FuzzParseBatch(f *testing.F) {
	o := newOverlay()
	o.set(newWrite(userSpace, []byte("key"), []byte("value"), false))
	o.set(newWrite(userSpace, []byte("gone"), nil, true))
	f.Add(appendBatch(nil, o))
	f.Add([]byte{batchVersion, 2, 1, 'a', 200, 200, 200, 200, 200, 200, 200, 200, 200, 1})
	f.Fuzz(func(t *testing.T, p []byte) {
		o := newOverlay()
		err := parseBatch(p, func(key, value []byte, deleted bool) error {
			o.set(newWrite(key[0], key[1:], value, deleted))
			return nil
		})
		if err != nil {
			return
		}
		again := newOverlay()
		err = parseBatch(appendBatch(nil, o), func(key, value []byte, deleted bool) error {
			again.set(newWrite(key[0], key[1:], value, deleted))
			return nil
		})
		if err != nil || len(again.writes) != len(o.writes) || again.bytes != o.bytes {
			t.Errorf("%x: %d writes, again %d, %v", p, len(o.writes), len(again.writes), err)
		}
	})
}
