package mail

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
)

// Mailbox is what is known of a mailbox without looking at its messages. Its slices
// are not to be changed.
type Mailbox struct {
	Owner  storage.AccountID
	ID     ID // 0: a name that only implies itself by those below it (\NonExistent)
	Name   string
	Rights storage.Rights // the actor's

	Uses        []imap.MailboxAttr // special uses (RFC 6154)
	Children    bool               // names below it exist; only Mailboxes fills it in
	UIDValidity uint32
	UIDNext     imap.UID
	Exists      int
	Unseen      int // messages without \Seen
	Deleted     int // messages with \Deleted
	Size        int64
	Modseq      uint64 // HIGHESTMODSEQ
	Meta        uint64 // modseq of the last change to name, settings, keywords, properties or grants
	Floor       uint64 // Changes reaches back to here
	Keywords    Keywords
}

// Has tells whether the mailbox itself exists, not only names below it.
func (m *Mailbox) Has() bool { return m.ID != 0 }

// Mailboxes returns all mailboxes that the actor may look up, and the names that they
// imply, in the order of their levels' names, INBOX first.
func (a *Account) Mailboxes(ctx context.Context) ([]Mailbox, error) { panic("stub") }

// Mailbox returns the mailbox of that name; NotFound when there is none that the actor may look up.
func (a *Account) Mailbox(ctx context.Context, name string) (*Mailbox, error) { panic("stub") }

// MailboxByID returns a mailbox as it is now.
func (a *Account) MailboxByID(ctx context.Context, id ID) (*Mailbox, error) { panic("stub") }

// Create makes a mailbox with special uses (RFC 6154 §3). Exists, Invalid, TooLarge
// and Forbidden tell why not; Exists also when another mailbox has one of the uses.
func (a *Account) Create(ctx context.Context, name string, uses ...imap.MailboxAttr) (*Mailbox, error) {
	panic("stub")
}

// Delete deletes a mailbox with its messages, but not those below it. INBOX is
// Reserved; a name that is no mailbox and has some below it HasChildren.
func (a *Account) Delete(ctx context.Context, name string) error { panic("stub") }

// Rename renames a mailbox and all below it, in one transaction. INBOX gives its
// messages to a new mailbox and stays, as do those below it (RFC 9051 §6.3.6).
func (a *Account) Rename(ctx context.Context, from, to string) error { panic("stub") }

// SetUses replaces a mailbox's special uses; a use that another mailbox has is taken from it.
func (a *Account) SetUses(ctx context.Context, id ID, uses ...imap.MailboxAttr) error { panic("stub") }

// Subscribe and Unsubscribe change the actor's list of names, which lives apart from what exists:
// any valid name will do (RFC 9051 §6.3.7).
func (a *Account) Subscribe(ctx context.Context, name string) error   { panic("stub") }
func (a *Account) Unsubscribe(ctx context.Context, name string) error { panic("stub") }

// Subscriptions returns the actor's list in the order of bytes.
func (a *Account) Subscriptions(ctx context.Context) ([]string, error) { panic("stub") }

// Ensure gives an account without an INBOX its default mailboxes.
func (a *Account) Ensure(ctx context.Context) error { panic("stub") }

// EnsureTx is Ensure within a transaction on the owner's account.
func (s *Store) EnsureTx(tx *storage.Tx) error { panic("stub") }

// MailboxTx returns the mailbox of that name for a delivery within a transaction, and makes
// it when create tells so. It checks no right but whether the actor may Insert or Post.
func (a *Account) MailboxTx(tx *storage.Tx, name string, create bool) (*Mailbox, error) {
	panic("stub")
}

// CleanName returns a mailbox's name as it is kept: NFC, INBOX in capitals, without a trailing
// separator. Invalid or TooLarge tells what is wrong with it.
func (s *Store) CleanName(name string) (string, error) { panic("stub") }
