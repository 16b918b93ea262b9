package account

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"sync"
	"time"
)

// Bounds of what is remembered of logins.
const (
	maxRemembered = 20_000           // verdicts
	forgetWrong   = 10 * time.Minute // how long a wrong password is known as such
)

// print identifies a login and password in this process: a MAC by a random key that
// exists in memory only.
type print [sha256.Size]byte

// memory remembers which passwords were right and which were wrong, so that a
// phone that reconnects, or asks by HTTP twice a second, does not cost
// an argon2id each time, nor one that has an old password and tries it for ever.
// What it holds becomes unreachable when an account's epoch changes, since that
// is in the print.
type memory struct {
	keep time.Duration
	macs *sync.Pool // of hash.Hash

	mu       *sync.RWMutex
	verdicts map[print]verdict
	pending  map[print]*flight
}

type verdict struct {
	right bool
	until time.Time
}

// flight is a check under way that others with the same print wait for.
type flight struct {
	done  chan struct{}
	right bool
	err   error
}

func newMemory(keep time.Duration) memory {
	key := make([]byte, 32)
	rand.Read(key)
	return memory{
		keep:     keep,
		macs:     &sync.Pool{New: func() any { return hmac.New(sha256.New, key) }},
		mu:       &sync.RWMutex{},
		verdicts: map[print]verdict{}, pending: map[print]*flight{},
	}
}

// print returns what identifies a password of an account (of an unknown login:
// its name).
func (m *memory) print(e *entry, login, password string) (p print) {
	h := m.macs.Get().(hash.Hash)
	defer m.macs.Put(h)
	h.Reset()
	var head [17]byte
	if e != nil {
		head[0] = 1
		binary.BigEndian.PutUint64(head[1:], uint64(e.ID))
		binary.BigEndian.PutUint64(head[9:], e.epoch)
		login = ""
	} else {
		binary.BigEndian.PutUint64(head[1:], uint64(len(login)))
	}
	h.Write(head[:])
	h.Write([]byte(login))
	h.Write([]byte(password))
	h.Sum(p[:0])
	return p
}

// ask returns the verdict on a print.
func (m *memory) ask(p print) (right, known bool) {
	m.mu.RLock()
	v, ok := m.verdicts[p]
	m.mu.RUnlock()
	if !ok || time.Now().After(v.until) {
		return false, false
	}
	return v.right, true
}

// check returns check's verdict; of those who ask for the same print at the same
// time one computes it. fresh tells whether it was this one.
func (m *memory) check(p print, check func() (bool, error)) (right, fresh bool, err error) {
	m.mu.Lock()
	for f := m.pending[p]; f != nil; f = m.pending[p] {
		m.mu.Unlock()
		<-f.done
		if !errors.Is(f.err, context.Canceled) { // that is the other's connection, not ours
			return f.right, false, f.err
		}
		m.mu.Lock()
	}
	f := &flight{done: make(chan struct{}), err: Busy} // Busy: what others see if check panics
	m.pending[p] = f
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.pending, p)
		if f.err == nil {
			m.learn(p, f.right)
		}
		close(f.done)
	}()
	f.right, f.err = check()
	return f.right, true, f.err
}

// learn keeps a verdict. When there are too many, one of a few taken at random
// goes: the one that would end first.
func (m *memory) learn(p print, right bool) {
	keep := m.keep
	if !right {
		keep = min(keep, forgetWrong)
	}
	if keep == 0 {
		return
	}
	if len(m.verdicts) >= maxRemembered {
		var oldest print
		var first time.Time
		n := 0
		for q, v := range m.verdicts { // the order of a map is random enough
			if n == 0 || v.until.Before(first) {
				oldest, first = q, v.until
			}
			if n++; n == 8 {
				break
			}
		}
		delete(m.verdicts, oldest)
	}
	m.verdicts[p] = verdict{right, time.Now().Add(keep)}
}
