package queue

import (
	"context"
	"io"
	"slices"
	"strings"
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

	outcomes chan *outcome // on their way to the disk

	mu     sync.Mutex
	active map[storage.Num]*work
	dests  map[string]*dest
	full   bool              // something due was left because the window is full
	passed map[string][]byte // by destination, where in the index its entries were passed over because it had its share

	swept time.Time // when the index was last read from its start; Run's own
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
	asked   bool     // the runner was woken to look for more
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
	r := &runner{q: q, ctx: ctx, conns: make(chan struct{}, q.cfg.Connections), active: map[storage.Num]*work{}, dests: map[string]*dest{},
		passed: map[string][]byte{}, outcomes: make(chan *outcome, q.cfg.Connections+q.cfg.PerHost)}
	var cut context.CancelFunc
	r.work, cut = context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(grace, cut) })()
	q.running.Store(r)
	defer q.running.Store(nil)
	q.lower([]byte{indexDue})
	written := make(chan struct{})
	go func() {
		defer close(written)
		r.write()
	}()
	defer func() {
		r.wg.Wait()
		close(r.outcomes)
		<-written
	}()
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
		r.conclude(e, w)
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
	if !d.asked && len(d.jobs) < r.low() && (r.full || r.passed[d.name] != nil) {
		d.asked = true
		r.q.wake()
	}
	return j
}

// serve does the jobs of a destination, one after the other over one connection
// as long as that holds.
func (r *runner) serve(d *dest) {
	if d.name == "" {
		var before *outcome
		for j := r.next(d); j != nil; j = r.next(d) {
			before = r.settle(before, j, r.q.deliver(r.work, j))
		}
		before.wait()
		return
	}
	select {
	case r.conns <- struct{}{}:
		defer func() { <-r.conns }()
	case <-r.ctx.Done():
	}
	var s *session
	var hosts []host
	var before *outcome
	defer func() { before.wait() }()
	defer func() { s.close() }()
	for j := r.next(d); j != nil; j = r.next(d) {
		var out []*Outcome
		s, hosts, out = r.send(d, s, hosts, j)
		if s != nil && (s.c.Broken() || s.messages >= r.q.cfg.PerConn) {
			s.close()
			s = nil
		}
		before = r.settle(before, j, out)
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
				return nil, hosts, r.anyway(ctx, d, j, o)
			}
			var o *Outcome
			if hosts == nil {
				domain := d.name
				if d.route != nil {
					domain = domainOf(j.entry.Recipients[j.to[0]].Address)
				}
				hosts, o = r.q.hosts(r.ctx, domain, true)
			}
			if o == nil {
				s, o = r.q.open(r.ctx, d, hosts)
			}
			if o != nil && r.ctx.Err() != nil {
				return nil, nil, same(j, stopping)
			}
			if o != nil {
				r.setDown(d, o)
				return nil, nil, r.anyway(ctx, d, j, o)
			}
		}
		out, lost := r.q.transmit(ctx, s, j)
		if !lost || fresh || !again {
			return s, hosts, r.elsewhere(ctx, d, s, hosts, j, out)
		}
		s.close()
		s = nil
	}
}

// anyway makes an attempt at a job whose domain's policy forbids all servers that there are, o, as if there were no policy,
// where the message says that it is not worth protecting: "TLS-Required: No" (RFC 8689 §4.2.2).
// Reports on failures of TLS do, which would not arrive else (RFC 8460 §3).
func (r *runner) anyway(ctx context.Context, d *dest, j *job, o *Outcome) []*Outcome {
	if _, detail, _ := strings.Cut(o.Status, "."); !strings.HasPrefix(detail, "7.") || d.route != nil || j.entry.RequireTLS || !r.q.unprotected(ctx, j.entry) {
		return same(j, o)
	}
	hosts, o := r.q.hosts(ctx, d.name, false)
	if o != nil {
		return same(j, o)
	}
	s, o := r.q.open(ctx, d, hosts)
	if o != nil {
		return same(j, o)
	}
	defer s.close()
	out, _ := r.q.transmit(ctx, s, j)
	return r.elsewhere(ctx, d, s, hosts, j, out)
}

// unprotected tells whether the header of a message says "TLS-Required: No".
func (q *Queue) unprotected(ctx context.Context, e *Entry) bool {
	body, err := q.store.Blobs().Open(ctx, e.Body)
	if err != nil {
		return false // the attempt tells why
	}
	defer body.Close()
	head, _, err := headerOf(io.NewSectionReader(body, e.Skip, min(e.Size, maxReturned)))
	return err == nil && strings.EqualFold(fieldOf(head, "tls-required"), "no")
}

// maxElsewhere is how many more servers are tried for what one of them puts off.
const maxElsewhere = 2

// elsewhere tries what a server put off, or may not be given in the clear (RFC 8689 §4.2.1), at the next ones, in their order until
// one takes it (RFC 5321 §5.1). What those refuse for good is not believed: a server of less preference may know less.
func (r *runner) elsewhere(ctx context.Context, d *dest, s *session, hosts []host, j *job, out []*Outcome) []*Outcome {
	for range maxElsewhere {
		rest := &job{entry: j.entry, work: j.work}
		var index []int
		for i, o := range out {
			if o.Code/100 == 4 && !o.Words || o.Words && (o.Status == needsEncryption || o.Status == needsRequireTLS) {
				rest.to, index = append(rest.to, j.to[i]), append(index, i)
			}
		}
		at := slices.IndexFunc(hosts, func(h host) bool { return h.name == s.host.name })
		if hosts = hosts[at+1:]; len(rest.to) == 0 || at < 0 || len(hosts) == 0 {
			break
		}
		next, o := r.q.open(ctx, d, hosts)
		if o != nil {
			break
		}
		more, _ := r.q.transmit(ctx, next, rest)
		next.close()
		for k, o := range more {
			if o.Code/100 == 2 {
				out[index[k]] = o
			}
		}
		s = next
	}
	return out
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
