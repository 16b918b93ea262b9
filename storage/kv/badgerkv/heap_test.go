package badgerkv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"atrium/storage/kv"
	"atrium/storage/kv/kvtest"
)

// openLasting opens an engine that keeps every value that is large enough in small files of the heap.
func openLasting(t *testing.T, dir string) *Engine { return openHeapFiles(t, dir, 64<<10) }

// openHeapFiles is openLasting with files of another size.
func openHeapFiles(t *testing.T, dir string, size int64) *Engine {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Reserve, cfg.HeapFile, cfg.MergeAtOnce = 0, size, true
	cfg.Lasting = func([]byte) bool { return true }
	e, err := Open(dir, cfg, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestHeapEngine: an engine with a heap is an engine as any other.
func TestHeapEngine(t *testing.T) {
	kvtest.Run(t, func(t *testing.T) kv.Engine { return openLasting(t, t.TempDir()) })
	kvtest.RunPersistent(t, func(t *testing.T, dir string) kv.Engine { return openLasting(t, dir) })
}

func heapKey(i int) []byte { return fmt.Appendf(nil, "key %06d", i) }
func heapValue(i int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "value %d;", i), 20+i%50)
}

func change(t *testing.T, e *Engine, fn func(kv.Txn)) {
	t.Helper()
	if err := e.Update(t.Context(), func(tx kv.Txn) error { fn(tx); return nil }); err != nil {
		t.Fatal(err)
	}
}

// fillHeap writes values from one number to another.
func fillHeap(t *testing.T, e *Engine, from, to int) {
	t.Helper()
	for ; from < to; from += 100 {
		change(t, e, func(tx kv.Txn) {
			for i := from; i < from+100; i++ {
				tx.Set(heapKey(i), heapValue(i))
			}
		})
	}
	if _, err := e.drain(); err != nil {
		t.Fatal(err)
	}
}

// inOrder fails unless r has exactly the values of which want is true, whichever way they are read.
func inOrder(r kv.Reader, n int, want func(i int) bool) error {
	for _, reverse := range []bool{false, true} {
		seen := 0
		for k, v := range r.Scan(kv.Range{Reverse: reverse}) {
			i := 0
			fmt.Sscanf(string(k), "key %d", &i)
			if !want(i) || !bytes.Equal(v, heapValue(i)) {
				return fmt.Errorf("%q has %d bytes, reverse %t", k, len(v), reverse)
			}
			seen++
		}
		for i := range n {
			if want(i) {
				seen--
			}
		}
		if seen != 0 {
			return fmt.Errorf("%d values too many, reverse %t", seen, reverse)
		}
	}
	for i := range n {
		v, err := r.Get(heapKey(i))
		if want(i) && !bytes.Equal(v, heapValue(i)) || !want(i) && !errors.Is(err, kv.NotFound) {
			return fmt.Errorf("key %d: %d bytes, %v", i, len(v), err)
		}
	}
	return nil
}

func heapFiles(t *testing.T, dir string) int {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "heap", "*.heap"))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// TestCollect: files go when nothing, or little, of them is used; what is used stays, for who began to read
// before too, and when the store is opened again.
func TestCollect(t *testing.T) {
	dir := t.TempDir()
	e := openLasting(t, dir)
	const n = 2000
	fillHeap(t, e, 0, n)
	before := heapFiles(t, dir)
	if before < 10 {
		t.Fatalf("%d files", before)
	}
	all := func(int) bool { return true }
	few := func(i int) bool { return i >= n/2 && i%5 == 0 }

	reading, goOn, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- e.View(context.Background(), func(r kv.Reader) error {
			close(reading)
			<-goOn
			return inOrder(r, n, all)
		})
	}()
	<-reading
	for from := 0; from < n; from += 500 {
		change(t, e, func(tx kv.Txn) {
			for i := from; i < from+500; i++ {
				if !few(i) {
					tx.Delete(heapKey(i))
				}
			}
		})
	}
	collected := make(chan error, 1)
	go func() { collected <- e.collect() }()
	// A value that is written anew while it is moved keeps the new value.
	change(t, e, func(tx kv.Txn) { tx.Set(heapKey(n-5), heapValue(n-5)) })
	time.Sleep(50 * time.Millisecond) // so that it comes as far as it can, no more depends on it
	if got := heapFiles(t, dir); got < before {
		t.Errorf("%d of %d files are left while one reads them", got, before)
	}
	close(goOn)
	if err := <-done; err != nil {
		t.Errorf("who began to read before: %v", err)
	}
	if err := <-collected; err != nil {
		t.Fatal(err)
	}
	if got := heapFiles(t, dir); got > before/3 {
		t.Errorf("%d of %d files are left", got, before)
	}
	look := func() {
		t.Helper()
		if err := e.View(t.Context(), func(r kv.Reader) error { return inOrder(r, n, few) }); err != nil {
			t.Error(err)
		}
		if err := e.Verify(t.Context()); err != nil {
			t.Error(err)
		}
	}
	look()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = openLasting(t, dir)
	defer e.Close()
	look()
	fillHeap(t, e, 0, n) // the files go on where they ended
	if err := e.View(t.Context(), func(r kv.Reader) error { return inOrder(r, n, all) }); err != nil {
		t.Error(err)
	}
}

