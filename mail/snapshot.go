package mail

import (
	"context"
	"iter"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
)

// Snapshot is a mailbox and all its messages at one moment. It never changes, may be used by
// many goroutines, and shares its memory with all others of the mailbox. Positions count from 0 in
// the order of UIDs: a message's sequence number, were it not for what a connection has
// not been told yet, is its position plus 1.
type Snapshot struct {
	Mailbox
	table *storage.Table
}

// Snapshot returns the mailbox as it is now. The actor needs Read.
func (a *Account) Snapshot(ctx context.Context, id ID) (*Snapshot, error) { panic("stub") }

// Len is the number of messages.
func (s *Snapshot) Len() int { return s.table.Len() }

// At returns the message at a position, 0 <= pos < Len.
func (s *Snapshot) At(pos int) Message { panic("stub") }

// Find returns the position of the first message whose UID is uid or higher, and whether it is uid.
func (s *Snapshot) Find(uid imap.UID) (pos int, exact bool) { panic("stub") }

// Messages yields the messages from position from to before position to.
func (s *Snapshot) Messages(from, to int) iter.Seq2[int, Message] { panic("stub") }

// Flags yields UIDs, flags and nothing else, faster than Messages.
func (s *Snapshot) Flags(from, to int) iter.Seq2[imap.UID, Flags] { panic("stub") }

// In yields those of the messages whose UIDs are in the set.
func (s *Snapshot) In(uids imap.UIDSet) iter.Seq2[int, Message] { panic("stub") }

// FirstUnseen returns the position of the first message without \Seen, -1 when there is none.
func (s *Snapshot) FirstUnseen() int { panic("stub") }

// UsedFlags is the set of flags that the messages have.
func (s *Snapshot) UsedFlags() Flags { panic("stub") }

// Changes are the differences of a mailbox between two modseqs.
type Changes struct {
	Changed  []imap.UID // came or changed their flags since, ascending
	Vanished []imap.UID // went since, and existed then, ascending
	Modseq   uint64     // what the next call passes as since
	More     bool       // the limit cut it: ask again with Modseq
}

// Changes tells what happened to a mailbox since a modseq; limit bounds the number of messages
// (0: none). It costs what changed, not what the mailbox holds. Expired when the log does not reach back.
func (a *Account) Changes(ctx context.Context, id ID, since uint64, limit int) (*Changes, error) {
	panic("stub")
}

// Sync returns the mailbox as it is now and what changed since old, from one view of
// the store; old itself and no changes when nothing did. When the log does not reach back,
// changes is nil and the two snapshots are to be compared.
func (a *Account) Sync(ctx context.Context, old *Snapshot) (now *Snapshot, changes *Changes, err error) {
	panic("stub")
}
