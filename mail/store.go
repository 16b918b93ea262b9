package mail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"atrium/storage"
)

// ID is a mailbox's identity within its owner's account, never used again.
type ID = storage.CollectionID

// Facets of a message's object: what was found in it at delivery.
const (
	IndexFacet     byte = 1 // message.Index
	SignatureFacet byte = 2 // message.Signature
)

// Classes of failure beyond those of storage.
const (
	// HasChildren means that a name that is no mailbox itself has some below it.
	HasChildren storage.Kind = "mailbox has children"
	// TooManyKeywords means that a mailbox has no bit left for another keyword.
	TooManyKeywords storage.Kind = "too many keywords"
	// Reserved means that a name stays what it is: INBOX cannot be deleted or made, nor can there be one below Shared.
	Reserved storage.Kind = "mailbox name is reserved"
	// BadUse means that a mailbox cannot have a special use: it is unknown here, or another has it.
	BadUse storage.Kind = "special use not possible"
)

// Schema makes storage keep mailboxes. Its Tally counts bytes (RFC822.SIZE), A the
// messages without \Seen and B those with \Deleted.
var Schema = storage.Schema{Code: 1, Name: "mailbox", Tally: tally}

// Config has the limits of mailboxes.
type Config struct {
	MaxMailboxes int `toml:"max_mailboxes"` // in one account
	MaxName      int `toml:"max_name"`      // bytes of a mailbox's name
	MaxDepth     int `toml:"max_depth"`     // levels of a mailbox's name
	MaxKeyword   int `toml:"max_keyword"`   // bytes of a keyword
	Batch        int `toml:"batch"`         // messages copied in one transaction; flags are changed and messages removed 8 times as many
}

// DefaultConfig returns limits that serve everyone.
func DefaultConfig() Config {
	return Config{MaxMailboxes: 10000, MaxName: 500, MaxDepth: 32, MaxKeyword: 100, Batch: 2500}
}

// Validate reports all mistakes at once.
func (c *Config) Validate() (err error) {
	check := func(key string, v, low, high int) {
		if v < low || v > high {
			err = errors.Join(err, fmt.Errorf("mail.%s: %d, must be %d to %d", key, v, low, high))
		}
	}
	check("max_mailboxes", c.MaxMailboxes, 10, 1000000)
	check("max_name", c.MaxName, 64, 800)
	check("max_depth", c.MaxDepth, 2, 100)
	check("max_keyword", c.MaxKeyword, 16, 255)
	check("batch", c.Batch, 1, 3000)
	return err
}

// Store is the mail of all accounts.
type Store struct {
	storage *storage.Store
	cfg     Config
	log     *slog.Logger
	unseen  unseen
	learner func(owner storage.AccountID) // see OnLearn
	event   func(context.Context, Event)  // see OnEvent
	seen    seenStates
	crew    crew
}

// New returns the mail in a store that was opened with Schema.
func New(s *storage.Store, cfg Config, log *slog.Logger) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Store{storage: s, cfg: cfg, log: log}, nil
}

// now is the clock.
func (s *Store) now() time.Time { return time.Now() }

// Storage returns the store below.
func (s *Store) Storage() *storage.Store { return s.storage }

// Account is a handle on the mailboxes of one account, its owner, for one who
// acts on them. It costs nothing and keeps no state.
type Account struct {
	store        *Store
	actor, owner storage.AccountID
	quiet        bool // what is done by it is no Event
}

// Open returns a handle by which actor acts on the mailboxes of owner, as far as
// owner's grants reach. For one's own mailboxes the two are the same.
func (s *Store) Open(actor, owner storage.AccountID) *Account {
	return &Account{store: s, actor: actor, owner: owner}
}

// Actor is who acts, Owner whose mailboxes they are.
func (a *Account) Actor() storage.AccountID { return a.actor }
func (a *Account) Owner() storage.AccountID { return a.owner }

// Usage is what the owner holds in all, and the owner's limits.
func (a *Account) Usage(ctx context.Context) (u storage.Usage, err error) {
	err = a.view(ctx, func(v *storage.View) error {
		u, err = v.Usage()
		return err
	})
	return u, err
}

func (a *Account) view(ctx context.Context, fn func(*storage.View) error) error {
	return a.store.storage.View(ctx, a.owner, fn)
}

func (a *Account) update(ctx context.Context, fn func(*storage.Tx) error) error {
	return a.store.storage.Update(ctx, a.owner, fn)
}

// allow is the rights check: the mailbox when the actor has all of need.
func (a *Account) allow(v *storage.View, id ID, need storage.Rights) (*storage.Collection, error) {
	c, err := v.Allow(a.actor, id, need)
	if err != nil {
		return nil, err
	}
	if c.Schema != Schema.Code {
		return nil, fmt.Errorf("mailbox %d: %w", id, storage.NotFound)
	}
	return c, nil
}

// Watch returns a watch that wakes after each change to a mailbox, or with 0 to any of
// the owner's mailboxes, their names and settings. The actor needs Lookup or Read. Close it.
func (a *Account) Watch(ctx context.Context, id ID) (*storage.Watch, error) {
	if id != 0 {
		err := a.view(ctx, func(v *storage.View) error {
			_, err := a.allow(v, id, storage.Lookup)
			if errors.Is(err, storage.NotFound) {
				_, err = a.allow(v, id, storage.Read)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return a.store.storage.Watch(a.owner, id), nil
}
