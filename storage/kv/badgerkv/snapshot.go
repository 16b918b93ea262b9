package badgerkv

import (
	"sync"

	"github.com/dgraph-io/badger/v4"
)

// snapshots keeps the versions that are being read, so that Badger drops none of them.
type snapshots struct {
	db *badger.DB

	mu     sync.Mutex
	oldest *snapshot // the list's ends
	newest *snapshot // the version that Views read
}

type snapshot struct {
	version uint64
	refs    int
	next    *snapshot
}

func newSnapshots(db *badger.DB, version uint64) *snapshots {
	s := &snapshot{version: version}
	db.SetDiscardTs(version)
	return &snapshots{db: db, oldest: s, newest: s}
}

// acquire returns the newest whole version, to be released.
func (s *snapshots) acquire() *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest.refs++
	return s.newest
}

func (s *snapshots) release(held *snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held.refs--
	s.drop()
}

// publish makes version the one that Views read from now on.
func (s *snapshots) publish(version uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
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
