package account

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"atrium/storage"
	"atrium/storage/kv"
)

// Directory is the directory of one store.
type Directory struct {
	engine kv.Engine
	cfg    Config
	log    *slog.Logger
	domain string // the default one, canonical
	secret []byte

	write sync.Mutex   // held by one writer from its read to the change of tables
	mu    sync.RWMutex // guards tables
	tables

	gate     gate
	remember memory
	guard    guard
	news     chan struct{} // has one when tables changed since the last look
}

// tables are all records but credentials, in memory. Reads never go to the
// engine: an RCPT and a warm login cost a few map look-ups.
type tables struct {
	byID    map[storage.AccountID]*entry
	byName  map[string]*entry // by canonical address
	aliases map[string]*aliasRecord
	domains map[string]*domainRecord
	members map[storage.AccountID]map[storage.AccountID]memberRecord // of groups
	groups  map[storage.AccountID][]storage.Membership               // of members
	service map[string]storage.AccountID                             // by the canonical domain whose accounts all read what it has
}

// entry is an account with what others do not see.
type entry struct {
	Account
	key   string // canonical address of Name
	epoch uint64
	owned []string // aliases that lead to it alone, by canonical address
}

// Open opens the directory in engine. The engine stays the caller's to close.
func Open(engine kv.Engine, cfg Config, log *slog.Logger) (*Directory, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	d := &Directory{engine: engine, cfg: cfg, log: log, news: make(chan struct{}, 1)}
	d.domain, _ = canonicalDomain(cfg.Domain)
	d.gate = newGate(cfg.Hashes, cfg.HashWait)
	d.remember = newMemory(cfg.Remember)
	d.guard = newGuard(cfg)
	d.tables = tables{
		byID: map[storage.AccountID]*entry{}, byName: map[string]*entry{},
		aliases: map[string]*aliasRecord{}, domains: map[string]*domainRecord{},
		members: map[storage.AccountID]map[storage.AccountID]memberRecord{},
		groups:  map[storage.AccountID][]storage.Membership{},
		service: map[string]storage.AccountID{},
	}
	ctx := context.Background()
	if err := d.prepare(ctx); err != nil {
		return nil, fmt.Errorf("directory: %w", err)
	}
	if err := engine.View(ctx, d.load); err != nil {
		return nil, fmt.Errorf("directory: %w", err)
	}
	return d, nil
}

// prepare makes the head and the default domain when they are missing.
func (d *Directory) prepare(ctx context.Context) error {
	fresh := make([]byte, 32)
	rand.Read(fresh)
	return d.engine.Update(ctx, func(t kv.Txn) error {
		var h head
		err := read(t, headKey, &h)
		if errors.Is(err, storage.NotFound) {
			h = head{Next: 1, Secret: fresh}
			t.Set(headKey, encode(h))
		} else if err != nil {
			return err
		}
		d.secret = h.Secret
		there, err := has(t, textKey('d', d.domain))
		if err == nil && !there {
			t.Set(textKey('d', d.domain), encode(domainRecord{Name: show(d.domain)}))
		}
		return err
	})
}

// load fills the tables.
func (d *Directory) load(r kv.Reader) error {
	for key, value := range r.Scan(kv.Prefix([]byte{space})) {
		if len(key) < 3 {
			continue
		}
		name := string(key[2:])
		switch key[1] {
		case 'a':
			var rec accountRecord
			if err := decode(key, value, &rec); err != nil {
				return err
			}
			if err := d.setAccount(rec); err != nil {
				return err
			}
		case 'l':
			rec := &aliasRecord{}
			if err := decode(key, value, rec); err != nil {
				return err
			}
			d.aliases[name] = rec
		case 'd':
			rec := &domainRecord{}
			if err := decode(key, value, rec); err != nil {
				return err
			}
			d.domains[name] = rec
		case 'm':
			if err := d.loadMember(key, value); err != nil {
				return err
			}
		}
	}
	for key, rec := range d.aliases {
		d.own(key, rec)
	}
	return nil
}

// setAccount puts an account into the tables, in place of the one with its ID.
func (d *Directory) setAccount(rec accountRecord) error {
	a, err := parseAddress(rec.Name, d.domain)
	if err != nil {
		return fmt.Errorf("account %d: %w: %w", rec.ID, storage.Corrupt, err)
	}
	e := &entry{key: a.key, epoch: rec.Epoch, Account: Account{
		ID: rec.ID, Name: rec.Name, DisplayName: rec.DisplayName, Sort: rec.Sort, Disabled: rec.Disabled,
		Created: rec.Created.UTC(), MaxBytes: rec.MaxBytes, MaxObjects: rec.MaxObjects,
	}}
	if old := d.byID[rec.ID]; old != nil {
		delete(d.byName, old.key)
		e.owned = old.owned
	}
	d.list(e)
	d.byID[rec.ID], d.byName[e.key] = e, e
	if e.Sort == Service {
		d.service[a.domain] = e.ID
	}
	d.tell()
	return nil
}

