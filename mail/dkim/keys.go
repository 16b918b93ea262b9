package dkim

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/idna"

	"atrium/storage"
)

// State says what a key is for.
type State string

const (
	Waiting State = "waiting" // made, not used yet
	Active  State = "active"  // signs
	Retired State = "retired" // signed; its record should stay in the DNS for some days
)

// Key is a domain's key, without its private part.
type Key struct {
	Domain    string
	Selector  string
	Algorithm string // rsa or ed25519
	State     State
	Changed   time.Time // when it came into this state, UTC
	Record    string    // TXT record at Selector._domainkey.Domain
}

// Name is where the record belongs.
func (k *Key) Name() string { return k.Selector + "._domainkey." + k.Domain }

// stored is a key in the store: a version byte and JSON, under "dkim/domain/selector".
type stored struct {
	Algorithm string
	State     State
	Changed   time.Time
	Private   []byte // PKCS #8
}

const (
	recordPrefix  = "dkim/"
	recordVersion = 1
	rsaBits       = 2048 // RFC 8301 §3.2
)

// Keys are the keys of all domains.
type Keys struct {
	store *storage.Store
	mu    sync.Mutex
	made  map[string][]signing // of domains that were asked for
}

// signing is a key that signs.
type signing struct {
	selector string
	key      crypto.Signer
}

// Open returns the keys in a store.
func Open(store *storage.Store) *Keys { return &Keys{store: store, made: map[string][]signing{}} }

// canonical is a domain as it is in the DNS.
func canonical(domain string) string {
	if a, err := idna.Lookup.ToASCII(strings.TrimSuffix(domain, ".")); err == nil {
		return a
	}
	return strings.ToLower(domain)
}

// Ensure makes the keys of a domain that has none.
func (k *Keys) Ensure(ctx context.Context, domain string) error {
	domain = canonical(domain)
	all, err := k.read(ctx, domain)
	if err != nil || len(all) > 0 {
		return err
	}
	_, err = k.make(ctx, domain, Active, true)
	return err
}

// Rotate makes new keys for a domain, which wait for Activate. It returns them.
func (k *Keys) Rotate(ctx context.Context, domain string) ([]Key, error) {
	return k.make(ctx, canonical(domain), Waiting, false)
}

// make makes one key of each algorithm; first: only when the domain has none yet.
func (k *Keys) make(ctx context.Context, domain string, state State, first bool) ([]Key, error) {
	now := time.Now().UTC().Truncate(time.Second)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return nil, err
	}
	suffix := now.Format("20060102") + strings.ToLower(rand.Text()[:3])
	var out []Key
	err = k.store.Update(ctx, storage.System, func(tx *storage.Tx) error {
		out = nil
		if first {
			for range tx.Records(recordPrefix + domain + "/") {
				return nil // someone else was quicker
			}
		}
		for _, x := range []struct {
			prefix, algorithm string
			key               crypto.Signer
		}{{"r", "rsa", rsaKey}, {"e", "ed25519", edKey}} {
			private, err := x509.MarshalPKCS8PrivateKey(x.key)
			if err != nil {
				return err
			}
			s := stored{x.algorithm, state, now, private}
			if err := put(tx, domain, x.prefix+suffix, s); err != nil {
				return err
			}
			key, err := s.public(domain, x.prefix+suffix)
			if err != nil {
				return err
			}
			out = append(out, key)
		}
		return nil
	})
	k.forget(domain)
	return out, err
}

func put(tx *storage.Tx, domain, selector string, s stored) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return tx.SetRecord(recordPrefix+domain+"/"+selector, append([]byte{recordVersion}, b...))
}

func decode(name string, b []byte) (s stored, err error) {
	if len(b) == 0 || b[0] != recordVersion {
		return s, fmt.Errorf("key %q: %w", name, storage.Corrupt)
	}
	if err := json.Unmarshal(b[1:], &s); err != nil {
		return s, fmt.Errorf("key %q: %w: %w", name, storage.Corrupt, err)
	}
	return s, nil
}

func (s *stored) private() (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(s.Private)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("it does not sign")
	}
	return signer, nil
}

