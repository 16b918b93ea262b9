package mail

import (
	"context"
	"time"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
	"atrium/storage/blob"
)

// Prepared is a message that was parsed and whose body is filed: all that can be done
// before the transaction. It may be put into any number of mailboxes and accounts, until it is
// released.
type Prepared struct {
	ref    blob.Ref
	facets map[byte][]byte
	spool  blob.Spool
}

// Prepare parses the message in a spool and files its body. The spool belongs to the Prepared
// then, and to the caller when Prepare fails.
func (s *Store) Prepare(ctx context.Context, spool blob.Spool) (*Prepared, error) { panic("stub") }

// Size is the message's size in bytes.
func (p *Prepared) Size() int64 { return p.ref.Size }

// Release ends p and its spool. It may be called more than once.
func (p *Prepared) Release() { panic("stub") }

// NewMessage is a message to be appended.
type NewMessage struct {
	*Prepared
	Flags []imap.Flag // \Recent and flags that the actor has no right to set are left out
	Date  time.Time   // INTERNALDATE; zero: now
}

// Appended tells where messages went: their UIDs, ascending in the order of the messages.
type Appended struct {
	UIDValidity uint32
	UIDs        imap.UIDSet
	Modseq      uint64
}

// Append puts messages into a mailbox: all or none (RFC 3502). It costs one transaction.
func (a *Account) Append(ctx context.Context, id ID, msgs ...NewMessage) (*Appended, error) {
	panic("stub")
}

// AppendTx puts one message into a mailbox within a transaction on the owner's account. The
// actor needs Insert or Post.
func (a *Account) AppendTx(tx *storage.Tx, id ID, msg NewMessage) (imap.UID, error) { panic("stub") }

// Replace puts a message into mailbox dst of the same owner and removes the message uid of mailbox id, in one
// transaction (RFC 8508). NotFound when uid is gone.
func (a *Account) Replace(ctx context.Context, id ID, uid imap.UID, dst ID, msg NewMessage) (*Appended, error) {
	panic("stub")
}
