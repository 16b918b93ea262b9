package queue

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"atrium/mail/resolver"
	"atrium/storage"
)

// Deliverer brings messages to the mailboxes of this server: reports to senders
// who are here, and what could not be delivered at once.
type Deliverer interface {
	// Local tells whether a domain is one of ours.
	Local(domain string) bool
	// DeliverLocal delivers to one address of ours; how is for the log. The error's
	// class tells whether a later attempt may succeed.
	DeliverLocal(ctx context.Context, from, to string, content io.Reader) error
	// Permanent tells whether an error of DeliverLocal is for good.
	Permanent(err error) bool
}

// Queue is the queue of one store. Only one may run on a store at once.
type Queue struct {
	store *storage.Store
	dns   resolver.Resolver
	local Deliverer
	cfg   Config
	log   *slog.Logger

	woken    chan struct{}
	enqueued atomic.Int64
}

// Open returns the queue of a store. It sends nothing until Run.
func Open(store *storage.Store, dns resolver.Resolver, local Deliverer, cfg Config, log *slog.Logger) (*Queue, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	return &Queue{store: store, dns: dns, local: local, cfg: cfg, log: log, woken: make(chan struct{}, 1)}, nil
}

// Config returns the settings.
func (q *Queue) Config() Config { return q.cfg }

// wake has the runner look at what is due.
func (q *Queue) wake() {
	select {
	case q.woken <- struct{}{}:
	default:
	}
}

// admit counts the recipients of a message against what its account may send in a day.
func (q *Queue) admit(tx *storage.Tx, m *Message, now time.Time) error { return nil }
