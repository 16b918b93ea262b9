package resolver

import (
	"sync"
	"time"
)

// How long answers are kept at most, with records and without (RFC 2308 §5).
const (
	maxTTL    = 24 * time.Hour
	maxAbsent = time.Hour
)

// question is what an answer belongs to.
type question struct {
	name  string
	qtype uint16
}

// kept is an answer with the time it holds to.
type kept struct {
	found
	err   error // Absent, or nil
	until time.Time
}

// cache keeps a bounded number of answers.
type cache struct {
	mu   sync.Mutex
	max  int
	have map[question]kept
}

func (c *cache) get(q question, now time.Time) (kept, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.have[q]
	if !ok || !now.Before(k.until) {
		return kept{}, false
	}
	k.ttl = k.until.Sub(now)
	return k, true
}

func (c *cache) put(q question, k kept, ttl time.Duration, now time.Time) {
	if ttl <= 0 || c.max == 0 {
		return
	}
	k.until = now.Add(ttl)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.have == nil {
		c.have = map[question]kept{}
	}
	if _, ok := c.have[q]; !ok && len(c.have) >= c.max {
		c.shrink(now)
	}
	c.have[q] = k
}

// shrink makes room: what is over goes, and of the rest some that the order of
// maps, which is random, brings first.
func (c *cache) shrink(now time.Time) {
	spare := c.max/16 + 1
	for q, k := range c.have {
		if !now.Before(k.until) {
			delete(c.have, q)
			spare--
		}
	}
	for q := range c.have {
		if spare <= 0 {
			return
		}
		delete(c.have, q)
		spare--
	}
}
