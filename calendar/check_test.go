package calendar

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"atrium/storage"
	"atrium/storage/kv/memkv"
)

// TestCheck damages a calendar in each way that Check looks for.
func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		want   string
		damage func(tx *storage.Tx, id storage.CollectionID, e Entry) error
	}{
		{"", func(*storage.Tx, storage.CollectionID, Entry) error { return nil }},
		{"index of its name", func(tx *storage.Tx, id storage.CollectionID, e Entry) error {
			return tx.SetIndex(id, wordKey(nameTag, e.Name), nil)
		}},
		{"index of its UID", func(tx *storage.Tx, id storage.CollectionID, e Entry) error {
			return tx.SetIndex(id, wordKey(uidTag, e.UID), putNum(e.Num+1))
		}},
		{"belongs to no object", func(tx *storage.Tx, id storage.CollectionID, e Entry) error {
			return tx.SetIndex(id, wordKey(nameTag, "another.ics"), putNum(e.Num))
		}},
		{"queries miss it", func(tx *storage.Tx, id storage.CollectionID, e Entry) error {
			return tx.SetIndex(id, e.key.bytes(e.Num), nil)
		}},
		{"other times", func(tx *storage.Tx, id storage.CollectionID, e Entry) error {
			return tx.SetIndex(id, e.key.bytes(e.Num), []byte{1, 0})
		}},
		{"not those that its ETag names", func(tx *storage.Tx, id storage.CollectionID, e Entry) error {
			o, err := tx.NewObject(storage.Object{Facets: map[byte][]byte{bodyFacet: []byte("BEGIN:VCALENDAR")}})
			if err != nil {
				return err
			}
			data, err := e.encode()
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
			ctx := context.Background()
			s, err := storage.Open(memkv.New(), nil, []storage.Schema{Schema}, storage.DefaultConfig(), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			err = s.Update(ctx, 1, func(tx *storage.Tx) error {
				c, err := Create(tx, "work", nil, nil)
				if err != nil {
					return err
				}
				for n := range 3 {
					o, err := Prepare(ctx, nil, fmt.Appendf(nil, "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:u%d\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260102T100000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", n), DefaultOptions())
					if err != nil {
						return err
					}
					e, _, err := Put(tx, c.ID, fmt.Sprintf("%d.ics", n), o, Condition{})
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
