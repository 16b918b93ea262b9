package badgerkv

import (
	"bytes"
	"hash/maphash"
	"sync"
)

// readCache keeps small values that were read, by key: records that every request looks at,
// each of which costs some microseconds in Badger, and more when it was written often. An
// entry is the newest write to its key that Badger has, and holds for all who read at its version or a later one:
// before Views read at a new version, apply brings the entries up to it.
type readCache struct {
	seed   maphash.Seed
	shards [cacheShards]cacheShard
}

const (
	cacheShards   = 16
	cacheValueMax = 512 // bytes of a value that is kept
	cacheOverhead = 112 // bytes that an entry costs beside key and value, about
)

// cacheShard has the entries that came or were used since the generation before was
// full, and those of that generation that were not.
type cacheShard struct {
	mu         sync.Mutex
	max        int    // bytes of a generation
	version    uint64 // that the entries are up to
	young, old map[string]cacheEntry
	bytes      int // of young
}

type cacheEntry struct {
	version uint64
	value   []byte
}

// newReadCache returns a cache of size bytes, nil when that is 0: it finds nothing then.
func newReadCache(size int64, version uint64) *readCache {
	if size == 0 {
		return nil
	}
	c := &readCache{seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i] = cacheShard{max: int(size / cacheShards / 2), version: version, young: map[string]cacheEntry{}}
	}
	return c
}

func (c *readCache) shard(key []byte) *cacheShard {
	return &c.shards[maphash.Bytes(c.seed, key)%cacheShards]
}

// get returns what Badger has under key at a version, if that is here.
func (c *readCache) get(key []byte, version uint64) ([]byte, bool) {
	if c == nil {
		return nil, false
	}
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.young[string(key)]
	if !ok {
		if e, ok = s.old[string(key)]; ok {
			delete(s.old, string(key))
			s.add(string(key), e)
		}
	}
	return e.value, ok && e.version <= version
}

// put adds what was read at version at: a value that was written at version written. Who read before the
// last apply may not know of what that brought.
func (c *readCache) put(key, value []byte, written, at uint64) {
	if c == nil || len(value) > cacheValueMax {
		return
	}
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if at < s.version {
		return
	}
	if _, ok := s.young[string(key)]; !ok {
		delete(s.old, string(key))
		s.add(string(key), cacheEntry{written, value})
	}
}

// add adds an entry that is in neither generation. mu is held.
func (s *cacheShard) add(key string, e cacheEntry) {
	s.young[key] = e
	if s.bytes += len(key) + len(e.value) + cacheOverhead; s.bytes > s.max {
		s.old, s.young, s.bytes = s.young, make(map[string]cacheEntry, len(s.young)), 0
	}
}

// apply brings the entries up to a group that is in Badger, at version, before
// anyone reads at it.
func (c *readCache) apply(group *overlay, version uint64) {
	if c == nil {
		return
	}
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.version = version
		s.mu.Unlock()
	}
	for key, w := range group.writes {
		s := c.shard(keyBytes(key))
		s.mu.Lock()
		s.update(s.young, key, w, version)
		s.update(s.old, key, w, version)
		s.mu.Unlock()
	}
}

func (s *cacheShard) update(m map[string]cacheEntry, key string, w *write, version uint64) {
	if _, ok := m[key]; !ok {
		return
	}
	if w.deleted || len(w.value) > cacheValueMax {
		delete(m, key)
		return
	}
	value := bytes.Clone(w.value) // it may be part of something large
	if value == nil {
		value = []byte{}
	}
	m[key] = cacheEntry{version, value}
}
