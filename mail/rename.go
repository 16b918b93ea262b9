package mail

import (
	"context"
	"errors"
	"fmt"

	"atrium/storage"
)

// Rename renames a mailbox and all below it, in one transaction. INBOX gives
// its messages to a new mailbox and stays, as do those below it (RFC 9051 §6.3.6).
// TooLarge when more mailboxes are below it than one transaction takes.
func (a *Account) Rename(ctx context.Context, from, to string) error {
	from, err := a.store.CleanName(from)
	if err != nil {
		return fmt.Errorf("%w: %w", storage.NotFound, err)
	}
	if to, err = a.store.CleanName(to); err != nil {
		return err
	}
	switch {
	case from == to || to == Inbox:
		return fmt.Errorf("mailbox %q: %w", to, storage.Exists)
	case from == Inbox:
		return a.renameInbox(ctx, to)
	case below(to, from):
		return fmt.Errorf("mailbox %q below itself: %w", to, storage.Invalid)
	}
	return a.update(ctx, func(tx *storage.Tx) error {
		return a.renameTree(tx, from, to)
	})
}

func (a *Account) renameTree(tx *storage.Tx, from, to string) error {
	tree, err := a.subtree(&tx.View, from)
	if err != nil {
		return err
	}
	m, err := a.named(&tx.View, from, storage.Remove)
	switch {
	case err == nil:
		tree = append([]Mailbox{m}, tree...)
	case !errors.Is(err, storage.NotFound) || len(tree) == 0:
		return err
	}
	if _, err := a.mayCreate(tx, to); err != nil {
		return err
	}
	for i := range tree {
		if !tree[i].Rights.Has(storage.Remove) {
			return fmt.Errorf("mailbox %q: %w", tree[i].Name, storage.Forbidden)
		}
		name, err := a.store.CleanName(to + tree[i].Name[len(from):])
		if err != nil {
			return err
		}
		if err := tx.Rename(tree[i].ID, name); err != nil {
			return fmt.Errorf("mailbox: %w", err)
		}
	}
	return nil
}

// renameInbox makes a mailbox and moves all of INBOX there. The metadata that the actor sees are then
// those of both (RFC 5464 §4.1).
func (a *Account) renameInbox(ctx context.Context, to string) error {
	var src, dst ID
	err := a.update(ctx, func(tx *storage.Tx) error {
		in, err := a.named(&tx.View, Inbox, storage.Read|storage.Remove|storage.Delete|storage.Expunge)
		if err != nil {
			return err
		}
		parent, err := a.mayCreate(tx, to)
		if err != nil {
			return err
		}
		set := settings{keywords: in.Keywords}
		if set.options, err = inheritOptions(tx, in.ID); err != nil {
			return err
		}
		c, err := a.store.create(tx, to, set)
		if err != nil {
			return err
		}
		src, dst = in.ID, c.ID
		if parent != 0 {
			return inherit(tx, parent, dst)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := a.copyEntries(ctx, src, dst); err != nil {
		return err
	}
	_, err = a.Move(ctx, src, everything(), a, dst)
	return err
}
