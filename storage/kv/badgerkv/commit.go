package badgerkv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"unsafe"

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
		e.addDurable(g)
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
	// Badger keeps the slices until the commit only; the payload is valid as long.
	var list []*write
	err := parseBatch(payload, func(key, value []byte, deleted bool) error {
		list = append(list, &write{key: unsafe.String(&key[0], len(key)), value: value, deleted: deleted})
		return nil
	})
	if err != nil {
		return err
	}
	return e.put(e.version, slices.Values(list))
}
