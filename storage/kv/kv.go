package kv

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
)

// Kind is a class of failure. It is itself an error, so that errors.Is finds
// it in whatever an engine returns.
type Kind string

func (k Kind) Error() string { return string(k) }

const (
	// NotFound means that a key has no value.
	NotFound Kind = "key not found"
	// TooBig means that one Update wrote more than the engine takes at once
	// (see MaxKeys and MaxBytes); nothing was written.
	TooBig Kind = "transaction too big"
	// Closed means that the engine was closed before the call could do its work.
	Closed Kind = "engine closed"
	// Broken means that the engine could not make a write durable and takes no
	// more writes until it is opened again.
	Broken Kind = "engine broken"
	// Full means that the disk has no room for the write, or too little left to
	// go on safely.
	Full Kind = "no space left"
	// BadKey means that an Update wrote a key that is empty or too long.
	BadKey Kind = "key empty or too long"
)

// MaxKeys and MaxBytes bound what one Update may write: number of different
// keys, and bytes of keys and values together, the last value of each key
// counting. Large work goes in batches, each correct alone. MaxKeySize is the
// longest key, in bytes.
const (
	MaxKeys    = 4000
	MaxBytes   = 1 << 20
	MaxKeySize = 1 << 10
)

// Engine is an ordered transactional key-value store. Keys are not empty, at
// most MaxKeySize long, and sort by bytes. Update fails with BadKey when fn wrote
// another one; reads find nothing under it.
type Engine interface {
	// View runs fn on one consistent snapshot. It never waits for a writer and
	// no writer waits for it.
	View(ctx context.Context, fn func(Reader) error) error

	// Update runs fn in a serializable transaction. When it returns nil, all
	// that fn wrote is durable and every later View sees it; when it returns an
	// error, nothing of it is. fn may run more than once and on another
	// goroutine: it touches nothing but its Txn and variables it sets afresh
	// each time. fn is to be quick: it does no I/O of its own, takes no locks
	// that are held over I/O, and calls no method of the Engine (an Update in
	// an Update waits for itself). When fn panics, nothing of it is written and
	// the panic goes on in the goroutine that called Update.
	Update(ctx context.Context, fn func(Txn) error) error

	// Backup writes a consistent copy of everything to w; Restore reads such a
	// copy into an empty engine. The format does not depend on the engine.
	Backup(ctx context.Context, w io.Writer) error
	Restore(ctx context.Context, r io.Reader) error

	// Close waits for the transactions that are under way and closes the engine.
	Close() error
}

// Verifier is an Engine that can read all it stores and prove its checksums. The
// error is Damaged, with the place, when one does not match. It may take long.
type Verifier interface {
	Verify(ctx context.Context) error
}

// Reader reads one snapshot. It is used by one goroutine at a time. Slices that
// it returns are valid until the transaction ends and must not be changed. It is of
// no use after fn returned.
type Reader interface {
	// Get returns the value of key or an error that is NotFound.
	Get(key []byte) ([]byte, error)
	// Scan yields the keys in r in order. The slices it yields are valid until
	// the next step of the loop only. A read that fails ends the scan, and so
	// does the end of the context; View or Update then returns the failure
	// whatever fn returns. A Reader has room for a few scans inside each other.
	Scan(r Range) iter.Seq2[[]byte, []byte]
}

// Txn is a Reader that sees its own writes. The caller must not change key and
// value after the call. Writes during a Scan do not
// change what that Scan yields.
type Txn interface {
	Reader
	Set(key, value []byte)
	Delete(key []byte)
}

// Range is a part of the key space: From <= key < To; a nil or empty To has no end.
type Range struct {
	From, To []byte
	Reverse  bool // from the last key to the first
	KeysOnly bool // the values are nil
	Limit    int  // at most so many keys; 0 is no limit
}

// Holds tells whether key is in the part of the key space that r names.
func (r Range) Holds(key []byte) bool {
	return bytes.Compare(key, r.From) >= 0 && (len(r.To) == 0 || bytes.Compare(key, r.To) < 0)
}

// String is for errors and logs.
func (r Range) String() string {
	return fmt.Sprintf("[%q, %q) reverse=%t keys=%t limit=%d", r.From, r.To, r.Reverse, r.KeysOnly, r.Limit)
}

// Prefix is the range of all keys that begin with p.
func Prefix(p []byte) Range { return Range{From: p, To: After(p)} }

// After returns the first key that sorts after all keys beginning with p, nil
// when there is none.
func After(p []byte) []byte {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] != 0xff {
			q := append([]byte(nil), p[:i+1]...)
			q[i]++
			return q
		}
	}
	return nil
}
