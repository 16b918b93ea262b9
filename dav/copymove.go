package dav

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"atrium/storage"
)

// copyMove answers COPY and MOVE (RFC 4918 §9.8, §9.9).
func copyMove(rq *Request, w http.ResponseWriter) error {
	m, err := rq.transfer()
	if err != nil {
		return err
	}
	if from, to := rq.Target, m.to; from.Tree != nil && from.Owner != nil && from.Tree == to.Tree && to.Owner != nil && to.Owner.ID != from.Owner.ID {
		return m.across(w)
	}
	var replaced bool
	err = rq.update(func(tx *storage.Tx) (err error) {
		replaced, err = m.run(tx)
		return err
	})
	if err == nil && len(m.hidden) > 0 {
		defer m.forget()
		replaced, err = m.rest()
	}
	if err != nil {
		return rq.wrap(err)
	}
	if replaced {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	w.Header().Set("Location", m.to.Path())
	w.WriteHeader(http.StatusCreated)
	return nil
}

// transfer is a COPY or MOVE under way.
type transfer struct {
	rq        *Request
	to        *Target
	move      bool
	overwrite bool
	conds     *conditions
	hidden    []*hiddenCopy // the collections that a COPY makes: filled in transactions of their own, shown by one
}

// hiddenCopy is a collection that is to be like another one, and hidden until it is.
type hiddenCopy struct {
	from, to storage.CollectionID
	below    string   // its name in that of the one that was asked for; begins with a slash or is empty
	names    []string // of the members to be copied
}

// batch is how many members one transaction copies; see kv.MaxKeys.
const batch = 100

func (rq *Request) transfer() (*transfer, error) {
	m := &transfer{rq: rq, move: rq.Method == "MOVE", overwrite: true}
	dest := rq.Header.Get("Destination")
	if dest == "" {
		return nil, Fail(http.StatusBadRequest, "a Destination is needed")
	}
	switch o := rq.Header.Get("Overwrite"); o {
	case "", "T", "t":
	case "F", "f":
		m.overwrite = false
	default:
		return nil, Fail(http.StatusBadRequest, "Overwrite: %.20s", o)
	}
	var err error
	if m.to, err = rq.href(dest); err != nil {
		return nil, err
	}
	if rq.Depth == Depth1 || m.move && rq.Depth == Depth0 && rq.Target.Tree != nil && len(rq.Target.Rest) == 1 {
		return nil, Fail(http.StatusBadRequest, "Depth is not one that %s takes", rq.Method)
	}
	for _, t := range []*Target{rq.Target, m.to} {
		if t.Mount && len(t.Rest) == 1 && (m.move || t == m.to) {
			return nil, Fail(http.StatusForbidden, "what another shares is not moved or replaced as a whole")
		}
	}
	m.conds, err = rq.conditions()
	return m, err
}

func (m *transfer) run(tx *storage.Tx) (replaced bool, err error) {
	rq, v := m.rq, &tx.View
	m.hidden = nil
	from, err := rq.locate(v, rq.Target)
	if err != nil {
		return false, err
	}
	if err := rq.guard(v, m.conds, from, from.Entry); err != nil {
		return false, err
	}
	if from.Entry == nil && !from.Kind.Is(Collection) {
		return false, Fail(http.StatusForbidden, "this cannot be copied or moved")
	}
	parent, name, old, err := m.ends(v, from)
	if err == nil && old != nil && (from.Entry != nil || m.move) { // a collection that is copied comes when it is whole
		err = m.clear(tx, from, old)
	}
	if err != nil {
		return false, err
	}
	if from.Entry != nil {
		err = m.member(tx, from, parent, name)
	} else {
		err = m.collection(tx, from)
	}
	if err == nil && m.move {
		err = dropLocks(tx, rq.Target)
	}
	return old != nil, err
}

// ends checks that the resource may go where it is to go, and returns the collection or home of that place, the name in
// it, and what is there.
func (m *transfer) ends(v *storage.View, from *Resource) (parent *Resource, name string, old *Resource, err error) {
	if err := m.rights(from); err != nil {
		return nil, "", nil, err
	}
	if parent, name, err = m.destination(v, from); err != nil {
		return nil, "", nil, err
	}
	old, err = m.rq.locate(v, m.to)
	if err != nil && !errors.Is(err, storage.NotFound) {
		return nil, "", nil, err
	}
	if err := m.free(v, old); err != nil {
		return nil, "", nil, err
	}
	if old != nil {
		return parent, name, old, m.mayClear(from, old)
	}
	return parent, name, nil, parent.need(storage.Insert)
}

// free checks the locks on both ends: what is replaced keeps its own.
func (m *transfer) free(v *storage.View, old *Resource) error {
	if m.move {
		if err := m.rq.free(v, m.conds, m.rq.Target, touchSelf|touchMembers|touchBelow); err != nil {
			return err
		}
	}
	what := touchSelf
	if old == nil {
		what |= touchMembers
	} else if old.Entry == nil {
		what |= touchBelow
	}
	return m.rq.free(v, m.conds, m.to, what)
}

func (m *transfer) rights(from *Resource) error {
	need := storage.Read
	if m.move {
		need |= storage.Delete
		if from.Entry == nil {
			need |= storage.Remove
		}
	}
	return from.need(need)
}

// destination checks where a resource is to go and returns the collection or home it goes
// into.
func (m *transfer) destination(v *storage.View, from *Resource) (*Resource, string, error) {
	to := m.to
	if to.Tree != from.Tree || to.Owner == nil || to.Owner.ID != from.Owner.ID || len(to.Rest) == 0 {
		return nil, "", Fail(http.StatusForbidden, "the destination is no place for this")
	}
	if slices.Equal(to.Rest, m.rq.Target.Rest) {
		return nil, "", Fail(http.StatusForbidden, "source and destination are the same")
	}
	if from.Entry == nil && len(to.Rest) > len(m.rq.Target.Rest) && slices.Equal(to.Rest[:len(m.rq.Target.Rest)], m.rq.Target.Rest) {
		return nil, "", Fail(http.StatusForbidden, "the destination is in the source")
	}
	parent, name, err := m.rq.locateParent(v, to)
	if errors.Is(err, storage.NotFound) {
		return nil, "", Fail(http.StatusConflict, "the destination's collection is not there")
	}
	if err != nil {
		return nil, "", err
	}
	if !to.Tree.Nested && (from.Entry != nil) != (parent.Collection != nil) {
		return nil, "", Fail(http.StatusForbidden, "the destination is no place for this")
	}
	return parent, name, nil
}

// clear makes place for what comes where something is (RFC 4918 §9.8.4), which mayClear has allowed.
func (m *transfer) clear(tx *storage.Tx, from, old *Resource) error {
	if from.Entry != nil && old.Entry != nil { // Copy and Move replace it
		return tx.ClearProps(old.Collection.ID, old.Entry.Num)
	}
	return m.rq.removeResource(tx, old)
}

// mayClear tells whether clear is allowed.
func (m *transfer) mayClear(from, old *Resource) error {
	if !m.overwrite {
		return &Error{Status: http.StatusPreconditionFailed, Err: storage.Conflict}
	}
	if from.Entry != nil && old.Entry != nil {
		return old.need(storage.Write)
	}
	if old.Entry == nil && strings.HasPrefix(m.rq.Target.Path()+"/", old.Path) {
		return Fail(http.StatusForbidden, "the source is in the destination")
	}
	return m.rq.mayRemove(old)
}

func (m *transfer) member(tx *storage.Tx, from, parent *Resource, name string) error {
	do := from.Tree.Copy
	if m.move {
		do = from.Tree.Move
	}
	e, err := do(tx, from.Collection.ID, from.Entry.Name, parent.Collection.ID, name)
	if err != nil {
		if from.Tree.Wrap != nil {
			err = from.Tree.Wrap(err, parent.member)
		}
		return err
	}
	return setResourceID(tx, m.move, storage.PropKey{Collection: from.Collection.ID, Num: from.Entry.Num},
		storage.PropKey{Collection: parent.Collection.ID, Num: e.Num})
}

// collection moves or copies a collection and those in it.
func (m *transfer) collection(tx *storage.Tx, from *Resource) error {
	t := from.Tree
	all, err := below(&tx.View, t, from.Collection)
	if err != nil {
		return err
	}
	if m.rq.Depth == Depth0 {
		all = all[:1]
	}
	for _, c := range all {
		below := strings.TrimPrefix(c.Name, from.Collection.Name)
		if m.move {
			err = tx.Rename(c.ID, t.stored(m.to.Rest)+below)
		} else {
			err = m.copyCollection(tx, t, c, below)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// copyCollection makes a hidden collection like c; its members follow in batches.
func (m *transfer) copyCollection(tx *storage.Tx, t *Tree, c *storage.Collection, below string) error {
	data, err := t.copied(c)
	if err != nil {
		return err
	}
	made, err := tx.CreateHidden(t.Schema, data)
	if err != nil {
		return err
	}
	if err := copyProps(tx, storage.PropKey{Collection: c.ID}, storage.PropKey{Collection: made.ID}); err != nil {
		return err
	}
	l := &hiddenCopy{from: c.ID, to: made.ID, below: below}
	m.hidden = append(m.hidden, l)
	if m.rq.Depth == Depth0 {
		return nil
	}
	table, err := tx.Table(c.ID)
	if err != nil {
		return err
	}
	for e := range t.Entries(table) {
		l.names = append(l.names, e.Name)
	}
	return nil
}

// rest copies the members of collections, and then shows these where they are to be, in the place of
// what is there. A member that went meanwhile is left out.
func (m *transfer) rest() (replaced bool, err error) {
	for _, l := range m.hidden {
		if err := m.fill(l); err != nil {
			return false, err
		}
	}
	err = m.rq.update(func(tx *storage.Tx) (err error) {
		replaced, err = m.show(tx)
		return err
	})
	return replaced, err
}

// show puts the copies where they are to be.
func (m *transfer) show(tx *storage.Tx) (replaced bool, err error) {
	rq, v := m.rq, &tx.View
	from, err := rq.locate(v, rq.Target)
	if err != nil {
		return false, err
	}
	_, _, old, err := m.ends(v, from)
	if err == nil && old != nil {
		err = m.clear(tx, from, old)
	}
	for _, l := range m.hidden {
		if err == nil {
			err = tx.Show(l.to, m.to.Tree.stored(m.to.Rest)+l.below)
		}
		if err == nil {
			err = rq.Server.delegateNew(tx, m.to.Tree, l.to)
		}
	}
	return old != nil, err
}

// forget drops what was not shown.
func (m *transfer) forget() {
	for _, l := range m.hidden {
		if err := m.rq.Server.store.DropHidden(context.WithoutCancel(m.rq.Context()), m.to.Owner.ID, l.to); err != nil {
			m.rq.Server.log.Error("drop what a COPY that failed has made", "err", err) // the next start drops it
		}
	}
}

// fill copies members. Each batch is correct alone.
func (m *transfer) fill(l *hiddenCopy) error {
	t := m.to.Tree
	for names := range slices.Chunk(l.names, batch) {
		err := m.rq.update(func(tx *storage.Tx) error {
			for _, name := range names {
				if _, err := t.ByName(&tx.View, l.from, name); errors.Is(err, storage.NotFound) {
					continue
				}
				e, err := t.Copy(tx, l.from, name, l.to, name)
				if err != nil {
					return err
				}
				if err := setResourceID(tx, false, storage.PropKey{}, storage.PropKey{Collection: l.to, Num: e.Num}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
