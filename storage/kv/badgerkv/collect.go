package badgerkv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"

	"atrium/storage/kv"
)

// The collector gives back the room of values in the heap that were deleted. It
// counts what of each full file is still in use, by a look at all keys, moves what is left of files that are
// mostly empty, by ordinary writes, and removes these files when nobody reads what was before.
const (
	collectWorth = 4              // when a fourth of the heap may be unused, a look at all keys is worth it
	collectRest  = 24 * time.Hour // after which it is if anything was deleted
	collectFirst = time.Hour      // after a start, as it is not known what was deleted before
	collectSlice = 2000           // keys that are looked at before a pause
	collectBatch = 256 << 10      // bytes that are moved at once
)

// errStopped ends the collector's work when the engine closes.
var errStopped = errors.New("stopped")

// runCollector collects until the engine ends.
func (e *Engine) runCollector() {
	tick := time.NewTicker(e.cfg.Collect)
	defer tick.Stop()
	last, first := time.Now(), true
	for {
		select {
		case <-e.stop:
			return
		case <-tick.C:
		}
		since := time.Since(last)
		if !(first && since >= collectFirst || e.worthCollecting(since)) {
			continue
		}
		last, first = time.Now(), false
		switch err := e.collect(); {
		case err == nil:
		case errors.Is(err, errStopped), errors.Is(err, kv.Closed), errors.Is(err, kv.Broken):
			return
		default:
			e.log.Error("room of deleted values is not given back", "err", err)
		}
	}
}

// worthCollecting tells whether so much was deleted since the last collection that it is worth another.
func (e *Engine) worthCollecting(since time.Duration) bool {
	n := e.heap.shed.Load()
	return n > 0 && (since >= collectRest || n*heapTypical >= e.heap.size()/collectWorth)
}

// collect gives back what is unused of all full files.
func (e *Engine) collect() error {
	full := e.heap.full()
	if len(full) == 0 {
		return nil
	}
	e.heap.shed.Store(0)
	// The head's places are in Badger at the latest with what is durable now.
	if _, err := e.drain(); err != nil {
		return err
	}
	used := map[uint32]int64{}
	version, err := e.look(func(_ []byte, p place) error { used[p.file] += int64(p.length); return nil })
	if err != nil {
		return err
	}
	sparse := map[uint32]bool{}
	var gone []uint32
	for _, f := range full {
		switch {
		case used[f.id] == 0:
			gone = append(gone, f.id)
		case used[f.id] < f.size/2:
			sparse[f.id] = true
		}
	}
	if err := e.removeFiles(gone, version); err != nil || len(sparse) == 0 {
		return err
	}
	return e.move(sparse)
}

// look calls fn with the place of each value in the heap, and returns the version at which they
// are there. It leaves the processors to others most of the time.
func (e *Engine) look(fn func(key []byte, p place) error) (version uint64, err error) {
	held, _ := e.snapshots.acquire()
	defer e.snapshots.release(held)
	stored := e.db.NewTransactionAt(held.version, false)
	defer stored.Discard()
	n, began := 0, time.Now()
	return held.version, places(stored, func(key []byte, p place) error {
		if n++; n%collectSlice == 0 {
			if !e.pause(3 * time.Since(began)) {
				return errStopped
			}
			began = time.Now()
		}
		return fn(key, p)
	})
}

// pause waits; false means that the engine closes.
func (e *Engine) pause(d time.Duration) bool {
	select {
	case <-e.stop:
		return false
	case <-time.After(min(d, time.Second)):
		return true
	}
}

// moved is a value on its way.
type moved struct {
	key   []byte // without its space byte
	place place
	value []byte
}

// move writes the values in some files anew, and removes the files.
func (e *Engine) move(files map[uint32]bool) error {
	var batch []moved
	size := 0
	flush := func() error {
		began := time.Now()
		err := e.moveBatch(batch)
		clear(batch)
		batch, size = batch[:0], 0
		if err == nil && !e.pause(4*time.Since(began)) {
			err = errStopped
		}
		return err
	}
	_, err := e.look(func(key []byte, p place) error {
		if !files[p.file] {
			return nil
		}
		value, err := e.heap.read(p)
		if err != nil {
			return fmt.Errorf("value of %q: %w", key[1:], err)
		}
		if len(batch) > 0 && size+len(value) > collectBatch { // together with a large one it could be more than a transaction takes
			if err := flush(); err != nil {
				return err
			}
		}
		batch = append(batch, moved{slices.Clone(key[1:]), p, value})
		size += len(value)
		return nil
	})
	if err == nil && len(batch) > 0 {
		err = flush()
	}
	if err != nil {
		return err
	}
	if _, err := e.drain(); err != nil {
		return err
	}
	// What is in these files still must not be removed, whatever the reason.
	version, err := e.look(func(_ []byte, p place) error { delete(files, p.file); return nil })
	if err != nil {
		return err
	}
	gone := make([]uint32, 0, len(files))
	for id := range files {
		gone = append(gone, id)
	}
	return e.removeFiles(gone, version)
}

// moveBatch writes values anew that are still where they were.
func (e *Engine) moveBatch(batch []moved) error {
	return e.update(context.Background(), userSpace, func(t kv.Txn) error {
		own := t.(*txn)
		for _, m := range batch {
			is, err := own.isAt(m.key, m.place)
			if err != nil {
				return err
			}
			if is {
				t.Set(m.key, m.value)
			}
		}
		return nil
	})
}

// isAt tells whether the value of key is the one at p.
func (t *txn) isAt(key []byte, p place) (bool, error) {
	t.key = spaced(t.key[:0], t.space, key)
	if t.own.writes[string(t.key)] != nil {
		return false, nil
	}
	for _, o := range t.below {
		if o.writes[string(t.key)] != nil {
			return false, nil
		}
	}
	item, err := t.stored.Get(t.key)
	if errors.Is(err, badger.ErrKeyNotFound) || err == nil && item.UserMeta() != inHeap {
		return false, nil
	}
	var is bool
	if err == nil {
		err = item.Value(func(v []byte) error { is = bytes.Equal(v, p.put(nil)); return nil })
	}
	return is, err
}

// removeFiles removes files to which nothing refers at version, when nobody reads at an older one any more.
func (e *Engine) removeFiles(ids []uint32, version uint64) error {
	for len(ids) > 0 && e.snapshots.oldestVersion() < version {
		if !e.pause(100 * time.Millisecond) {
			return errStopped
		}
	}
	for _, id := range ids {
		if err := e.heap.remove(id); err != nil {
			return err
		}
	}
	return nil
}
