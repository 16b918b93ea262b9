package storage

import (
	"slices"
	"sync"
)

// Watch reports changes: C gets a value after each commit that changed the
// collection (or, with collection 0, anything in the account, and what others grant it). Values do not
// queue up: read the store again after each, it tells what changed.
type Watch struct {
	C <-chan struct{}

	c    chan struct{}
	coll CollectionID
	acct AccountID
	set  *watchSet
}

// watches are all watches, spread over locks by account.
type watches struct{ sets [64]watchSet }

type watchSet struct {
	mu sync.Mutex
	m  map[AccountID]map[*Watch]struct{}
}

func (w *watches) init() {
	for i := range w.sets {
		w.sets[i].m = map[AccountID]map[*Watch]struct{}{}
	}
}

// Watch begins to watch a collection, or with 0 the whole account. The caller closes it.
func (s *Store) Watch(a AccountID, c CollectionID) *Watch {
	return s.watch(make(chan struct{}, 1), a, c)
}

// WatchWith begins a further watch whose values come from w's C. Each of the two is closed.
func (s *Store) WatchWith(w *Watch, a AccountID, c CollectionID) *Watch { return s.watch(w.c, a, c) }

func (s *Store) watch(ch chan struct{}, a AccountID, c CollectionID) *Watch {
	set := &s.watches.sets[a%AccountID(len(s.watches.sets))]
	w := &Watch{C: ch, c: ch, coll: c, acct: a, set: set}
	set.mu.Lock()
	defer set.mu.Unlock()
	if set.m[a] == nil {
		set.m[a] = map[*Watch]struct{}{}
	}
	set.m[a][w] = struct{}{}
	return w
}

// Close ends the watch; C is not closed.
func (w *Watch) Close() {
	w.set.mu.Lock()
	defer w.set.mu.Unlock()
	delete(w.set.m[w.acct], w)
	if len(w.set.m[w.acct]) == 0 {
		delete(w.set.m, w.acct)
	}
}

// notify wakes those who watch one of the collections or the account.
func (w *watches) notify(a AccountID, touched []CollectionID) {
	set := &w.sets[a%AccountID(len(w.sets))]
	set.mu.Lock()
	defer set.mu.Unlock()
	for x := range set.m[a] {
		if x.coll == 0 || slices.Contains(touched, x.coll) {
			x.wake()
		}
	}
}

// granted wakes those who watch an account to which rights were given, or which lost them; for Anyone all accounts.
func (w *watches) granted(to AccountID) {
	if to != Anyone {
		w.notify(to, nil)
		return
	}
	for i := range w.sets {
		set := &w.sets[i]
		set.mu.Lock()
		for _, all := range set.m {
			for x := range all {
				if x.coll == 0 {
					x.wake()
				}
			}
		}
		set.mu.Unlock()
	}
}

// Wake wakes all who watch an account or one of its collections, where nothing in it was written: members of a group came
// or went.
func (s *Store) Wake(a AccountID) {
	set := &s.watches.sets[a%AccountID(len(s.watches.sets))]
	set.mu.Lock()
	defer set.mu.Unlock()
	for x := range set.m[a] {
		x.wake()
	}
}

func (w *Watch) wake() {
	select {
	case w.c <- struct{}{}:
	default:
	}
}
