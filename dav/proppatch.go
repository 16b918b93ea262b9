package dav

import (
	"errors"
	"net/http"

	"atrium/dav/elem"
	"atrium/storage"
)

// update is one instruction of a PROPPATCH: to set, or with no XML to remove a
// property.
type update struct {
	raw    elem.Raw
	remove bool
}

// refusal is why an instruction failed.
type refusal struct {
	at  int // index of the update
	err *Error
}

// errRefused ends a transaction in which instructions failed.
var errRefused = errors.New("properties refused")

// readUpdates reads the set and remove elements below the one that is open. Only set is
// taken with setOnly (RFC 5689 §5.1).
func (rq *Request) readUpdates(r *elem.Reader, setOnly bool) (updates []update, err error) {
	for s := range r.Children() {
		remove := s.Name == elem.N("D:remove") && !setOnly
		if s.Name != elem.N("D:set") && !remove {
			continue
		}
		for p := range r.Children() {
			if p.Name != elem.N("D:prop") {
				continue
			}
			for range r.Children() {
				if len(updates) >= 1000 {
					return nil, Fail(http.StatusBadRequest, "more than 1000 properties")
				}
				updates = append(updates, update{raw: r.Raw(), remove: remove})
			}
		}
	}
	return updates, r.End()
}

// apply carries out instructions in order (RFC 4918 §9.2). The error is a
// failure of the store; refusals are what the client asked for in vain.
func (rq *Request) apply(tx *storage.Tx, r *Resource, updates []update) (refused []refusal, err error) {
	for i, u := range updates {
		err := rq.applyOne(tx, r, u)
		var e *Error
		switch {
		case err == nil:
		case errors.As(err, &e) && e.Status < 500 || e != nil && e.Status == http.StatusInsufficientStorage:
			refused = append(refused, refusal{i, e})
		default:
			return nil, err
		}
	}
	return refused, nil
}

func (rq *Request) applyOne(tx *storage.Tx, r *Resource, u update) error {
	c := &Change{Request: rq, Tx: tx, Resource: r, Name: u.raw.Name}
	p := rq.Server.registry.find(u.raw.Name, r.Kind)
	if p != nil && p.Set != nil && p.Get != nil && !p.Own && !r.Rights.Has(storage.Properties) {
		return r.need(storage.Properties)
	}
	switch {
	case p == nil && u.remove:
		return c.store(nil)
	case p == nil && rq.Server.registry.computed(u.raw.Name):
		return Refuse(http.StatusForbidden, "D:cannot-modify-protected-property")
	case p == nil:
		return c.Store(u.raw)
	case p.Set == nil || u.remove && p.Remove == nil:
		return Refuse(http.StatusForbidden, "D:cannot-modify-protected-property")
	case u.remove:
		return p.Remove(c)
	}
	return p.Set(c, u.raw)
}

// writeOutcome writes the propstats that tell how instructions went: all done, or some refused and the
// others 424.
func writeOutcome(w *elem.Writer, updates []update, refused []refusal) {
	if len(refused) == 0 {
		w.Propstat()
		for _, u := range updates {
			w.Empty(u.raw.Name)
		}
		w.EndPropstat(http.StatusOK)
		return
	}
	failed := map[int]bool{}
	for _, f := range refused {
		failed[f.at] = true
		w.Propstat()
		w.Empty(updates[f.at].raw.Name)
		w.Str("</D:prop>")
		w.StatusLine(f.err.Status)
		if f.err.Condition.Local != "" {
			w.Str("<D:error>")
			w.Empty(f.err.Condition)
			w.Str("</D:error>")
		}
		w.Str("</D:propstat>")
	}
	if len(failed) == len(updates) {
		return
	}
	w.Propstat()
	for i, u := range updates {
		if !failed[i] {
			w.Empty(u.raw.Name)
		}
	}
	w.EndPropstat(http.StatusFailedDependency)
}

// proppatch answers PROPPATCH (RFC 4918 §9.2): all or nothing.
func proppatch(rq *Request, w http.ResponseWriter) error {
	r := elem.NewReader(rq.Body, rq.Server.xmlLimits())
	root, ok := r.Root()
	if !ok {
		return r.Err()
	}
	if root.Name != elem.N("D:propertyupdate") {
		return Fail(http.StatusBadRequest, "the root element is not DAV:propertyupdate")
	}
	updates, err := rq.readUpdates(r, false)
	if err != nil {
		return err
	}
	if len(updates) == 0 {
		return Fail(http.StatusBadRequest, "nothing to set or remove")
	}
	conds, err := rq.conditions()
	if err != nil {
		return err
	}
	var path string
	var refused []refusal
	err = rq.update(func(tx *storage.Tx) error {
		refused = nil
		res, err := rq.locate(&tx.View, rq.Target)
		if err != nil {
			return err
		}
		path = res.Path
		if err := rq.guard(&tx.View, conds, res, res.Entry); err != nil {
			return err
		}
		// Of a collection that is shared, each has properties of his own; see applyOne.
		need := storage.Properties
		if res.ofAnother(rq) && res.Collection != nil && res.Entry == nil {
			need = storage.Lookup | storage.Read
		}
		if err := res.need(need); err != nil {
			return err
		}
		if err := rq.free(&tx.View, conds, rq.Target, touchSelf); err != nil {
			return err
		}
		if refused, err = rq.apply(tx, res, updates); err != nil {
			return err
		}
		if len(refused) > 0 {
			return errRefused
		}
		return nil
	})
	if err != nil && !errors.Is(err, errRefused) {
		return err
	}
	if len(refused) == 0 {
		rq.changed()
	}
	if len(refused) == 0 && rq.Prefer.Minimal {
		rq.applied(w, "return=minimal")
		w.WriteHeader(http.StatusOK) // RFC 8144 §2.2
		return nil
	}
	l := rq.listing(w, nil, false)
	defer l.Close()
	l.Response(path)
	writeOutcome(&l.Writer, updates, refused)
	l.EndResponse()
	return l.Finish()
}

// update runs fn in a transaction on the account of the request's target.
func (rq *Request) update(fn func(*storage.Tx) error) error {
	return rq.quietly(rq.Target.account(rq), fn)
}

// guard checks the request's preconditions on a resource, e being its member or nil.
func (rq *Request) guard(v *storage.View, c *conditions, r *Resource, e *Entry) error {
	if c.none() {
		return nil
	}
	if r != nil && e == nil && r.Kind.Is(Collection|Home|Principal|Proxy|Place|Root) {
		// Collections have no ETag here: only "*" says something of them.
		e = &Entry{}
	}
	if err := c.check(e, false); err != nil {
		return err
	}
	return rq.checkIf(v, c, r)
}
