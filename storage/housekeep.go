package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"atrium/storage/blob"
	"atrium/storage/kv"
)

// One batch of background work takes so many objects, rows or keys, so that
// no writer waits long for it.
const (
	cleanObjects = 400
	cleanKeys    = 2000
	cleanPages   = 8
	cleanPause   = 2 * time.Millisecond
	mostPause    = 2 * time.Second
)

// keepLog is how many entries a collection's log keeps, however old they are.
const keepLog = 1000

// pending is the set of accounts in which rows or collections were removed.
type pending struct {
	mu sync.Mutex
	m  map[AccountID]bool
}

func (p *pending) add(a AccountID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.m == nil {
		p.m = map[AccountID]bool{}
	}
	p.m[a] = true
}

func (p *pending) take() []AccountID {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]AccountID, 0, len(p.m))
	for a := range p.m {
		list = append(list, a)
	}
	p.m = nil
	slices.Sort(list)
	return list
}

// housekeep does the background work until the store is closed.
func (s *Store) housekeep(ctx context.Context) {
	clean := time.NewTicker(time.Minute)
	defer clean.Stop()
	sweep := time.NewTicker(s.cfg.Sweep)
	defer sweep.Stop()
	trim := time.NewTicker(24 * time.Hour)
	defer trim.Stop()
	err := s.EachAccount(ctx, func(a AccountID) error { s.pending.add(a); return nil })
	s.complain(ctx, "list accounts", err)
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-clean.C:
			err = s.Clean(ctx, time.Now().Add(-s.cfg.Grace))
		case <-sweep.C:
			_, _, err = s.Sweep(ctx)
		case <-trim.C:
			err = s.Trim(ctx, time.Now().Add(-s.cfg.Horizon))
		}
		s.complain(ctx, "background work on the store", err)
	}
}

func (s *Store) complain(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil && !errors.Is(err, kv.Closed) {
		s.log.Error(what, "err", err)
	}
}

// Accounts returns the accounts that have anything in the store, ascending.
func (s *Store) Accounts(ctx context.Context) (list []AccountID, err error) {
	err = s.engine.View(ctx, func(r kv.Reader) error {
		list, err = accounts(ctx, r)
		return err
	})
	return list, err
}

// EachAccount calls fn with each account that has anything in the store, ascending, for work that nobody waits
// for: all who do so take turns and leave the processors to others four fifths of the time. A server that
// starts with many accounts has its first clients to serve. An error of fn ends it and is returned.
func (s *Store) EachAccount(ctx context.Context, fn func(AccountID) error) error {
	const turn = 8 // accounts
	for from := AccountID(0); ; {
		last, err := s.eachTurn(ctx, from, turn, fn)
		if last == 0 || err != nil {
			return err
		}
		from = last + 1
	}
}

// eachTurn calls fn with the first n accounts from one on and returns the last of them, 0 when there is none after it.
func (s *Store) eachTurn(ctx context.Context, from AccountID, n int, fn func(AccountID) error) (last AccountID, err error) {
	s.turns.Lock()
	defer s.turns.Unlock()
	began := time.Now()
	var list []AccountID
	err = s.engine.View(ctx, func(r kv.Reader) error {
		list, err = accountsFrom(ctx, r, from, n)
		return err
	})
	for _, a := range list {
		if err != nil {
			return 0, err
		}
		last, err = a, fn(a)
	}
	if len(list) < n || last == math.MaxUint64 || err != nil {
		return 0, err
	}
	return last, pause(ctx, time.Since(began))
}

// accounts finds them by jumping from one to the next.
func accounts(ctx context.Context, r kv.Reader) (list []AccountID, err error) {
	return accountsFrom(ctx, r, 0, 0)
}

// accountsFrom finds the first n from one on, all when n is 0.
func accountsFrom(ctx context.Context, r kv.Reader, first AccountID, n int) (list []AccountID, err error) {
	from := accountPrefix(first)
	for n == 0 || len(list) < n {
		var found []byte
		for k := range r.Scan(kv.Range{From: from, To: []byte{space + 1}, KeysOnly: true, Limit: 1}) {
			found = slices.Clone(k)
		}
		if len(found) < prefixLen || ctx.Err() != nil {
			return list, ctx.Err()
		}
		list = append(list, AccountID(binary.BigEndian.Uint64(found[1:])))
		if from = kv.After(found[:prefixLen]); from == nil || from[0] != space {
			return list, nil
		}
	}
	return list, nil
}

