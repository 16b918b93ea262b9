package storage_test

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"

	"atrium/storage"
	"atrium/storage/blob"
	"atrium/storage/embedded"
	"atrium/storage/kv/memkv"
	"atrium/storage/storetest"
)

func openDisk(t testing.TB) *storage.Store {
	t.Helper()
	cfg := embedded.DefaultConfig()
	e, err := embedded.Open(t.TempDir(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return storetest.Open(t, e.Engine, nil)
}

func insert(tx *storage.Tx, id storage.CollectionID, o storage.Object) error {
	object, err := tx.NewObject(o)
	if err == nil {
		_, err = tx.Insert(id, object, []byte{10, 1, 0, 4, 5, 6, 7, 8})
	}
	return err
}

// Facets and Blobs give what Facet and Blob give, in any order of the objects.
func TestFacets(t *testing.T) {
	for name, s := range map[string]*storage.Store{"memory": storetest.Open(t, memkv.New(), nil), "disk": openDisk(t)} {
		t.Run(name, func(t *testing.T) { testFacets(t, s) })
	}
}

func testFacets(t *testing.T, s *storage.Store) {
	const some = 400
	r := rand.New(rand.NewPCG(5, 6))
	id := fill(t, s, 0)
	err := s.Update(t.Context(), 1, func(tx *storage.Tx) error {
		for i := range some {
			o := storage.Object{Facets: map[byte][]byte{1: fmt.Appendf(nil, "one %d", i), 2: []byte("two")}}
			if i%7 == 0 {
				delete(o.Facets, 1)
			}
			if i%3 == 0 {
				o.Blob = blob.Ref{Hash: blob.Hash{byte(i), 1}, Size: int64(i + 1)}
			}
			if err := insert(tx, id, o); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	lists := [][]storage.ObjectID{{}, {1}, {0}, {1 << 63}, {1<<64 - 1}, {^storage.ObjectID(0) - 5, ^storage.ObjectID(0) - 4, ^storage.ObjectID(0) - 3, ^storage.ObjectID(0) - 2, ^storage.ObjectID(0)}}
	for range 200 {
		var list []storage.ObjectID
		at := storage.ObjectID(r.IntN(some))
		for range r.IntN(120) {
			switch r.IntN(12) {
			case 0:
				at = storage.ObjectID(r.IntN(some + 50))
			case 1:
				at += storage.ObjectID(r.IntN(30))
			case 2: // again
			default:
				at++
			}
			list = append(list, at)
		}
		lists = append(lists, list)
	}
	check := func(v *storage.View) error {
		for _, list := range lists {
			for facet := byte(1); facet < 4; facet++ {
				var want, got []string
				for i, o := range list {
					if b, err := v.Facet(o, facet); err == nil {
						want = append(want, fmt.Sprintf("%d %q", i, b))
					} else if !errors.Is(err, storage.NotFound) {
						return err
					}
				}
				err := v.Facets(facet, list, func(i int, b []byte) error {
					got = append(got, fmt.Sprintf("%d %q", i, b))
					return nil
				})
				if err != nil || !slices.Equal(got, want) {
					t.Fatalf("facet %d of %v: %v\n got %v\nwant %v", facet, list, err, got, want)
				}
			}
			var want, got []string
			for i, o := range list {
				if ref, err := v.Blob(o); err == nil {
					want = append(want, fmt.Sprint(i, ref))
				}
			}
			err := v.Blobs(list, func(i int, ref blob.Ref) error {
				got = append(got, fmt.Sprint(i, ref))
				return nil
			})
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("bodies of %v: %v\n got %v\nwant %v", list, err, got, want)
			}
		}
		stop := errors.New("stop")
		n := 0
		err := v.Facets(1, []storage.ObjectID{1, 2, 3, 4, 5, 6, 7, 8}, func(i int, _ []byte) error {
			if n++; n == 3 {
				return stop
			}
			return nil
		})
		if err != stop || n != 3 {
			t.Errorf("%v after %d", err, n)
		}
		return nil
	}
	if err := s.View(t.Context(), 1, check); err != nil {
		t.Fatal(err)
	}
	back := errors.New("back")
	err = s.Update(t.Context(), 1, func(tx *storage.Tx) error {
		if err := insert(tx, id, storage.Object{Facets: map[byte][]byte{2: []byte("new")}}); err != nil {
			return err
		}
		if err := check(&tx.View); err != nil {
			return err
		}
		return back
	})
	if !errors.Is(err, back) {
		t.Fatal(err)
	}
}

// BenchmarkFacets reads a facet of 1,500 bytes of 256 neighbours, with gaps and without, at once and
// one by one.
func BenchmarkFacets(b *testing.B) {
	s := openDisk(b)
	const some = 8192
	id := fill(b, s, 0)
	for done := 0; done < some; done += 256 {
		err := s.Update(b.Context(), 1, func(tx *storage.Tx) error {
			for range 256 {
				if err := insert(tx, id, storage.Object{Facets: map[byte][]byte{1: make([]byte, 1500), 2: make([]byte, 1000)}}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	const n = 256
	list := make([]storage.ObjectID, n)
	for _, step := range []int{1, 2, 4, 8, 16} {
		for i := range list {
			list[i] = storage.ObjectID(i*step + 1)
		}
		read := func(b *testing.B, fn func(v *storage.View) error) {
			b.ReportAllocs()
			for b.Loop() {
				if err := s.View(b.Context(), 1, fn); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/object")
		}
		b.Run(fmt.Sprintf("many/step%d", step), func(b *testing.B) {
			read(b, func(v *storage.View) error {
				return v.Facets(1, list, func(int, []byte) error { return nil })
			})
		})
		b.Run(fmt.Sprintf("single/step%d", step), func(b *testing.B) {
			read(b, func(v *storage.View) error {
				for _, o := range list {
					if _, err := v.PeekFacet(o, 1); err != nil {
						return err
					}
				}
				return nil
			})
		})
	}
}