// TestCollectLarge: values that are too large for one transaction together are moved.
func TestCollectLarge(t *testing.T) {
	dir := t.TempDir()
	e := openHeapFiles(t, dir, 4<<20)
	defer e.Close()
	value := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, []int{collectBatch - 100, 900 << 10}[i%2]) }
	for i := range 8 {
		change(t, e, func(tx kv.Txn) { tx.Set(heapKey(i), value(i)) })
	}
	if _, err := e.drain(); err != nil {
		t.Fatal(err)
	}
	for i := 2; i < 8; i++ {
		change(t, e, func(tx kv.Txn) { tx.Delete(heapKey(i)) })
	}
	if err := e.collect(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "heap", "0000000001.heap")); err == nil {
		t.Error("a file with little left in it stays")
	}
	err := e.View(t.Context(), func(r kv.Reader) error {
		for i := range 2 {
			if v, err := r.Get(heapKey(i)); !bytes.Equal(v, value(i)) {
				t.Errorf("value %d: %d bytes, %v", i, len(v), err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCollectWhileSyncing: a file that goes while it is to be synced harms nobody.
func TestCollectWhileSyncing(t *testing.T) {
	dir := t.TempDir()
	e := openLasting(t, dir)
	defer e.Close()
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if err := e.heap.sync(); err != nil {
				done <- err
				return
			}
		}
	}()
	for range 25 {
		fillHeap(t, e, 0, 600)
		for from := 0; from < 600; from += 300 {
			change(t, e, func(tx kv.Txn) {
				for i := from; i < from+300; i++ {
					tx.Delete(heapKey(i))
				}
			})
		}
		if err := e.collect(); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestCollectModel writes, deletes, collects and opens again at random, and compares with a map.
func TestCollectModel(t *testing.T) {
	dir := t.TempDir()
	e := openLasting(t, dir)
	defer func() { e.Close() }()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	model := map[int]bool{}
	const n = 1500
	for step := range 120 {
		switch rnd.IntN(12) {
		case 0:
			if err := e.collect(); err != nil {
				t.Fatal(err)
			}
		case 1:
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			e = openLasting(t, dir)
		case 2:
			if err := e.makeCheckpoint(); err != nil {
				t.Fatal(err)
			}
		default:
			from, size, set := rnd.IntN(n), rnd.IntN(300), rnd.IntN(2) == 0
			change(t, e, func(tx kv.Txn) {
				for i := from; i < min(n, from+size); i++ {
					if set {
						tx.Set(heapKey(i), heapValue(i))
					} else {
						tx.Delete(heapKey(i))
					}
				}
			})
			for i := from; i < min(n, from+size); i++ {
				model[i] = set
			}
		}
		err := e.View(t.Context(), func(r kv.Reader) error { return inOrder(r, n, func(i int) bool { return model[i] }) })
		if err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
	}
}

// TestHeapDamage: a byte that changed is found by who reads the value, and by Verify; a file that is missing too.
func TestHeapDamage(t *testing.T) {
	for _, missing := range []bool{false, true} {
		dir := t.TempDir()
		e := openLasting(t, dir)
		fillHeap(t, e, 0, 500)
		if err := e.Verify(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "heap", "0000000002.heap")
		image, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		image[len(image)/2] ^= 1
		if err = os.WriteFile(path, image, 0o600); missing {
			err = os.Remove(path)
		}
		if err != nil {
			t.Fatal(err)
		}
		e = openLasting(t, dir)
		if err := e.Verify(t.Context()); !errors.Is(err, kv.Damaged) {
			t.Errorf("missing %t: %v", missing, err)
		}
		scan := e.View(t.Context(), func(r kv.Reader) error {
			for range r.Scan(kv.Range{}) {
			}
			return nil
		})
		get := e.View(t.Context(), func(r kv.Reader) error {
			for i := range 500 {
				r.Get(heapKey(i)) //nolint:errcheck // the View fails
			}
			return nil
		})
		if !errors.Is(scan, kv.Damaged) || !errors.Is(get, kv.Damaged) {
			t.Errorf("missing %t: scan %v, get %v", missing, scan, get)
		}
		e.Close()
	}
}

// TestHeapFromBefore: a store from before there was a heap, and one that is opened without, are read.
func TestHeapFromBefore(t *testing.T) {
	dir := t.TempDir()
	cfg := DefaultConfig()
	cfg.Reserve = 0
	e, err := Open(dir, cfg, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	fillHeap(t, e, 0, 500)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if heapFiles(t, dir) != 0 {
		t.Error("a heap without lasting values")
	}
	mark := filepath.Join(dir, checkpointName)
	p, err := readCheckpoint(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeMark(dir, "atrium-checkpoint 3\n", p); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, cfg, slog.New(slog.NewTextHandler(t.Output(), nil))); err == nil || !strings.Contains(err.Error(), "newer release") {
		t.Errorf("a store of a newer release: %v", err)
	}
	if err := writeMark(dir, checkpointFirst, p); err != nil {
		t.Fatal(err)
	}
	e = openLasting(t, dir)
	fillHeap(t, e, 500, 1000)
	all := func(int) bool { return true }
	if err := e.View(t.Context(), func(r kv.Reader) error { return inOrder(r, 1000, all) }); err != nil {
		t.Error(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(mark); err != nil || !bytes.HasPrefix(b, []byte("atrium-checkpoint 2\n")) {
		t.Errorf("a release that knows no heap would open it: %q, %v", b, err)
	}
	if e, err = Open(dir, cfg, slog.New(slog.NewTextHandler(t.Output(), nil))); err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.View(t.Context(), func(r kv.Reader) error { return inOrder(r, 1000, all) }); err != nil {
		t.Error(err)
	}
}
