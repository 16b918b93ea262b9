package mail

import (
	"context"
	"errors"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
)

// Expunge removes all messages with \Deleted and returns their UIDs; with an
// error, those of the batches that were done. The actor needs Expunge.
func (a *Account) Expunge(ctx context.Context, id ID) (imap.UIDSet, error) {
	return a.expunge(ctx, id, everything())
}

// ExpungeUIDs removes those of the messages that have \Deleted (UID EXPUNGE,
// RFC 4315 §2.1).
func (a *Account) ExpungeUIDs(ctx context.Context, id ID, uids imap.UIDSet) (imap.UIDSet, error) {
	return a.expunge(ctx, id, uids)
}

func (a *Account) expunge(ctx context.Context, id ID, uids imap.UIDSet) (imap.UIDSet, error) {
	none := false
	err := a.view(ctx, func(v *storage.View) error {
		c, err := a.allow(v, id, storage.Expunge)
		none = err == nil && c.Tally.B == 0
		return err
	})
	if err != nil || none {
		return nil, err
	}
	return a.remove(ctx, id, uids, storage.Expunge, func(_ *Snapshot, r *storage.Row) bool {
		return rowFlags(r.Data)&Deleted != 0
	})
}

// Remove removes messages whatever their flags (POP3's QUIT). The actor needs Delete and Expunge.
func (a *Account) Remove(ctx context.Context, id ID, uids imap.UIDSet) (imap.UIDSet, error) {
	return a.remove(ctx, id, uids, storage.Delete|storage.Expunge, every)
}

// remove removes the messages that pick picks.
func (a *Account) remove(ctx context.Context, id ID, uids imap.UIDSet, need storage.Rights, pick picker) (out imap.UIDSet, err error) {
	err = a.bulk(ctx, id, need, uids, a.store.batchPaged(), pick, func(list []imap.UID) error {
		var did imap.UIDSet
		err := a.update(ctx, func(tx *storage.Tx) error {
			did = nil
			if _, err := a.allow(&tx.View, id, need); err != nil {
				return err
			}
			for _, uid := range list {
				row, err := tx.Row(id, storage.Num(uid))
				if errors.Is(err, storage.NotFound) || err == nil && !pick(nil, &row) {
					continue
				}
				if err != nil {
					return err
				}
				if err := tx.Remove(id, row.Num, nil); err != nil {
					return err
				}
				did = addUID(did, uid)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, r := range did {
			out = addRange(out, r)
		}
		return nil
	})
	return out, err
}
