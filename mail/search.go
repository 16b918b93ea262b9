package mail

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"atrium/mail/message"
	"atrium/storage"
	"atrium/storage/blob"
)

// Search yields the positions of the messages of a snapshot for which c is
// true, ascending. It looks at rows first, then at index records, then at
// signatures, and reads only the bodies that are left; where cores are free it
// looks at several parts of the mailbox at once. Memory is bounded; it
// ends with the context's error. A message that went meanwhile and cannot be
// read any more is left out. The actor needs Read.
func (a *Account) Search(ctx context.Context, s *Snapshot, c Criteria) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		f, err := compile(s, c)
		if err != nil {
			yield(0, err)
			return
		}
		ctx, stop := context.WithCancel(ctx)
		run := search{a: a, ctx: ctx, s: s, c: c, f: f, crew: &a.store.crew}
		defer func() {
			stop()
			run.helpers.Wait()
		}()
		if f.needs() == 0 {
			run.rows(yield)
		} else {
			run.all(yield)
		}
	}
}

// search is one run of Search.
type search struct {
	a    *Account
	ctx  context.Context
	s    *Snapshot
	c    Criteria
	f    filter
	crew *crew

	helpers sync.WaitGroup
	queue   []*chunk // handed out or decided, not yielded yet
	mu      sync.Mutex
	idle    []*searcher
}

// candidate is a message that rows could not decide.
type candidate struct {
	pos   int
	m     Message
	known truth // yes: it only waits for its turn
}

// chunk is a part of the candidates.
type chunk struct {
	of   []candidate
	open int // of them undecided
	err  error
	done chan struct{} // closed when it is decided; nil when it was at once
}

// Bounds of what is kept: candidates, and decided ones between them, in each of some chunks.
const (
	searchChunk  = 256
	searchChunks = 16
)

// crew counts the goroutines that help in searches, of all accounts.
type crew struct{ busy atomic.Int32 }

// join tells whether there is a core for one more.
func (c *crew) join() bool {
	if int(c.busy.Add(1)) < runtime.GOMAXPROCS(0) {
		return true
	}
	c.busy.Add(-1)
	return false
}

func (c *crew) leave() { c.busy.Add(-1) }

func (r *search) all(yield func(int, error) bool) {
	next := &chunk{}
	e := evidence{}
	for pos, m := range r.candidates() {
		e.m = m
		t := r.f.eval(&e)
		switch {
		case t == no:
			continue
		case t == maybe:
			next.open++
		case len(next.of) == 0 && len(r.queue) == 0:
			if !yield(pos, nil) {
				return
			}
			continue
		}
		next.of = append(next.of, candidate{pos, m, t})
		if len(next.of) == searchChunk {
			r.decide(next)
			if !r.answer(yield, searchChunks-1) {
				return
			}
			next = &chunk{}
		}
	}
	r.queue = append(r.queue, next)
	r.alone(next)
	r.answer(yield, 0)
}

// decide finds out about the candidates of a chunk: with a helper if there is one, else at once.
func (r *search) decide(c *chunk) {
	r.queue = append(r.queue, c)
	if c.open == 0 || !r.crew.join() {
		r.alone(c)
		return
	}
	c.done = make(chan struct{})
	r.helpers.Go(func() {
		defer r.crew.leave()
		defer close(c.done)
		r.alone(c)
	})
}

func (r *search) alone(c *chunk) {
	if c.open > 0 {
		w := r.searcher()
		c.err = w.decide(c)
		r.mu.Lock()
		r.idle = append(r.idle, w)
		r.mu.Unlock()
	}
}

// answer yields from the chunks that are decided, and waits for those that are more than left;
// false when the loop ended.
func (r *search) answer(yield func(int, error) bool, left int) bool {
	for len(r.queue) > 0 {
		c := r.queue[0]
		if c.done != nil && len(r.queue) <= left {
			select {
			case <-c.done:
			default:
				return true
			}
		} else if c.done != nil {
			<-c.done
		}
		r.queue = r.queue[1:]
		if c.err != nil {
			yield(0, c.err)
			return false
		}
		for i := range c.of {
			if c.of[i].known == yes && !yield(c.of[i].pos, nil) {
				return false
			}
		}
	}
	return true
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

// searcher decides chunks. Filters remember what they look for in a form that is for one goroutine:
// each searcher has its own.
type searcher struct {
	r       *search
	f       filter
	c       *chunk
	ev      []evidence
	open    []int // the candidates that are undecided
	objects []storage.ObjectID
	refs    []blob.Ref
	arena   []byte
}

// searcher returns one that has nothing to do.
func (r *search) searcher() *searcher {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.idle); n > 0 {
		w := r.idle[n-1]
		r.idle = r.idle[:n-1]
		return w
	}
	f, _ := compile(r.s, r.c) // it went well before
	return &searcher{r: r, f: f}
}

