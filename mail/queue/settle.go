package queue

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"atrium/storage"
)

// release lets go of an entry in memory.
func (r *runner) release(n storage.Num, last bool) {
	if !last {
		return
	}
	r.mu.Lock()
	delete(r.active, n)
	more := r.full && len(r.active) <= r.q.cfg.Window-r.low() || len(r.passed) > 0 && len(r.active) == 0
	if more {
		r.full = false
	}
	r.mu.Unlock()
	if more {
		r.q.wake()
	}
}

// soon has the runner look again where an entry is due before it looks by itself.
func (r *runner) soon(due, now time.Time) {
	if due.IsZero() {
		return
	}
	r.q.came(due)
	if due.After(now) && due.Sub(now) < patience {
		r.q.wake()
	}
}

// conclude ends an attempt: it reports what there is to report, and says when the
// entry is due again or removes it. Reports come into the queue in the same
// transaction, so that none is lost and none comes twice.
func (r *runner) conclude(of *Entry, w *work) {
	n := of.Num
	var due time.Time
	defer func() {
		r.release(n, true)
		r.soon(due, time.Now())
	}()
	if !w.touched {
		return // due again at the next start
	}
	ctx := context.WithoutCancel(r.ctx)
	now := time.Now()
	var e *Entry
	err := r.q.store.View(ctx, storage.System, func(v *storage.View) (err error) {
		e, _, err = read(v, n)
		return err
	})
	if err != nil {
		if !errors.Is(err, storage.NotFound) {
			r.q.log.Error("queue entry cannot be read", "entry", n, "error", err)
			due = of.Due
		}
		return
	}
	e.expire(&r.q.cfg, now)
	made, err := r.q.report(ctx, e, now)
	if err != nil {
		r.q.log.Error("report to a sender could not be written, it will be tried again", "message", e.ID, "error", err)
		due = of.Due
		return
	}
	defer made.release()
	err = r.q.store.Update(ctx, storage.System, func(tx *storage.Tx) error {
		for _, m := range made.entries {
			m.Num = 0
			if err := insert(tx, m); err != nil {
				return err
			}
		}
		c, err := collection(&tx.View)
		if err != nil {
			return err
		}
		return change(tx, c, n, func(x *Entry) (bool, error) {
			x.expire(&r.q.cfg, now)
			for i := range x.Recipients {
				made.mark(&x.Recipients[i], &e.Recipients[i])
			}
			x.Warned = x.Warned || made.delay
			if x.Held && x.pending() {
				return false, nil
			}
			gone := x.finish(&r.q.cfg, now)
			due = x.Due
			return gone, nil
		})
	})
	if err != nil && !errors.Is(err, storage.NotFound) {
		r.q.log.Error("outcome of a queued message could not be written", "message", e.ID, "error", err)
		due = of.Due
		return
	}
	for _, m := range made.entries {
		r.q.came(m.Due)
		r.q.wake()
	}
}

// settle takes an outcome.
func (p *Progress) settle(o *Outcome, now time.Time) {
	p.Last, p.At = o, now.Unix()
	switch {
	case o.Code/100 == 2 && o.done != Pending:
		p.State = o.done
	case o.Code/100 == 2 && o.Tells:
		p.State, p.Told = Sent, true // RFC 3461 §5.2.2: the next server does
	case o.Code/100 == 2:
		p.State = Relayed
	case !o.temporary():
		p.State = Bounced
	}
	switch p.State {
	case Sent:
		p.Told = true
	case Relayed, Local, Expanded:
		p.Told = !p.Notify.wants(Success)
	}
	if p.State == Bounced {
		p.Told = !p.Notify.wants(Failure)
	}
}

// expire ends recipients that failed for too long.
func (e *Entry) expire(cfg *Config, now time.Time) {
	end := e.end(cfg)
	if now.Before(end) {
		return
	}
	for i := range e.Recipients {
		p := &e.Recipients[i]
		if p.State == Pending && p.Last != nil {
			p.State, p.At = Expired, now.Unix()
			p.Told = !p.Notify.wants(Failure)
		}
	}
}

