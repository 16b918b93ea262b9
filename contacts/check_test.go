package contacts

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"atrium/storage"
)

// TestCheck damages an address book in each way that Check looks for.
func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		want   string
		damage func(tx *storage.Tx, id storage.CollectionID, e Entry) error
	}{
		{"", func(*storage.Tx, storage.CollectionID, Entry) error { return nil }},
		{"index of its name", func(tx *storage.Tx, id storage.CollectionID, e Entry) error {
			return tx.SetIndex(id, nameKey(e.Name), nil)
		}},
		{"index of its UID", func(tx *storage.Tx, id storage.CollectionID, e Entry) error {
			return tx.SetIndex(id, uidKey(e.UID), numValue(e.Num+1))
		}},
		{"which does not have it", func(tx *storage.Tx, id storage.CollectionID, e Entry) error {
			return tx.SetIndex(id, nameKey("another.vcf"), numValue(e.Num))
		}},
		{"has no digest", func(tx *storage.Tx, id storage.CollectionID, e Entry) error {
			return tx.SetIndex(id, digestKey(e.Num), nil)
		}},
		{"not made of it", func(tx *storage.Tx, id storage.CollectionID, e Entry) error {
			return tx.SetIndex(id, digestKey(e.Num), []byte{1})
		}},
		{"not those that its ETag names", func(tx *storage.Tx, id storage.CollectionID, e Entry) error {
			o, err := tx.NewObject(storage.Object{Facets: map[byte][]byte{rawFacet: []byte("BEGIN:VCARD")}})
			if err != nil {
				return err
			}
			data, err := encodeRow(&e)
			if err != nil {
				return err
			}
			return tx.Set(id, e.Num, o, data)
		}},
		{"unreadable", func(tx *storage.Tx, id storage.CollectionID, e Entry) error {
			return tx.Set(id, e.Num, e.Object, []byte{99})
		}},
	} {
		t.Run(tc.want, func(t *testing.T) {
			s, ctx := newStore(t), context.Background()
			err := s.Update(ctx, 1, func(tx *storage.Tx) error {
				c, err := Create(tx, "book", nil)
				if err != nil {
					return err
				}
				for n := range 3 {
					o, err := Prepare(ctx, nil, vcard(fmt.Sprint("u", n), "x", ""), DefaultOptions())
					if err != nil {
						return err
					}
					e, _, err := Put(tx, c.ID, fmt.Sprintf("%d.vcf", n), o, Condition{})
					if err != nil {
						return err
					}
					if n == 2 {
						return tc.damage(tx, c.ID, e)
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			err = s.View(ctx, 1, func(v *storage.View) error {
				return Check(ctx, v, nil, true, func(p storage.Problem) { got = append(got, p.What) })
			})
			if all := strings.Join(got, "\n"); err != nil || (tc.want == "") != (all == "") || !strings.Contains(all, tc.want) {
				t.Errorf("got %q, %v; want %q", got, err, tc.want)
			}
		})
	}
}
