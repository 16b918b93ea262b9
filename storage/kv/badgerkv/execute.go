package badgerkv

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"

	"atrium/storage/journal"
	"atrium/storage/kv"
)

// request is a call of Update that waits for done, which is nil when its own
// goroutine does all the work.
type request struct {
	ctx   context.Context
	space byte
	fn    func(kv.Txn) error
	done  chan struct{}

	err      error
	panicked *kv.Panic
	exited   bool // fn ended the executor's goroutine
}

// group is what requests that waited together wrote.
type group struct {
	version  uint64
	writes   *overlay
	requests []*request
	attached []attachment
	end      journal.Position // in the journal, once durable
	failed   error            // guarded by Engine.mu; it or one that it was executed over
}

// A group takes no more requests when it is that large. With one Update more, and
// what is attached, it stays far below journal.MaxRecord.
const (
	fullBytes = 4 << 20
	fullKeys  = 16000
)

func (g *group) full() bool {
	return g.writes.bytes >= fullBytes || len(g.writes.writes) >= fullKeys
}

// execute is the executor. It runs requests one after another and hands the group
// to the committer as soon as that is free.
func (e *Engine) execute() {
	normal := false
	defer func() {
		if normal {
			e.background.Done()
			return
		}
		// A request ended this goroutine: another one goes on.
		go e.execute()
	}()
	for e.takeWork() {
		e.runBatch()
	}
	normal = true
}

// alone runs and commits a request in its own goroutine, while the executor
// rests: so a lone writer waits for no other goroutine to wake up. mu is held; it is
// not any more when alone returns.
func (e *Engine) alone(r *request) {
	e.resting, e.working = false, true
	e.newGroup()
	g := e.current
	e.batch = append(e.batch, r)
	e.mu.Unlock()
	returned := false
	defer func() {
		if !returned { // fn ended the goroutine: the executor goes on with the group
			e.mu.Lock()
			e.working = false
			e.work.Signal()
			e.mu.Unlock()
		}
	}()
	e.runBatch()
	returned = true

	e.mu.Lock()
	e.working = false
	if !e.handOver() {
		e.work.Signal()
		e.mu.Unlock()
		return
	}
	if e.resting = len(e.queue) == 0; !e.resting {
		e.work.Signal() // the next group's requests run meanwhile
	}
	e.mu.Unlock()
	e.commitGroup(g)
}

// takeWork waits for requests and puts them into e.batch. Meanwhile it hands over
// the current group. False means that the engine ends.
func (e *Engine) takeWork() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		if e.working {
			e.work.Wait()
			e.resting = false // who worked alone may have said that this goroutine rests
			continue
		}
		if len(e.batch) > 0 && e.current == nil {
			return true // what did not fit into the group before
		}
		if e.current != nil && e.handed == nil && e.mayHandOver() {
			if e.handOver() {
				e.committing = e.handed
				e.handOff.Signal()
			}
			continue
		}
		if len(e.batch) == 0 && len(e.queue) > 0 && (e.current == nil || !e.current.full()) {
			e.batch, e.queue = e.queue, nil
			return true
		}
		if len(e.attached) >= manyAttached && e.current == nil && e.handed == nil && e.broken == nil {
			e.newGroup()
			continue
		}
		if e.ending && len(e.batch) == 0 && len(e.queue) == 0 && e.current == nil && e.handed == nil {
			if e.flushed || e.broken != nil || len(e.attached) == 0 {
				e.idle = true
				e.handOff.Signal()
				return false
			}
			e.flushed = true
			e.newGroup() // for what is attached
			continue
		}
		e.resting = len(e.batch) == 0 && e.current == nil && len(e.attached) < manyAttached
		e.work.Wait()
		e.resting = false
	}
}

// handOver makes the current group the one that is committed, by the committer
// or whoever works alone. False means that it failed with one before. mu is held.
func (e *Engine) handOver() bool {
	g := e.current
	e.current = nil
	if g.failed != nil {
		e.forget(g)
		release(g.requests, g.failed)
		return false
	}
	g.attached, e.attached = e.attached, nil
	for _, a := range g.attached {
		g.writes.set(a.write)
	}
	g.writes.frozen = true
	e.handed = g
	return true
}

// newGroup begins the current group. mu is held.
func (e *Engine) newGroup() {
	e.version++
	e.current = &group{version: e.version, writes: newOverlay()}
	e.groups = append(e.groups, e.current)
}

// runBatch runs the requests in e.batch until the group is full.
func (e *Engine) runBatch() {
	e.mu.Lock()
	if e.current == nil {
		e.newGroup()
	}
	// What is newer than the snapshot is in the groups, newest first. One that is
	// applied meanwhile is in both, which does no harm.
	held, _ := e.snapshots.acquire()
	e.txn.below = e.txn.below[:0]
	for i := len(e.groups) - 1; i >= 0; i-- {
		if g := e.groups[i]; g.failed == nil && g.version > held.version {
			e.txn.below = append(e.txn.below, g.writes)
		}
	}
	broken := e.broken
	e.mu.Unlock()
	e.txn.stored = e.db.NewTransactionAt(held.version, false)
	defer func() { // also when a request ends the goroutine
		e.txn.stored.Discard()
		e.snapshots.release(held)
		clear(e.txn.below)
	}()
	full := broken
	if full == nil {
		full = e.disk.check()
	}
	for len(e.batch) > 0 && !e.current.full() {
		r := e.batch[0]
		e.batch[0] = nil
		e.batch = e.batch[1:]
		e.current.requests = append(e.current.requests, r)
		if r.err = r.ctx.Err(); r.err == nil {
			r.err = full
		}
		if r.err == nil {
			e.run(r)
		}
	}
}

// run runs one request and puts what it wrote into the group when it succeeds.
func (e *Engine) run(r *request) {
	e.own.reset()
	e.txn.ctx, e.txn.space, e.txn.own, e.txn.failed = r.ctx, r.space, e.own, nil
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil {
			r.panicked = &kv.Panic{Value: v, Stack: debug.Stack()}
		} else {
			r.exited = true
		}
	}()
	err := r.fn(&e.txn)
	returned = true
	if failed := e.txn.check(); failed != nil && (err == nil || e.txn.failed != nil) {
		err = failed
	}
	if r.err = err; err != nil {
		return
	}
	for _, w := range e.own.writes {
		e.current.writes.set(w)
	}
}

// forget removes a group that is in Badger, empty or failed. mu is held.
func (e *Engine) forget(g *group) {
	e.groups = slices.DeleteFunc(e.groups, func(other *group) bool { return other == g })
}

// release lets the requests of a group go; failed is the group's failure.
func release(requests []*request, failed error) {
	for _, r := range requests {
		if failed != nil && r.err == nil && r.panicked == nil && !r.exited {
			r.err = fmt.Errorf("commit: %w", failed)
		}
		if r.done != nil {
			close(r.done)
		}
	}
}
