package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"

	"atrium/storage/kv"
)

// A hidden collection has a name that no other can have. No View lists it, and none of its names is told when it is
// dropped: it is filled in several transactions and shown by one.
const hiddenPrefix = "\x00"

func isHidden(name string) bool { return strings.HasPrefix(name, hiddenPrefix) }

// hiddenSet knows the hidden collections of this process: others were left by one before.
type hiddenSet struct {
	mu  sync.Mutex
	set map[hiddenID]bool
}

type hiddenID struct {
	a AccountID
	c CollectionID
}

func (h *hiddenSet) add(id hiddenID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.set == nil {
		h.set = map[hiddenID]bool{}
	}
	h.set[id] = true
}

func (h *hiddenSet) remove(id hiddenID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.set, id)
}

func (h *hiddenSet) has(id hiddenID) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.set[id]
}

// CreateHidden makes a collection that only its ID leads to, until Show. What a process leaves
// hidden when it ends is dropped by the next.
func (t *Tx) CreateHidden(schema byte, data []byte) (*Collection, error) {
	h, err := t.account()
	if err != nil {
		return nil, err
	}
	t.s.hidden.add(hiddenID{t.a, h.nextColl}) // before the commit; one of a transaction that fails is of no harm
	return t.create(schema, fmt.Sprint(hiddenPrefix, h.nextColl), data)
}

// Show gives a hidden collection a name, by which it comes into being for all others; Exists when that is taken.
func (t *Tx) Show(id CollectionID, name string) error {
	w, err := t.tree(id)
	if err != nil {
		return err
	}
	if !isHidden(w.c.Name) {
		return fmt.Errorf("collection %q is not hidden: %w", w.c.Name, Invalid)
	}
	if w.c.Created, err = t.Next(); err != nil {
		return err
	}
	return t.Rename(id, name)
}

// DropHidden drops a hidden collection, unless it was shown. Who makes one calls it at the end.
func (s *Store) DropHidden(ctx context.Context, a AccountID, id CollectionID) error {
	defer s.hidden.remove(hiddenID{a, id})
	still := func(v *View) (bool, error) {
		c, err := v.Collection(id)
		if errors.Is(err, NotFound) {
			return false, nil
		}
		return err == nil && isHidden(c.Name), err
	}
	var there bool
	err := s.View(ctx, a, func(v *View) (err error) {
		there, err = still(v)
		return err
	})
	if err != nil || !there {
		return err
	}
	return s.Update(ctx, a, func(t *Tx) error {
		if there, err := still(&t.View); err != nil || !there {
			return err
		}
		return t.Drop(id)
	})
}

// dropLeft drops a hidden collection that no one in this process has made and tells whether there may be more.
func (t *Tx) dropLeft() (again bool, err error) {
	for schema, s := range t.s.schemas {
		if s == nil {
			continue
		}
		for _, b := range t.r.Scan(kv.Prefix(nameKey(t.a, byte(schema), hiddenPrefix))) {
			if len(b) != 4 {
				continue // the check tells of it
			}
			if id := CollectionID(binary.BigEndian.Uint32(b)); !t.s.hidden.has(hiddenID{t.a, id}) {
				return true, t.Drop(id)
			}
		}
	}
	return false, nil
}
