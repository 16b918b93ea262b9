package queue

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strconv"
	"sync"
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
	// DeliverLocal delivers a message to one address of ours, with its Address, Notify and Original. It tells what is to be
	// reported then: Local, Relayed or Expanded, or Sent where something else reports. The
	// error's class tells whether a later attempt may succeed.
	DeliverLocal(ctx context.Context, m *Message, to Recipient, content io.Reader) (State, error)
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

	sts    *stsCache
	tlsrpt *tlsrpt
	storm  storm
	dead   dead
	sign   Signer         // puts signatures on top; nil: none
	roots  *x509.CertPool // nil: the system's

	// For tests.
	port, tlsaPort int
	own            func(netip.Addr) bool

	unseenMu sync.Mutex
	unseen   []byte // where in the index by time the runner has not looked yet

	woken    chan struct{}
	running  atomic.Pointer[runner]
	enqueued atomic.Int64
	counts   struct{ sent, deferred, failed, reports atomic.Int64 }
}

// Open returns the queue of a store. It sends nothing until Run.
func Open(store *storage.Store, dns resolver.Resolver, local Deliverer, cfg Config, log *slog.Logger) (*Queue, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	q := &Queue{store: store, dns: dns, local: local, cfg: cfg, log: log, woken: make(chan struct{}, 1), port: 25, tlsaPort: 25, own: isOwn}
	q.sts, q.tlsrpt, q.storm.max = newSTS(store, dns, log), newTLSRPT(), cfg.Reports
	return q, nil
}

// Signer returns the header fields that sign a message in a domain's name; nothing
// when it has no keys.
type Signer func(ctx context.Context, domain string, content io.Reader) ([]byte, error)

// SetSigner has signed what the server writes, reports and answers of filters, and signed again what
// is rewritten for old servers. It is called before Run.
func (q *Queue) SetSigner(s Signer) { q.sign = s }

// Config returns the settings.
func (q *Queue) Config() Config { return q.cfg }

// wake has the runner look at what is due.
func (q *Queue) wake() {
	select {
	case q.woken <- struct{}{}:
	default:
	}
}

// recordDaily counts recipients by account and hour, the last 24.
const recordDaily = "daily/"

// admit counts the recipients of a message against what its account may send in
// 24 hours.
func (q *Queue) admit(tx *storage.Tx, m *Message, now time.Time) error {
	if m.Account == 0 || q.cfg.Daily == 0 {
		return nil
	}
	name := recordDaily + strconv.FormatUint(uint64(m.Account), 10)
	hour := now.Unix() / 3600
	counts := map[int64]int{}
	b, err := tx.Record(name)
	if err != nil && !errors.Is(err, storage.NotFound) {
		return err
	}
	if len(b) > 0 && b[0] == recordVersion {
		if err := json.Unmarshal(b[1:], &counts); err != nil {
			counts = map[int64]int{}
		}
	}
	total := 0
	for h, n := range counts {
		if h <= hour-24 {
			delete(counts, h)
		} else {
			total += n
		}
	}
	if total+len(m.To) > q.cfg.Daily {
		return fmt.Errorf("%d recipients in 24 hours: %w", total, TooMany)
	}
	counts[hour] += len(m.To)
	value, err := json.Marshal(counts)
	if err != nil {
		return err
	}
	return tx.SetRecord(name, append([]byte{recordVersion}, value...))
}
