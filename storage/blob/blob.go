package blob

import (
	"context"
	"encoding/hex"
	"io"
	"iter"
)

// Kind is a class of failure.
type Kind string

func (k Kind) Error() string { return string(k) }

const (
	// NotFound means that the store has no body with that hash.
	NotFound Kind = "blob not found"
	// TooLarge means that a body went over the limit that its Spool was given.
	TooLarge Kind = "blob too large"
	// Corrupt means that the stored bytes do not have the hash they are filed under.
	Corrupt Kind = "blob corrupt"
)

// Hash is the SHA-256 of a body.
type Hash [32]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Ref names a body: its hash and its size in bytes.
type Ref struct {
	Hash Hash
	Size int64
}

// IsZero tells whether r names no body.
func (r Ref) IsZero() bool { return r == Ref{} }

// Store keeps immutable bodies by content hash.
type Store interface {
	// Spool begins a body. At most limit bytes may be written to it (0: no
	// limit), then Write fails with TooLarge.
	Spool(ctx context.Context, limit int64) (Spool, error)

	// Open opens a body for reading; NotFound when there is none.
	Open(ctx context.Context, ref Ref) (Body, error)

	// Sweep removes the bodies for which live tells false and gives their
	// space back over time. Bodies of a Spool that is not released yet stay, and
	// those that were committed, for the first time or again, within the
	// store's grace (minutes): what is live may be found out just before Sweep,
	// from one snapshot of all that refers to bodies.
	Sweep(ctx context.Context, live func(Hash) (bool, error)) (removed int, bytes int64, err error)

	// Walk yields all bodies in the order of their hashes; those that no Update
	// has followed yet may be missing.
	Walk(ctx context.Context) iter.Seq2[Ref, error]

	// Verify reads a body and compares its hash: Corrupt, NotFound or nil.
	Verify(ctx context.Context, h Hash) error

	Close() error
}

// Spool takes one body, in memory while it is small and in a file when it is
// not. It is for one goroutine.
type Spool interface {
	io.Writer
	io.ReaderAt // what was written so far, for parsing before Commit
	Size() int64
	Sum() Hash // of what was written so far

	// Commit files the body and returns its Ref. The body is durable at the
	// latest when the next kv Update that begins after Commit returns has
	// returned: file it first, refer to it from an Update then. The body is
	// safe from Sweep until Release.
	Commit(ctx context.Context) (Ref, error)

	// Release ends the Spool, committed or not, and frees its memory or file.
	// It may be called more than once.
	Release()
}

// Body is an open body: ReadAt for ranges, WriteTo for all of it.
type Body interface {
	io.ReaderAt
	io.WriterTo
	io.Closer
	Size() int64
}
