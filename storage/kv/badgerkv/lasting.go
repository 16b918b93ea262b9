package badgerkv

import (
	"context"
	"fmt"

	"github.com/dgraph-io/badger/v4"
)

// inHeap is the meta byte of an entry in Badger whose value is a place in the heap.
const inHeap byte = 1

// heapMin is the size in bytes from which a value is worth a place in the heap.
const heapMin = 128

// isLasting tells whether a write's value belongs into the heap.
func (e *Engine) isLasting(w *write) bool {
	return !w.deleted && len(w.value) >= heapMin && e.isLastingKey(w.key)
}

func (e *Engine) isLastingKey(key string) bool {
	return e.cfg.Lasting != nil && key[0] == userSpace && e.cfg.Lasting(keyBytes(key[1:]))
}

// storedValue returns the value of what Badger has, not nil; read reads the heap.
func storedValue(item *badger.Item, read func(place) ([]byte, error)) (value []byte, err error) {
	// The item has a copy of the value of its own: no value is in the value log.
	if err = item.Value(func(v []byte) error { value = v; return nil }); err != nil {
		return nil, err
	}
	if item.UserMeta() == inHeap {
		p, err := parsePlace(value)
		if err != nil {
			return nil, err
		}
		return read(p)
	}
	if value == nil {
		value = []byte{}
	}
	return value, nil
}

// places calls fn with all keys, with their space byte, whose values are in the heap, in order of
// the keys; key is valid during the call only. It reads at the version of stored.
func places(stored *badger.Txn, fn func(key []byte, p place) error) error {
	opt := badger.IteratorOptions{Prefix: []byte{userSpace}}
	it := stored.NewIterator(opt)
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		item := it.Item()
		if item.UserMeta() != inHeap {
			continue
		}
		var p place
		err := item.Value(func(v []byte) (err error) { p, err = parsePlace(v); return err })
		if err == nil {
			err = fn(item.Key(), p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// verifyHeap reads all values of the heap.
func (e *Engine) verifyHeap(ctx context.Context) error {
	held, _ := e.snapshots.acquire()
	defer e.snapshots.release(held)
	stored := e.db.NewTransactionAt(held.version, false)
	defer stored.Discard()
	w := window{heap: e.heap}
	defer w.close()
	return places(stored, func(key []byte, p place) error {
		if _, err := w.read(p); err != nil {
			return fmt.Errorf("value of %q: %w", key[1:], err)
		}
		return ctx.Err()
	})
}
