package storage_test

import (
	"errors"
	"math/rand/v2"
	"testing"

	"atrium/storage"
	"atrium/storage/kv/memkv"
	"atrium/storage/storetest"
)

// Edit does what Row and Set do, on two collections with the same rows.
func TestEdit(t *testing.T) {
	s := storetest.Open(t, memkv.New(), nil)
	r := rand.New(rand.NewPCG(3, 4))
	ids := []storage.CollectionID{fill(t, s, 0), 0}
	const rows = 40_000 // several superpages
	err := s.Update(t.Context(), 1, func(tx *storage.Tx) error {
		c, err := tx.Create(storetest.Schema.Code, "other", nil)
		if err == nil {
			ids[1] = c.ID
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		for from := 0; from < rows; from += 1000 {
			err := s.Update(t.Context(), 1, func(tx *storage.Tx) (err error) {
				for range 1000 {
					err = errors.Join(err, insert(tx, id, storage.Object{}))
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for round := range 30 {
		var list []storage.Num
		far := round * 4
		if round%4 == 1 {
			far = 0 // one run, over rows that are gone too
		}
		for n := storage.Num(r.IntN(4)); n < rows+10 && len(list) < 3000; n += 1 + storage.Num(r.IntN(1+far)) {
			list = append(list, n)
		}
		var spans []storage.Span
		for _, n := range list {
			if k := len(spans) - 1; k >= 0 && spans[k].Last+1 == n {
				spans[k].Last = n
			} else {
				spans = append(spans, storage.Span{First: n, Last: n})
			}
		}
		data := []byte{byte(round), 1, 0, 4, 5, 6, 7, 8}[:6+r.IntN(3)]
		remove := round%3 == 2
		for i, id := range ids {
			err := s.Update(t.Context(), 1, func(tx *storage.Tx) error {
				if remove {
					for _, n := range list {
						if err := tx.Remove(id, n, nil); err != nil && !errors.Is(err, storage.NotFound) {
							return err
						}
					}
					return nil
				}
				if i == 1 {
					return tx.Edit(id, spans, func(dst []byte, row *storage.Row) ([]byte, bool, error) {
						return append(dst, data...), row.Num%5 != 0, nil
					})
				}
				for _, n := range list {
					row, err := tx.Row(id, n)
					if errors.Is(err, storage.NotFound) {
						continue
					}
					if err == nil && row.Num%5 != 0 {
						err = tx.Set(id, n, 0, data)
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		err := s.View(t.Context(), 1, func(v *storage.View) error {
			a, err := v.Table(ids[0])
			if err != nil {
				return err
			}
			b, err := v.Table(ids[1])
			if err != nil {
				return err
			}
			if a.Len() != b.Len() || a.Tally() != b.Tally() {
				t.Fatalf("round %d: %d rows %+v, want %d %+v", round, b.Len(), b.Tally(), a.Len(), a.Tally())
			}
			for pos, x := range a.Rows(0, a.Len()) {
				y := b.At(pos)
				if x.Num != y.Num || string(x.Data) != string(y.Data) || (x.Modseq == x.Created) != (y.Modseq == y.Created) {
					t.Fatalf("round %d: row %+v, want %+v", round, y, x)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	err = s.Check(t.Context(), false, func(p storage.Problem) { t.Error(p) }, nil)
	if err != nil {
		t.Fatal(err)
	}
}
