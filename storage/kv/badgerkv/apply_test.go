package badgerkv

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"atrium/storage/journal"
	"atrium/storage/kv"
)

// TestLayers: whatever is merged and written to Badger meanwhile, a View sees what
// was written before it, by key and in order, and goes on seeing just that.
func TestLayers(t *testing.T) {
	dir := t.TempDir()
	e := openWith(t, dir, journal.Hooks{})
	ctx := context.Background()
	rnd := rand.New(rand.NewPCG(1, 2))
	model := map[string]string{}
	step := func(n int) {
		next := maps.Clone(model)
		err := e.Update(ctx, func(tx kv.Txn) error {
			for range 1 + rnd.IntN(6) {
				k := fmt.Sprintf("k%03d", rnd.IntN(400))
				if rnd.IntN(4) == 0 {
					tx.Delete([]byte(k))
					delete(next, k)
				} else {
					tx.Set([]byte(k), fmt.Append(nil, n))
					next[k] = fmt.Sprint(n)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		model = next
	}
	same := func(r kv.Reader, model map[string]string) {
		t.Helper()
		var list, want []string
		for k, v := range r.Scan(kv.Range{}) {
			list = append(list, string(k)+"="+string(v))
		}
		for k, v := range model {
			want = append(want, k+"="+v)
		}
		slices.Sort(want)
		if !slices.Equal(list, want) {
			t.Fatalf("scan:\n%s\nwant\n%s", strings.Join(list, " "), strings.Join(want, " "))
		}
		for i := range 400 {
			k := fmt.Sprintf("k%03d", i)
			v, err := r.Get([]byte(k))
			if want, ok := model[k]; ok != (err == nil) || string(v) != want || err != nil && !errors.Is(err, kv.NotFound) {
				t.Fatalf("%s = %q, %v, want %q", k, v, err, want)
			}
		}
	}
	for round := range 30 {
		old := model
		err := e.View(ctx, func(r kv.Reader) error {
			for n := range 1 + rnd.IntN(120) {
				step(1000*round + n)
			}
			same(r, old)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		e.View(ctx, func(r kv.Reader) error { same(r, model); return nil })
		switch round % 3 {
		case 1:
			if _, err := e.drain(); err != nil {
				t.Fatal(err)
			}
			e.View(ctx, func(r kv.Reader) error { same(r, model); return nil })
		case 2:
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			e = openWith(t, dir, journal.Hooks{})
			e.View(ctx, func(r kv.Reader) error { same(r, model); return nil })
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFewLayers: Views look through few layers, whatever the size of the groups.
func TestFewLayers(t *testing.T) {
	e := openWith(t, t.TempDir(), journal.Hooks{})
	defer e.Close()
	e.mu.Lock()
	e.timed = true // nothing goes to Badger by time
	e.mu.Unlock()
	for i := range 1000 {
		err := e.Update(context.Background(), func(tx kv.Txn) error {
			for k := range 1 + i%7 {
				tx.Set(fmt.Append(nil, i, k), nil)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		e.snapshots.mu.Lock()
		n := len(e.snapshots.layers)
		e.snapshots.mu.Unlock()
		if n > mostDurable {
			t.Fatalf("%d layers after %d updates", n, i)
		}
	}
	if _, err := e.drain(); err != nil {
		t.Fatal(err)
	}
	if n := len(e.snapshots.layers); n > 0 {
		t.Errorf("%d layers after all went to Badger", n)
	}
}