// decide finds out about the candidates of c: from all that one view has, and then from bodies.
func (w *searcher) decide(c *chunk) error {
	w.c, w.arena = c, w.arena[:0]
	w.ev = slices.Grow(w.ev[:0], len(c.of))[:len(c.of)]
	clear(w.ev)
	for i := range c.of {
		w.ev[i].m = c.of[i].m
	}
	if err := w.r.a.view(w.r.ctx, w.learn); err != nil {
		return err
	}
	for k, i := range w.open {
		if err := w.read(i, w.refs[k]); err != nil {
			return err
		}
	}
	if cap(w.arena) > maxArena {
		w.arena = nil
	}
	return nil
}

// maxArena bounds the memory that a searcher keeps from one chunk to the next.
const maxArena = 4 << 20

// learn evaluates with index records and signatures, in the order that
// reads least, and finds the bodies of the candidates that stay open.
func (w *searcher) learn(v *storage.View) error {
	if _, err := w.r.a.allow(v, w.r.s.ID, storage.Read); err != nil {
		return err
	}
	steps := []func(*storage.View) error{w.signatures, w.indexes}
	if w.f.needs()&needIndex != 0 {
		steps[0], steps[1] = steps[1], steps[0]
	}
	for _, step := range steps {
		if w.list(); len(w.open) == 0 {
			return nil
		}
		if err := step(v); err != nil {
			return err
		}
	}
	w.list()
	w.refs = slices.Grow(w.refs[:0], len(w.open))[:len(w.open)]
	clear(w.refs)
	return v.Blobs(w.objects, func(k int, ref blob.Ref) error {
		w.refs[k] = ref
		return nil
	})
}

// list lists the undecided candidates.
func (w *searcher) list() {
	w.open, w.objects = w.open[:0], w.objects[:0]
	for i := range w.c.of {
		if w.c.of[i].known == maybe {
			w.open = append(w.open, i)
			w.objects = append(w.objects, w.c.of[i].m.Object)
		}
	}
}

func (w *searcher) signatures(v *storage.View) error {
	return v.Facets(SignatureFacet, w.objects, func(k int, value []byte) error {
		i := w.open[k]
		w.ev[i].sig = value
		if w.eval(i); w.c.of[i].known == maybe {
			w.ev[i].sig = w.keep(value)
		}
		return nil
	})
}

// indexes evaluates with index records. A message without one is gone; one that cannot be read is named by the
// check of the store, and a search goes on.
func (w *searcher) indexes(v *storage.View) error {
	for _, i := range w.open {
		w.c.of[i].known = no
	}
	return v.Facets(IndexFacet, w.objects, func(k int, value []byte) error {
		i := w.open[k]
		w.ev[i].rec = value
		if w.eval(i); w.c.of[i].known == maybe {
			w.ev[i].rec = w.keep(value)
		}
		return nil
	})
}

// keep copies what a view's step has.
func (w *searcher) keep(value []byte) []byte {
	at := len(w.arena)
	w.arena = append(w.arena, value...)
	return w.arena[at:len(w.arena):len(w.arena)]
}

// eval evaluates with the evidence there is. An index that is open may be a hundred times its record: it is not kept.
func (w *searcher) eval(i int) {
	e := &w.ev[i]
	known := no
	if e.rec != nil {
		var err error
		e.x, err = message.OpenIndex(e.rec)
		e.indexed = err == nil
	}
	if e.rec == nil || e.indexed {
		known = w.f.eval(e)
	}
	w.c.of[i].known = known
	e.x, e.indexed = message.Index{}, false
}

// read evaluates with the message's bytes.
func (w *searcher) read(i int, ref blob.Ref) error {
	if err := w.r.ctx.Err(); err != nil {
		return err
	}
	b, err := w.r.a.openBody(w.r.ctx, ref)
	if errors.Is(err, storage.NotFound) {
		w.c.of[i].known = no
		return nil
	}
	if err != nil {
		return err
	}
	defer b.Close()
	e := &w.ev[i]
	e.body = b
	w.eval(i)
	e.body = nil
	return e.err
}
