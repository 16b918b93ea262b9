package badgerkv

import (
	"context"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"atrium/storage/kv"
)

// txn is a kv.Reader and kv.Txn: its own writes over those of the groups
// under way over a snapshot of Badger.
type txn struct {
	ctx    context.Context
	space  byte
	own    *overlay   // nil in a View
	below  []*overlay // newest first
	stored *badger.Txn
	cache  *readCache // of what is stored
	heap   *heap
	key    []byte // room for a key with its space byte
	failed error
}

// Get implements kv.Reader.
func (t *txn) Get(key []byte) ([]byte, error) {
	if len(key) == 0 || len(key) > kv.MaxKeySize {
		return nil, kv.NotFound
	}
	t.key = spaced(t.key[:0], t.space, key)
	if t.own != nil {
		if w := t.own.writes[string(t.key)]; w != nil {
			return w.get()
		}
	}
	for _, o := range t.below {
		if w := o.writes[string(t.key)]; w != nil {
			return w.get()
		}
	}
	at := t.stored.ReadTs()
	if v, ok := t.cache.get(t.key, at); ok {
		return v, nil
	}
	item, err := t.stored.Get(t.key)
	if err != nil {
		if errors.Is(err, badger.ErrKeyNotFound) {
			return nil, kv.NotFound
		}
		return nil, t.fail(fmt.Errorf("read %q: %w", key, err))
	}
	value, err := storedValue(item, t.heap.read)
	if err != nil {
		return nil, t.fail(fmt.Errorf("read %q: %w", key, err))
	}
	t.cache.put(t.key, value, item.Version(), at)
	return value, nil
}

func (w *write) get() ([]byte, error) {
	if w.deleted {
		return nil, kv.NotFound
	}
	return w.value, nil
}

// fail makes the transaction fail whatever fn returns.
func (t *txn) fail(err error) error {
	if t.failed == nil {
		t.failed = err
	}
	return err
}

// Set implements kv.Txn.
func (t *txn) Set(key, value []byte) {
	if value == nil {
		value = []byte{}
	}
	t.write(key, value, false)
}

// Delete implements kv.Txn.
func (t *txn) Delete(key []byte) { t.write(key, nil, true) }

func (t *txn) write(key, value []byte, deleted bool) {
	if len(key) == 0 || len(key) > kv.MaxKeySize {
		t.fail(fmt.Errorf("key of %d bytes: %w", len(key), kv.BadKey))
		return
	}
	if t.failed == nil {
		t.own.set(newWrite(t.space, key, value, deleted))
		// Not twice the limit in memory before the end of fn tells.
		if len(t.own.writes) > 2*kv.MaxKeys || t.own.bytes > 2*(kv.MaxBytes+kv.MaxKeys) {
			t.fail(t.tooBig())
		}
	}
}

// check tells whether the transaction may be committed.
func (t *txn) check() error {
	switch {
	case t.failed != nil:
		return t.failed
	case len(t.own.writes) > kv.MaxKeys || t.own.bytes-len(t.own.writes) > kv.MaxBytes:
		return t.tooBig()
	}
	return nil
}

func (t *txn) tooBig() error {
	return fmt.Errorf("%d keys, %d bytes: %w", len(t.own.writes), t.own.bytes-len(t.own.writes), kv.TooBig)
}
