package mail

import (
	"context"
	"errors"
	"strings"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
)

// JunkFacet tells what was learnt of a message, and what was thought of it at
// delivery; its form belongs to who filters junk. It stays with the account: a copy in another has none.
const JunkFacet byte = 3

// junkUses are the special uses whose mailboxes tell what a user thinks of messages
// and to whom the user writes.
const junkUses = 1<<2 | 1<<3 // \Junk, \Sent

// OnLearn has fn called after each change by which a user may have told what is junk:
// messages that came into or left a mailbox with the use \Junk, or came into one with \Sent, and
// keywords that say so. It must return at once; what changed is in the log. It is set before the
// store is used.
func (s *Store) OnLearn(fn func(owner storage.AccountID)) { s.learner = fn }

// learn calls the learner when one of the uses matters to it.
func (s *Store) learn(owner storage.AccountID, uses uint64) {
	if s.learner != nil && uses&junkUses != 0 {
		s.learner(owner)
	}
}

// learnMove calls the learner after messages were copied or moved.
func (a *Account) learnMove(ctx context.Context, id ID, dst *Account, to ID) {
	if a.store.learner == nil {
		return
	}
	for _, box := range []struct {
		owner storage.AccountID
		id    ID
	}{{a.owner, id}, {dst.owner, to}} {
		err := a.store.storage.View(context.WithoutCancel(ctx), box.owner, func(v *storage.View) error {
			c, err := v.Collection(box.id)
			if err != nil {
				return err
			}
			set, err := settingsOf(c)
			if err == nil {
				a.store.learn(box.owner, set.uses)
			}
			return err
		})
		if err != nil && !errors.Is(err, storage.NotFound) {
			a.store.log.Error("what was moved is not learnt from", "account", box.owner, "mailbox", box.id, "error", err)
		}
	}
}

// JunkFlag tells what flags say of a message: 1 that it is junk ($Junk, and Junk of older clients), -1 that it is not
// ($NotJunk, NonJunk, NotJunk), 0 nothing or both.
func JunkFlag(flags []imap.Flag) (says int) {
	for _, f := range flags {
		switch strings.ToLower(string(f)) {
		case "$junk", "junk":
			says |= 1
		case "$notjunk", "nonjunk", "notjunk":
			says |= 2
		}
	}
	return [...]int{0, 1, -1, 0}[says]
}
