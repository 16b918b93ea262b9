package embedded_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"atrium/storage/blob"
	"atrium/storage/embedded"
	"atrium/storage/kv"
)

// benchStore is a store on a disk, not in memory: BENCHDIR, or the folder of
// the package.
func benchStore(b *testing.B) *embedded.Store {
	parent := os.Getenv("BENCHDIR")
	if parent == "" {
		parent = "."
	}
	dir, err := os.MkdirTemp(parent, ".bench-")
	if err != nil {
		b.Fatal(err)
	}
	s, err := embedded.Open(dir, embedded.DefaultConfig(), slog.Default())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		s.Close()
		os.RemoveAll(dir)
	})
	return s
}

// parallel runs fn b.N times in all on so many goroutines.
func parallel(b *testing.B, writers int, fn func(n int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ReportAllocs()
	before := cpuTime()
	b.ResetTimer()
	for range writers {
		wg.Go(func() {
			for {
				n := int(next.Add(1))
				if n > b.N {
					return
				}
				fn(n)
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
	b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

// deliver makes the reads and writes of a delivery: about 10 and 8 keys, 1 KiB
// in all, in one of 64 accounts.
func deliver(tx kv.Txn, n int, body []byte) error {
	account := fmt.Sprintf("account%02d/", n%64)
	for i := range 10 {
		if _, err := tx.Get(fmt.Appendf(nil, "%shead%d", account, i%6)); err != nil && err != kv.NotFound {
			return err
		}
	}
	for i := range 4 {
		tx.Set(fmt.Appendf(nil, "%shead%d", account, i), make([]byte, 100))
		tx.Set(fmt.Appendf(nil, "%srow%d/%d", account, i, n), append(make([]byte, 120), body...))
	}
	return nil
}

func BenchmarkUpdate(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprint("writers=", writers), func(b *testing.B) {
			s := benchStore(b)
			parallel(b, writers, func(n int) {
				err := s.Engine.Update(context.Background(), func(tx kv.Txn) error { return deliver(tx, n, nil) })
				if err != nil {
					b.Error(err)
				}
			})
		})
	}
}

func BenchmarkDeliver30K(b *testing.B) {
	ctx := context.Background()
	body := bytes.Repeat([]byte("0123456789abcdef0123456789abcde\n"), 30<<10/32)
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprint("writers=", writers), func(b *testing.B) {
			s := benchStore(b)
			parallel(b, writers, func(n int) {
				sp, err := s.Blobs.Spool(ctx, 0)
				if err != nil {
					b.Error(err)
					return
				}
				defer sp.Release()
				fmt.Fprintf(sp, "message %d\n", n)
				sp.Write(body)
				ref, err := sp.Commit(ctx)
				if err == nil {
					err = s.Engine.Update(ctx, func(tx kv.Txn) error { return deliver(tx, n, ref.Hash[:]) })
				}
				if err != nil {
					b.Error(err)
				}
			})
		})
	}
}

func BenchmarkGet(b *testing.B) {
	s := benchStore(b)
	fill(b, s, 100000)
	b.ReportAllocs()
	err := s.Engine.View(context.Background(), func(r kv.Reader) error {
		n := 0
		for b.Loop() {
			n += 7919
			if _, err := r.Get(fmt.Appendf(nil, "key%08d", n%100000)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkView is a View of one key.
func BenchmarkView(b *testing.B) {
	s := benchStore(b)
	fill(b, s, 1000)
	b.ReportAllocs()
	for b.Loop() {
		s.Engine.View(context.Background(), func(r kv.Reader) error {
			_, err := r.Get([]byte("key00000500"))
			return err
		})
	}
}

func BenchmarkScan(b *testing.B) {
	s := benchStore(b)
	fill(b, s, 100000)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		s.Engine.View(context.Background(), func(r kv.Reader) error {
			for range r.Scan(kv.Prefix([]byte("key"))) {
				n++
			}
			return nil
		})
		if n != 100000 {
			b.Fatal(n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100000, "ns/key")
}

func BenchmarkScan10(b *testing.B) {
	s := benchStore(b)
	fill(b, s, 100000)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n += 7919
		s.Engine.View(context.Background(), func(r kv.Reader) error {
			for range r.Scan(kv.Range{From: fmt.Appendf(nil, "key%08d", n%99000), To: []byte("kez"), Limit: 10}) {
			}
			return nil
		})
	}
}

func fill(b *testing.B, s *embedded.Store, n int) {
	for from := 0; from < n; from += 1000 {
		err := s.Engine.Update(context.Background(), func(tx kv.Txn) error {
			for i := from; i < from+1000; i++ {
				tx.Set(fmt.Appendf(nil, "key%08d", i), make([]byte, 200))
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBody30K(b *testing.B) {
	s := benchStore(b)
	var refs []blob.Ref
	body := string(bytes.Repeat([]byte("0123456789abcdef0123456789abcde\n"), 30<<10/32))
	for i := range 200 {
		refs = append(refs, put(b, s, fmt.Sprint(i), fmt.Sprint(i, body)))
	}
	b.SetBytes(30 << 10)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		r, err := s.Blobs.Open(context.Background(), refs[n%len(refs)])
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
		r.Close()
	}
}
