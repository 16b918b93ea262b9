package mail

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"atrium/mail/message"
	"atrium/storage"
	"atrium/storage/blob"
)

// Index returns the index record of a message. The actor needs Read; NotFound
// when the message went some time ago.
func (a *Account) Index(ctx context.Context, id ID, m Message) (x message.Index, err error) {
	err = a.view(ctx, func(v *storage.View) error {
		if _, err := a.allow(v, id, storage.Read); err != nil {
			return err
		}
		b, err := v.Facet(m.Object, IndexFacet)
		if err != nil {
			return err
		}
		x, err = message.OpenIndex(b)
		return err
	})
	return x, err
}

// Indexed is a message at its position with its index record.
type Indexed struct {
	Pos int
	Message
	Index message.Index
}

// Indexes yields messages with their index records, read in batches; nothing of
// the store is held while the loop's body runs, so it may write to a slow
// connection. A message that went meanwhile and whose record is gone is left
// out. An error ends it. The actor needs Read.
func (a *Account) Indexes(ctx context.Context, id ID, msgs iter.Seq2[int, Message]) iter.Seq2[Indexed, error] {
	return func(yield func(Indexed, error) bool) {
		for f, err := range a.facets(ctx, id, IndexFacet, msgs) {
			x := Indexed{Pos: f.pos, Message: f.m}
			if err == nil {
				if x.Index, err = message.OpenIndex(f.value); err != nil {
					err = fmt.Errorf("index of message %d: %w: %w", f.m.UID, storage.Corrupt, err)
				}
			}
			if !yield(x, err) || err != nil {
				return
			}
		}
	}
}

// faceted is a message with one of its facets.
type faceted struct {
	pos   int
	m     Message
	value []byte
}

// Facets are read in batches that grow from the first, which is small so that an answer
// begins soon.
const (
	firstFacets = 8
	maxFacets   = 256
	facetBytes  = 1 << 20 // a batch ends when it has so many
)

// facets yields a facet of messages, reading a batch of them in one view.
func (a *Account) facets(ctx context.Context, id ID, facet byte, msgs iter.Seq2[int, Message]) iter.Seq2[faceted, error] {
	return func(yield func(faceted, error) bool) {
		size := firstFacets
		batch := make([]faceted, 0, size)
		flush := func() bool {
			for rest := batch; len(rest) > 0; {
				n, err := a.readFacets(ctx, id, facet, rest)
				if err != nil {
					yield(faceted{}, err)
					return false
				}
				for i := range rest[:n] {
					if rest[i].value != nil && !yield(rest[i], nil) {
						return false
					}
				}
				rest = rest[n:]
			}
			batch = batch[:0]
			size = min(2*size, maxFacets)
			return true
		}
		for pos, m := range msgs {
			batch = append(batch, faceted{pos: pos, m: m})
			if len(batch) >= size && !flush() {
				return
			}
		}
		flush()
	}
}

// readFacets reads facets of the first n of batch, more than none; the value is nil where there is none.
func (a *Account) readFacets(ctx context.Context, id ID, facet byte, batch []faceted) (n int, err error) {
	err = a.view(ctx, func(v *storage.View) error {
		if _, err := a.allow(v, id, storage.Read); err != nil {
			return err
		}
		// One allocation for all, since what a view reads ends with it.
		arena := make([]byte, 0, 1024*len(batch))
		n = 0
		for i := range batch {
			b, err := v.PeekFacet(batch[i].m.Object, facet)
			n++
			batch[i].value = nil
			if errors.Is(err, storage.NotFound) {
				continue
			}
			if err != nil {
				return err
			}
			at := len(arena)
			arena = append(arena, b...)
			batch[i].value = arena[at:len(arena):len(arena)]
			if len(arena) >= facetBytes {
				break
			}
		}
		return nil
	})
	return n, err
}

// Body opens the message's bytes. Close it. The actor needs Read; NotFound when
// the message went some time ago.
func (a *Account) Body(ctx context.Context, id ID, m Message) (blob.Body, error) {
	ref, err := a.blob(ctx, id, m)
	if err != nil {
		return nil, err
	}
	return a.openBody(ctx, ref)
}

func (a *Account) blob(ctx context.Context, id ID, m Message) (ref blob.Ref, err error) {
	err = a.view(ctx, func(v *storage.View) error {
		if _, err := a.allow(v, id, storage.Read); err != nil {
			return err
		}
		ref, err = v.Blob(m.Object)
		return err
	})
	return ref, err
}

func (a *Account) openBody(ctx context.Context, ref blob.Ref) (blob.Body, error) {
	b, err := a.store.storage.Blobs().Open(ctx, ref)
	if errors.Is(err, blob.NotFound) {
		return nil, fmt.Errorf("body %v: %w: %w", ref.Hash, storage.NotFound, err)
	}
	return b, err
}
