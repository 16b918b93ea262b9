package memkv

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"sync"

	"github.com/tidwall/btree"

	"atrium/storage/kv"
)

// Engine is a kv.Engine in memory. Its zero value is of no use: call New.
type Engine struct {
	turn chan struct{} // holds one token: who has it may update

	mu     sync.Mutex
	tree   *tree // never changed in place
	closed bool
	users  sync.WaitGroup // transactions under way
}

type tree = btree.BTreeG[entry]

type entry struct{ key, value []byte }

// New returns an empty engine.
func New() *Engine {
	e := &Engine{
		turn: make(chan struct{}, 1),
		tree: btree.NewBTreeGOptions(func(a, b entry) bool {
			return bytes.Compare(a.key, b.key) < 0
		}, btree.Options{NoLocks: true}),
	}
	e.turn <- struct{}{}
	return e
}

// begin enters a transaction and returns a copy of the current tree.
func (e *Engine) begin() (*tree, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, kv.Closed
	}
	e.users.Add(1)
	return e.tree.Copy(), nil
}

// View implements kv.Engine.
func (e *Engine) View(ctx context.Context, fn func(kv.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	tree, err := e.begin()
	if err != nil {
		return err
	}
	defer e.users.Done()
	t := &txn{ctx: ctx, tree: tree}
	if err := fn(t); t.failed == nil {
		return err
	}
	return t.failed
}

// Update implements kv.Engine.
func (e *Engine) Update(ctx context.Context, fn func(kv.Txn) error) error {
	select {
	case <-e.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { e.turn <- struct{}{} }()
	if err := ctx.Err(); err != nil {
		return err
	}
	tree, err := e.begin()
	if err != nil {
		return err
	}
	defer e.users.Done()
	t := &txn{ctx: ctx, tree: tree, written: map[string]int{}}
	if err := fn(t); err != nil && t.failed == nil {
		return err
	}
	if t.failed != nil {
		return t.failed
	}
	if len(t.written) > kv.MaxKeys || t.size > kv.MaxBytes {
		return fmt.Errorf("%d keys, %d bytes: %w", len(t.written), t.size, kv.TooBig)
	}
	e.mu.Lock()
	e.tree = tree
	e.mu.Unlock()
	return nil
}

// Backup implements kv.Engine.
func (e *Engine) Backup(ctx context.Context, w io.Writer) error {
	return e.View(ctx, func(r kv.Reader) error { return kv.WriteBackup(ctx, r, w) })
}

// Restore implements kv.Engine.
func (e *Engine) Restore(ctx context.Context, r io.Reader) error {
	return kv.RestoreBackup(ctx, e, r)
}

// Close implements kv.Engine.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.users.Wait()
	return nil
}

// txn is a Reader and Txn over a tree of its own.
type txn struct {
	ctx     context.Context
	tree    *tree
	written map[string]int // bytes of each key written, with its value
	size    int            // their sum
	failed  error
}

func (t *txn) Get(key []byte) ([]byte, error) {
	found, ok := t.tree.Get(entry{key: key})
	if !ok {
		return nil, kv.NotFound
	}
	return found.value, nil
}

func (t *txn) Scan(r kv.Range) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		n := 0
		step := func(found entry) bool {
			if n%256 == 0 && t.ctx.Err() != nil {
				t.failed = t.ctx.Err()
				return false
			}
			if !r.Holds(found.key) {
				// Going down, To itself may come first.
				return r.Reverse && bytes.Equal(found.key, r.To)
			}
			if r.KeysOnly {
				found.value = nil
			}
			n++
			return yield(found.key, found.value) && n != r.Limit
		}
		tree := t.tree
		if t.written != nil {
			tree = tree.Copy() // what is written during the scan does not show
		}
		switch {
		case !r.Reverse:
			tree.Ascend(entry{key: r.From}, step)
		case len(r.To) == 0:
			tree.Reverse(step)
		default:
			tree.Descend(entry{key: r.To}, step)
		}
	}
}

func (t *txn) Set(key, value []byte) {
	if !t.count(key, len(value)) {
		return
	}
	if value == nil {
		value = []byte{}
	}
	t.tree.Set(entry{key, value})
}

func (t *txn) Delete(key []byte) {
	if t.count(key, 0) {
		t.tree.Delete(entry{key: key})
	}
}

func (t *txn) count(key []byte, value int) bool {
	if len(key) == 0 || len(key) > kv.MaxKeySize {
		t.failed = fmt.Errorf("key of %d bytes: %w", len(key), kv.BadKey)
		return false
	}
	t.size += len(key) + value - t.written[string(key)]
	t.written[string(key)] = len(key) + value
	return true
}