// delayDue tells whether the sender is to be told of a delay now.
func (e *Entry) delayDue(cfg *Config, now time.Time) bool {
	return cfg.Warn > 0 && !e.Warned && e.From != "" && e.pending() && now.Sub(e.start()) >= cfg.Warn
}

// start is when the first attempt could be made.
func (e *Entry) start() time.Time {
	if e.Hold.After(e.Created) {
		return e.Hold
	}
	return e.Created
}

// end is when a message is given up.
func (e *Entry) end(cfg *Config) time.Time {
	d := cfg.GiveUp
	if e.From == "" {
		d = cfg.GiveUpNil
	}
	end := e.start().Add(d)
	if !e.Deadline.IsZero() && e.Deadline.Before(end) {
		end = e.Deadline
	}
	return end
}

// finish says when the next attempt is, and whether the entry goes.
func (e *Entry) finish(cfg *Config, now time.Time) (gone bool) {
	if !e.pending() {
		for i := range e.Recipients {
			if !e.Recipients[i].Told && e.From != "" {
				return false
			}
		}
		return true
	}
	pause := cfg.Retry[min(e.Attempts, len(cfg.Retry)-1)]
	e.Attempts++
	pause += time.Duration(rand.Int64N(int64(pause)/10 + 1)) // so that what failed together does not come together
	e.Due = now.Add(pause).UTC()
	if end := e.end(cfg); now.Before(end) && e.Due.After(end) {
		e.Due = end.UTC()
	}
	return false
}

// logOutcome writes the log's line for one recipient.
func (q *Queue) logOutcome(e *Entry, p *Progress, o *Outcome) {
	result := "sent"
	switch {
	case o.Code/100 == 2:
		q.counts.sent.Add(1)
	case o.temporary():
		result = "deferred"
		q.counts.deferred.Add(1)
	default:
		result = "failed"
		q.counts.failed.Add(1)
	}
	q.log.Info(result, "message", e.ID, "from", e.From, "to", p.Address, "host", o.Host, "attempt", e.Attempts+1,
		"age", time.Since(e.Created).Round(time.Second).String(), "reply", strings.TrimSpace(itoa(o.Code)+" "+o.Status+" "+o.Text))
}

// deliver carries out a job for this server itself.
func (q *Queue) deliver(ctx context.Context, j *job) []*Outcome {
	e := j.entry
	out := make([]*Outcome, len(j.to))
	body, err := q.store.Blobs().Open(ctx, e.Body)
	if err != nil {
		q.log.Error("content of a queued message cannot be read", "message", e.ID, "error", err)
		return same(j, &Outcome{Status: "4.3.0", Text: "the message cannot be read on this server: " + err.Error(), Words: true})
	}
	defer body.Close()
	for i, n := range j.to {
		p := &e.Recipients[n]
		to := Recipient{Address: p.Address, Notify: p.Notify, Original: p.Original}
		if q.cfg.Capture != "" {
			to.Address = q.cfg.Capture
		}
		state, err := q.local.DeliverLocal(ctx, &e.Message, to, io.NewSectionReader(body, e.Skip, e.Size))
		switch {
		case err == nil:
			out[i] = &Outcome{Code: 250, Status: "2.0.0", Text: "delivered here", done: state}
		case ctx.Err() != nil:
			out[i] = stopping
		case q.local.Permanent(err):
			out[i] = &Outcome{Status: statusOf(err, '5'), Text: err.Error(), Words: true}
		default:
			out[i] = &Outcome{Status: statusOf(err, '4'), Text: err.Error(), Words: true}
		}
	}
	return out
}

// statusOf is the status code of a failure to deliver here.
func statusOf(err error, class byte) string {
	switch {
	case errors.Is(err, storage.OverQuota):
		return string(class) + ".2.2"
	case errors.Is(err, storage.NotFound):
		return string(class) + ".1.1"
	case errors.Is(err, storage.TooLarge):
		return string(class) + ".3.4"
	}
	return string(class) + ".2.0"
}
