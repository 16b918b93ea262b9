package mail

import (
	"context"
	"errors"
	"strings"

	"atrium/storage"
)

// Subscribe puts a name on the actor's list, which lives apart from what exists:
// any valid name will do (RFC 9051 §6.3.7).
func (a *Account) Subscribe(ctx context.Context, name string) error {
	name, err := a.store.CleanName(name)
	if err != nil {
		return err
	}
	return a.store.storage.Update(ctx, a.actor, func(tx *storage.Tx) error {
		return subscribe(tx, name, []byte{})
	})
}

// Unsubscribe takes a name from the actor's list; NotFound when it is not on it.
func (a *Account) Unsubscribe(ctx context.Context, name string) error {
	name, err := a.store.CleanName(name)
	if err != nil {
		return err
	}
	return a.store.storage.Update(ctx, a.actor, func(tx *storage.Tx) error {
		if _, err := tx.Record(subPrefix + name); err != nil {
			return err
		}
		return subscribe(tx, name, nil)
	})
}

// subscribe changes the list and wakes those who watch the account.
func subscribe(tx *storage.Tx, name string, value []byte) error {
	if _, err := tx.Record(subPrefix + name); err == nil && value != nil {
		return nil
	}
	return errors.Join(tx.SetRecord(subPrefix+name, value), tx.Touch())
}

// Subscriptions returns the actor's list in the order of bytes.
func (a *Account) Subscriptions(ctx context.Context) (list []string, err error) {
	err = a.store.storage.View(ctx, a.actor, func(v *storage.View) error {
		list = nil
		for k := range v.Records(subPrefix) {
			list = append(list, strings.TrimPrefix(k, subPrefix))
		}
		return nil
	})
	return list, err
}

// defaults are the mailboxes of a new account.
var defaults = []struct {
	name string
	use  uint64
}{{Inbox, 0}, {"Drafts", 1 << 1}, {"Sent", 1 << 3}, {"Junk", 1 << 2}, {"Trash", 1 << 4}, {"Archive", 1 << 0}}

// Ensure gives an account without an INBOX its default mailboxes: INBOX, Drafts, Sent, Junk,
// Trash and Archive, with their special uses, subscribed.
func (a *Account) Ensure(ctx context.Context) error {
	have := false
	err := a.store.storage.View(ctx, a.owner, func(v *storage.View) error {
		_, err := v.CollectionByName(Schema.Code, Inbox)
		have = err == nil
		return nil
	})
	if err != nil || have {
		return err
	}
	return a.update(ctx, a.store.EnsureTx)
}

// EnsureTx is Ensure within a transaction on the owner's account.
func (s *Store) EnsureTx(tx *storage.Tx) error {
	_, err := tx.CollectionByName(Schema.Code, Inbox)
	if !errors.Is(err, storage.NotFound) {
		return err
	}
	for _, d := range defaults {
		if _, err := tx.CollectionByName(Schema.Code, d.name); err == nil {
			continue
		}
		if _, err := s.create(tx, d.name, settings{uses: d.use}); err != nil {
			return err
		}
		if err := tx.SetRecord(subPrefix+d.name, []byte{}); err != nil {
			return err
		}
	}
	return nil
}
