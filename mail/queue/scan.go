package queue

import (
	"bytes"
	"slices"
	"time"

	"atrium/storage"
)

// lower has the runner read the index from a key on, where it would begin further on.
func (q *Queue) lower(key []byte) {
	q.unseenMu.Lock()
	defer q.unseenMu.Unlock()
	if q.unseen == nil || bytes.Compare(key, q.unseen) < 0 {
		q.unseen = key
	}
}

// came has the runner look at an entry that is due at a time.
func (q *Queue) came(at time.Time) { q.lower(dueKey(at, 0)) }

// look tells where the index has not been read yet; what is due after now stays unread.
func (q *Queue) look(now time.Time) (from []byte) {
	q.unseenMu.Lock()
	defer q.unseenMu.Unlock()
	end := dueKey(now.Add(time.Second), 0)
	if from = q.unseen; from == nil || bytes.Compare(from, end) > 0 { // the clock was set back
		from = end
	}
	q.unseen = end
	return from
}

// share is how many entries of one destination are in memory at most, so that one
// does not keep the others out.
func (r *runner) share() int { return max(r.q.cfg.Window/4, 1) }

// low is how few jobs a destination has left when more are looked for.
func (r *runner) low() int { return max(r.q.cfg.Window/8, 1) }

// due is an entry that the index names.
type due struct {
	num  storage.Num
	dest string
}

// fill takes what is due into memory, as far as there is room, and tells when
// the next entry is due.
func (r *runner) fill() (next time.Time) {
	list, next, err := r.scan()
	if err != nil {
		if r.ctx.Err() == nil {
			r.q.log.Error("queue cannot be read", "error", err)
		}
		return time.Now().Add(5 * time.Second)
	}
	for batch := range slices.Chunk(list, 100) {
		var entries []*Entry
		err := r.q.store.View(r.ctx, storage.System, func(v *storage.View) error {
			entries = entries[:0]
			for _, d := range batch {
				e, _, err := read(v, d.num)
				if err != nil {
					r.q.log.Error("queue entry cannot be read", "entry", d.num, "error", err)
					continue
				}
				entries = append(entries, e)
			}
			return nil
		})
		if err != nil {
			r.q.lower([]byte{indexDue})
			return time.Now().Add(5 * time.Second)
		}
		for _, e := range entries {
			r.dispatch(e)
		}
	}
	r.again()
	return next
}

// again has the runner look at once where a destination did all of its jobs while the index was read.
func (r *runner) again() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name := range r.passed {
		if d := r.dests[name]; !r.full && (d == nil || len(d.jobs) < r.low()) {
			r.q.wake()
			return
		}
	}
}

// sweepTime is after how long the index is read from its start, whatever is known of it.
const sweepTime = 30 * time.Minute

// search is one look at the index.
type search struct {
	r      *runner
	v      *storage.View
	c      storage.CollectionID
	now    time.Time
	room   int
	list   []due
	have   map[string]int    // jobs by destination
	passed map[string][]byte // where entries were passed over
	stop   []byte            // where the look ended for want of room
	next   time.Time

	domain []byte // of the last entry
	name   string // and its destination
}

// scan reads what the index has gained since the last look, up to now, and what was passed over
// of destinations that have room again.
func (r *runner) scan() (list []due, next time.Time, err error) {
	now := time.Now()
	if now.Sub(r.swept) > sweepTime {
		r.swept = now
		r.q.lower([]byte{indexDue})
	}
	from := r.q.look(now)
	r.mu.Lock()
	room := r.q.cfg.Window - len(r.active)
	before := map[string][]byte{}
	for name, key := range r.passed {
		before[name] = key
	}
	for _, d := range r.dests {
		d.asked = false
	}
	r.mu.Unlock()
	var s *search
	err = r.q.store.View(r.ctx, storage.System, func(v *storage.View) error {
		s = &search{r: r, v: v, now: now, room: room, have: map[string]int{}, passed: map[string][]byte{}}
		if s.c, err = collection(v); s.c == 0 || err != nil {
			return err
		}
		for name, key := range before {
			if s.jobs(name) < r.low() {
				s.refill(name, key)
			} else {
				s.pass(name, key)
			}
		}
		s.read(from)
		return nil
	})
	if err != nil {
		r.q.lower(from)
		return nil, time.Time{}, err
	}
	if s.stop != nil {
		r.q.lower(s.stop)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.passed = s.passed
	r.full = s.stop != nil || s.room == len(s.list) && len(s.passed) > 0
	return s.list, s.next, nil
}

// read takes entries from a key on, and finds when the next one is due.
func (s *search) read(from []byte) {
	for k, domain := range s.v.ScanIndex(s.c, dueRange(from, s.now.Add(time.Hour))) {
		at, n, ok := readDue(k)
		if !ok {
			continue
		}
		if at > s.now.Unix() {
			s.next = time.Unix(at, 0)
			return
		}
		if s.r.holds(n) {
			continue
		}
		if s.room == len(s.list) {
			s.stop = bytes.Clone(k)
			return
		}
		name := s.destination(domain)
		if s.jobs(name) >= s.r.share() {
			s.pass(name, k)
			continue
		}
		s.take(n, name)
	}
}

// refill takes entries of one destination that were passed over before.
func (s *search) refill(name string, from []byte) {
	for k, domain := range s.v.ScanIndex(s.c, dueRange(from, s.now)) {
		_, n, ok := readDue(k)
		if !ok || s.destination(domain) != name || s.r.holds(n) {
			continue
		}
		if s.room == len(s.list) || s.jobs(name) >= s.r.share() {
			s.pass(name, k)
			return
		}
		s.take(n, name)
	}
}

func (s *search) take(n storage.Num, name string) {
	s.have[name]++
	s.list = append(s.list, due{n, name})
}

// pass notes the first entry of a destination that is passed over.
func (s *search) pass(name string, key []byte) {
	if old := s.passed[name]; old == nil || bytes.Compare(key, old) < 0 {
		s.passed[name] = bytes.Clone(key)
	}
}

// jobs is how many a destination has, those found now among them.
func (s *search) jobs(name string) int {
	n, ok := s.have[name]
	if !ok {
		s.r.mu.Lock()
		if d := s.r.dests[name]; d != nil {
			n = len(d.jobs)
		}
		s.r.mu.Unlock()
		s.have[name] = n
	}
	return n
}

func (s *search) destination(domain []byte) string {
	if s.domain == nil || !bytes.Equal(domain, s.domain) {
		s.domain = append(s.domain[:0:0], domain...)
		if s.domain == nil {
			s.domain = []byte{}
		}
		s.name, _ = s.r.q.destination(string(domain))
	}
	return s.name
}

// holds tells whether an entry is in memory.
func (r *runner) holds(n storage.Num) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.active[n] != nil
}
