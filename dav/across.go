package dav

import (
	"errors"
	"io"
	"net/http"

	"atrium/storage"
)

// across answers COPY and MOVE of a member between the collections of two accounts. The accounts are two units of
// the store: the member is put into the one first and then removed from the other, where it must not have
// changed meanwhile; else both are there, and the client is told so.
func (m *transfer) across(w http.ResponseWriter) error {
	rq := m.rq
	from, body, props, err := m.source()
	if err != nil {
		return rq.wrap(err)
	}
	if body == nil && !m.move {
		return m.acrossAll(w, from)
	}
	if body == nil {
		return Fail(http.StatusForbidden, "collections are not moved between accounts")
	}
	defer body.Close()
	rq.Header.Set("Content-Type", from.Entry.Type)
	up, err := from.Tree.Prepare(rq, io.NewSectionReader(body, 0, body.Size()))
	if err != nil {
		return rq.wrap(err)
	}
	defer up.Release()
	var created bool
	err = rq.Server.store.Update(rq.Context(), m.to.Owner.ID, func(tx *storage.Tx) (err error) {
		created, err = m.arrive(tx, from, up, props)
		return err
	})
	if err == nil && m.move {
		err = rq.update(func(tx *storage.Tx) error { return m.depart(tx, from) })
	}
	if err != nil {
		return rq.wrap(err)
	}
	if !created {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	w.Header().Set("Location", m.to.Path())
	w.WriteHeader(http.StatusCreated)
	return nil
}

// source is the member to be copied, with its body and its properties; the body is nil when the target is a collection.
func (m *transfer) source() (from *Resource, body Body, props []storage.Prop, err error) {
	rq := m.rq
	err = rq.view(rq.Target.Owner.ID, func(v *storage.View) error {
		if from, err = rq.locate(v, rq.Target); err != nil {
			return err
		}
		if err := rq.guard(v, m.conds, from, from.Entry); err != nil {
			return err
		}
		if err := m.rights(from); err != nil || from.Entry == nil {
			return err
		}
		if m.move {
			if err := rq.free(v, m.conds, rq.Target, touchSelf|touchMembers); err != nil {
				return err
			}
		}
		if props, err = m.seen(v, storage.PropKey{Collection: from.Collection.ID, Num: from.Entry.Num}); err != nil {
			return err
		}
		body, err = rq.open(v, from.Tree, from.Collection, from.Entry)
		return err
	})
	return from, body, props, err
}

// arrive puts the member where it is to go, with its properties (RFC 4918 §9.8.2, §9.9.1).
func (m *transfer) arrive(tx *storage.Tx, from *Resource, up Upload, props []storage.Prop) (created bool, err error) {
	rq, v := m.rq, &tx.View
	parent, name, err := rq.locateParent(v, m.to)
	switch {
	case errors.Is(err, storage.NotFound) && m.to.Owner.ID != rq.Actor.ID:
		return false, Fail(http.StatusForbidden, "the destination is no place for this")
	case errors.Is(err, storage.NotFound):
		return false, Fail(http.StatusConflict, "the destination's collection is not there")
	case err != nil:
		return false, err
	case parent.Collection == nil:
		return false, Fail(http.StatusForbidden, "the destination is no place for this")
	}
	if m.to.Tree.Nested {
		if _, err := rq.collection(v, m.to, m.to.Rest); err == nil {
			return false, Fail(http.StatusForbidden, "the destination is a collection")
		}
	}
	if err := parent.need(storage.Insert); err != nil {
		return false, err
	}
	var old *Resource
	e, err := rq.byName(v, m.to.Tree, parent.Collection, name)
	switch {
	case err == nil:
		old = rq.asMember(parent, &e, m.to.Path())
		if err := old.need(storage.Write); err != nil {
			return false, err
		}
		if !m.overwrite {
			return false, &Error{Status: http.StatusPreconditionFailed, Err: storage.Conflict}
		}
		if err := tx.ClearProps(parent.Collection.ID, e.Num); err != nil { // RFC 4918 §9.8.4
			return false, err
		}
	case !errors.Is(err, storage.NotFound):
		return false, err
	}
	what := touchSelf
	if old == nil {
		what |= touchMembers
	}
	if err := rq.free(v, m.conds, m.to, what); err != nil {
		return false, err
	}
	put, created, err := rq.store(up, tx, parent, name)
	if err != nil {
		return false, err
	}
	return created, give(tx, storage.PropKey{Collection: parent.Collection.ID, Num: put.Num}, props)
}

// depart removes what was moved, if it is still what was copied.
func (m *transfer) depart(tx *storage.Tx, from *Resource) error {
	rq := m.rq
	now, err := rq.locate(&tx.View, rq.Target)
	if err != nil {
		return err
	}
	if now.Entry == nil || now.Entry.ETag != from.Entry.ETag {
		return &Error{Status: http.StatusPreconditionFailed, Err: storage.Conflict}
	}
	if err := m.rights(now); err != nil {
		return err
	}
	if err := rq.free(&tx.View, m.conds, rq.Target, touchSelf|touchMembers); err != nil {
		return err
	}
	if err := rq.removeResource(tx, now); err != nil {
		return err
	}
	return dropLocks(tx, rq.Target)
}
