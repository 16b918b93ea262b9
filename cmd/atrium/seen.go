package main

import (
	"context"
	"errors"
	"fmt"

	"atrium/mail"
	"atrium/storage"
	"atrium/storage/account"
)

// Whose \Seen a mailbox keeps: `atrium share seen` for one, `atrium group seen` for all of a group's.

type seenArgs struct {
	Owner, Mailbox string // no mailbox: all, and those to come
	Private        bool
}

func seenWord(word string) (private bool, err error) {
	switch word {
	case mail.SeenPrivate, mail.SeenShared:
		return word == mail.SeenPrivate, nil
	}
	return false, usageError(fmt.Sprintf("%q: wants %s, each has read what they read, or %s, one for all", word, mail.SeenPrivate, mail.SeenShared))
}

func shareSeen(i *invocation) error {
	if len(i.args) != 3 {
		return usageError("wants the OWNER, the MAILBOX and private or shared")
	}
	private, err := seenWord(i.args[2])
	if err != nil {
		return err
	}
	return i.call("share seen", seenArgs{i.args[0], i.args[1], private}, nil)
}

func groupSeen(i *invocation) error {
	if len(i.args) != 2 {
		return usageError("wants the GROUP and private or shared")
	}
	private, err := seenWord(i.args[1])
	if err != nil {
		return err
	}
	return i.call("group seen", seenArgs{Owner: i.args[0], Private: private}, nil)
}

func setSeen(h *house, ctx context.Context, a seenArgs) (any, error) {
	return h.withAccount(ctx, a.Owner, func(owner *account.Account) error {
		box := h.mail.Open(owner.ID, owner.ID)
		m, err := box.Mailbox(ctx, a.Mailbox)
		if errors.Is(err, storage.NotFound) {
			return fmt.Errorf("%s has no mailbox %q", owner.Name, a.Mailbox)
		}
		if err != nil {
			return err
		}
		return box.SetPrivateSeen(ctx, m.ID, a.Private)
	})
}

func setGroupSeen(h *house, ctx context.Context, a seenArgs) (any, error) {
	g, err := h.group(ctx, a.Owner)
	if err != nil {
		return nil, err
	}
	return nil, h.mail.Open(g.ID, g.ID).SetPrivateSeen(ctx, 0, a.Private)
}
