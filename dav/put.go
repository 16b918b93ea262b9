package dav

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"

	"atrium/dav/elem"
	"atrium/storage"
)

// early is the size of a body from which on rights and preconditions are
// looked at before it is read, as they are when the client waits for 100 (RFC 9110 §10.1.1).
const early = 64 << 10

// put answers PUT (RFC 4918 §9.7, RFC 4791 §5.3.2, RFC 6352 §6.3.2).
func put(rq *Request, w http.ResponseWriter) error {
	t := rq.Target
	if t.Tree == nil || len(t.Rest) == 0 {
		return rq.notHere()
	}
	conds, err := rq.conditions()
	if err != nil {
		return err
	}
	if rq.Header.Get("Content-Range") != "" {
		return Fail(http.StatusBadRequest, "PUT takes no Content-Range") // RFC 9110 §14.5
	}
	if err := rq.look(conds); err != nil {
		return err
	}
	body := http.MaxBytesReader(w, rq.Body, t.Tree.MaxSize)
	up, err := t.Tree.Prepare(rq, body)
	if err != nil {
		return rq.wrap(err)
	}
	defer up.Release()
	var e Entry
	var created bool
	var r *Resource
	err = rq.update(func(tx *storage.Tx) error {
		var name string
		if r, name, err = rq.placeFor(&tx.View, conds); err != nil {
			return err
		}
		e, created, err = rq.store(up, tx, r, name)
		return err
	})
	if err != nil {
		return rq.refused(w, conds, err)
	}
	status := http.StatusNoContent
	if created {
		status = http.StatusCreated
	}
	h := w.Header()
	if !e.Altered {
		h["Etag"] = []string{`"` + e.ETag + `"`}
	}
	if e.ScheduleTag != "" {
		h["Schedule-Tag"] = []string{`"` + e.ScheduleTag + `"`}
	}
	if rq.Prefer.Representation {
		return rq.represent(w, r.Collection, &e, status)
	}
	w.WriteHeader(status)
	return nil
}

// wrap turns a domain's error into one of HTTP, with hrefs beside the request's target.
func (rq *Request) wrap(err error) error {
	t := rq.Target
	if t.Tree == nil || t.Tree.Wrap == nil || err == nil {
		return err
	}
	if done := (*Error)(nil); errors.As(err, &done) {
		return err // COPY and MOVE have wrapped it with the hrefs of the destination
	}
	return t.Tree.Wrap(err, func(name string) string { return t.path(max(len(t.raw)-1, 0), true) + Escape(name) })
}

// look checks before a large body is read what will be checked again when it is stored.
func (rq *Request) look(conds *conditions) error {
	max := rq.Target.Tree.MaxSize
	if rq.ContentLength > max {
		return rq.wrap(&http.MaxBytesError{Limit: max})
	}
	if rq.ContentLength >= 0 && rq.ContentLength < early && rq.Header.Get("Expect") == "" {
		return nil
	}
	return rq.view(rq.Target.account(rq), func(v *storage.View) error {
		_, _, err := rq.placeFor(v, conds)
		return err
	})
}

// placeFor finds the collection that a member is to be put into, and checks rights and
// preconditions.
func (rq *Request) placeFor(v *storage.View, conds *conditions) (*Resource, string, error) {
	t := rq.Target
	parent, name, err := rq.locateParent(v, t)
	if errors.Is(err, storage.NotFound) && t.Owner != nil && t.Owner.ID == rq.Actor.ID {
		return nil, "", Fail(http.StatusConflict, "the collection is not there") // RFC 4918 §9.7.1
	}
	if err != nil {
		return nil, "", err
	}
	if parent.Collection == nil {
		return nil, "", rq.notHere()
	}
	if t.Tree.Nested {
		if _, err := rq.collection(v, t, t.Rest); err == nil {
			return nil, "", rq.notHere() // RFC 4918 §9.7.2: it is a collection
		}
	}
	var old *Entry
	e, err := rq.byName(v, t.Tree, parent.Collection, name)
	switch {
	case err == nil:
		old = &e
		if err = parent.need(storage.Write); err != nil && rq.ownOnly(parent) {
			err = nil // what he sends is looked at by store
		}
	case errors.Is(err, storage.NotFound):
		err = parent.need(storage.Insert)
	}
	if err != nil {
		return nil, "", err
	}
	if !conds.none() {
		if err := conds.check(old, false); err != nil {
			return nil, "", err
		}
		self := parent
		if old != nil {
			self = rq.asMember(parent, old, t.Path())
		}
		if err := rq.checkIf(v, conds, self); err != nil {
			return nil, "", err
		}
	}
	what := touchSelf
	if old == nil {
		what |= touchMembers
	}
	return parent, name, rq.free(v, conds, t, what)
}

