package calendar

import (
	"errors"
	"iter"

	"atrium/storage"
)

// Entries yields all entries of a calendar in the order of their Num.
func Entries(t *storage.Table) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for _, row := range t.Rows(0, t.Len()) {
			if e, err := decodeRow(row); err == nil && !yield(e) {
				return
			}
		}
	}
}

// Delta is what changed in a calendar between two modseqs.
type Delta struct {
	Changed []Entry
	Gone    []string // names that exist no more
	Modseq  uint64
	More    bool
}

// Changes returns what changed since a modseq; see storage.View.Changes. A name
// that was removed and is there again is changed, not gone.
func Changes(v *storage.View, id storage.CollectionID, since uint64, limit int) (Delta, error) {
	c, err := v.Changes(id, since, limit)
	if err != nil {
		return Delta{}, err
	}
	d := Delta{Modseq: c.Modseq, More: c.More}
	if len(c.Changed) > 4 { // all rows in memory: one by one they cost a page each
		if _, err := v.Table(id); err != nil {
			return Delta{}, err
		}
	}
	for _, n := range c.Changed {
		row, err := v.Row(id, n)
		if errors.Is(err, storage.NotFound) {
			continue // gone in what the limit cut off
		}
		if err != nil {
			return Delta{}, err
		}
		e, err := decodeRow(row)
		if err != nil {
			return Delta{}, err
		}
		d.Changed = append(d.Changed, e)
	}
	seen := map[string]bool{}
	for _, g := range append(c.Gone, c.Passed...) { // a client that looked in between saw the passed ones
		name := string(g.Note)
		if seen[name] {
			continue
		}
		seen[name] = true
		e, err := lookup(v, id, wordKey(nameTag, name))
		if err != nil {
			return Delta{}, err
		}
		if e == nil {
			d.Gone = append(d.Gone, name)
		}
	}
	return d, nil
}
