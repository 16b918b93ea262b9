package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"atrium/calendar"
	"atrium/configs"
	"atrium/contacts"
	"atrium/dav"
	"atrium/dav/files"
	"atrium/mail"
	"atrium/mail/queue"
	"atrium/mail/rules"
	"atrium/mail/sift"
	"atrium/storage"
	"atrium/storage/account"
	"atrium/storage/embedded"
)

// house is the store with the domains over it: what the faces and the
// administration work on.
type house struct {
	cfg      configs.Config
	log      *slog.Logger
	embedded *embedded.Store
	store    *storage.Store
	dir      *account.Directory
	mail     *mail.Store
	junk     *sift.Sifter
	scripts  *rules.Scripts
	out      *outgoing         // nil until it is needed
	sessions func(user string) // ends those of an account in the running server; nil: none runs
}

// domainFile in the data folder tells commands that have no configuration the default domain.
const domainFile = "domain"

// openHouse opens the store in the data folder, which it makes when it is missing. Only one process can
// have it open.
func openHouse(ctx context.Context, cfg configs.Config, log *slog.Logger) (_ *house, err error) {
	h := &house{cfg: cfg, log: log}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if h.embedded, err = embedded.Open(cfg.Data, cfg.Engine, log); err != nil {
		if errors.Is(err, embedded.Locked) {
			err = fmt.Errorf("%w; end that one first, it may be a server or a command that is still at work", err)
		}
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(cfg.Data, domainFile), []byte(cfg.Domain+"\n"), 0o600); err != nil {
		return nil, err
	}
	schemas := []storage.Schema{mail.Schema, queue.Schema, calendar.Schema, calendar.Attachments, contacts.Schema, files.Schema, dav.Notifications}
	if h.store, err = storage.Open(h.embedded.Engine, h.embedded.Blobs, schemas, cfg.Storage, log); err != nil {
		return nil, err
	}
	if h.dir, err = account.Open(h.embedded.Engine, cfg.Passwords, log); err != nil {
		return nil, err
	}
	h.store.SetMemberships(h.dir.Memberships)
	if h.mail, err = mail.New(h.store, cfg.Mail, log); err != nil {
		return nil, err
	}
	if err = h.openJunk(); err != nil {
		return nil, err
	}
	if len(cfg.Listen.Sieve) == 0 || slices.ContainsFunc(cfg.IMAP.Disable, func(x string) bool { return strings.EqualFold(x, "IMAPSIEVE") }) {
		cfg.Sieve.Disable = append(slices.Clip(cfg.Sieve.Disable), "imapsieve") // see openEvents
	}
	if h.scripts, err = rules.NewScripts(h.store, cfg.Sieve, log); err != nil {
		return nil, err
	}
	return h, nil
}

func (h *house) close() (err error) {
	if h.junk != nil {
		h.junk.Close()
	}
	if h.store != nil {
		err = h.store.Close()
	}
	if h.embedded != nil {
		err = errors.Join(err, h.embedded.Close())
	}
	return err
}

// ensureDefaults makes what a new account has: mailboxes, calendars, an address book.
func (h *house) ensureDefaults(ctx context.Context, a storage.AccountID) error {
	return h.store.Update(ctx, a, func(tx *storage.Tx) error {
		return errors.Join(h.mail.EnsureTx(tx), calendar.EnsureDefaults(tx, dav.Look), contacts.EnsureDefaults(tx, dav.Label))
	})
}
