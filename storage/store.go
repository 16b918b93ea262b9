package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"atrium/storage/blob"
	"atrium/storage/kv"
)

// Config has the store's settings.
type Config struct {
	Horizon   time.Duration `toml:"horizon"`    // how long the change log reaches back at least
	CacheSize int64         `toml:"cache_size"` // bytes of tables kept in memory
	Grace     time.Duration `toml:"grace"`      // how long removed objects stay readable for those who still show them
	Sweep     time.Duration `toml:"sweep"`      // pause between two searches for bodies that nothing refers to
}

// DefaultConfig returns settings for a small machine.
func DefaultConfig() Config {
	return Config{Horizon: 90 * 24 * time.Hour, CacheSize: 64 << 20, Grace: 15 * time.Minute, Sweep: 6 * time.Hour}
}

// Validate reports all mistakes at once.
func (c *Config) Validate() (err error) {
	if c.Horizon < 24*time.Hour {
		err = errors.Join(err, fmt.Errorf("storage.horizon: %v, must be at least 24h", c.Horizon))
	}
	if c.CacheSize < 1<<20 {
		err = errors.Join(err, fmt.Errorf("storage.cache_size: %d, must be at least 1048576 bytes", c.CacheSize))
	}
	if c.Grace < time.Minute {
		err = errors.Join(err, fmt.Errorf("storage.grace: %v, must be at least 1m", c.Grace))
	}
	if c.Sweep < time.Minute {
		err = errors.Join(err, fmt.Errorf("storage.sweep: %v, must be at least 1m", c.Sweep))
	}
	return err
}

// Store is the store of all accounts on this machine.
type Store struct {
	engine  kv.Engine
	blobs   blob.Store
	schemas [256]*Schema
	cfg     Config
	log     *slog.Logger
	cache   *cache
	watches watches
	pending pending
	turns   sync.Mutex // held by who works on all accounts in the background
	hidden  hiddenSet
	groups  atomic.Pointer[func(AccountID) []Membership]

	sweeping sync.RWMutex // held for reading by those who need the bodies of a snapshot to stay

	stop context.CancelFunc
	done sync.WaitGroup
}

// Open opens the store over an engine and a blob store. Both stay the caller's
// to close, after the Store.
func Open(engine kv.Engine, blobs blob.Store, schemas []Schema, cfg Config, log *slog.Logger) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Store{engine: engine, blobs: blobs, cfg: cfg, log: log, cache: newCache(cfg.CacheSize)}
	for i := range schemas {
		c := schemas[i].Code
		if c == 0 || s.schemas[c] != nil {
			return nil, fmt.Errorf("schema %q: code %d is taken", schemas[i].Name, c)
		}
		s.schemas[c] = &schemas[i]
	}
	s.watches.init()
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.done.Go(func() { s.housekeep(ctx) })
	return s, nil
}

// Close ends the background work.
func (s *Store) Close() error {
	s.stop()
	s.done.Wait()
	return nil
}

// Blobs returns the blob store.
func (s *Store) Blobs() blob.Store { return s.blobs }

// View runs fn on one snapshot of the account. What fn reads stays valid after
// it returns, except where a method says otherwise.
func (s *Store) View(ctx context.Context, a AccountID, fn func(*View) error) error {
	return s.engine.View(ctx, func(r kv.Reader) error {
		return fn(&View{s: s, r: r, a: a})
	})
}

// Update runs fn in a transaction on the account; see kv.Engine.Update for what
// fn may do. It may run more than once. When Update returns nil, all that fn
// wrote is durable.
func (s *Store) Update(ctx context.Context, a AccountID, fn func(*Tx) error) error {
	var t *Tx
	err := s.engine.Update(ctx, func(w kv.Txn) error {
		t = &Tx{View: View{s: s, r: w, a: a}, w: w, now: time.Now().Unix()}
		t.View.tx = t
		if err := fn(t); err != nil {
			return err
		}
		return t.flush()
	})
	if err != nil {
		return classify(err)
	}
	if t.removed {
		s.pending.add(a)
	}
	s.watches.notify(a, t.touched())
	for _, to := range t.granted {
		s.watches.granted(to)
	}
	return nil
}

// classify puts the engine's failures into this package's classes.
func classify(err error) error {
	switch {
	case errors.Is(err, kv.TooBig):
		return fmt.Errorf("%w: %w", TooLarge, err)
	case errors.Is(err, kv.Closed), errors.Is(err, kv.Broken):
		return fmt.Errorf("%w: %w", Unavailable, err)
	}
	return err
}

// SetLimits sets an account's quota: bytes and rows, 0 for no limit.
func (s *Store) SetLimits(ctx context.Context, a AccountID, maxBytes, maxObjects int64) error {
	return s.Update(ctx, a, func(t *Tx) error {
		h, err := t.account()
		if err != nil {
			return err
		}
		h.usage.MaxBytes, h.usage.MaxObjects = maxBytes, maxObjects
		t.dirty = true
		return nil
	})
}

// DropAccount removes all that an account has, in batches. Its bodies are given
// back by the next sweep.
func (s *Store) DropAccount(ctx context.Context, a AccountID) error {
	for {
		n := 0
		err := s.engine.Update(ctx, func(w kv.Txn) error {
			r := kv.Prefix(accountPrefix(a))
			r.KeysOnly, r.Limit = true, kv.MaxKeys/2
			n = 0
			for k := range w.Scan(r) {
				w.Delete(append([]byte(nil), k...))
				if g, ok := decodeGrantKey(k); ok {
					w.Delete(shareKey(g.To, a, g.Collection))
				}
				n++
			}
			if n > 0 {
				return nil
			}
			var err error
			n, err = dropGranted(w, a)
			return err
		})
		if err != nil {
			return classify(err)
		}
		s.cache.drop(a)
		if n == 0 {
			s.Wake(a)
			return nil
		}
	}
}
