package mail

import (
	"context"
	"errors"
	"iter"

	"atrium/mail/message"
	"atrium/storage"
)

// Search yields the positions of the messages of a snapshot for which c is
// true, ascending. It looks at rows first, then at index records, then at
// signatures, and reads only the bodies that are left. Memory is bounded; it
// ends with the context's error. A message that went meanwhile and cannot be
// read any more is left out. The actor needs Read.
func (a *Account) Search(ctx context.Context, s *Snapshot, c Criteria) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		f, err := compile(s, c)
		if err != nil {
			yield(0, err)
			return
		}
		run := search{a: a, ctx: ctx, s: s, f: f}
		run.all(yield)
	}
}

// search is one run of Search.
type search struct {
	a   *Account
	ctx context.Context
	s   *Snapshot
	f   filter
}

// candidate is a message that rows could not decide.
type candidate struct {
	pos   int
	m     Message
	known truth // yes: it only waits for its turn
}

// searchChunk bounds what is kept: candidates, and decided ones between them.
const searchChunk = 512

func (r *search) all(yield func(int, error) bool) {
	if r.f.needs() == 0 {
		r.rows(yield)
		return
	}
	chunk := make([]candidate, 0, searchChunk)
	open := 0 // of them undecided
	e := evidence{}
	for pos, m := range r.candidates() {
		e.m = m
		switch t := r.f.eval(&e); t {
		case no:
			continue
		case yes:
			if open == 0 {
				if !yield(pos, nil) {
					return
				}
				continue
			}
			chunk = append(chunk, candidate{pos, m, yes})
		default:
			chunk = append(chunk, candidate{pos, m, maybe})
			open++
		}
		if len(chunk) == searchChunk {
			if !r.decide(chunk, yield) {
				return
			}
			chunk, open = chunk[:0], 0
		}
	}
	r.decide(chunk, yield)
}

// candidates yields the messages that can match at all: those in the set of UIDs that c begins with, if it does.
func (r *search) candidates() iter.Seq2[int, Message] {
	if and, ok := r.f.(*all); ok {
		for _, f := range and.of {
			if u, ok := f.(*inUIDs); ok {
				return r.s.In(u.set)
			}
		}
	}
	return r.s.Messages(0, r.s.Len())
}

// rows searches by rows alone.
func (r *search) rows(yield func(int, error) bool) {
	e := evidence{}
	n := 0
	for pos, m := range r.candidates() {
		if n++; n&(1<<14-1) == 0 && r.ctx.Err() != nil {
			yield(0, r.ctx.Err())
			return
		}
		e.m = m
		if r.f.eval(&e) == yes && !yield(pos, nil) {
			return
		}
	}
}

// decide finds out about the candidates of a chunk and yields those that match;
// false when the loop ended.
func (r *search) decide(chunk []candidate, yield func(int, error) bool) bool {
	ev := make([]evidence, len(chunk))
	for i := range chunk {
		ev[i].m = chunk[i].m
	}
	if err := r.learn(chunk, ev); err != nil {
		yield(0, err)
		return false
	}
	for i := range chunk {
		c := &chunk[i]
		if c.known == maybe {
			if err := r.read(c, &ev[i]); err != nil {
				yield(0, err)
				return false
			}
		}
		if c.known == yes && !yield(c.pos, nil) {
			return false
		}
	}
	return true
}

// learn evaluates with index records and signatures, in the order that
// reads least. Candidates that stay open have their index.
func (r *search) learn(chunk []candidate, ev []evidence) error {
	first := r.f.needs()&needIndex != 0
	if first {
		if err := r.indexes(chunk, ev); err != nil {
			return err
		}
	}
	for f, err := range r.a.facets(r.ctx, r.s.ID, SignatureFacet, open(chunk)) {
		if err != nil {
			return err
		}
		ev[f.pos].sig = f.value
		chunk[f.pos].known = r.f.eval(&ev[f.pos])
		if chunk[f.pos].known != maybe {
			ev[f.pos].sig = nil
		}
	}
	if first {
		return nil
	}
	return r.indexes(chunk, ev)
}

// open yields the places and messages of undecided candidates.
func open(chunk []candidate) iter.Seq2[int, Message] {
	return func(yield func(int, Message) bool) {
		for i := range chunk {
			if chunk[i].known == maybe && !yield(i, chunk[i].m) {
				return
			}
		}
	}
}

// indexes evaluates with index records. A message without one is gone.
func (r *search) indexes(chunk []candidate, ev []evidence) error {
	for f, err := range r.a.facets(r.ctx, r.s.ID, IndexFacet, open(chunk)) {
		if err != nil {
			return err
		}
		e := &ev[f.pos]
		if e.x, err = message.OpenIndex(f.value); err != nil {
			continue // the check of the store names it; a search goes on
		}
		e.indexed = true
		chunk[f.pos].known = r.f.eval(e)
	}
	for i := range chunk {
		if chunk[i].known == maybe && !ev[i].indexed {
			chunk[i].known = no
		}
	}
	return nil
}

// read evaluates with the message's bytes.
func (r *search) read(c *candidate, e *evidence) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	b, err := r.a.Body(r.ctx, r.s.ID, c.m)
	if errors.Is(err, storage.NotFound) {
		c.known = no
		return nil
	}
	if err != nil {
		return err
	}
	defer b.Close()
	e.body = b
	c.known = r.f.eval(e)
	return e.err
}