// public is the key with its record (RFC 6376 §3.6.1; RFC 8463 §4: Ed25519 keys are bare).
func (s *stored) public(domain, selector string) (Key, error) {
	k := Key{Domain: domain, Selector: selector, Algorithm: s.Algorithm, State: s.State, Changed: s.Changed}
	signer, err := s.private()
	if err != nil {
		return k, fmt.Errorf("key %s: %w", k.Name(), err)
	}
	p, ok := signer.Public().(ed25519.PublicKey)
	if !ok {
		if p, err = x509.MarshalPKIXPublicKey(signer.Public()); err != nil {
			return k, fmt.Errorf("key %s: %w", k.Name(), err)
		}
	}
	k.Record = "v=DKIM1; k=" + s.Algorithm + "; p=" + base64.StdEncoding.EncodeToString(p)
	return k, nil
}

// read returns a domain's keys by selector.
func (k *Keys) read(ctx context.Context, domain string) (all map[string]stored, err error) {
	prefix := recordPrefix + domain + "/"
	err = k.store.View(ctx, storage.System, func(v *storage.View) error {
		all = map[string]stored{}
		for name, b := range v.Records(prefix) {
			s, err := decode(name, slices.Clone(b))
			if err != nil {
				return err
			}
			all[strings.TrimPrefix(name, prefix)] = s
		}
		return nil
	})
	return all, err
}

// List returns a domain's keys, the active ones first.
func (k *Keys) List(ctx context.Context, domain string) (list []Key, err error) {
	domain = canonical(domain)
	all, err := k.read(ctx, domain)
	if err != nil {
		return nil, err
	}
	for selector, s := range all {
		key, err := s.public(domain, selector)
		if err != nil {
			return nil, err
		}
		list = append(list, key)
	}
	slices.SortFunc(list, func(a, b Key) int {
		return strings.Compare(string(a.State)+a.Selector, string(b.State)+b.Selector)
	})
	return list, nil
}

// Activate has the waiting keys of a domain sign from now on, and retires those
// that did. storage.NotFound when none waits.
func (k *Keys) Activate(ctx context.Context, domain string) error {
	domain = canonical(domain)
	defer k.forget(domain)
	all, err := k.read(ctx, domain)
	if err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Second)
	return k.store.Update(ctx, storage.System, func(tx *storage.Tx) error {
		waiting := 0
		for selector, s := range all {
			switch s.State {
			case Waiting:
				s.State, waiting = Active, waiting+1
			case Active:
				s.State = Retired
			default:
				continue
			}
			s.Changed = now
			if err := put(tx, domain, selector, s); err != nil {
				return err
			}
		}
		if waiting == 0 {
			return fmt.Errorf("keys of %s that wait: %w", domain, storage.NotFound)
		}
		return nil
	})
}

// Remove removes keys of a domain: all, or the retired ones.
func (k *Keys) Remove(ctx context.Context, domain string, all bool) error {
	domain = canonical(domain)
	defer k.forget(domain)
	keys, err := k.read(ctx, domain)
	if err != nil {
		return err
	}
	return k.store.Update(ctx, storage.System, func(tx *storage.Tx) error {
		for selector, s := range keys {
			if !all && s.State != Retired {
				continue
			}
			if err := tx.SetRecord(recordPrefix+domain+"/"+selector, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

func (k *Keys) forget(domain string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.made, domain)
}

// active returns the keys that sign for a domain, none when it has none.
func (k *Keys) active(ctx context.Context, domain string) ([]signing, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if list, ok := k.made[domain]; ok {
		return list, nil
	}
	all, err := k.read(ctx, domain)
	if err != nil {
		return nil, err
	}
	var list []signing
	for selector, s := range all {
		if s.State != Active {
			continue
		}
		key, err := s.private()
		if err != nil {
			return nil, fmt.Errorf("key %s of %s: %w", selector, domain, err)
		}
		list = append(list, signing{selector, key})
	}
	slices.SortFunc(list, func(a, b signing) int { return strings.Compare(a.selector, b.selector) })
	if len(k.made) >= maxDomains {
		clear(k.made)
	}
	k.made[domain] = list
	return list, nil
}

// maxDomains bounds the keys in memory.
const maxDomains = 1000