// tell notes that tables changed.
func (d *Directory) tell() {
	select {
	case d.news <- struct{}{}:
	default:
	}
}

// Changes has a value when accounts changed since one was last taken: one reader may follow them.
func (d *Directory) Changes() <-chan struct{} { return d.news }

// ServiceOf returns the Service account of a domain; storage.NotFound.
func (d *Directory) ServiceOf(domain string) (*Account, error) {
	key, err := canonicalDomain(domain)
	if err != nil {
		return nil, err
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if e := d.byID[d.service[key]]; e != nil {
		return &e.Account, nil
	}
	return nil, fmt.Errorf("service account of %q: %w", domain, storage.NotFound)
}

// list sets Addresses from owned.
func (d *Directory) list(e *entry) {
	e.Addresses = make([]string, 0, 1+len(e.owned))
	e.Addresses = append(e.Addresses, e.Name)
	for _, key := range e.owned {
		if rec := d.aliases[key]; rec != nil {
			e.Addresses = append(e.Addresses, rec.Address)
		}
	}
}

// own adds an alias to the account that it leads to alone; disown takes it away.
// Accounts are not changed but replaced: others hold them.
func (d *Directory) own(key string, rec *aliasRecord) {
	d.reown(rec, func(owned []string) []string {
		owned = append(slices.Clone(owned), key)
		slices.Sort(owned)
		return slices.Compact(owned)
	})
}

func (d *Directory) disown(key string, rec *aliasRecord) {
	d.reown(rec, func(owned []string) []string {
		return slices.DeleteFunc(slices.Clone(owned), func(s string) bool { return s == key })
	})
}

func (d *Directory) reown(rec *aliasRecord, change func([]string) []string) {
	if len(rec.Targets) != 1 {
		return
	}
	a, err := parseAddress(rec.Targets[0], d.domain)
	if err != nil {
		return
	}
	old := d.byName[a.key]
	if old == nil {
		return
	}
	e := *old
	e.owned = change(old.owned)
	d.list(&e)
	d.byID[e.ID], d.byName[e.key] = &e, &e
}

// List returns all accounts by name.
func (d *Directory) List(ctx context.Context) ([]*Account, error) {
	d.mu.RLock()
	list := make([]*Account, 0, len(d.byID))
	for _, e := range d.byID {
		list = append(list, &e.Account)
	}
	d.mu.RUnlock()
	slices.SortFunc(list, func(a, b *Account) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return list, ctx.Err()
}

// Get returns an account by its number. NotFound when there is none.
func (d *Directory) Get(ctx context.Context, id storage.AccountID) (*Account, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if e := d.byID[id]; e != nil {
		return &e.Account, nil
	}
	return nil, fmt.Errorf("account %d: %w", id, storage.NotFound)
}

// Find returns an account by login name: its name, a bare name in the default
// domain, or an alias that leads to it alone. NotFound when there is none.
func (d *Directory) Find(ctx context.Context, login string) (*Account, error) {
	e, err := d.find(login)
	if err != nil {
		return nil, err
	}
	return &e.Account, nil
}

func (d *Directory) find(login string) (*entry, error) {
	a, err := parseAddress(login, d.domain)
	if err != nil {
		return nil, fmt.Errorf("account %q: %w", login, storage.NotFound)
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if e := d.byName[a.key]; e != nil {
		return e, nil
	}
	if rec := d.aliases[a.key]; rec != nil && len(rec.Targets) == 1 {
		if b, err := parseAddress(rec.Targets[0], d.domain); err == nil && d.byName[b.key] != nil {
			return d.byName[b.key], nil
		}
	}
	return nil, fmt.Errorf("account %q: %w", login, storage.NotFound)
}

// Aliases returns all aliases by address.
func (d *Directory) Aliases(ctx context.Context) ([]Alias, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	list := make([]Alias, 0, len(d.aliases))
	for _, rec := range d.aliases {
		list = append(list, Alias{rec.Address, slices.Clone(rec.Targets)})
	}
	slices.SortFunc(list, func(a, b Alias) int { return strings.Compare(a.Address, b.Address) })
	return list, ctx.Err()
}

// Domains returns the local domains by name.
func (d *Directory) Domains(ctx context.Context) ([]Domain, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	list := make([]Domain, 0, len(d.domains))
	for _, rec := range d.domains {
		list = append(list, Domain(*rec))
	}
	slices.SortFunc(list, func(a, b Domain) int { return strings.Compare(a.Name, b.Name) })
	return list, ctx.Err()
}

// DefaultDomain is the domain of bare names, as people write it.
func (d *Directory) DefaultDomain() string { return show(d.domain) }

// Local tells whether a domain is one of ours.
func (d *Directory) Local(domain string) bool {
	key, err := canonicalDomain(domain)
	if err != nil {
		return false
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.domains[key] != nil
}
