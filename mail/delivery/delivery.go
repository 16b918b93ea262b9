package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"atrium/mail"
	"atrium/mail/queue"
	"atrium/storage"
	"atrium/storage/account"
)

// Kind is a class of failure of a delivery, beside those of storage and
// account: storage.NotFound and account.NotLocal for addresses that lead nowhere,
// account.Disabled, storage.OverQuota, blob.TooLarge.
type Kind string

func (k Kind) Error() string { return string(k) }

const (
	// Loop means that the message has come by too many hosts already.
	Loop Kind = "mail loop"
	// Elsewhere means that an address of ours leads to one that is not, and
	// nothing carries mail out.
	Elsewhere Kind = "address leads elsewhere"
	// Refused means that a filter refused the message; see Refusal.
	Refused Kind = "refused by the recipient"
)

// Refusal is a Refused message, with the words for the sender. With a Code of 4xx it is
// refused for now only, and not of the class Refused.
type Refusal struct {
	Reason string
	Code   int    // of the SMTP reply; 0: 550 5.7.1
	Status string // its enhanced status code (RFC 3463), when Code is set
}

func (r *Refusal) Error() string { return string(Refused) + ": " + r.Reason }

// Is makes a Refusal an error of the class Refused.
func (r *Refusal) Is(target error) bool { return target == Refused && (r.Code == 0 || r.Code >= 500) }

// Config has the settings of deliveries.
type Config struct {
	Hostname       string `toml:"hostname"`        // of this host, in Received
	MaxMessage     int64  `toml:"max_message"`     // bytes of a message, trace lines not counted
	MaxReceived    int    `toml:"max_received"`    // Received lines from which on a message is in a loop (RFC 5321 §6.3)
	RefuseDisabled bool   `toml:"refuse_disabled"` // disabled accounts take no mail; else they only cannot log in
	Parallel       int    `toml:"parallel"`        // accounts of one message that are written to at once
	CopySent       bool   `toml:"copy_sent"`       // what accounts submit goes into their \Sent too, where they do not say otherwise
}

// DefaultConfig returns settings that serve everyone.
func DefaultConfig() Config {
	return Config{Hostname: "localhost", MaxMessage: 50 << 20, MaxReceived: 100, Parallel: 64}
}

// Validate reports all mistakes at once.
func (c *Config) Validate() (err error) {
	if c.Hostname == "" {
		err = errors.Join(err, errors.New("delivery.hostname: missing"))
	}
	if c.MaxMessage < 64<<10 {
		// RFC 5321 §4.5.3.1.7
		err = errors.Join(err, fmt.Errorf("delivery.max_message: %d bytes, at least 65536 are needed", c.MaxMessage))
	}
	if c.MaxReceived < 30 {
		err = errors.Join(err, fmt.Errorf("delivery.max_received: %d, at least 30 are needed (RFC 5321 §6.3 advises 100)", c.MaxReceived))
	}
	if c.Parallel < 1 {
		err = errors.Join(err, fmt.Errorf("delivery.parallel: %d, at least 1 is needed", c.Parallel))
	}
	return err
}

// Deliverer delivers to the accounts of a directory.
type Deliverer struct {
	mail    *mail.Store
	dir     *account.Directory
	cfg     Config
	filters []Filter
	judge   Judge  // nil: none
	seal    Sealer // nil: none
	log     *slog.Logger
	split   splitMemory
	pool    sync.Pool    // of *[headerChunk]byte
	queue   *queue.Queue // nil: no mail goes to other servers
	secret  []byte       // of senders that are rewritten
}

// New returns a Deliverer. Filters are asked in their order.
func New(m *mail.Store, dir *account.Directory, cfg Config, log *slog.Logger, filters ...Filter) (*Deliverer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Deliverer{mail: m, dir: dir, cfg: cfg, filters: filters, log: log}, nil
}

// Config returns the settings.
func (d *Deliverer) Config() Config { return d.cfg }

// Route is where a recipient's address leads, as it was found at RCPT.
type Route struct {
	Address string // as it was given, in the form local@domain
	DSN     RouteDSN
	targets []account.Recipient
	remote  []string // addresses of other servers

	failed []account.Recipient // of targets, once it was tried
	queued bool                // what failed is the queue's from here
	done   queue.State         // what a sender who asked is told of it; Sent: something else tells
}

// Route finds where an address leads. size is the message's size in bytes as
// far as it is known, 0 when it is not: an account that has no room for it, or
// none at all, is OverQuota.
func (d *Deliverer) Route(ctx context.Context, address string, size int64) (*Route, error) {
	all, err := d.dir.Resolve(ctx, address)
	if errors.Is(err, storage.NotFound) {
		if r, e := d.returning(address); e == nil {
			return r, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("recipient %q: %w", address, err)
	}
	r := &Route{Address: address, targets: make([]account.Recipient, 0, len(all))}
	for _, to := range all {
		if to.Account == nil && d.CanSend() {
			r.remote = append(r.remote, to.Address)
			continue
		}
		if to.Account == nil {
			return nil, fmt.Errorf("recipient %q: %q: %w", address, to.Address, Elsewhere)
		}
		if to.Account.Disabled && d.cfg.RefuseDisabled {
			err = fmt.Errorf("recipient %q: %w", address, account.Disabled)
			continue // of a group the others still get it
		}
		r.targets = append(r.targets, to)
	}
	if len(r.targets) == 0 && len(r.remote) > 0 {
		return r, nil
	}
	if len(r.targets) == 0 {
		if err == nil {
			err = fmt.Errorf("recipient %q leads to no one: %w", address, storage.NotFound)
		}
		return nil, err
	}
	full := 0
	for _, to := range r.targets {
		err = d.room(ctx, to.Account, size)
		switch {
		case errors.Is(err, storage.OverQuota):
			full++
		case err != nil:
			return nil, err
		}
	}
	if full == len(r.targets) && len(r.remote) == 0 {
		return nil, fmt.Errorf("recipient %q: %w", address, storage.OverQuota)
	}
	return r, nil
}

// Owns tells whether an address is the account's own to send from: what is
// sent to it comes to this account and to no one else.
func (d *Deliverer) Owns(ctx context.Context, a *account.Account, address string) (bool, error) {
	all, err := d.dir.Resolve(ctx, address)
	switch {
	case errors.Is(err, account.NotLocal), errors.Is(err, storage.NotFound), errors.Is(err, storage.Invalid):
		return false, nil
	case err != nil:
		return false, err
	}
	return len(all) == 1 && all[0].Account != nil && all[0].Account.ID == a.ID, nil
}

// room tells whether an account may take a message of size bytes.
func (d *Deliverer) room(ctx context.Context, a *account.Account, size int64) error {
	if a.MaxBytes == 0 && a.MaxObjects == 0 {
		return nil // the store need not be asked
	}
	u, err := d.mail.Open(a.ID, a.ID).Usage(ctx)
	if err != nil {
		return err
	}
	if u.MaxBytes > 0 && u.Bytes+max(size, 1) > u.MaxBytes || u.MaxObjects > 0 && u.Objects >= u.MaxObjects {
		return storage.OverQuota
	}
	return nil
}
