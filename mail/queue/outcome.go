package queue

import (
	"context"
	"errors"
	"time"

	"atrium/storage"
)

// outcome is how a job ended, on its way to the disk.
type outcome struct {
	job *job
	out []*Outcome // by the job's recipients

	last    bool          // of the entry's jobs
	done    bool          // nothing is left to do for the entry, or until it is due again
	due     time.Time     // when that is
	err     error         // it could not be written
	written chan struct{} // closed when it is on disk, and what follows from it is done
}

// wait returns when the outcome is on disk.
func (o *outcome) wait() {
	if o != nil {
		<-o.written
	}
}

// cut tells that the server's end cut the attempt off: nothing is known then.
func (o *outcome) cut() bool {
	for _, x := range o.out {
		if x != stopping {
			return false
		}
	}
	return true
}

// settle hands the outcome of a job to the writer. The one before it over the same
// connection is on disk when it returns, so that after a crash a connection has at most
// two messages whose outcome is not known.
func (r *runner) settle(before *outcome, j *job, out []*Outcome) *outcome {
	o := &outcome{job: j, out: out, written: make(chan struct{})}
	for i, x := range out {
		if x != stopping {
			r.q.logOutcome(j.entry, &j.entry.Recipients[j.to[i]], x)
		}
	}
	before.wait()
	r.outcomes <- o
	return o
}

// Bounds of one transaction of outcomes: each writes a record with all of its entry's recipients.
const (
	maxOutcomes = 200
	maxProgress = 1000
)

// write writes outcomes as they come, those together that came while others were written.
func (r *runner) write() {
	for o := range r.outcomes {
		batch := []*outcome{o}
		size := len(o.job.entry.Recipients)
	gather:
		for len(batch) < maxOutcomes && size < maxProgress {
			select {
			case o, ok := <-r.outcomes:
				if !ok {
					break gather
				}
				batch = append(batch, o)
				size += len(o.job.entry.Recipients)
			default:
				break gather
			}
		}
		r.flush(batch)
	}
}

// flush writes outcomes in one transaction and does what follows from each.
func (r *runner) flush(batch []*outcome) {
	now := time.Now()
	r.mu.Lock()
	for _, o := range batch {
		w := o.job.work
		w.touched = w.touched || !o.cut()
		w.left--
		o.last = w.left == 0
	}
	r.mu.Unlock()
	if err := r.record(batch, now); err != nil {
		for _, o := range batch { // one that cannot be written does not keep the others
			o.err = r.record([]*outcome{o}, now)
		}
	}
	for _, o := range batch {
		e := o.job.entry
		switch {
		case o.err != nil:
			r.q.log.Error("outcome of a queued message could not be written: it may go twice", "message", e.ID, "error", o.err)
			r.q.came(e.Due)
			r.release(e.Num, o.last)
		case o.done && o.last:
			r.release(e.Num, true)
			r.soon(o.due, now)
		case o.last:
			r.wg.Go(func() { // the worker that waits for it is still counted
				defer close(o.written)
				r.conclude(e, o.job.work)
			})
			continue
		}
		close(o.written)
	}
}

// record writes outcomes into their entries. It does so although the server ends: what went out must
// be known.
func (r *runner) record(batch []*outcome, now time.Time) error {
	ctx := context.WithoutCancel(r.ctx)
	return r.q.store.Update(ctx, storage.System, func(tx *storage.Tx) error {
		c, err := collection(&tx.View)
		if err != nil {
			return err
		}
		for _, o := range batch {
			o.done, o.due = false, time.Time{}
			if o.cut() {
				continue
			}
			err := change(tx, c, o.job.entry.Num, func(x *Entry) (bool, error) { return o.apply(x, &r.q.cfg, now), nil })
			if errors.Is(err, storage.NotFound) { // dropped meanwhile
				o.done = true
			} else if err != nil {
				return err
			}
		}
		return nil
	})
}

// apply puts the outcome into the entry and tells whether that goes.
func (o *outcome) apply(x *Entry, cfg *Config, now time.Time) (gone bool) {
	for i, p := range o.out {
		if p != stopping {
			x.Recipients[o.job.to[i]].settle(p, now)
		}
	}
	if !o.last {
		return false
	}
	x.expire(cfg, now)
	if x.Held || len(x.reports()) > 0 || x.delayDue(cfg, now) {
		return false
	}
	o.done = true
	gone = x.finish(cfg, now)
	if !gone {
		o.due = x.Due
	}
	return gone
}
