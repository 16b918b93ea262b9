package directory

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"atrium/contacts"
	"atrium/contacts/card"
	"atrium/storage"
	"atrium/storage/account"
)

// Config has the settings of the directory.
type Config struct {
	Enabled bool // each domain has one
}

// DefaultConfig switches it on.
func DefaultConfig() Config { return Config{Enabled: true} }

// Name is the address book's name in the Service account.
const Name = "directory"

// local is the local part of a Service account's name.
const local = "~directory"

// Book keeps the directories of all domains.
type Book struct {
	cfg   Config
	store *storage.Store
	dir   *account.Directory
	label func(displayname string) (prop string, value []byte)
	log   *slog.Logger
}

// New makes a Book. label packs a display name as the property that package dav reads.
func New(store *storage.Store, dir *account.Directory, cfg Config, label func(string) (string, []byte), log *slog.Logger) *Book {
	return &Book{cfg, store, dir, label, log}
}

// Run follows the accounts until ctx ends.
func (b *Book) Run(ctx context.Context) {
	if b.there(ctx) {
		select { // the first clients of a server that starts come before
		case <-ctx.Done():
			return
		case <-time.After(settle):
		}
	}
	for {
		if err := b.Sync(ctx); err != nil && ctx.Err() == nil {
			b.log.Error("directory not brought up to date", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-b.dir.Changes():
		}
		select { // an import changes many at once
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

// settle is how long after a start directories of earlier runs stay as they are.
const settle = 2 * time.Second

// there tells whether an earlier run has made a directory.
func (b *Book) there(ctx context.Context) bool {
	all, err := b.dir.List(ctx)
	return err == nil && slices.ContainsFunc(all, func(a *account.Account) bool { return a.Sort == account.Service })
}

// Sync brings all directories up to date.
func (b *Book) Sync(ctx context.Context) error {
	all, err := b.dir.List(ctx)
	if err != nil {
		return err
	}
	services := map[string]*account.Account{}
	people := map[string][]*account.Account{}
	for _, a := range all {
		domain := domainOf(a)
		switch {
		case a.Sort == account.Service:
			services[domain] = a
		case b.cfg.Enabled:
			people[domain] = append(people[domain], a)
		}
	}
	for domain, list := range people {
		s := services[domain]
		if s == nil {
			if s, err = b.dir.Add(ctx, account.New{Name: local + "@" + domain, DisplayName: "Directory", Sort: account.Service}); err != nil {
				return fmt.Errorf("directory of %s: %w", domain, err)
			}
		}
		delete(services, domain)
		if err := b.write(ctx, s.ID, list); err != nil {
			return fmt.Errorf("directory of %s: %w", domain, err)
		}
	}
	for domain, s := range services {
		if err := b.drop(ctx, s); err != nil {
			return fmt.Errorf("directory of %s: %w", domain, err)
		}
	}
	return nil
}

// Leave takes the directory of a domain away that has no other accounts left.
func (b *Book) Leave(ctx context.Context, domain string) error {
	s, err := b.dir.ServiceOf(domain)
	if errors.Is(err, storage.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	all, err := b.dir.List(ctx)
	if err != nil {
		return err
	}
	for _, a := range all {
		if a.ID != s.ID && domainOf(a) == domainOf(s) {
			return nil
		}
	}
	return b.drop(ctx, s)
}

func (b *Book) drop(ctx context.Context, s *account.Account) error {
	if err := b.store.DropAccount(ctx, s.ID); err != nil {
		return err
	}
	return b.dir.Delete(ctx, s.ID)
}

func domainOf(a *account.Account) string {
	return strings.ToLower(a.Name[strings.LastIndexByte(a.Name, '@')+1:])
}

// Find returns where the directory is that an account sees; storage.NotFound.
func Find(ctx context.Context, store *storage.Store, dir *account.Directory, a *account.Account) (owner storage.AccountID, id storage.CollectionID, err error) {
	s, err := dir.ServiceOf(domainOf(a))
	if err != nil {
		return 0, 0, err
	}
	err = store.View(ctx, s.ID, func(v *storage.View) error {
		c, err := book(v)
		if err == nil {
			id = c.ID
		}
		return err
	})
	return s.ID, id, err
}

func book(v *storage.View) (*storage.Collection, error) {
	return v.CollectionByName(contacts.Schema.Code, Name)
}

// batch is how many cards one transaction writes.
const batch = 100

// write gives a Service account the cards of a domain, and no others.
func (b *Book) write(ctx context.Context, service storage.AccountID, list []*account.Account) error {
	var id storage.CollectionID
	had := map[string]string{} // ETags by name
	err := b.store.Update(ctx, service, func(tx *storage.Tx) error {
		c, err := book(&tx.View)
		if errors.Is(err, storage.NotFound) {
			prop, value := b.label("Directory")
			c, err = contacts.Create(tx, Name, map[string][]byte{prop: value})
		}
		if err == nil {
			id = c.ID
		}
		return err
	})
	if err != nil {
		return err
	}
	err = b.store.View(ctx, service, func(v *storage.View) error {
		t, err := v.Table(id)
		if err != nil {
			return err
		}
		for e := range contacts.Entries(t) {
			had[e.Name] = e.ETag
		}
		return nil
	})
	if err != nil {
		return err
	}
	var puts []put
	for _, a := range list {
		if a.Disabled {
			continue
		}
		o, err := contacts.Prepare(ctx, b.store.Blobs(), Card(a), contacts.DefaultOptions())
		if err != nil {
			return err
		}
		defer o.Release()
		name := fmt.Sprintf("%d.vcf", a.ID)
		if had[name] != o.ETag {
			puts = append(puts, put{name, o})
		}
		delete(had, name)
	}
	var gone []string
	for name := range had {
		gone = append(gone, name)
	}
	return b.apply(ctx, service, id, puts, gone)
}

// put is a card that is new or changed.
type put struct {
	name string
	*contacts.Object
}

func (b *Book) apply(ctx context.Context, service storage.AccountID, id storage.CollectionID, puts []put, gone []string) error {
	for len(puts) > 0 || len(gone) > 0 {
		n := min(batch, len(puts))
		m := min(batch-n, len(gone))
		err := b.store.Update(ctx, service, func(tx *storage.Tx) error {
			for _, name := range gone[:m] {
				if _, err := contacts.Delete(tx, id, name, contacts.Condition{}); err != nil {
					return err
				}
			}
			for _, p := range puts[:n] {
				if _, _, err := contacts.Put(tx, id, p.name, p.Object, contacts.Condition{}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		puts, gone = puts[n:], gone[m:]
	}
	return nil
}

// Card is the card of an account, in version 3.0, which all clients read.
func Card(a *account.Account) []byte {
	name := a.DisplayName
	if name == "" {
		name = a.Name[:strings.LastIndexByte(a.Name, '@')]
	}
	fields := []card.Field{{Name: "UID", Value: uid(a)}, {Name: "FN", Value: name}}
	if a.Sort == account.Person {
		given, family := "", name
		if i := strings.LastIndexByte(name, ' '); i > 0 {
			given, family = name[:i], name[i+1:]
		}
		fields = append(fields, card.Field{Name: "N", Parts: []string{family, given, "", "", ""}})
	} else { // a group or a room: Apple's clients show it as a company
		fields = append(fields, card.Field{Name: "N", Parts: []string{"", "", "", "", ""}},
			card.Field{Name: "ORG", Value: name}, card.Field{Name: "X-ABShowAs", Value: "COMPANY"})
	}
	for i, address := range a.Addresses {
		types := []string{"INTERNET", "WORK"}
		if i == 0 {
			types = append(types, "PREF")
		}
		fields = append(fields, card.Field{Name: "EMAIL", Params: []card.Param{{Name: "TYPE", Values: types}}, Value: address})
	}
	return card.Compose("3.0", fields...)
}

// uid is a UUID that stays the account's, made of its number and the time when it was added (RFC 9562 §5.8).
func uid(a *account.Account) string {
	h := sha256.Sum256(fmt.Appendf(nil, "atrium account %d %d", a.ID, a.Created.Unix()))
	h[6], h[8] = h[6]&0x0f|0x80, h[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}