// notHere is 405 with what can be done.
func (rq *Request) notHere() *Error {
	return &Error{Status: http.StatusMethodNotAllowed, Header: http.Header{"Allow": {rq.Server.allow}}}
}

// represent answers a write with the member as it is now (RFC 7240 §4.2, RFC
// 8144 §3.1).
func (rq *Request) represent(w http.ResponseWriter, c *storage.Collection, e *Entry, status int) error {
	var body Body
	err := rq.view(rq.Target.account(rq), func(v *storage.View) (err error) {
		body, err = rq.open(v, rq.Target.Tree, c, e)
		return err
	})
	if err != nil {
		return err
	}
	defer body.Close()
	rq.applied(w, "return=representation")
	h := w.Header()
	entity(h, e)
	h.Set("Content-Location", rq.Target.Path())
	h.Set("Content-Length", strconv.FormatInt(body.Size(), 10))
	rq.begun = true
	if status == http.StatusNoContent {
		status = http.StatusOK
	}
	w.WriteHeader(status)
	b := make([]byte, body.Size())
	if _, err := body.ReadAt(b, 0); err != nil && int64(len(b)) != body.Size() {
		return err
	}
	_, err = w.Write(b)
	return err
}

// refused is what follows a write that failed: with return=representation a 412
// carries the current state (RFC 8144 §3.2).
func (rq *Request) refused(w http.ResponseWriter, conds *conditions, err error) error {
	var e *Error
	if !rq.Prefer.Representation || !errors.As(err, &e) || e.Status != http.StatusPreconditionFailed {
		return err
	}
	var now *Resource
	verr := rq.view(rq.Target.account(rq), func(v *storage.View) (err error) {
		now, err = rq.locate(v, rq.Target)
		return err
	})
	if verr != nil || now.Entry == nil || !now.Rights.Has(storage.Read) {
		return err
	}
	return rq.represent(w, now.Collection, now.Entry, http.StatusPreconditionFailed)
}

// remove answers DELETE (RFC 4918 §9.6).
func remove(rq *Request, w http.ResponseWriter) error {
	conds, err := rq.conditions()
	if err != nil {
		return err
	}
	if rq.Target.Mount && len(rq.Target.Rest) == 1 {
		return rq.leave(w)
	}
	if rq.Depth == Depth0 || rq.Depth == Depth1 {
		// RFC 4918 §9.6.1: only infinity for collections. Members do not mind.
		rq.Depth = NoDepth
	}
	err = rq.update(func(tx *storage.Tx) error {
		r, err := rq.locateFor(&tx.View, rq.Target, storage.Delete)
		if err != nil {
			return err
		}
		if err := rq.guard(&tx.View, conds, r, r.Entry); err != nil {
			return err
		}
		if err := rq.free(&tx.View, conds, rq.Target, touchSelf|touchMembers|touchBelow); err != nil {
			return err
		}
		if err := rq.removeResource(tx, r); err != nil {
			return err
		}
		return dropLocks(tx, rq.Target)
	})
	if err != nil {
		return rq.refused(w, conds, rq.wrap(err))
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// removeResource removes a member, or a collection with all in it.
func (rq *Request) removeResource(tx *storage.Tx, r *Resource) error {
	if err := rq.mayRemove(r); err != nil {
		return err
	}
	if r.Entry != nil {
		return r.Tree.Delete(tx, r.Collection.ID, r.Entry.Name)
	}
	all, err := below(&tx.View, r.Tree, r.Collection)
	if err != nil {
		return err
	}
	for _, c := range all {
		if err := tx.Drop(c.ID); err != nil {
			return err
		}
	}
	return nil
}

// mayRemove tells whether removeResource is allowed.
func (rq *Request) mayRemove(r *Resource) error {
	switch {
	case r.Entry != nil:
		return r.need(storage.Delete)
	case !r.Kind.Is(Collection):
		return Fail(http.StatusForbidden, "this cannot be removed")
	}
	return r.need(storage.Remove)
}

// typeIs tells whether an XML name is a resource type of a kind.
func (k *Kind) typeIs(name string) bool {
	for _, t := range k.Types {
		if t == elem.N(name) {
			return true
		}
	}
	return false
}

// ReadBody reads a body whole. size is what its header promises, -1 when it does not.
func ReadBody(body io.Reader, size int64) ([]byte, error) {
	const most = 1 << 20 // beyond that memory is taken as octets come
	b := bytes.NewBuffer(make([]byte, 0, min(max(size, 0), most)+bytes.MinRead))
	_, err := b.ReadFrom(body)
	return b.Bytes(), err
}

// ReadXML returns a reader of the request's XML body.
func (rq *Request) ReadXML() (*elem.Reader, error) {
	r := elem.NewReader(rq.Body, rq.Server.xmlLimits())
	if err := r.Err(); err != nil {
		return nil, err
	}
	return r, nil
}
