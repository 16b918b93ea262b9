package badgerkv

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"

	"atrium/storage/journal"
	"atrium/storage/kv"
)

// Groups that are durable stay in memory, where Views and the executor read
// them, until there are many bytes of them or the oldest has been there for some time. Then
// all go to Badger as one, each key with its last value only: what is written
// over and over (the head of an account, the last page of a mailbox) costs Badger little.
// So that readers look at few layers, groups are merged: a few of like size become
// a larger one, which costs each key a few copies of a pointer.
const (
	mergeAt     = 4           // so many of like size are merged
	mostDurable = 64          // so many groups in memory and executing waits for the merger
	applyTime   = time.Second // after which a group goes to Badger
)

// sizeClass is a measure of how many keys a group has: 4 times as many are one more.
func (g *group) sizeClass() int { return bits.Len(uint(len(g.writes.writes))) / 2 }

// applyBytes are so many bytes of durable groups that they go to Badger, mostLag so
// many that executing waits until they are there.
func (e *Engine) applyBytes() int { return int(e.cfg.MemTable) }
func (e *Engine) mostLag() int    { return 2 * int(e.cfg.MemTable) }

// muchWaits tells whether a good part of what makes a table waits for Badger.
func (e *Engine) muchWaits() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.lag >= e.applyBytes()/4
}

// mayHandOver tells whether Badger keeps up. mu is held.
func (e *Engine) mayHandOver() bool {
	return len(e.durable) < mostDurable && e.lag < e.mostLag() || e.broken != nil
}

// addDurable takes a group that is durable and visible. mu is held.
func (e *Engine) addDurable(g *group) {
	e.durable = append(e.durable, g)
	e.lag += g.writes.bytes
	e.noteDurable(g.end)
	if !e.timed {
		e.timed = true
		time.AfterFunc(applyTime, func() {
			e.mu.Lock()
			e.timed, e.due = false, true
			e.apply.Signal()
			e.mu.Unlock()
		})
	}
	if e.applyDue() || e.mergeable() > 0 {
		e.apply.Signal()
	}
}

// applyDue tells whether what is durable is to go to Badger now. mu is held.
func (e *Engine) applyDue() bool {
	return len(e.durable) > 0 && (e.due || e.done || e.lag >= e.applyBytes())
}

// mergeable returns how many of the newest durable groups are to be merged; 0:
// none. These are mergeAt of one size, and smaller ones after them. mu is held.
func (e *Engine) mergeable() (n int) {
	for i := len(e.durable); i > 0; {
		class, like := e.durable[i-1].sizeClass(), 0
		for ; i > 0 && e.durable[i-1].sizeClass() <= class; i-- {
			if e.durable[i-1].sizeClass() == class {
				like++
			}
		}
		if like >= mergeAt {
			n = len(e.durable) - i
		}
	}
	return n
}

// applyGroups merges groups and writes them to Badger, after they are durable and visible.
func (e *Engine) applyGroups() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		switch n := e.mergeable(); {
		case e.applyDue():
			if !e.applyAll() {
				return
			}
		case n > 0:
			e.merge(n)
		case e.done:
			return
		default:
			e.due = false
			e.apply.Wait()
		}
	}
}

// applyAll writes all durable groups to Badger as one. False means that Badger
// takes nothing any more. mu is held, but not all the time.
func (e *Engine) applyAll() bool {
	e.due = false
	g := e.merge(len(e.durable))
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
		e.stuck = true
		e.work.Signal()
		e.inBadger.Broadcast()
		return false
	}
	e.snapshots.applied(g.version)
	e.durable = slices.Delete(e.durable, 0, 1)
	e.lag -= g.writes.bytes
	e.forget(g)
	e.applied = g.end
	e.inBadger.Broadcast()
	if e.current != nil {
		e.work.Signal()
	}
	return true
}

// merge makes one group of the n newest durable ones. mu is held, but not all the time.
func (e *Engine) merge(n int) *group {
	end := len(e.durable)
	list := slices.Clone(e.durable[end-n:])
	if n == 1 {
		return list[0]
	}
	e.mu.Unlock()
	overlays := make([]*overlay, n)
	for i, g := range list {
		overlays[i] = g.writes
	}
	last := list[n-1]
	g := &group{version: last.version, writes: mergeOverlays(overlays), end: last.end}
	e.mu.Lock()
	e.snapshots.merged(overlays, g.writes)
	for _, old := range list {
		e.lag -= old.writes.bytes
	}
	e.lag += g.writes.bytes
	e.durable = slices.Replace(e.durable, end-n, end, g)
	at := slices.Index(e.groups, list[0]) // groups leave this list in order: they are one after another
	e.groups = slices.Replace(e.groups, at, at+n, g)
	if e.current != nil {
		e.work.Signal()
	}
	return g
}

// drain waits until all that is durable now is in Badger and returns the
// position before which it is.
func (e *Engine) drain() (p journal.Position, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if k := len(e.durable); k > 0 {
		want := e.durable[k-1].end
		for e.applied.Before(want) {
			if e.stuck {
				return p, e.broken
			}
			e.due = true
			e.apply.Signal()
			e.inBadger.Wait()
		}
	}
	return e.applied, nil
}

// applyGroup writes g to Badger at its version, in as many of Badger's
// transactions as that takes, and brings the cache up to it: nobody reads at this version yet.
func (e *Engine) applyGroup(g *group) error {
	if err := e.put(g.version, maps.Values(g.writes.writes)); err != nil {
		return err
	}
	e.snapshots.cache.apply(g.writes, g.version)
	return nil
}

// put writes to Badger at a version, and to the heap what stays there.
func (e *Engine) put(version uint64, writes iter.Seq[*write]) error {
	b := newBadgerBatch(e.db, version)
	var lasting []*write
	for w := range writes {
		if w.deleted && e.isLastingKey(w.key) {
			e.heap.shed.Add(1)
		}
		if e.isLasting(w) {
			lasting = append(lasting, w)
		} else if err := b.put(&badger.Entry{Key: keyBytes(w.key), Value: w.value}, w.deleted); err != nil {
			return err
		}
	}
	if len(lasting) == 0 {
		return b.flush()
	}
	// In order, so that a scan reads them so.
	slices.SortFunc(lasting, func(a, b *write) int { return strings.Compare(a.key, b.key) })
	places, err := e.heap.append(lasting)
	if err != nil {
		return fmt.Errorf("heap: %w", err)
	}
	buf := make([]byte, 0, placeSize*len(places))
	for i, p := range places {
		buf = p.put(buf)
		entry := &badger.Entry{Key: keyBytes(lasting[i].key), Value: buf[len(buf)-placeSize:], UserMeta: inHeap}
		if err := b.put(entry, false); err != nil {
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

func (b *badgerBatch) put(entry *badger.Entry, deleted bool) error {
	err := b.try(entry, deleted)
	if errors.Is(err, badger.ErrTxnTooBig) && b.some {
		if err = b.flush(); err == nil {
			b.txn = b.db.NewTransactionAt(b.version, true)
			err = b.try(entry, deleted)
		}
	}
	b.some = b.some || err == nil
	return err
}

func (b *badgerBatch) try(entry *badger.Entry, deleted bool) error {
	if deleted {
		return b.txn.Delete(entry.Key)
	}
	return b.txn.SetEntry(entry)
}

func (b *badgerBatch) flush() error {
	if !b.some {
		b.txn.Discard()
		return nil
	}
	b.some = false
	return b.txn.CommitAt(b.version, nil)
}
