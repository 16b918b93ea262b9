package mail

import (
	"context"

	"atrium/storage"
)

// Room tells how many mailboxes the owner has and may have.
func (a *Account) Room(ctx context.Context) (have, most int, err error) {
	err = a.view(ctx, func(v *storage.View) error {
		h, err := readHead(v)
		have = int(h.mailboxes)
		return err
	})
	return have, a.store.cfg.MaxMailboxes, err
}
