package queue

import (
	"context"
	"slices"
	"sync"
	"time"

	"atrium/storage"
)

// runner has what of the queue is in memory while it runs.
type runner struct {
	q     *Queue
	ctx   context.Context // until the server is to end
	work  context.Context // a little longer: a message under way may come to its end
	conns chan struct{}   // one for each connection
	wg    sync.WaitGroup

	mu     sync.Mutex
	active map[storage.Num]*work
	dests  map[string]*dest
	full   bool // something due was left because the window is full
	passed bool // something due was passed over because its destination has its share
}

// work is an entry that is in memory.
type work struct {
	left    int  // jobs that are not done
	touched bool // an attempt was made, in earnest
}

// dest is a destination with its jobs.
type dest struct {
	name    string // of connections' logs and reports: the domain, or the route's server; "" for this server
	route   *Route
	jobs    []*job
	workers int
	down    *Outcome // why the last connection could not be made
	until   time.Time
}

// job is what one entry has for one destination.
type job struct {
	entry *Entry
	work  *work
	to    []int // indexes of Recipients
}

// downTime is how long a destination that could not be reached is left alone:
// what is due for it meanwhile shares the outcome.
const downTime = 2 * time.Minute

// patience is after how long the runner looks at the index anyway.
const patience = time.Minute

// grace is how long a message under way has when the server ends.
const grace = 10 * time.Second

// Run sends what is due until ctx ends; it then returns when what was under way
// has ended.
func (q *Queue) Run(ctx context.Context) error {
	r := &runner{q: q, ctx: ctx, conns: make(chan struct{}, q.cfg.Connections), active: map[storage.Num]*work{}, dests: map[string]*dest{}}
	var cut context.CancelFunc
	r.work, cut = context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(grace, cut) })()
	q.running.Store(r)
	defer q.running.Store(nil)
	defer r.wg.Wait()
	if q.cfg.TLSReports {
		r.wg.Go(func() { q.tlsrpt.run(ctx, q) })
	}
	for {
		next := r.fill()
		wait := patience
		if !next.IsZero() {
			wait = min(max(time.Until(next), 10*time.Millisecond), patience)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-q.woken:
		case <-timer.C:
		}
		timer.Stop()
	}
}

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
	for _, batch := range slices.Collect(slices.Chunk(list, 100)) {
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
			return time.Now().Add(5 * time.Second)
		}
		for _, e := range entries {
			r.dispatch(e)
		}
	}
	return next
}

// scan reads the index up to now. Entries of a destination that has its share of
// the window already are passed over, so that one does not keep the others out.
func (r *runner) scan() (list []due, next time.Time, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.full, r.passed = false, false
	room := r.q.cfg.Window - len(r.active)
	share := max(r.q.cfg.Window/4, 1)
	taken := map[string]int{}
	for name, d := range r.dests {
		taken[name] = len(d.jobs)
	}
	now := time.Now()
	err = r.q.store.View(r.ctx, storage.System, func(v *storage.View) error {
		list, next = list[:0], time.Time{}
		c, err := collection(v)
		if c == 0 || err != nil {
			return err
		}
		for k, domain := range v.ScanIndex(c, dueRange(nil, now.Add(time.Hour))) {
			at, n, ok := readDue(k)
			if !ok || r.active[n] != nil {
				continue
			}
			if at > now.Unix() {
				next = time.Unix(at, 0)
				break
			}
			if room == len(list) {
				r.full = true
				break
			}
			name, _ := r.q.destination(string(domain))
			if taken[name] >= share {
				r.passed = true
				continue
			}
			taken[name]++
			list = append(list, due{n, name})
		}
		return nil
	})
	return list, next, err
}

