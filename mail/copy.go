package mail

import (
	"context"

	"github.com/emersion/go-imap/v2"
)

// Copied tells which messages went where: the UIDs in From and To stand in the same order
// (COPYUID, RFC 4315 §3).
type Copied struct {
	UIDValidity uint32 // of the target
	From, To    imap.UIDSet
}

// Copy copies those of the messages that are there to mailbox to of account dst, which may be of another
// owner: all, or none when it fails. Flags and INTERNALDATE are kept as far as the actor's rights
// reach. Within one account copies share the object.
func (a *Account) Copy(ctx context.Context, id ID, uids imap.UIDSet, dst *Account, to ID) (Copied, error) {
	panic("stub")
}

// Move is Copy and removal of each message at once (RFC 6851). The result tells
// what was moved, also when it fails on the way.
func (a *Account) Move(ctx context.Context, id ID, uids imap.UIDSet, dst *Account, to ID) (Copied, error) {
	panic("stub")
}

// Expunge removes all messages with \Deleted and returns their UIDs; with an error, those of the
// batches that were done.
func (a *Account) Expunge(ctx context.Context, id ID) (imap.UIDSet, error) { panic("stub") }

// ExpungeUIDs removes those of the messages that have \Deleted (UID EXPUNGE, RFC 4315 §2.1).
func (a *Account) ExpungeUIDs(ctx context.Context, id ID, uids imap.UIDSet) (imap.UIDSet, error) {
	panic("stub")
}

// Remove removes messages whatever their flags (POP3's QUIT).
func (a *Account) Remove(ctx context.Context, id ID, uids imap.UIDSet) (imap.UIDSet, error) {
	panic("stub")
}
