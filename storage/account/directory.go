package account

import (
	"context"
	"log/slog"
	"net/netip"

	"atrium/storage"
	"atrium/storage/kv"
)

// Directory is the directory of one store.
type Directory struct{}

// Open opens the directory in engine. The engine stays the caller's to close.
func Open(engine kv.Engine, cfg Config, log *slog.Logger) (*Directory, error) { panic("stub") }

// New describes an account to be added.
type New struct {
	Name        string // an address in a local domain; a bare name gets the default domain
	Password    string // "": none, no one can log in
	DisplayName string
	Sort        Sort
	MaxBytes    int64
	MaxObjects  int64
}

// Add adds an account. Exists when its name is an account's or alias' address,
// NotLocal when its domain is not there.
func (d *Directory) Add(ctx context.Context, n New) (*Account, error) { panic("stub") }

// List returns all accounts by name.
func (d *Directory) List(ctx context.Context) ([]*Account, error) { panic("stub") }

// Get returns an account by its number; Find by login name or address (a
// bare name is looked up in the default domain, an alias that leads to one
// account leads to it). NotFound when there is none.
func (d *Directory) Get(ctx context.Context, id storage.AccountID) (*Account, error) { panic("stub") }
func (d *Directory) Find(ctx context.Context, login string) (*Account, error)        { panic("stub") }

// Rename gives an account another name; its data stay. Keep the old one by AddAlias.
func (d *Directory) Rename(ctx context.Context, id storage.AccountID, name string) error {
	panic("stub")
}

// SetPassword sets an account's password, or removes it when it is empty. Logins
// kept in memory end.
func (d *Directory) SetPassword(ctx context.Context, id storage.AccountID, password string) error {
	panic("stub")
}

// SetDisabled forbids or allows logins, SetDisplayName and SetQuota set those
// fields (what the store enforces is storage.SetLimits, the caller's to call).
func (d *Directory) SetDisabled(ctx context.Context, id storage.AccountID, disabled bool) error {
	panic("stub")
}
func (d *Directory) SetDisplayName(ctx context.Context, id storage.AccountID, name string) error {
	panic("stub")
}
func (d *Directory) SetQuota(ctx context.Context, id storage.AccountID, maxBytes, maxObjects int64) error {
	panic("stub")
}

// Delete removes an account and its credentials, and takes its name out of
// aliases and catch-alls. Its data are storage.DropAccount's.
func (d *Directory) Delete(ctx context.Context, id storage.AccountID) error { panic("stub") }

// SetAlias adds or replaces an alias; DeleteAlias removes it.
func (d *Directory) SetAlias(ctx context.Context, address string, targets []string) error {
	panic("stub")
}
func (d *Directory) DeleteAlias(ctx context.Context, address string) error { panic("stub") }
func (d *Directory) Aliases(ctx context.Context) ([]Alias, error)          { panic("stub") }

// SetDomain adds a local domain or sets its catch-all; DeleteDomain removes
// one that has no accounts and aliases any more, else Exists.
func (d *Directory) SetDomain(ctx context.Context, domain Domain) error  { panic("stub") }
func (d *Directory) DeleteDomain(ctx context.Context, name string) error { panic("stub") }
func (d *Directory) Domains(ctx context.Context) ([]Domain, error)       { panic("stub") }
func (d *Directory) DefaultDomain() string                               { panic("stub") }

// Resolve tells to whom an address leads, each recipient once. NotLocal when
// its domain is not ours, storage.NotFound when no one has it there,
// storage.Invalid when it is no address. A bare local part, and postmaster
// without a domain (RFC 5321 §4.1.1.3), is one of the default domain.
func (d *Directory) Resolve(ctx context.Context, address string) ([]Recipient, error) {
	panic("stub")
}

// Authenticate checks a password. remote is where the client is (the zero Addr: this machine).
// Denied, Disabled, Locked, Busy, or a failure of the store. A failure is
// answered after a delay that grows with the failures before it.
func (d *Directory) Authenticate(ctx context.Context, login, password string, remote netip.Addr) (*Account, error) {
	panic("stub")
}

// Scram is what SCRAM-SHA-256 (RFC 7677) needs of a login.
type Scram struct {
	Account    *Account // nil: no such login; the keys are made up, the proof cannot match
	Salt       []byte
	Iterations int
	StoredKey  []byte
	ServerKey  []byte
}

// Scram returns the keys of a login, made-up but steady ones for a login that is not there. Locked, or a failure of the store.
// The mechanism reports the outcome by Attempt.
func (d *Directory) Scram(ctx context.Context, login string, remote netip.Addr) (Scram, error) {
	panic("stub")
}

// Attempt records the outcome of a login that a mechanism checked itself: ok false waits and returns Denied.
// ok true returns the account or Disabled.
func (d *Directory) Attempt(ctx context.Context, login string, remote netip.Addr, ok bool) (*Account, error) {
	panic("stub")
}
