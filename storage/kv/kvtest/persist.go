package kvtest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"atrium/storage/kv"
)

// RunPersistent runs the tests of engines that keep their content after Close.
// open opens the engine in dir, which is empty at first.
func RunPersistent(t *testing.T, open func(t *testing.T, dir string) kv.Engine) {
	t.Run("Reopen", func(t *testing.T) {
		dir := t.TempDir()
		rnd := newRand(t)
		m := Model{}
		for i := range 6 {
			e := open(t, dir)
			view(t, e, func(r kv.Reader) {
				if err := m.Check(rnd, r, "m"); err != nil {
					t.Errorf("opened for the %dth time: %v", i, err)
				}
			})
			if err := m.Play(rnd, e, "m", 30); err != nil {
				t.Error(err)
			}
			if err := e.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
	})
	t.Run("CloseUnderLoad", func(t *testing.T) {
		dir := t.TempDir()
		e := open(t, dir)
		var wg sync.WaitGroup
		done := make([]int, 8)
		for w := range done {
			wg.Go(func() {
				for i := 1; ; i++ {
					err := e.Update(ctx, func(tx kv.Txn) error {
						tx.Set(fmt.Append(nil, "w", w), fmt.Append(nil, i))
						tx.Set(fmt.Append(nil, "v", w), fmt.Append(nil, i))
						return nil
					})
					if errors.Is(err, kv.Closed) {
						return
					}
					if err != nil {
						t.Errorf("Update: %v", err)
						return
					}
					if done[w] = i; i == 20 && w == 0 {
						go e.Close()
					}
				}
			})
		}
		wg.Wait()
		if err := e.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		e = open(t, dir)
		defer e.Close()
		view(t, e, func(r kv.Reader) {
			for w, n := range done {
				equal(t, "last acknowledged", get(t, r, fmt.Sprint("w", w)), fmt.Sprint(n))
				equal(t, "last acknowledged", get(t, r, fmt.Sprint("v", w)), fmt.Sprint(n))
			}
		})
	})
}

func testBackup(t *testing.T, open func(*testing.T) kv.Engine) {
	from, to := open(t), open(t)
	defer from.Close()
	defer to.Close()
	for b := range 5 {
		update(t, from, func(tx kv.Txn) {
			for i := range 1500 {
				tx.Set(fmt.Appendf(nil, "k%d/%06d", b, i), []byte(strings.Repeat("v", i%100)))
			}
		})
	}
	update(t, from, func(tx kv.Txn) { tx.Set([]byte("big"), make([]byte, kv.MaxBytes-3)) })
	want := all(t, from)

	var file bytes.Buffer
	if err := from.Backup(ctx, &file); err != nil {
		t.Fatalf("Backup: %v", err)
	}
	stored := file.Bytes()
	if err := to.Restore(ctx, bytes.NewReader(stored)); err != nil {
		t.Fatalf("Restore: %v", err)
	}
	equal(t, "restored", all(t, to), want)
	var again bytes.Buffer
	if err := to.Backup(ctx, &again); err != nil || !bytes.Equal(stored, again.Bytes()) {
		t.Errorf("a backup of what was restored differs (%v)", err)
	}
	if err := to.Restore(ctx, bytes.NewReader(stored)); !errors.Is(err, kv.NotEmpty) {
		t.Errorf("Restore into an engine that holds keys: %v", err)
	}
}

func testRestoreDamaged(t *testing.T, open func(*testing.T) kv.Engine) {
	from := open(t)
	set(t, from, "a", "1", "b", "2", "c", strings.Repeat("3", 500))
	var file bytes.Buffer
	if err := from.Backup(ctx, &file); err != nil {
		t.Fatal(err)
	}
	from.Close()
	good := file.Bytes()
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	for name, bad := range map[string][]byte{
		"empty":   {},
		"cut":     good[:len(good)-1],
		"short":   good[:30],
		"flipped": flipped,
		"foreign": []byte(strings.Repeat("something else ", 20)),
		"endless": append(bytes.Clone(good[:19]), bytes.Repeat([]byte{0xff}, 50)...),
	} {
		e := open(t)
		if err := e.Restore(ctx, bytes.NewReader(bad)); !errors.Is(err, kv.Damaged) {
			t.Errorf("%s: %v, want %v", name, err, kv.Damaged)
		}
		e.Close()
	}
}
