package badgerkv

import (
	"bytes"
	"iter"
	"strings"

	"github.com/dgraph-io/badger/v4"
	"github.com/tidwall/btree"

	"atrium/storage/kv"
)

// Scan implements kv.Reader. What the txn writes while the scan goes on does
// not show in it.
func (t *txn) Scan(r kv.Range) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		b := t.bounds(r)
		if bytes.Compare(b.from, b.to) >= 0 {
			return
		}
		s := scan{reverse: r.Reverse, window: window{heap: t.heap}}
		defer s.window.close()
		if t.own != nil {
			s.add(t.own, b)
		}
		for _, o := range t.below {
			s.add(o, b)
		}
		s.open(t.stored, b)
		defer s.stored.Close()
		for n := 0; n != r.Limit || n == 0; n++ {
			if n%256 == 0 && t.ctx.Err() != nil {
				t.fail(t.ctx.Err())
				return
			}
			key, value, ok, err := s.next(!r.KeysOnly)
			if err != nil {
				t.fail(err)
			}
			if !ok || err != nil || !yield(key[1:], value) {
				return
			}
		}
	}
}

// bounds are the ends of a range in full keys: from <= key < to.
type bounds struct{ from, to []byte }

func (t *txn) bounds(r kv.Range) bounds {
	b := bounds{from: spaced(nil, t.space, r.From), to: []byte{t.space + 1}}
	if len(r.To) > 0 {
		b.to = spaced(nil, t.space, r.To)
	}
	return b
}

// common is a prefix that all keys within b have, and in a reverse scan also the
// end where it begins.
func (b bounds) common(reverse bool) []byte {
	if !reverse && bytes.Equal(b.to, kv.After(b.from)) {
		return b.from
	}
	n := 0
	for n < min(len(b.from), len(b.to)) && b.from[n] == b.to[n] {
		n++
	}
	return b.from[:n]
}

// scan merges the writes of overlays, newest first, with what is stored.
type scan struct {
	reverse bool
	layers  []layer
	stored  *badger.Iterator
	from    []byte // a reverse scan of what is stored ends before it
	to      []byte // a forward one here
	key     []byte // the stored key at hand; nil when there is none
	taken   bool   // it was yielded
	window  window // for values in the heap
}

// layer is an overlay's part in a scan; w is nil at its end.
type layer struct {
	it    btree.IterG[*write]
	w     *write
	from  string
	to    string
	alive bool
}

// add adds an overlay that is older than those before.
func (s *scan) add(o *overlay, b bounds) {
	if len(o.writes) == 0 {
		return
	}
	l := layer{from: string(b.from), to: string(b.to), it: o.sorted().Iter()}
	if s.reverse {
		// To the first key at or after the end, and one back.
		if l.it.Seek(&write{key: l.to}) {
			l.alive = l.it.Prev()
		} else {
			l.alive = l.it.Last()
		}
	} else {
		l.alive = l.it.Seek(&write{key: l.from})
	}
	l.load()
	if l.w != nil {
		s.layers = append(s.layers, l)
	}
}

func (l *layer) load() {
	l.w = nil
	if l.alive {
		if w := l.it.Item(); w.key >= l.from && w.key < l.to {
			l.w = w
		}
	}
}

func (l *layer) advance(reverse bool) {
	if reverse {
		l.alive = l.it.Prev()
	} else {
		l.alive = l.it.Next()
	}
	l.load()
}

// open begins the scan of what is stored.
func (s *scan) open(stored *badger.Txn, b bounds) {
	s.from, s.to = b.from, b.to
	opt := badger.IteratorOptions{Reverse: s.reverse, Prefix: b.common(s.reverse)}
	s.stored = stored.NewIterator(opt)
	if !s.reverse {
		s.stored.Seek(b.from)
	} else if s.stored.Seek(b.to); s.stored.Valid() && bytes.Equal(s.stored.Item().Key(), b.to) {
		s.stored.Next()
	}
	s.loadStored()
}

func (s *scan) loadStored() {
	s.key = nil
	if s.stored.Valid() {
		key := s.stored.Item().Key()
		if s.reverse && bytes.Compare(key, s.from) >= 0 || !s.reverse && bytes.Compare(key, s.to) < 0 {
			s.key = key
		}
	}
}

// next returns the next key that is not deleted.
func (s *scan) next(wantValue bool) (key, value []byte, ok bool, err error) {
	if s.taken {
		s.taken = false
		s.stored.Next()
		s.loadStored()
	}
	for {
		w := s.first()
		if w == nil {
			return s.nextStored(wantValue)
		}
		s.skip(w.key)
		if w.deleted {
			continue
		}
		if wantValue {
			value = w.value
		}
		return keyBytes(w.key), value, true, nil
	}
}

// nextStored returns the stored key at hand.
func (s *scan) nextStored(wantValue bool) (key, value []byte, ok bool, err error) {
	if s.key == nil {
		return nil, nil, false, nil
	}
	s.taken = true
	if wantValue {
		value, err = storedValue(s.stored.Item(), s.window.read)
	}
	return s.key, value, err == nil, err
}

// first returns the newest write to the next key, nil when the next key is
// stored and in no layer, or there is none.
func (s *scan) first() (best *write) {
	for i := range s.layers {
		if w := s.layers[i].w; w != nil && (best == nil || s.before(w.key, best.key)) {
			best = w
		}
	}
	if best != nil && s.key != nil && !bytes.Equal(s.key, keyBytes(best.key)) &&
		(bytes.Compare(s.key, keyBytes(best.key)) < 0) != s.reverse {
		return nil
	}
	return best
}

func (s *scan) before(a, b string) bool {
	if s.reverse {
		return strings.Compare(a, b) > 0
	}
	return strings.Compare(a, b) < 0
}

// skip moves all that stand at key to the next.
func (s *scan) skip(key string) {
	for i := range s.layers {
		if l := &s.layers[i]; l.w != nil && l.w.key == key {
			l.advance(s.reverse)
		}
	}
	if string(s.key) == key {
		s.stored.Next()
		s.loadStored()
	}
}
