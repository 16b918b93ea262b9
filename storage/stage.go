package storage

import (
	"errors"
	"fmt"

	"atrium/storage/kv"
)

// Staged are objects that were stored for rows that one later transaction inserts: what is too
// much for a transaction is written ahead, in several, and shown by one.
type Staged struct {
	Objects []ObjectID
	modseq  uint64
}

// Stage stores objects that no row shows yet. They are on the list of what is to be
// released, as if a row had shown them and gone: unless Adopt takes them from there within
// Config.Grace they are removed.
func (t *Tx) Stage(objects []Object) (*Staged, error) {
	next, err := t.Next()
	if err != nil {
		return nil, err
	}
	s := &Staged{modseq: next, Objects: make([]ObjectID, len(objects))}
	for i, o := range objects {
		if s.Objects[i], err = t.NewObject(o); err != nil {
			return nil, err
		}
		t.objects[s.Objects[i]].staged = true
	}
	return s, nil
}

// Adopt takes staged objects, so that this transaction's rows show each once. NotFound when
// they were removed meanwhile.
func (t *Tx) Adopt(s *Staged) error {
	k := garbageKey(t.a, s.modseq)
	b, err := t.r.Get(k)
	if errors.Is(err, kv.NotFound) {
		return fmt.Errorf("staged objects were removed: %w", Unavailable)
	}
	if err != nil {
		return err
	}
	at, listed, err := decodeGarbage(k, b)
	if err != nil {
		return err
	}
	mine := make(map[ObjectID]bool, len(s.Objects))
	for _, o := range s.Objects {
		mine[o] = true
		// One row less shows it than its record says: a row that comes makes that good.
		t.work()[o] = &workObject{net: -1}
	}
	rest := listed[:0]
	for _, o := range listed {
		if mine[o] {
			delete(mine, o)
		} else {
			rest = append(rest, o)
		}
	}
	if len(mine) > 0 {
		return fmt.Errorf("staged objects were removed: %w", Unavailable)
	}
	if len(rest) == 0 {
		t.w.Delete(k)
	} else {
		t.w.Set(k, encodeGarbage(at, rest))
	}
	return nil
}