// Clean releases the objects of rows that were removed before a time, and
// clears dropped collections.
func (s *Store) Clean(ctx context.Context, before time.Time) error {
	for _, a := range s.pending.take() {
		more, err := s.cleanAccount(ctx, a, before.Unix())
		if more || err != nil {
			s.pending.add(a)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// cleanAccount tells whether something is left that is too young.
func (s *Store) cleanAccount(ctx context.Context, a AccountID, before int64) (young bool, err error) {
	steps := []func(*Tx) (bool, error){(*Tx).dropLeft, (*Tx).clearDropped, func(t *Tx) (bool, error) { return t.clearGarbage(before, &young) }}
	for _, step := range steps {
		for again := true; again; {
			began := time.Now()
			err := s.Update(ctx, a, func(t *Tx) (err error) {
				young = false
				again, err = step(t)
				return err
			})
			if err != nil {
				return young, err
			}
			if err := pause(ctx, time.Since(began)); err != nil {
				return young, err
			}
		}
	}
	return young, nil
}

// pause leaves the processors to others after a batch that took so long: cleaning takes a fifth of one at most.
func pause(ctx context.Context, took time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(min(max(cleanPause, 4*took), mostPause)):
		return nil
	}
}

// clearGarbage releases objects of the oldest garbage record and tells whether there may be more to do.
func (t *Tx) clearGarbage(before int64, young *bool) (again bool, err error) {
	r := kv.Prefix(key(t.a, tagGarbage, 0))
	r.Limit = 1
	for k, b := range t.r.Scan(r) {
		at, objects, err := decodeGarbage(k, b)
		if err != nil {
			return false, err
		}
		if at > before {
			*young = true
			return false, nil
		}
		n := min(len(objects), cleanObjects)
		for _, o := range objects[:n] {
			if err := t.release(o); err != nil {
				return false, err
			}
		}
		k = slices.Clone(k)
		if n == len(objects) {
			t.w.Delete(k)
		} else {
			t.w.Set(k, encodeGarbage(at, objects[n:]))
		}
		return true, nil
	}
	return false, nil
}

// release takes one row off an object and removes it with the last.
func (t *Tx) release(o ObjectID) error {
	k := objectKey(t.a, o)
	b, err := t.r.Get(k)
	if errors.Is(err, kv.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	rec, err := decodeObject(k, b)
	if err != nil {
		return err
	}
	if rec.rows--; rec.rows > 0 {
		t.w.Set(k, rec.encode())
		return nil
	}
	t.w.Delete(k)
	for _, f := range rec.facets {
		t.w.Delete(facetKey(t.a, f, o))
	}
	return nil
}

// clearDropped clears a part of the first dropped collection and tells whether
// there may be more to do. The rows' objects become garbage.
func (t *Tx) clearDropped() (again bool, err error) {
	r := kv.Prefix(key(t.a, tagDropped, 0))
	r.Limit = 1
	for k, b := range t.r.Scan(r) {
		id := CollectionID(binary.BigEndian.Uint32(k[len(k)-4:]))
		c, supers, err := decodeCollection(t.a, id, k, b)
		if err != nil {
			return false, err
		}
		k = slices.Clone(k)
		if len(supers) > 0 {
			if err := t.clearSuper(c, supers[0]); err != nil {
				return false, err
			}
			sk := pageKey(t.a, tagSuper, id, supers[0].first)
			if _, err := t.r.Get(sk); errors.Is(err, kv.NotFound) {
				supers = supers[1:]
			}
			t.w.Set(k, encodeCollection(c, supers))
			t.dirty = true
			return true, nil
		}
		for _, tag := range []byte{tagIndex, tagProp, tagLog, tagGrant} {
			r := kv.Prefix(collKey(t.a, tag, id, 0))
			r.KeysOnly, r.Limit = true, cleanKeys
			n := 0
			for kk := range t.r.Scan(r) {
				t.w.Delete(slices.Clone(kk))
				n++
			}
			if n > 0 {
				return true, nil
			}
		}
		t.w.Delete(k)
		return true, nil
	}
	return false, nil
}

// clearSuper removes the first pages of a superpage, and itself with the last.
func (t *Tx) clearSuper(c *Collection, e entry) error {
	w := &tree{c: c, supers: []*wsuper{{entry: e}}}
	s := w.supers[0]
	if err := w.loadSuper(t.r, s); err != nil {
		return err
	}
	n := min(len(s.pages), cleanPages)
	for _, p := range s.pages[:n] {
		if err := w.loadRows(t.r, p); err != nil {
			return err
		}
		for _, row := range p.rows {
			if err := t.shown(row.Object, -1); err != nil {
				return err
			}
		}
		t.w.Delete(pageKey(t.a, tagPage, c.ID, p.first))
	}
	k := pageKey(t.a, tagSuper, c.ID, e.first)
	if n == len(s.pages) {
		t.w.Delete(k)
		return nil
	}
	var left []entry
	for _, p := range s.pages[n:] {
		left = append(left, p.entry)
	}
	t.w.Set(k, encodeSuper(left))
	return nil
}

// Trim forgets log entries from before a time, but for the newest keepLog of
// each collection, and moves the collections' floors.
func (s *Store) Trim(ctx context.Context, before time.Time) error {
	all, err := s.Accounts(ctx)
	if err != nil {
		return err
	}
	for _, a := range all {
		var list []*Collection
		if err := s.View(ctx, a, func(v *View) (err error) {
			list, err = v.Collections(0)
			return err
		}); err != nil {
			return err
		}
		for _, c := range list {
			for again := true; again; {
				err := s.Update(ctx, a, func(t *Tx) (err error) {
					again, err = t.trim(c.ID, before.Unix())
					return err
				})
				if errors.Is(err, NotFound) {
					break
				}
				if err != nil {
					return err
				}
			}
		}
	}
	return ctx.Err()
}

func (t *Tx) trim(id CollectionID, before int64) (again bool, err error) {
	r := kv.Prefix(collKey(t.a, tagLog, id, 0))
	r.Limit = keepLog + cleanKeys
	var old [][]byte
	n := 0
	for k, b := range t.r.Scan(r) {
		n++
		c, err := decodeChange(k, b)
		if err != nil {
			return false, err
		}
		if c.at < before {
			old = append(old, slices.Clone(k))
		}
	}
	cut := min(len(old), n-keepLog)
	if cut <= 0 {
		return false, nil
	}
	for _, k := range old[:cut] {
		t.w.Delete(k)
	}
	w, err := t.tree(id)
	if err != nil {
		return false, err
	}
	last := old[cut-1]
	w.c.Floor = max(w.c.Floor, binary.BigEndian.Uint64(last[len(last)-8:]))
	w.dirty = true
	return cut == cleanKeys, nil
}

// Sweep gives back the bodies that no object refers to; none during a backup.
func (s *Store) Sweep(ctx context.Context) (removed int, bytes int64, err error) {
	if !s.sweeping.TryLock() {
		return 0, 0, nil
	}
	defer s.sweeping.Unlock()
	live, err := s.liveBodies(ctx)
	if err != nil {
		return 0, 0, err
	}
	return s.blobs.Sweep(ctx, func(h blob.Hash) (bool, error) {
		_, ok := slices.BinarySearch(live, binary.BigEndian.Uint64(h[:]))
		return ok, nil
	})
}

// liveBodies returns the first 8 bytes of the hashes of all bodies that are
// referred to, sorted. Two bodies that share them keep each other, which costs
// space and never a body. All accounts are read on one snapshot: else a body
// that goes from an account not yet read to one that was would be missed.
func (s *Store) liveBodies(ctx context.Context) (live []uint64, err error) {
	err = s.engine.View(ctx, func(r kv.Reader) error {
		live = nil
		all, err := accounts(ctx, r)
		if err != nil {
			return err
		}
		for _, a := range all {
			for k, b := range r.Scan(kv.Prefix(key(a, tagObject, 0))) {
				o, err := decodeObject(k, b)
				if err != nil {
					return err
				}
				if !o.blob.IsZero() {
					live = append(live, binary.BigEndian.Uint64(o.blob.Hash[:]))
				}
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		return nil
	})
	slices.Sort(live)
	return slices.Compact(live), err
}
