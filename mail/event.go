package mail

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
)

// ScriptEntry is the metadata entry of a mailbox that names the script to be run when messages come
// into it, or change, by its users' doing (RFC 6785 §2.3.1). The account's own, which its owner sets on "", holds for
// the mailboxes that have none; an empty one of a mailbox means that nothing is run there.
const ScriptEntry = "/shared/imapsieve/script"

// hasScript is the option of a mailbox with that entry, not empty.
const hasScript = 1 << 1

// Causes of an Event (RFC 6785 §2.2).
const (
	CauseAppend = "APPEND"
	CauseCopy   = "COPY"
	CauseFlag   = "FLAG"
)

// Event is something that a user did to messages of a mailbox for which there is a ScriptEntry.
type Event struct {
	Actor, Owner storage.AccountID
	Mailbox      ID
	Cause        string
	Messages     []EventMessages
}

// EventMessages are messages to which the same happened.
type EventMessages struct {
	UIDs    imap.UIDSet
	Changed []imap.Flag // CauseFlag: the flags that were set or taken away
}

// OnEvent has fn called after each such change, when it is durable and before the call that made it
// returns. Deliveries are none. It is set before the store is used.
func (s *Store) OnEvent(fn func(ctx context.Context, e Event)) { s.event = fn }

// Quiet returns the same handle, by which changes are no events.
func (a *Account) Quiet() *Account {
	return &Account{store: a.store, actor: a.actor, owner: a.owner, quiet: true}
}

// watched tells whether changes of a mailbox are events; scripted is whether it has the option.
func (a *Account) watched(v *storage.View, scripted bool) bool {
	if a.store.event == nil || a.quiet {
		return false
	}
	if !scripted {
		_, err := v.Prop(storage.PropKey{Name: ScriptEntry})
		return err == nil
	}
	return true
}

func (a *Account) tell(ctx context.Context, id ID, cause string, list ...EventMessages) {
	a.store.event(ctx, Event{Actor: a.actor, Owner: a.owner, Mailbox: id, Cause: cause, Messages: list})
}

// copied tells of messages that were copied or moved into one of a's mailboxes.
func (a *Account) copied(ctx context.Context, id ID, uids imap.UIDSet) {
	if a.store.event == nil || a.quiet {
		return
	}
	watched := false
	err := a.view(ctx, func(v *storage.View) error {
		c, err := v.Collection(id)
		if err != nil {
			return err
		}
		set, err := settingsOf(c)
		watched = err == nil && a.watched(v, set.options&hasScript != 0)
		return err
	})
	if err == nil && watched {
		a.tell(ctx, id, CauseCopy, EventMessages{UIDs: uids})
	}
}

// changes are messages by the flags that changed on them.
type changes map[Flags]imap.UIDSet

// flagged tells of flags that changed.
func (a *Account) flagged(ctx context.Context, id ID, by changes) {
	box, err := a.view1(ctx, id)
	if err != nil || len(by) == 0 {
		return
	}
	var list []EventMessages
	for mask, uids := range by {
		list = append(list, EventMessages{uids, box.Keywords.Names(nil, mask)})
	}
	slices.SortFunc(list, func(x, y EventMessages) int { return int(x.UIDs[0].Start) - int(y.UIDs[0].Start) })
	a.tell(ctx, id, CauseFlag, list...)
}

func (a *Account) view1(ctx context.Context, id ID) (m Mailbox, err error) {
	err = a.view(ctx, func(v *storage.View) error {
		m, err = a.mailbox(v, id, storage.Read)
		return err
	})
	return m, err
}

// setScriptEntry notes in a mailbox's settings whether it has a script, so that nothing has to be
// looked up where it has none.
func setScriptEntry(tx *storage.Tx, id ID, value []byte) error {
	if len(value) > 512 || !utf8.Valid(value) || strings.ContainsFunc(string(value), func(r rune) bool { return r < ' ' }) {
		return fmt.Errorf("entry %q is no name of a script: %w", ScriptEntry, storage.Invalid)
	}
	if id == 0 {
		return nil
	}
	c, err := tx.Collection(id)
	if err != nil {
		return err
	}
	set, err := settingsOf(c)
	if err != nil {
		return err
	}
	if has := set.options&hasScript != 0; has == (len(value) > 0) {
		return nil
	}
	set.options ^= hasScript
	return tx.SetData(id, set.encode())
}

// Script is the name of the script for a mailbox: its own, or else the account's; "" when there is none.
func (a *Account) Script(ctx context.Context, id ID) (name string, err error) {
	err = a.view(ctx, func(v *storage.View) error {
		b, err := v.Prop(storage.PropKey{Collection: id, Name: ScriptEntry})
		if errors.Is(err, storage.NotFound) {
			b, err = v.Prop(storage.PropKey{Name: ScriptEntry})
		}
		if errors.Is(err, storage.NotFound) {
			return nil
		}
		name = string(b)
		return err
	})
	return name, err
}
