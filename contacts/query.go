package contacts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"atrium/contacts/card"
	"atrium/contacts/query"
	"atrium/storage"
	"atrium/storage/blob"
)

// Data returns a card's octets.
func Data(ctx context.Context, v *storage.View, blobs blob.Store, o storage.ObjectID) ([]byte, error) {
	raw, err := v.Facet(o, rawFacet)
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

// Match is an entry that Query found.
type Match struct {
	Entry
	raw  []byte
	card *card.Card
}

// Data returns the card's octets.
func (m *Match) Data() []byte { return m.raw }

// Card returns the parsed card.
func (m *Match) Card() *card.Card { return m.card }

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
		whole := slices.ContainsFunc(bulky, f.Needs)
		for e := range Entries(t) {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			m, err := try(ctx, v, blobs, e, f, whole)
			if m == nil && err == nil {
				continue
			}
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// try returns a Match when an entry matches. Where it can it reads the digest alone.
func try(ctx context.Context, v *storage.View, blobs blob.Store, e Entry, f *query.Filter, whole bool) (*Match, error) {
	if !whole && len(f.Props) > 0 {
		small, err := v.PeekFacet(e.Object, digestFacet)
		if errors.Is(err, storage.NotFound) {
			small, err = v.PeekFacet(e.Object, rawFacet)
		}
		if err == nil {
			c, err := card.Parse(small, card.Limits{})
			if err == nil && !f.Match(c) {
				return nil, nil
			}
		} else if !errors.Is(err, storage.NotFound) {
			return nil, err
		}
	}
	raw, err := Data(ctx, v, blobs, e.Object)
	if err != nil {
		return nil, err
	}
	c, err := card.Parse(raw, card.Limits{})
	if err != nil {
		return nil, fmt.Errorf("stored card %q: %w", e.Name, err)
	}
	if !f.Match(c) {
		return nil, nil
	}
	return &Match{Entry: e, raw: raw, card: c}, nil
}
