package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"atrium/storage"
	"atrium/storage/kv"
)

// Limits on what the directory takes.
const (
	maxTargets     = 1000 // of an alias
	maxDisplayName = 1000 // bytes
)

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
// NotLocal when its domain is not there, Invalid when its name is no address or
// the password has characters that none may have.
func (d *Directory) Add(ctx context.Context, n New) (*Account, error) {
	a, err := parseAddress(n.Name, d.domain)
	if err != nil {
		return nil, err
	}
	if _, _, detailed := a.bare(d.cfg.Separators); detailed {
		return nil, fmt.Errorf("account %q: %q begins a detail: %w", n.Name, d.cfg.Separators, storage.Invalid)
	}
	if a.quoted() {
		return nil, errQuoted(n.Name)
	}
	if err := checkText(n.DisplayName); err != nil {
		return nil, err
	}
	var cred *credential
	if n.Password != "" {
		if cred, err = d.newCredential(ctx, n.Password); err != nil {
			return nil, err
		}
	}
	rec := accountRecord{
		Name: a.String(), DisplayName: n.DisplayName, Sort: n.Sort, Created: time.Now().UTC().Truncate(time.Second),
		MaxBytes: max(0, n.MaxBytes), MaxObjects: max(0, n.MaxObjects), Epoch: 1,
	}
	d.write.Lock()
	defer d.write.Unlock()
	err = d.engine.Update(ctx, func(t kv.Txn) error {
		if err := free(t, a); err != nil {
			return err
		}
		var h head
		if err := read(t, headKey, &h); err != nil {
			return err
		}
		rec.ID = h.Next
		h.Next++
		t.Set(headKey, encode(h))
		t.Set(accountKey(rec.ID), encode(rec))
		t.Set(textKey('n', a.key), encode(nameRecord{rec.ID}))
		if cred != nil {
			t.Set(credentialKey(rec.ID, 0), encode(cred))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("account %q: %w", n.Name, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.setAccount(rec)
	return &d.byID[rec.ID].Account, nil
}

// free tells whether an address may be taken: NotLocal, Exists or nil.
func free(r kv.Reader, a address) error {
	local, err := has(r, textKey('d', a.domain))
	if err != nil {
		return err
	}
	if !local {
		return fmt.Errorf("domain %q: %w", show(a.domain), NotLocal)
	}
	for _, letter := range []byte("nl") {
		taken, err := has(r, textKey(letter, a.key))
		if err != nil {
			return err
		}
		if taken {
			return storage.Exists
		}
	}
	return nil
}

// errQuoted refuses a name that could be an address in quotes only, which hardly a program takes.
func errQuoted(name string) error {
	return fmt.Errorf("account %q: blanks, brackets, commas, quotes and the like cannot be in a name, nor dots at its ends or in a row: %w", name, storage.Invalid)
}

func checkText(s string) error {
	if len(s) > maxDisplayName || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return fmt.Errorf("display name %.40q: %w", s, storage.Invalid)
	}
	return nil
}

// change changes one account's record and whatever more writes with it.
func (d *Directory) change(ctx context.Context, id storage.AccountID, fn func(t kv.Txn, rec *accountRecord) error) error {
	d.write.Lock()
	defer d.write.Unlock()
	var rec accountRecord
	err := d.engine.Update(ctx, func(t kv.Txn) error {
		rec = accountRecord{}
		if err := read(t, accountKey(id), &rec); err != nil {
			return err
		}
		if err := fn(t, &rec); err != nil {
			return err
		}
		t.Set(accountKey(id), encode(rec))
		return nil
	})
	if err != nil {
		return fmt.Errorf("account %d: %w", id, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.setAccount(rec)
}

// SetPassword sets an account's password, or removes it when it is empty.
// Remembered logins with the old one end.
func (d *Directory) SetPassword(ctx context.Context, id storage.AccountID, password string) error {
	var cred *credential
	if password != "" {
		var err error
		if cred, err = d.newCredential(ctx, password); err != nil {
			return err
		}
	}
	return d.change(ctx, id, func(t kv.Txn, rec *accountRecord) error {
		rec.Epoch++
		if cred == nil {
			t.Delete(credentialKey(id, 0))
		} else {
			t.Set(credentialKey(id, 0), encode(cred))
		}
		return nil
	})
}

// SetDisabled forbids or allows logins.
func (d *Directory) SetDisabled(ctx context.Context, id storage.AccountID, disabled bool) error {
	return d.change(ctx, id, func(_ kv.Txn, rec *accountRecord) error {
		rec.Disabled = disabled
		rec.Epoch++
		return nil
	})
}

// SetDisplayName sets how people write the name.
func (d *Directory) SetDisplayName(ctx context.Context, id storage.AccountID, name string) error {
	if err := checkText(name); err != nil {
		return err
	}
	return d.change(ctx, id, func(_ kv.Txn, rec *accountRecord) error {
		rec.DisplayName = name
		return nil
	})
}

// SetQuota sets the limits that the account's record has (0: none); what the
// store enforces is storage.SetLimits, the caller's to call.
func (d *Directory) SetQuota(ctx context.Context, id storage.AccountID, maxBytes, maxObjects int64) error {
	if maxBytes < 0 || maxObjects < 0 {
		return fmt.Errorf("quota below 0: %w", storage.Invalid)
	}
	return d.change(ctx, id, func(_ kv.Txn, rec *accountRecord) error {
		rec.MaxBytes, rec.MaxObjects = maxBytes, maxObjects
		return nil
	})
}

// Rename gives an account another name; its data stay, aliases and catch-alls follow. Keep
// the old address by SetAlias.
func (d *Directory) Rename(ctx context.Context, id storage.AccountID, name string) error {
	a, err := parseAddress(name, d.domain)
	if err != nil {
		return err
	}
	if _, _, detailed := a.bare(d.cfg.Separators); detailed {
		return fmt.Errorf("account %q: %q begins a detail: %w", name, d.cfg.Separators, storage.Invalid)
	}
	if a.quoted() {
		return errQuoted(name)
	}
	d.write.Lock()
	defer d.write.Unlock()
	e := d.byID[id] // writers alone change the tables, and we are the one
	if e == nil {
		return fmt.Errorf("account %d: %w", id, storage.NotFound)
	}
	aliases, domains := d.replaceTarget(e.key, a.String())
	var rec accountRecord
	err = d.engine.Update(ctx, func(t kv.Txn) error {
		rec = accountRecord{}
		if err := read(t, accountKey(id), &rec); err != nil {
			return err
		}
		t.Delete(textKey('n', e.key))
		if a.key != e.key {
			if err := free(t, a); err != nil {
				return err
			}
		}
		rec.Name = a.String()
		t.Set(accountKey(id), encode(rec))
		t.Set(textKey('n', a.key), encode(nameRecord{id}))
		put(t, aliases, domains)
		return nil
	})
	if err != nil {
		return fmt.Errorf("account %q: %w", name, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.setAccount(rec); err != nil {
		return err
	}
	d.apply(aliases, domains)
	return nil
}

// Delete removes an account and its credentials, and takes it out of groups and its name out of
// aliases and catch-alls. Its data are storage.DropAccount's. Its number is not used again.
func (d *Directory) Delete(ctx context.Context, id storage.AccountID) error {
	d.write.Lock()
	defer d.write.Unlock()
	e := d.byID[id]
	if e == nil {
		return fmt.Errorf("account %d: %w", id, storage.NotFound)
	}
	aliases, domains := d.replaceTarget(e.key, "")
	pairs := d.memberships(id)
	err := d.engine.Update(ctx, func(t kv.Txn) error {
		t.Delete(accountKey(id))
		t.Delete(textKey('n', e.key))
		for key := range t.Scan(kv.Prefix(credentialKey(id, 0)[:10])) {
			t.Delete(slices.Clone(key))
		}
		for _, p := range pairs {
			t.Delete(memberKey(p[0], p[1]))
		}
		put(t, aliases, domains)
		return nil
	})
	if err != nil {
		return fmt.Errorf("account %d: %w", id, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.byID, id)
	delete(d.byName, e.key)
	if domain := e.key[strings.LastIndexByte(e.key, '@')+1:]; d.service[domain] == id {
		delete(d.service, domain)
	}
	d.tell()
	for _, p := range pairs {
		d.setMember(p[0], p[1], nil)
	}
	d.apply(aliases, domains)
	return nil
}

// replaceTarget returns the aliases and domains that lead to an address, with
// another in its place ("": without it; nil: the alias is to go).
func (d *Directory) replaceTarget(key, with string) (map[string]*aliasRecord, map[string]*domainRecord) {
	aliases, domains := map[string]*aliasRecord{}, map[string]*domainRecord{}
	for k, rec := range d.aliases {
		var targets []string
		changed := false
		for _, t := range rec.Targets {
			to, led := d.redirect(t, key, with)
			if changed = changed || led; to != "" {
				targets = append(targets, to)
			}
		}
		switch {
		case changed && len(targets) > 0:
			aliases[k] = &aliasRecord{rec.Address, targets}
		case changed:
			aliases[k] = nil
		}
	}
	for k, rec := range d.domains {
		if to, led := d.redirect(rec.CatchAll, key, with); led {
			domains[k] = &domainRecord{rec.Name, to}
		}
	}
	return aliases, domains
}

// redirect returns what a target becomes when key is replaced, its detail kept,
// and whether it led there.
func (d *Directory) redirect(target, key, with string) (string, bool) {
	a, err := parseAddress(target, d.domain)
	if err != nil {
		return target, false
	}
	detail := ""
	if a.key != key {
		b, _, ok := a.bare(d.cfg.Separators)
		if !ok || b.key != key {
			return target, false
		}
		detail = a.local[len(b.local):]
	}
	if with == "" {
		return "", true
	}
	to, err := parseAddress(with, d.domain)
	if err != nil {
		return "", true
	}
	to.local += detail
	return to.String(), true
}

// put writes aliases and domains (nil: removes them), apply does so in the tables.
func put(t kv.Txn, aliases map[string]*aliasRecord, domains map[string]*domainRecord) {
	for k, rec := range aliases {
		if rec == nil {
			t.Delete(textKey('l', k))
		} else {
			t.Set(textKey('l', k), encode(rec))
		}
	}
	for k, rec := range domains {
		if rec == nil {
			t.Delete(textKey('d', k))
		} else {
			t.Set(textKey('d', k), encode(rec))
		}
	}
}

func (d *Directory) apply(aliases map[string]*aliasRecord, domains map[string]*domainRecord) {
	defer d.tell()
	for k, rec := range aliases {
		if old := d.aliases[k]; old != nil {
			delete(d.aliases, k)
			d.disown(k, old)
		}
		if rec != nil {
			d.aliases[k] = rec
			d.own(k, rec)
		}
	}
	for k, rec := range domains {
		if rec == nil {
			delete(d.domains, k)
		} else {
			d.domains[k] = rec
		}
	}
}

// SetAlias adds or replaces an alias. Its targets are accounts, other aliases
// (bare names: in the default domain), or addresses of other domains. NotLocal
// when its domain is not ours, Exists when an account has the address, NotFound
// when a target in a local domain leads nowhere, Invalid for what is no address.
func (d *Directory) SetAlias(ctx context.Context, address string, targets []string) error {
	a, err := parseAddress(address, d.domain)
	if err != nil {
		return err
	}
	if len(targets) == 0 || len(targets) > maxTargets {
		return fmt.Errorf("alias %q: %d targets: %w", address, len(targets), storage.Invalid)
	}
	rec := &aliasRecord{Address: a.String()}
	for _, target := range targets {
		b, err := parseAddress(target, d.domain)
		if err != nil {
			return fmt.Errorf("alias %q: %w", address, err)
		}
		if b.key == a.key {
			return fmt.Errorf("alias %q leads to itself: %w", address, storage.Invalid)
		}
		if _, err := d.Resolve(ctx, b.String()); err != nil && !errors.Is(err, NotLocal) {
			return fmt.Errorf("alias %q: %w", address, err)
		}
		if s := b.String(); !slices.Contains(rec.Targets, s) {
			rec.Targets = append(rec.Targets, s)
		}
	}
	return d.update(ctx, map[string]*aliasRecord{a.key: rec}, nil, func(t kv.Txn) error {
		if err := free(t, a); !errors.Is(err, storage.Exists) {
			return err
		}
		if taken, err := has(t, textKey('n', a.key)); err != nil || !taken {
			return err
		}
		return fmt.Errorf("alias %q is an account: %w", address, storage.Exists)
	})
}

// DeleteAlias removes an alias; NotFound when there is none.
func (d *Directory) DeleteAlias(ctx context.Context, address string) error {
	a, err := parseAddress(address, d.domain)
	if err != nil {
		return err
	}
	return d.update(ctx, map[string]*aliasRecord{a.key: nil}, nil, func(t kv.Txn) error {
		if there, err := has(t, textKey('l', a.key)); err != nil || there {
			return err
		}
		return fmt.Errorf("alias %q: %w", address, storage.NotFound)
	})
}

// SetDomain adds a local domain or sets its catch-all; Invalid for what is no domain or no
// address.
func (d *Directory) SetDomain(ctx context.Context, domain Domain) error {
	key, err := canonicalDomain(domain.Name)
	if err != nil || key[0] == '[' {
		return fmt.Errorf("domain %q: %w", domain.Name, storage.Invalid)
	}
	rec := &domainRecord{Name: show(key)}
	if domain.CatchAll != "" {
		a, err := parseAddress(domain.CatchAll, d.domain)
		if err != nil {
			return err
		}
		rec.CatchAll = a.String()
	}
	return d.update(ctx, nil, map[string]*domainRecord{key: rec}, nil)
}

// DeleteDomain removes a local domain. Exists while accounts or aliases are in
// it, Invalid for the default domain, NotFound when there is none.
func (d *Directory) DeleteDomain(ctx context.Context, name string) error {
	key, err := canonicalDomain(name)
	if err != nil {
		return err
	}
	if key == d.domain {
		return fmt.Errorf("domain %q is the default one: %w", name, storage.Invalid)
	}
	return d.update(ctx, nil, map[string]*domainRecord{key: nil}, func(t kv.Txn) error {
		if there, err := has(t, textKey('d', key)); err != nil || !there {
			return errors.Join(err, fmt.Errorf("domain %q: %w", name, storage.NotFound))
		}
		for _, letter := range []byte("nl") {
			for k := range t.Scan(kv.Range{From: []byte{space, letter}, To: []byte{space, letter + 1}, KeysOnly: true}) {
				if strings.HasSuffix(string(k), "@"+key) {
					return fmt.Errorf("domain %q still has %q: %w", name, k[2:], storage.Exists)
				}
			}
		}
		return nil
	})
}

// update writes aliases and domains after a check.
func (d *Directory) update(ctx context.Context, aliases map[string]*aliasRecord, domains map[string]*domainRecord, check func(kv.Txn) error) error {
	d.write.Lock()
	defer d.write.Unlock()
	err := d.engine.Update(ctx, func(t kv.Txn) error {
		if check != nil {
			if err := check(t); err != nil {
				return err
			}
		}
		put(t, aliases, domains)
		return nil
	})
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.apply(aliases, domains)
	return nil
}
