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
// connection. An index is valid until the loop's next step. A message that went
// meanwhile and whose record is gone is left out. An error ends it. The actor needs Read.
func (a *Account) Indexes(ctx context.Context, id ID, msgs iter.Seq2[int, Message]) iter.Seq2[Indexed, error] {
	return func(yield func(Indexed, error) bool) {
		r := indexReader{a: a, ctx: ctx, id: id, size: firstIndexes}
		for pos, m := range msgs {
			r.batch = append(r.batch, Indexed{Pos: pos, Message: m})
			if len(r.batch) >= r.size && !r.flush(yield) {
				return
			}
		}
		r.flush(yield)
	}
}

// Index records are read in batches that grow from the first, which is small so that an answer
// begins soon.
const (
	firstIndexes = 8
	maxIndexes   = 256
	indexBytes   = 1 << 20 // a batch ends when it has so many
)

// indexReader reads batches of index records. Its memory serves one after another.
type indexReader struct {
	a       *Account
	ctx     context.Context
	id      ID
	size    int // of the batch to come
	batch   []Indexed
	objects []storage.ObjectID
	arena   []byte
	ends    []int // where the records end in arena, -1 for one that is gone
}

// flush yields the batch; false when the loop ended.
func (r *indexReader) flush(yield func(Indexed, error) bool) bool {
	for rest := r.batch; len(rest) > 0; {
		if err := r.read(rest); err != nil {
			yield(Indexed{}, err)
			return false
		}
		from := 0
		for i, end := range r.ends {
			if end < 0 {
				continue
			}
			x := &rest[i]
			var err error
			if x.Index, err = message.OpenIndex(r.arena[from:end:end]); err != nil {
				err = fmt.Errorf("index of message %d: %w: %w", x.UID, storage.Corrupt, err)
			}
			if from = end; !yield(*x, err) || err != nil {
				return false
			}
		}
		rest = rest[len(r.ends):]
	}
	r.batch = r.batch[:0]
	r.size = min(2*r.size, maxIndexes)
	return true
}

// errFull ends a read when the batch is large enough.
var errFull = errors.New("batch is full")

// read reads the records of the first messages of batch, more than none: as many as ends has.
func (r *indexReader) read(batch []Indexed) error {
	r.objects = r.objects[:0]
	for i := range batch {
		r.objects = append(r.objects, batch[i].Object)
	}
	err := r.a.view(r.ctx, func(v *storage.View) error {
		if _, err := r.a.allow(v, r.id, storage.Read); err != nil {
			return err
		}
		r.arena, r.ends = r.arena[:0], r.ends[:0]
		return v.Facets(IndexFacet, r.objects, func(i int, value []byte) error {
			r.gone(i)
			r.arena = append(r.arena, value...)
			r.ends = append(r.ends, len(r.arena))
			if len(r.arena) >= indexBytes {
				return errFull
			}
			return nil
		})
	})
	if err == nil {
		r.gone(len(batch))
	} else if errors.Is(err, errFull) {
		err = nil
	}
	return err
}

// gone notes that the messages up to n, those that ends has not, have no record.
func (r *indexReader) gone(n int) {
	for len(r.ends) < n {
		r.ends = append(r.ends, -1)
	}
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
