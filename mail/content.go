package mail

import (
	"context"
	"iter"

	"atrium/mail/message"
	"atrium/storage/blob"
)

// Index returns the index record of a message. The actor needs Read; NotFound when the message went
// some time ago.
func (a *Account) Index(ctx context.Context, id ID, m Message) (message.Index, error) { panic("stub") }

// Indexes yields messages with their index records, read in batches; nothing of the store is held
// while the loop's body runs, so it may write to a slow connection. A message that
// went meanwhile and whose record is gone is left out. An error ends it.
func (a *Account) Indexes(ctx context.Context, id ID, msgs iter.Seq2[int, Message]) iter.Seq2[Indexed, error] {
	panic("stub")
}

// Indexed is a message at its position with its index record.
type Indexed struct {
	Pos int
	Message
	Index message.Index
}

// Body opens the message's bytes. Close it.
func (a *Account) Body(ctx context.Context, id ID, m Message) (blob.Body, error) { panic("stub") }
