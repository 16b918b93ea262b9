package mail

import (
	"context"

	"atrium/storage"
)

// Room tells how many mailboxes the owner has and may have.
func (a *Account) Room(ctx context.Context) (have, most int, err error) {
	err = a.view(ctx, func(v *storage.View) error {
		h, err := readHead(v)
		have, most = int(h.mailboxes), h.most(&a.store.cfg)
		return err
	})
	return have, most, err
}

// SetRoom sets how many mailboxes an account may have; with a number below 0 it is Config.MaxMailboxes again. It asks for no
// rights: those who may set quotas are the caller's to know.
func (s *Store) SetRoom(ctx context.Context, owner storage.AccountID, most int) error {
	return s.storage.Update(ctx, owner, func(tx *storage.Tx) error {
		h, err := readHead(&tx.View)
		if err != nil {
			return err
		}
		limit := uint32(0)
		if most >= 0 {
			limit = uint32(min(most, 1<<30)) + 1
		}
		if h.limit == limit {
			return nil
		}
		h.limit = limit
		return h.write(tx)
	})
}
