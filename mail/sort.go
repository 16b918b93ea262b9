package mail

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"slices"

	"atrium/mail/message"
)

// SortField is what SORT compares (RFC 5256 §3, RFC 5957).
type SortField byte

const (
	SortArrival SortField = iota
	SortCc
	SortDate
	SortFrom
	SortSize
	SortSubject
	SortTo
	SortDisplayFrom
	SortDisplayTo
	SortSaved     // SAVEDATE; in no RFC
	SortRelevancy // the highest of SortKey.Scores first (RFC 6203 §6)
)

// SortKey is one criterion.
type SortKey struct {
	Field   SortField
	Reverse bool
	Scores  []uint8 // of SortRelevancy: those of the positions
}

// column has one key's values of all messages: numbers or strings.
type column struct {
	key     SortKey
	numbers []int64
	strings [][]byte
	arena   []byte
}

// Sort orders positions of a snapshot, in place, by keys and then by position. The actor needs Read.
func (a *Account) Sort(ctx context.Context, s *Snapshot, positions []int, keys []SortKey) error {
	cols := make([]column, len(keys))
	indexed := false
	for i, k := range keys {
		cols[i].key = k
		if k.Field.text() {
			cols[i].strings = make([][]byte, len(positions))
		} else {
			cols[i].numbers = make([]int64, len(positions))
		}
		indexed = indexed || k.Field.text() || k.Field == SortDate
	}
	for i, m := range at(s, positions) {
		for k := range cols {
			cols[k].row(i, &m)
		}
	}
	if indexed {
		for x, err := range a.Indexes(ctx, s.ID, at(s, positions)) {
			if err != nil {
				return err
			}
			for k := range cols {
				cols[k].index(x.Pos, x.Index)
			}
		}
	}
	order := make([]int, len(positions))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		for k := range cols {
			if c := cols[k].compare(i, j); c != 0 {
				return c
			}
		}
		return cmp.Compare(positions[i], positions[j])
	})
	for i, j := range order {
		order[i] = positions[j]
	}
	copy(positions, order)
	return ctx.Err()
}

// at yields the messages at positions with their place in that list.
func at(s *Snapshot, positions []int) iter.Seq2[int, Message] {
	return func(yield func(int, Message) bool) {
		for i, pos := range positions {
			if !yield(i, s.At(pos)) {
				return
			}
		}
	}
}

// text tells whether a field compares as text of the index.
func (f SortField) text() bool {
	switch f {
	case SortArrival, SortSaved, SortSize, SortDate, SortRelevancy:
		return false
	}
	return true
}

// row notes what a row knows.
func (c *column) row(i int, m *Message) {
	switch c.key.Field {
	case SortArrival, SortDate: // without a Date field the internal date stands in (RFC 5256 §2.2)
		c.numbers[i] = m.Date
	case SortSaved:
		c.numbers[i] = m.Saved
	case SortSize:
		c.numbers[i] = m.Size
	case SortRelevancy:
		c.numbers[i] = -int64(c.key.Scores[i])
	}
}

// index notes what an index record knows.
func (c *column) index(i int, x message.Index) {
	var v []byte
	switch c.key.Field {
	case SortDate:
		if unix, _, ok := x.Sent(); ok {
			c.numbers[i] = unix
		}
		return
	case SortSubject:
		v = x.BaseSubject()
	case SortFrom:
		v = x.SortFrom()
	case SortTo:
		v = x.SortTo()
	case SortCc:
		v = x.SortCc()
	case SortDisplayFrom:
		v = x.DisplayFrom()
	case SortDisplayTo:
		v = x.DisplayTo()
	default:
		return
	}
	// A copy, so that the records can go; in big pieces, to spare the collector.
	if len(c.arena)+len(v) > cap(c.arena) {
		c.arena = make([]byte, 0, max(64<<10, len(v)))
	}
	at := len(c.arena)
	c.arena = append(c.arena, v...)
	c.strings[i] = c.arena[at:len(c.arena):len(c.arena)]
}

func (c *column) compare(i, j int) (r int) {
	if c.strings != nil {
		r = bytes.Compare(c.strings[i], c.strings[j])
	} else {
		r = cmp.Compare(c.numbers[i], c.numbers[j])
	}
	if c.key.Reverse {
		return -r
	}
	return r
}
