package badgerkv

import (
	"slices"
	"sync"

	"github.com/dgraph-io/badger/v4"
)

// snapshots says what Views read: a version of Badger and over it the groups that
// are durable but not in Badger yet. It also keeps the versions that are being
// read, so that Badger drops none of them.
type snapshots struct {
	db    *badger.DB
	cache *readCache // of what is in Badger

	mu     sync.Mutex
	oldest *snapshot  // the list's ends
	newest *snapshot  // what is in Badger
	layers []*overlay // what is not, newest first; a new slice each time
}

type snapshot struct {
	version uint64
	refs    int
	next    *snapshot
}

func newSnapshots(db *badger.DB, version uint64, cache int64) *snapshots {
	s := &snapshot{version: version}
	db.SetDiscardTs(version)
	return &snapshots{db: db, cache: newReadCache(cache, version), oldest: s, newest: s}
}

// acquire returns the newest whole version, to be released, and what is over it.
func (s *snapshots) acquire() (*snapshot, []*overlay) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest.refs++
	return s.newest, s.layers
}

func (s *snapshots) release(held *snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held.refs--
	s.drop()
}

// oldestVersion is the oldest version that someone may read.
func (s *snapshots) oldestVersion() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.oldest.version
}

// publish makes Views see a group that is durable.
func (s *snapshots) publish(group *overlay) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.layers = append([]*overlay{group}, s.layers...)
}

// merged puts one layer in the place of several, oldest first, that lie one over another.
func (s *snapshots) merged(list []*overlay, by *overlay) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.Index(s.layers, list[len(list)-1])
	s.layers = slices.Replace(slices.Clone(s.layers), at, at+len(list), by)
}

// applied says that the oldest layer is in Badger, at version, and the cache is up to it.
func (s *snapshots) applied(version uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.layers = slices.Clone(s.layers[:len(s.layers)-1])
	s.newest.next = &snapshot{version: version}
	s.newest = s.newest.next
	s.drop()
}

// drop forgets the oldest versions that nobody reads any more.
func (s *snapshots) drop() {
	from := s.oldest
	for s.oldest.refs == 0 && s.oldest.next != nil {
		s.oldest = s.oldest.next
	}
	if s.oldest != from {
		s.db.SetDiscardTs(s.oldest.version)
	}
}
