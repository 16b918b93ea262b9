package mail

import (
	"context"
	"errors"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
)

// Use returns the name of the owner's mailbox with a special use (RFC 6154); "" when none
// has it, or nobody knows it.
func (a *Account) Use(ctx context.Context, use imap.MailboxAttr) (name string, err error) {
	err = a.view(ctx, func(v *storage.View) error {
		name, err = useIn(v, use)
		return err
	})
	return name, err
}

// UseTx is Use within a transaction on the owner's account.
func (a *Account) UseTx(tx *storage.Tx, use imap.MailboxAttr) (string, error) {
	return useIn(&tx.View, use)
}

func useIn(v *storage.View, use imap.MailboxAttr) (string, error) {
	bit, err := useBits([]imap.MailboxAttr{use})
	if errors.Is(err, BadUse) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	all, err := v.Collections(Schema.Code)
	if err != nil {
		return "", err
	}
	for _, c := range all {
		s, err := settingsOf(c)
		if err != nil {
			return "", err
		}
		if s.uses&bit != 0 {
			return c.Name, nil
		}
	}
	return "", nil
}