// dispatch gives each destination its job of an entry.
func (r *runner) dispatch(e *Entry) {
	r.mu.Lock()
	if r.active[e.Num] != nil {
		r.mu.Unlock()
		return
	}
	w := &work{}
	r.active[e.Num] = w
	jobs := map[string]*job{}
	var order []string
	routes := map[string]*Route{}
	for i := range e.Recipients {
		p := &e.Recipients[i]
		if p.State != Pending {
			continue
		}
		name, route := r.q.destination(domainOf(p.Address))
		if jobs[name] == nil {
			jobs[name] = &job{entry: e, work: w}
			routes[name] = route
			order = append(order, name)
		}
		jobs[name].to = append(jobs[name].to, i)
	}
	w.left = len(order)
	for _, name := range order {
		r.add(name, routes[name], jobs[name])
	}
	r.mu.Unlock()
	if len(order) == 0 { // nothing to send, but perhaps something to report
		w.touched = true
		r.conclude(e.Num, w)
	}
}

// add queues a job for its destination, with r.mu held.
func (r *runner) add(name string, route *Route, j *job) {
	d := r.dests[name]
	if d == nil {
		d = &dest{name: name, route: route}
		r.dests[name] = d
	}
	d.jobs = append(d.jobs, j)
	if d.workers < r.q.cfg.PerHost && d.workers < len(d.jobs) {
		d.workers++
		r.wg.Go(func() { r.serve(d) })
	}
}

// next takes a job; nil ends the worker.
func (r *runner) next(d *dest) *job {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(d.jobs) == 0 || r.ctx.Err() != nil {
		d.workers--
		if d.workers == 0 {
			delete(r.dests, d.name)
			for _, j := range d.jobs { // the server ends: they are due again at its next start
				delete(r.active, j.entry.Num)
			}
			d.jobs = nil
		}
		return nil
	}
	j := d.jobs[0]
	d.jobs[0] = nil
	d.jobs = d.jobs[1:]
	if (r.full || r.passed) && len(d.jobs) < max(r.q.cfg.Window/8, 1) {
		r.full, r.passed = false, false
		r.q.wake()
	}
	return j
}

// serve does the jobs of a destination, one after the other over one connection
// as long as that holds.
func (r *runner) serve(d *dest) {
	if d.name == "" {
		for j := r.next(d); j != nil; j = r.next(d) {
			r.settle(j, r.q.deliver(r.work, j))
		}
		return
	}
	select {
	case r.conns <- struct{}{}:
		defer func() { <-r.conns }()
	case <-r.ctx.Done():
	}
	var s *session
	var hosts []host
	defer func() { s.close() }()
	for j := r.next(d); j != nil; j = r.next(d) {
		var out []*Outcome
		s, hosts, out = r.send(d, s, hosts, j)
		if s != nil && (s.c.Broken() || s.messages >= r.q.cfg.PerConn) {
			s.close()
			s = nil
		}
		r.settle(j, out)
	}
}

// send makes one attempt at a job. Where a connection that served others before
// is gone, it is made anew.
func (r *runner) send(d *dest, s *session, hosts []host, j *job) (*session, []host, []*Outcome) {
	ctx, cancel := context.WithTimeout(r.work, jobTime)
	defer cancel()
	for again := true; ; again = false {
		fresh := s == nil
		if fresh {
			if o := r.isDown(d); o != nil {
				return nil, hosts, same(j, o)
			}
			var o *Outcome
			if hosts == nil {
				domain := d.name
				if d.route != nil {
					domain = domainOf(j.entry.Recipients[j.to[0]].Address)
				}
				hosts, o = r.q.hosts(r.ctx, domain)
			}
			if o == nil {
				s, o = r.q.open(r.ctx, d, hosts)
			}
			if o != nil && r.ctx.Err() != nil {
				return nil, nil, same(j, stopping)
			}
			if o != nil {
				r.setDown(d, o)
				return nil, nil, same(j, o)
			}
		}
		out, lost := r.q.transmit(ctx, s, j)
		if !lost || fresh || !again {
			return s, hosts, out
		}
		s.close()
		s = nil
	}
}

func (r *runner) isDown(d *dest) *Outcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d.down != nil && time.Now().Before(d.until) {
		return d.down
	}
	d.down = nil
	return nil
}

func (r *runner) setDown(d *dest, o *Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d.down, d.until = o, time.Now().Add(downTime)
}

// same is one outcome for all recipients of a job.
func same(j *job, o *Outcome) []*Outcome {
	out := make([]*Outcome, len(j.to))
	for i := range out {
		out[i] = o
	}
	return out
}
