package dav

import (
	"errors"

	"atrium/storage"
)

// Own is what one user sees of members of a collection that is another's, where each has parts of them for himself: alarms
// of a shared calendar's events, say.
type Own interface {
	// Entry sets what differs of a member for the user: its ETag.
	Entry(e *Entry) error
	// Body is a member as the user sees it, b itself when that is the same. It is valid as long as b is.
	Body(n storage.Num, b []byte) ([]byte, error)
}

// OwnUpload is an Upload of which each user has parts for himself. PutOwn is Put by someone into a
// collection of another's; without write he may change his own parts only, else it is storage.Forbidden.
type OwnUpload interface {
	PutOwn(tx *storage.Tx, id storage.CollectionID, name string, user storage.AccountID, write bool) (e Entry, created bool, err error)
}

// viewing is the last collection whose own parts a request looked at.
type viewing struct {
	v   *storage.View
	id  storage.CollectionID
	own Own
}

// Own is how the actor sees members of a collection; nil: as they are stored.
func (rq *Request) Own(v *storage.View, t *Tree, c *storage.Collection) (Own, error) {
	if t.Own == nil || c.Account == rq.Actor.ID {
		return nil, nil
	}
	if k := &rq.viewing; k.v != v || k.id != c.ID {
		own, err := t.Own(v, c.ID, rq.Actor.ID)
		if err != nil {
			return nil, err
		}
		*k = viewing{v, c.ID, own}
	}
	return rq.viewing.own, nil
}

// seen makes of a member's entry what the actor sees.
func (rq *Request) seen(v *storage.View, t *Tree, c *storage.Collection, e *Entry) error {
	own, err := rq.Own(v, t, c)
	if own == nil || err != nil {
		return err
	}
	return own.Entry(e)
}

// byName returns a member as the actor sees it; storage.NotFound.
func (rq *Request) byName(v *storage.View, t *Tree, c *storage.Collection, name string) (Entry, error) {
	e, err := t.ByName(v, c.ID, name)
	if err != nil {
		return e, err
	}
	return e, rq.seen(v, t, c, &e)
}

// open returns a member's body as the actor sees it.
func (rq *Request) open(v *storage.View, t *Tree, c *storage.Collection, e *Entry) (Body, error) {
	body, err := t.Open(rq.Context(), v, e.Object)
	if err != nil {
		return nil, err
	}
	own, err := rq.Own(v, t, c)
	if own == nil || err != nil {
		return body, err
	}
	defer body.Close()
	raw := make([]byte, body.Size())
	if n, err := body.ReadAt(raw, 0); n < len(raw) {
		return nil, err
	}
	if raw, err = own.Body(e.Num, raw); err != nil {
		return nil, err
	}
	return BytesBody(raw), nil
}

// ownOnly tells whether the actor may at least have parts for himself of a member that he may not write.
func (rq *Request) ownOnly(parent *Resource) bool {
	return rq.Method == "PUT" && parent.Tree.Own != nil && parent.Collection.Account != rq.Actor.ID && parent.Rights.Has(storage.Read)
}

// store puts an upload into a collection that the actor may write to, or has own parts in.
func (rq *Request) store(up Upload, tx *storage.Tx, r *Resource, name string) (e Entry, created bool, err error) {
	own, ok := up.(OwnUpload)
	if !ok || r.Tree.Own == nil || r.Collection.Account == rq.Actor.ID {
		e, created, err = up.Put(tx, r.Collection.ID, name)
	} else {
		e, created, err = own.PutOwn(tx, r.Collection.ID, name, rq.Actor.ID, r.Rights.Has(storage.Write))
		if errors.Is(err, storage.Forbidden) && !r.Rights.Has(storage.Write) {
			return e, false, r.need(storage.Write)
		}
	}
	if err != nil && r.Tree.Wrap != nil {
		err = r.Tree.Wrap(err, r.member)
	}
	return e, created, err
}
