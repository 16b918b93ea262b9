package mail

import (
	"context"
	"errors"
	"sort"
	"time"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
)

// SavedSince returns the UID from which on the messages of a mailbox were saved at a moment or later, UIDNEXT
// when none was. It costs little unless one was. The actor needs Lookup.
func (a *Account) SavedSince(ctx context.Context, id ID, when time.Time) (from imap.UID, err error) {
	since := when.Unix()
	err = a.view(ctx, func(v *storage.View) error {
		c, err := a.allow(v, id, storage.Lookup)
		if err != nil {
			return err
		}
		var m Message
		from = imap.UID(c.Next)
		last, err := v.Row(id, c.Next-1)
		if err != nil && !errors.Is(err, storage.NotFound) {
			return err
		}
		if c.Count == 0 || err == nil && decodeRow(&last, &m) && m.Saved < since {
			return nil
		}
		t, err := v.Table(id)
		if err != nil {
			return err
		}
		i := sort.Search(t.Len(), func(i int) bool {
			r := t.At(i)
			return decodeRow(&r, &m) && m.Saved >= since
		})
		if i < t.Len() {
			from = imap.UID(t.At(i).Num)
		}
		return nil
	})
	return from, err
}
