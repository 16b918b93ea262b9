package contacts

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"

	"atrium/contacts/card"
	"atrium/contacts/query"
	"atrium/storage"
	"atrium/storage/blob"
	"atrium/storage/kv"
)

// Data returns a card's octets.
func Data(ctx context.Context, v *storage.View, blobs blob.Store, o storage.ObjectID) ([]byte, error) {
	raw, err := Peek(ctx, v, blobs, o)
	return bytes.Clone(raw), err
}

// Peek is Data without a copy: valid until the View ends, and not to be changed.
func Peek(ctx context.Context, v *storage.View, blobs blob.Store, o storage.ObjectID) ([]byte, error) {
	raw, err := v.PeekFacet(o, rawFacet)
	if !errors.Is(err, storage.NotFound) {
		return raw, err
	}
	ref, err := v.Blob(o)
	if err != nil {
		return nil, err
	}
	if ref.IsZero() {
		return nil, fmt.Errorf("card of object %d: %w", o, storage.NotFound)
	}
	body, err := blobs.Open(ctx, ref)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	out := bytes.NewBuffer(make([]byte, 0, body.Size()))
	_, err = body.WriteTo(out)
	return out.Bytes(), err
}

// Delta is what changed in an address book between two modseqs.
type Delta struct {
	Changed []Entry
	Gone    []string // names that exist no more
	Modseq  uint64
	More    bool
}

// Changes returns what changed since a modseq; see storage.View.Changes.
func Changes(v *storage.View, id storage.CollectionID, since uint64, limit int) (Delta, error) {
	c, err := v.Changes(id, since, limit)
	if err != nil {
		return Delta{Modseq: c.Modseq}, err
	}
	d := Delta{Modseq: c.Modseq, More: c.More}
	if len(c.Changed) > 4 { // all rows in memory: one by one they cost a page each
		if _, err := v.Table(id); err != nil {
			return Delta{}, err
		}
	}
	for _, n := range c.Changed {
		r, err := v.Row(id, n)
		if errors.Is(err, storage.NotFound) {
			continue // gone in what the limit cut off
		}
		if err != nil {
			return d, err
		}
		e, err := entryOf(&r)
		if err != nil {
			return d, err
		}
		d.Changed = append(d.Changed, e)
	}
	for _, g := range append(c.Gone, c.Passed...) { // a client that looked in between saw the passed ones
		name := string(g.Note)
		_, err := ByName(v, id, name)
		switch {
		case errors.Is(err, storage.NotFound):
			d.Gone = append(d.Gone, name)
		case err != nil:
			return d, err
		}
	}
	slices.Sort(d.Gone)
	d.Gone = slices.Compact(d.Gone) // a name may have come and gone twice
	return d, nil
}

// Match is an entry that Query found. Its data can be read only while the View lasts.
type Match struct {
	Entry
	read func(storage.ObjectID) ([]byte, error)
	raw  []byte
	card *card.Card
}

// Data returns the card's octets, not to be changed.
func (m *Match) Data() ([]byte, error) {
	if m.raw == nil {
		raw, err := m.read(m.Object)
		if err != nil {
			return nil, fmt.Errorf("card %q: %w", m.Name, err)
		}
		m.raw = raw
	}
	return m.raw, nil
}

// Card returns the parsed card.
func (m *Match) Card() (*card.Card, error) {
	if m.card == nil {
		raw, err := m.Data()
		if err != nil {
			return nil, err
		}
		if m.card, err = card.Parse(raw, card.Limits{}); err != nil {
			return nil, fmt.Errorf("stored card %q: %w", m.Name, err)
		}
	}
	return m.card, nil
}

// Query yields the cards that match a filter, by Num ascending. A failure is
// yielded once, as the last.
func Query(ctx context.Context, v *storage.View, blobs blob.Store, id storage.CollectionID, f *query.Filter) iter.Seq2[*Match, error] {
	return func(yield func(*Match, error) bool) {
		if err := f.Validate(); err != nil {
			yield(nil, err)
			return
		}
		t, err := v.Table(id)
		if err != nil {
			yield(nil, err)
			return
		}
		s := search{ctx: ctx, f: f, t: t, yield: yield, read: func(o storage.ObjectID) ([]byte, error) { return Peek(ctx, v, blobs, o) }}
		if len(f.Props) == 0 {
			s.until(t.Next(), true)
			return
		}
		// Digests and rows come in the same order; a row without a digest is looked at itself.
		m := f.Matcher()
		r := kv.Prefix([]byte{digestTag})
		for k, digest := range v.ScanIndex(id, r) {
			if len(k) != 5 {
				continue
			}
			n := storage.Num(binary.BigEndian.Uint32(k[1:]))
			match, sure := m.Digest(digest)
			if !s.until(n, false) || !s.row(n, match, sure) {
				return
			}
		}
		s.until(t.Next(), false)
	}
}

// search walks over the rows of a table for Query.
type search struct {
	ctx   context.Context
	f     *query.Filter
	t     *storage.Table
	pos   int
	read  func(storage.ObjectID) ([]byte, error)
	yield func(*Match, error) bool
	count int
}

// until looks at the rows before n: all match when sure. False ends the search.
func (s *search) until(n storage.Num, sure bool) bool {
	for s.pos < s.t.Len() {
		row := s.t.At(s.pos)
		if row.Num >= n {
			break
		}
		s.pos++
		if !s.try(&row, sure) {
			return false
		}
	}
	return true
}

// row is the row of a digest, if it is still there.
func (s *search) row(n storage.Num, match, sure bool) bool {
	if s.pos >= s.t.Len() {
		return true
	}
	row := s.t.At(s.pos)
	if row.Num != n {
		return true
	}
	s.pos++
	if s.count++; s.count%256 == 0 && s.ctx.Err() != nil {
		s.yield(nil, s.ctx.Err())
		return false
	}
	return sure && !match || s.try(&row, sure)
}

// try yields a row that matches.
func (s *search) try(row *storage.Row, sure bool) bool {
	e, err := entryOf(row)
	if err != nil {
		return true // atrium check names it; the others are to be had
	}
	m := &Match{Entry: e, read: s.read}
	if !sure {
		c, err := m.Card()
		if err != nil {
			s.yield(nil, err)
			return false
		}
		if !s.f.Match(c) {
			return true
		}
	}
	return s.yield(m, nil)
}

// Bodies calls fn with the octets of each of objects, ascending, that live in the store's own
// records, by its index; they are valid during the call. It is for many cards that lie close together.
func Bodies(v *storage.View, objects []storage.ObjectID, fn func(i int, raw []byte) error) error {
	return v.Facets(rawFacet, objects, fn)
}
