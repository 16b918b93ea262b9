package sift

import (
	"context"
	"sync"
	"time"

	"atrium/storage"
)

// queue has the accounts whose log is to be read. One goroutine, which runs while there are any,
// takes them in turn.
type queue struct {
	mu      sync.Mutex
	waiting map[storage.AccountID]bool
	running bool
	closed  bool
	idle    *sync.Cond
	do      func(context.Context, storage.AccountID)
	ctx     context.Context
	cancel  context.CancelFunc
}

// rest is how long what a user does is gathered before it is looked at.
const rest = 300 * time.Millisecond

func (q *queue) init(do func(context.Context, storage.AccountID)) {
	q.waiting, q.do = map[storage.AccountID]bool{}, do
	q.idle = sync.NewCond(&q.mu)
	q.ctx, q.cancel = context.WithCancel(context.Background())
}

// add returns at once.
func (q *queue) add(a storage.AccountID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.waiting[a] = true
	if !q.running {
		q.running = true
		go q.run()
	}
}

func (q *queue) run() {
	for {
		select {
		case <-q.ctx.Done():
		case <-time.After(rest):
		}
		q.mu.Lock()
		if len(q.waiting) == 0 || q.closed {
			q.running = false
			q.idle.Broadcast()
			q.mu.Unlock()
			return
		}
		batch := q.waiting
		q.waiting = map[storage.AccountID]bool{}
		q.mu.Unlock()
		for a := range batch {
			if q.ctx.Err() == nil {
				q.do(q.ctx, a)
			}
		}
	}
}

// close ends the work under way and waits for it. The log keeps what is left.
func (q *queue) close() {
	q.cancel()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for q.running {
		q.idle.Wait()
	}
}
