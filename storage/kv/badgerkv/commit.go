package badgerkv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"github.com/dgraph-io/badger/v4"

	"atrium/storage/journal"
	"atrium/storage/kv"
)

// commit is the committer. It commits one group after another.
func (e *Engine) commit() {
	for {
		e.mu.Lock()
		for e.committing == nil && !e.idle {
			e.handOff.Wait()
		}
		g := e.committing
		e.committing = nil
		e.mu.Unlock()
		if g == nil {
			break
		}
		e.commitGroup(g)
	}
	e.mu.Lock()
	e.done = true
	e.apply.Signal()
	e.mu.Unlock()
}

// commitGroup makes the group that was handed over durable and visible.
func (e *Engine) commitGroup(g *group) {
	end, err := e.store(g)
	some := len(g.writes.writes) > 0
	if err == nil && some {
		e.snapshots.publish(g.writes)
		for _, a := range g.attached {
			a.applied()
		}
	}
	e.mu.Lock()
	switch {
	case err != nil:
		e.failGroups(g, err)
		e.forget(g)
	case some:
		g.end = end
		e.durable = append(e.durable, g)
		e.lag += g.writes.bytes
		e.apply.Signal()
	default:
		e.forget(g)
	}
	e.handed = nil
	if !e.resting || len(e.queue) > 0 || e.ending {
		e.work.Signal()
	}
	requests := g.requests
	g.requests, g.attached = nil, nil
	failed := g.failed
	e.mu.Unlock()
	release(requests, failed)
}

// applyGroups writes groups to Badger, after they are durable and visible.
func (e *Engine) applyGroups() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		for len(e.durable) == 0 && !e.done {
			e.apply.Wait()
		}
		if len(e.durable) == 0 {
			return
		}
		g := e.durable[0]
		e.mu.Unlock()
		err := e.applyGroup(g)
		e.mu.Lock()
		if err != nil {
			// All of it is in the journal, and Views go on reading it in memory:
			// opening again helps.
			e.log.Error("badger takes no writes, no more writes until the store is opened again", "err", err)
			if e.broken == nil {
				e.broken = fmt.Errorf("%w: %w", kv.Broken, err)
			}
			e.work.Signal()
			return
		}
		e.snapshots.applied(g.version)
		e.durable = e.durable[1:]
		e.lag -= g.writes.bytes
		e.forget(g)
		e.applied = g.end
		e.noteApplied()
		if e.current != nil {
			e.work.Signal()
		}
	}
}

// failGroups fails g and what was executed over it. mu is held.
func (e *Engine) failGroups(g *group, err error) {
	if errors.Is(err, journal.Broken) || errors.Is(err, kv.Broken) {
		if e.broken == nil {
			e.broken = fmt.Errorf("%w: %w", kv.Broken, err)
		}
		err = e.broken
	} else if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		err = fmt.Errorf("%w: %w", kv.Full, err)
	}
	for _, other := range e.groups {
		if other.version >= g.version && other.failed == nil {
			other.failed = err
		}
	}
	e.attached = append(g.attached, e.attached...) // the bodies are in the journal
}

// store makes g durable in the journal. It returns the position after it.
func (e *Engine) store(g *group) (end journal.Position, err error) {
	if len(g.writes.writes) == 0 {
		// Nothing to write. What its requests read is durable: groups are
		// committed in order. The bodies before it are not, yet.
		end = e.journal.Written()
		return end, e.journal.Sync(end)
	}
	e.record = appendBatch(append(e.record[:0], make([]byte, journal.HeaderSize)...), g.writes)
	if end, err = e.journal.AppendBatch(e.record); err != nil {
		return end, err
	}
	if cap(e.record) > 1<<20 {
		e.record = nil
	}
	return end, e.journal.Sync(end)
}

// applyGroup writes g to Badger at its version, in as many of Badger's
// transactions as that takes: nobody reads at this version yet.
func (e *Engine) applyGroup(g *group) error {
	b := newBadgerBatch(e.db, g.version)
	for _, w := range g.writes.writes {
		if err := b.put(keyBytes(w.key), w.value, w.deleted); err != nil {
			return err
		}
	}
	return b.flush()
}

// badgerBatch writes any number of keys at one version.
type badgerBatch struct {
	db      *badger.DB
	version uint64
	txn     *badger.Txn
	some    bool
}

func newBadgerBatch(db *badger.DB, version uint64) *badgerBatch {
	return &badgerBatch{db: db, version: version, txn: db.NewTransactionAt(version, true)}
}

func (b *badgerBatch) put(key, value []byte, deleted bool) error {
	err := b.try(key, value, deleted)
	if errors.Is(err, badger.ErrTxnTooBig) && b.some {
		if err = b.flush(); err == nil {
			b.txn = b.db.NewTransactionAt(b.version, true)
			err = b.try(key, value, deleted)
		}
	}
	b.some = b.some || err == nil
	return err
}

func (b *badgerBatch) try(key, value []byte, deleted bool) error {
	if deleted {
		return b.txn.Delete(key)
	}
	return b.txn.SetEntry(&badger.Entry{Key: key, Value: value})
}

func (b *badgerBatch) flush() error {
	if !b.some {
		b.txn.Discard()
		return nil
	}
	b.some = false
	return b.txn.CommitAt(b.version, nil)
}

// batchVersion begins a batch in the journal. After it come the writes: the key's
// length (uvarint), the key with its space byte, then 0 for a delete or the value's
// length plus 1 (uvarint), and the value.
const batchVersion = 1

func appendBatch(buf []byte, o *overlay) []byte {
	buf = append(buf, batchVersion)
	for _, w := range o.writes {
		buf = binary.AppendUvarint(buf, uint64(len(w.key)))
		buf = append(buf, w.key...)
		if w.deleted {
			buf = append(buf, 0)
			continue
		}
		buf = binary.AppendUvarint(buf, uint64(len(w.value))+1)
		buf = append(buf, w.value...)
	}
	return buf
}

// parseBatch calls put with each write of a batch; key and value are parts of p.
func parseBatch(p []byte, put func(key, value []byte, deleted bool) error) error {
	bad := fmt.Errorf("batch: %w", journal.Corrupt)
	if len(p) == 0 || p[0] != batchVersion {
		return bad
	}
	p = p[1:]
	for len(p) > 0 {
		n, used := binary.Uvarint(p)
		if used <= 0 || n < 2 || n > uint64(len(p)-used) {
			return bad
		}
		key := p[used : used+int(n)]
		p = p[used+int(n):]
		n, used = binary.Uvarint(p)
		if used <= 0 || n > uint64(len(p)-used)+1 {
			return bad
		}
		p = p[used:]
		if n == 0 {
			if err := put(key, nil, true); err != nil {
				return err
			}
			continue
		}
		if err := put(key, p[:n-1], false); err != nil {
			return err
		}
		p = p[n-1:]
	}
	return nil
}

// redo writes a batch from the journal to Badger, at a new version.
func (e *Engine) redo(payload []byte, _ journal.Position) error {
	e.version++
	b := newBadgerBatch(e.db, e.version)
	// Badger keeps the slices until the commit only; the payload is valid as long.
	if err := parseBatch(payload, b.put); err != nil {
		return err
	}
	return b.flush()
}
