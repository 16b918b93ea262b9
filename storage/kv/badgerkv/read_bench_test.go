package badgerkv_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"atrium/storage/kv"
	"atrium/storage/kv/badgerkv"
)

// A mailbox as it lies in the engine just after it came: a record of three sizes for each
// message, written by 100.
const (
	loaded   = 20_000
	bigSize  = 1500
	smallOne = 60
)

func loadedKey(k []byte, tag byte, i int) []byte {
	k = append(k[:0], 1, 0, 0, 0, 0, 0, 0, 0, 7, 'F', tag)
	return binary.BigEndian.AppendUint64(k, uint64(i))
}

func openLoaded(b *testing.B) *badgerkv.Engine {
	e := open(b, b.TempDir())
	b.Cleanup(func() { e.Close() })
	r := rand.NewChaCha8([32]byte{})
	for from := 0; from < loaded; from += 100 {
		err := e.Update(b.Context(), func(t kv.Txn) error {
			t.Set([]byte("\x01hot"), binary.BigEndian.AppendUint64(make([]byte, 100), uint64(from)))
			for i := from; i < from+100; i++ {
				for tag, size := range [3]int{bigSize, bigSize, smallOne} {
					v := make([]byte, size)
					r.Read(v)
					t.Set(loadedKey(nil, byte(tag), i), v)
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return e
}

func viewLoaded(b *testing.B, e *badgerkv.Engine, fn func(r kv.Reader) error) {
	if err := e.View(b.Context(), fn); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkLoaded(b *testing.B) {
	e := openLoaded(b)
	b.Run("GetAscending", func(b *testing.B) {
		b.ReportAllocs()
		var k []byte
		i := 0
		viewLoaded(b, e, func(r kv.Reader) error {
			for b.Loop() {
				k = loadedKey(k, 0, i%loaded)
				i++
				if v, err := r.Get(k); err != nil || len(v) != bigSize {
					b.Fatal(err)
				}
			}
			return nil
		})
	})
	b.Run("GetHot", func(b *testing.B) { // written by each transaction
		b.ReportAllocs()
		viewLoaded(b, e, func(r kv.Reader) error {
			for b.Loop() {
				if _, err := r.Get([]byte("\x01hot")); err != nil {
					b.Fatal(err)
				}
			}
			return nil
		})
	})
	b.Run("GetSmallRandom", func(b *testing.B) {
		b.ReportAllocs()
		var k []byte
		viewLoaded(b, e, func(r kv.Reader) error {
			for b.Loop() {
				k = loadedKey(k, 2, rand.IntN(loaded))
				if _, err := r.Get(k); err != nil {
					b.Fatal(err)
				}
			}
			return nil
		})
	})
	b.Run("GetMissing", func(b *testing.B) {
		b.ReportAllocs()
		var k []byte
		viewLoaded(b, e, func(r kv.Reader) error {
			for b.Loop() {
				k = append(loadedKey(k, 2, rand.IntN(loaded)), 1)
				if _, err := r.Get(k); err == nil {
					b.Fatal("it is there")
				}
			}
			return nil
		})
	})
	for _, n := range []int{8, 256} {
		for tag, name := range []string{"Big", "", "Small"} {
			if name == "" {
				continue
			}
			b.Run("Scan"+name+map[int]string{8: "8", 256: "256"}[n], func(b *testing.B) {
				b.ReportAllocs()
				viewLoaded(b, e, func(r kv.Reader) error {
					at := 0
					for b.Loop() {
						i := 0
						for range r.Scan(kv.Range{From: loadedKey(nil, byte(tag), at), To: loadedKey(nil, byte(tag), at+n)}) {
							i++
						}
						if i != n {
							b.Fatal(i)
						}
						at = (at + n) % (loaded - n)
					}
					return nil
				})
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/key")
			})
		}
	}
	b.Run("View", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			viewLoaded(b, e, func(r kv.Reader) error { return nil })
		}
	})
}
