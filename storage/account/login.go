package account

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"

	"atrium/storage"
	"atrium/storage/kv"
)

// Authenticate checks a password. remote is where the client is (the zero Addr:
// this machine). Denied, Disabled, Locked, Busy, or a failure of the store. A
// wrong password is answered after a delay that grows with the failures before it.
func (d *Directory) Authenticate(ctx context.Context, login, password string, remote netip.Addr) (*Account, error) {
	e, key := d.candidate(login)
	done, err := d.guard.admit(ctx, remote, e, key)
	if err != nil {
		return nil, err
	}
	defer done()
	if len(password) > maxPassword {
		password = password[:maxPassword+1] // too long to be anyone's, whatever follows
	}
	p := d.remember.print(e, key, password)
	right, known := d.remember.ask(p)
	fresh := false
	if !known {
		right, fresh, err = d.remember.check(p, func() (bool, error) { return d.verify(ctx, e, password) })
		if err != nil {
			return nil, err
		}
	}
	if !right || e == nil {
		if err := d.guard.failed(ctx, remote, key, !fresh); err != nil {
			return nil, err
		}
		return nil, Denied
	}
	return d.welcome(e, remote)
}

// welcome ends a login with the right credentials.
func (d *Directory) welcome(e *entry, remote netip.Addr) (*Account, error) {
	d.guard.succeeded(remote, e.ID)
	if e.Disabled {
		return nil, fmt.Errorf("account %q: %w", e.Name, Disabled)
	}
	return &e.Account, nil
}

// candidate returns the account that a login names, nil when there is none, and
// the name under which its failures count.
func (d *Directory) candidate(login string) (*entry, string) {
	if e, err := d.find(login); err == nil {
		return e, e.key
	}
	return nil, fmt.Sprintf("?%.*s", maxAddress, login)
}

// verify compares a password with what is stored. For an unknown login, and an
// account without password, it takes as long. Where there are SCRAM keys it asks
// those: they have to be as hard to guess from as the other hash, and need a
// fraction of its time and none of its memory.
func (d *Directory) verify(ctx context.Context, e *entry, password string) (bool, error) {
	var stored credential
	if e != nil {
		err := d.engine.View(ctx, func(r kv.Reader) error { return read(r, credentialKey(e.ID, 0), &stored) })
		if err != nil && !errors.Is(err, storage.NotFound) {
			return false, err
		}
	}
	prepared, err := prepare(password)
	usable := err == nil && stored.Hash != ""
	keys, possible := stored.Scram, false
	if stored.Hash == "" && d.HasScram() {
		keys = &scramKeys{Salt: make([]byte, 16), Iterations: d.cfg.ScramIterations}
	}
	var normal string
	if keys != nil {
		normal, possible = saslprep(password)
	}
	hash := phc{memory: uint32(d.cfg.Memory), passes: uint32(d.cfg.Passes), threads: uint8(d.cfg.Lanes), salt: make([]byte, 16), sum: make([]byte, 32)}
	if usable {
		if hash, err = parsePHC(stored.Hash); err != nil {
			return false, fmt.Errorf("account %q: %w", e.Name, err)
		}
	}
	if err := d.gate.enter(ctx); err != nil {
		return false, err
	}
	var right bool
	if possible {
		right = keys.matches(normal) && usable
	} else {
		right = hash.matches(prepared) && usable
	}
	d.gate.leave()
	if right {
		d.upgrade(ctx, e, stored, hash, password)
	}
	return right, nil
}

// upgrade stores a stronger hash of a password that was just proven, when the
// settings have risen since it was set.
func (d *Directory) upgrade(ctx context.Context, e *entry, old credential, hash phc, password string) {
	weakScram := d.cfg.ScramIterations > 0 && (old.Scram == nil || old.Scram.Iterations < d.cfg.ScramIterations)
	if _, possible := saslprep(password); old.Scram == nil && !possible {
		weakScram = false
	}
	if !hash.weaker(&d.cfg) && !weakScram {
		return
	}
	fresh, err := d.newCredential(ctx, password)
	if err == nil {
		err = d.engine.Update(ctx, func(t kv.Txn) error {
			var now credential
			if err := read(t, credentialKey(e.ID, 0), &now); err != nil || now.Hash != old.Hash {
				return err // removed or changed meanwhile
			}
			t.Set(credentialKey(e.ID, 0), encode(fresh))
			return nil
		})
	}
	if err != nil {
		d.log.Warn("password hash not renewed", "account", e.Name, "error", err)
	}
}

// Scram is what SCRAM-SHA-256 (RFC 7677) needs of a login.
type Scram struct {
	Known      bool // false: made-up keys, the proof cannot match
	Salt       []byte
	Iterations int
	StoredKey  []byte
	ServerKey  []byte
}

// HasScram tells whether SCRAM can be offered.
func (d *Directory) HasScram() bool { return d.cfg.ScramIterations > 0 }

// Scram returns the keys of a login, made-up but steady ones when it is not
// there or has none. Locked, Busy, or a failure of the store. The mechanism reports the
// outcome by Attempt.
func (d *Directory) Scram(ctx context.Context, login string, remote netip.Addr) (Scram, error) {
	e, key := d.candidate(login)
	done, err := d.guard.admit(ctx, remote, e, key)
	if err != nil {
		return Scram{}, err
	}
	defer done()
	var stored credential
	if e != nil {
		err := d.engine.View(ctx, func(r kv.Reader) error { return read(r, credentialKey(e.ID, 0), &stored) })
		if err != nil && !errors.Is(err, storage.NotFound) {
			return Scram{}, err
		}
	}
	if k := stored.Scram; k != nil {
		return Scram{true, k.Salt, k.Iterations, k.StoredKey, k.ServerKey}, nil
	}
	h := hmac.New(sha256.New, d.secret)
	h.Write([]byte(key))
	sum := h.Sum(nil)
	// A key no one knows the other half of: its own hash is not known either.
	return Scram{false, sum[:16], max(4096, d.cfg.ScramIterations), mac(sum, "stored"), mac(sum, "server")}, nil
}

// Attempt records the outcome of a login that a mechanism checked itself
// (SCRAM's proof, a client certificate): ok false waits and returns Denied, ok
// true returns the account, Disabled, or Denied when there is none.
func (d *Directory) Attempt(ctx context.Context, login string, remote netip.Addr, ok bool) (*Account, error) {
	e, key := d.candidate(login)
	if ok && e != nil {
		return d.welcome(e, remote)
	}
	if err := d.guard.failed(ctx, remote, key, false); err != nil {
		return nil, err
	}
	return nil, Denied
}
