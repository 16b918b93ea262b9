package badgerkv

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"atrium/storage/kv"
)

func openCached(t *testing.T, size int64) *Engine {
	cfg := DefaultConfig()
	cfg.Reserve, cfg.ReadCache = 0, size
	e, err := Open(t.TempDir(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// TestReadCache moves amounts between keys, while what is durable goes to Badger all
// the time. In each View, new or old, the amounts sum up and what Get finds, in the cache or not, is what Scan finds, which
// knows no cache.
func TestReadCache(t *testing.T) {
	for _, size := range []int64{0, 64 << 10, 4 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) { testReadCache(t, openCached(t, size)) })
	}
}

func testReadCache(t *testing.T, e *Engine) {
	const keys, total = 400, 100 * 400
	key := func(i int) []byte { return fmt.Appendf(nil, "key %03d", i) }
	num := func(b []byte) int { return int(int64(binary.BigEndian.Uint64(b))) }
	value := func(n int) []byte { // some are too long to be kept
		b := binary.BigEndian.AppendUint64(nil, uint64(n))
		return append(b, make([]byte, n&1*n&1023)...)
	}
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	err := e.Update(ctx, func(w kv.Txn) error {
		for i := range keys {
			w.Set(key(i), value(100))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	read := func(r kv.Reader, i int) (int, error) {
		b, err := r.Get(key(i))
		if errors.Is(err, kv.NotFound) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		return num(b), nil
	}
	check := func(r kv.Reader) error {
		var got, scanned [keys]int
		sum := 0
		for i := range keys {
			n, err := read(r, i)
			if err != nil {
				return err
			}
			got[i] = n
			sum += n
		}
		for k, v := range r.Scan(kv.Prefix([]byte("key "))) {
			var i int
			fmt.Sscanf(string(k), "key %d", &i)
			scanned[i] = num(v)
		}
		if got != scanned || sum != total {
			return fmt.Errorf("sum %d, got and scanned differ: %v", sum, got != scanned)
		}
		return nil
	}
	var work sync.WaitGroup
	var once sync.Once
	run := func(fn func(r *rand.Rand) error) {
		work.Go(func() {
			r := rand.New(rand.NewPCG(rand.Uint64(), 1))
			for ctx.Err() == nil {
				if err := fn(r); err != nil && ctx.Err() == nil {
					once.Do(func() { t.Error(err); stop() })
				}
			}
		})
	}
	for range 3 {
		run(func(r *rand.Rand) error {
			return e.Update(ctx, func(w kv.Txn) error {
				a, b, n := r.IntN(keys), r.IntN(keys), r.IntN(600)
				have, err := read(w, a)
				if err != nil || have < n {
					n = have
				}
				w.Set(key(a), value(have-n))
				if have == n {
					w.Delete(key(a))
				}
				other, err := read(w, b)
				if err != nil {
					return err
				}
				w.Set(key(b), value(other+n))
				return nil
			})
		})
	}
	run(func(*rand.Rand) error { _, err := e.drain(); return err })
	for range 2 {
		run(func(r *rand.Rand) error {
			return e.View(ctx, func(v kv.Reader) error {
				err := check(v)
				if r.IntN(4) == 0 { // an old one reads what it read
					time.Sleep(time.Duration(r.IntN(30)) * time.Millisecond)
					err = errors.Join(err, check(v))
				}
				return err
			})
		})
	}
	work.Wait()
	if err := e.View(t.Context(), check); err != nil {
		t.Error(err)
	}
}

// The cache stays within its size.
func TestReadCacheSize(t *testing.T) {
	c := newReadCache(256<<10, 1)
	for i := range 100_000 {
		c.put(fmt.Appendf(nil, "key %d", i), make([]byte, 20), 1, 1)
		c.get(fmt.Appendf(nil, "key %d", i/3), 1)
	}
	n, bytes := 0, 0
	for i := range c.shards {
		for _, m := range []map[string]cacheEntry{c.shards[i].young, c.shards[i].old} {
			for k, e := range m {
				n++
				bytes += len(k) + len(e.value) + cacheOverhead
			}
		}
	}
	if bytes > 256<<10+cacheShards*1024 || n < 500 {
		t.Errorf("%d entries of %d bytes", n, bytes)
	}
}
