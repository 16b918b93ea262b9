package dav

import (
	"encoding/xml"
	"errors"
	"mime"
	"net/http"
	"slices"

	"atrium/dav/elem"
	"atrium/storage"
)

// extendedMKCOL is RFC 5689.
var extendedMKCOL = Module{RFC: "5689", Features: []string{"extended-mkcol"}, Methods: map[string]Handler{"MKCOL": mkcol}}

// mkcol answers MKCOL, with a body or without (RFC 4918 §9.3, RFC 5689 §3).
func mkcol(rq *Request, w http.ResponseWriter) error {
	r := elem.NewReader(rq.Body, rq.Server.xmlLimits())
	root, ok := r.Root()
	if !ok {
		if r.Err() == elem.Empty && rq.ContentLength == 0 {
			return rq.MakeCollection(w, nil, "D:mkcol-response", nil)
		}
		if !isXML(rq.Header.Get("Content-Type")) {
			return Fail(http.StatusUnsupportedMediaType, "MKCOL takes a DAV:mkcol") // RFC 4918 §9.3.1
		}
		if r.Err() == elem.Empty {
			return rq.MakeCollection(w, nil, "D:mkcol-response", nil)
		}
		return r.Err()
	}
	if root.Name != elem.N("D:mkcol") {
		return Fail(http.StatusUnsupportedMediaType, "the root element is not DAV:mkcol")
	}
	updates, err := rq.readUpdates(r, true)
	if err != nil {
		return err
	}
	types, updates, err := takeTypes(updates)
	if err != nil {
		return err
	}
	if types == nil {
		types = []xml.Name{collectionType}
	}
	return rq.makeCollection(w, types, "D:mkcol-response", updates)
}

func isXML(contentType string) bool {
	t, _, _ := mime.ParseMediaType(contentType)
	return t == "application/xml" || t == "text/xml"
}

// takeTypes takes DAV:resourcetype out of the instructions.
func takeTypes(updates []update) (types []xml.Name, rest []update, err error) {
	for _, u := range updates {
		if u.raw.Name != elem.N("D:resourcetype") {
			rest = append(rest, u)
			continue
		}
		r := u.raw.Reader()
		r.Root()
		types = []xml.Name{}
		for s := range r.Children() {
			types = append(types, s.Name)
		}
		if r.Err() != nil {
			return nil, nil, r.Err()
		}
	}
	return types, rest, nil
}

// ReadSet reads the DAV:set elements of MKCALENDAR's body.
func (rq *Request) ReadSet(r *elem.Reader) ([]elem.Raw, error) {
	updates, err := rq.readUpdates(r, true)
	out := make([]elem.Raw, len(updates))
	for i, u := range updates {
		out[i] = u.raw
	}
	return out, err
}

// MakeCollection makes a collection at the request's path with properties, all or
// nothing. types nil means whatever the place holds; failures are told in an element of that name.
func (rq *Request) MakeCollection(w http.ResponseWriter, types []xml.Name, response string, props []elem.Raw) error {
	var updates []update
	for _, p := range props {
		updates = append(updates, update{raw: p})
	}
	// DAVx5 sends DAV:resourcetype in MKCALENDAR too.
	asked, updates, err := takeTypes(updates)
	if err != nil {
		return err
	}
	if asked != nil {
		types = asked
	}
	return rq.makeCollection(w, types, response, updates)
}

func (rq *Request) makeCollection(w http.ResponseWriter, types []xml.Name, response string, updates []update) error {
	conds, err := rq.conditions()
	if err != nil {
		return err
	}
	var refused []refusal
	err = rq.update(func(tx *storage.Tx) error {
		refused = nil
		if err := rq.mayMake(tx, conds, types, response); err != nil {
			return err
		}
		refused, err = rq.make(tx, types, updates)
		return err
	})
	if errors.Is(err, errRefused) {
		return rq.notMade(w, response, updates, refused)
	}
	if err != nil {
		return rq.wrap(err)
	}
	rq.changed()
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusCreated)
	return nil
}

// mayMake checks that a collection may come into being at the request's path.
func (rq *Request) mayMake(tx *storage.Tx, conds *conditions, types []xml.Name, response string) error {
	t, v := rq.Target, &tx.View
	if _, err := rq.locate(v, t); err == nil {
		if response == "D:mkcol-response" {
			return rq.notHere() // RFC 4918 §9.3.1
		}
		return Refuse(http.StatusForbidden, "D:resource-must-be-null") // RFC 4791 §5.3.1.1
	} else if !errors.Is(err, storage.NotFound) {
		return err
	}
	if t.Tree == nil {
		return Fail(http.StatusForbidden, "no collections are made here")
	}
	if t.Owner == nil {
		return errNowhere
	}
	if t.Owner.ID != rq.Actor.ID {
		home, err := rq.locateHome(v, t)
		if err == nil {
			err = home.need(storage.Create)
		}
		if err != nil {
			return err
		}
	}
	if _, reserved := parseMount(t.Rest[0]); reserved && !t.Tree.Nested {
		return Fail(http.StatusForbidden, "names like this one are those of what others share")
	}
	if !t.Tree.Nested && len(t.Rest) != 1 {
		return rq.misplaced(v)
	}
	parent, _, err := rq.locateParent(v, t)
	if errors.Is(err, storage.NotFound) {
		return Fail(http.StatusConflict, "the collection above it is not there")
	}
	if err != nil {
		return err
	}
	if t.Tree.Nested {
		if _, err := t.Tree.ByName(v, parent.Collection.ID, t.Rest[len(t.Rest)-1]); err == nil {
			return rq.notHere()
		}
	}
	if err := parent.need(storage.Insert); err != nil {
		return err
	}
	if err := rq.guard(v, conds, nil, nil); err != nil {
		return err
	}
	if err := rq.free(v, conds, t, touchSelf|touchMembers); err != nil {
		return err
	}
	return rq.checkTypes(types)
}

// misplaced is about a collection in a calendar or an address book (RFC 4791
// §5.3.1.1).
func (rq *Request) misplaced(v *storage.View) error {
	if _, err := rq.collection(v, rq.Target, rq.Target.Rest[:1]); err != nil {
		return Fail(http.StatusConflict, "the collection above it is not there")
	}
	if rq.Target.Tree.Collection.typeIs("C:calendar") {
		return Refuse(http.StatusForbidden, "C:calendar-collection-location-ok")
	}
	return Refuse(http.StatusForbidden, "CR:addressbook-collection-location-ok")
}

// checkTypes tells whether the place takes a resource type (RFC 5689 §3.3).
func (rq *Request) checkTypes(types []xml.Name) error {
	if types == nil {
		return nil
	}
	for _, alias := range rq.Target.Tree.Alias {
		if sameNames(alias, types) {
			return nil
		}
	}
	want := rq.Target.Tree.Collection.Types
	for _, t := range want {
		if !slices.Contains(types, t) {
			return Refuse(http.StatusForbidden, "D:valid-resourcetype")
		}
	}
	for _, t := range types {
		if !slices.Contains(want, t) {
			return Refuse(http.StatusForbidden, "D:valid-resourcetype")
		}
	}
	return nil
}

// changed tells the tree that a collection was made or got properties.
func (rq *Request) changed() {
	if t := rq.Target.Tree; t != nil && t.Changed != nil {
		t.Changed(rq)
	}
}

// sameNames tells whether two sets of names are the same.
func sameNames(a, b []xml.Name) bool {
	for _, n := range b {
		if !slices.Contains(a, n) {
			return false
		}
	}
	return len(a) == len(b)
}

func (rq *Request) make(tx *storage.Tx, types []xml.Name, updates []update) ([]refusal, error) {
	t := rq.Target
	m := &Making{Types: types}
	for _, u := range updates {
		m.Props = append(m.Props, u.raw)
	}
	c, err := t.Tree.Make(tx, t.Tree.stored(t.Rest), m)
	if err != nil {
		return nil, err
	}
	if err := rq.Server.delegateNew(tx, t.Tree, c.ID); err != nil {
		return nil, err
	}
	r := &Resource{Kind: t.Tree.Collection, Path: t.path(len(t.Rest), true), Tree: t.Tree, Owner: t.Owner,
		Collection: c, Rights: storage.AllRights, Made: true}
	left := make([]update, 0, len(m.Props))
	for _, p := range m.Props {
		left = append(left, update{raw: p})
	}
	refused, err := rq.apply(tx, r, left)
	if err != nil || len(refused) == 0 {
		return nil, err
	}
	for i := range refused { // the index among all instructions
		name := left[refused[i].at].raw.Name
		refused[i].at = slices.IndexFunc(updates, func(u update) bool { return u.raw.Name == name })
	}
	return refused, errRefused
}

// notMade tells which properties kept a collection from being made (RFC 5689
// §3.5, RFC 4791 §5.3.1).
func (rq *Request) notMade(w http.ResponseWriter, response string, updates []update, refused []refusal) error {
	if response != "D:mkcol-response" {
		l := rq.listing(w, nil, false)
		defer l.Close()
		l.Response(rq.Target.path(len(rq.Target.raw), true))
		writeOutcome(&l.Writer, updates, refused)
		l.EndResponse()
		return l.Finish()
	}
	var x elem.Writer
	x.Str(xmlHead + "<" + response)
	x.Declare()
	x.Str(">")
	writeOutcome(&x, updates, refused)
	x.Str("</" + response + ">")
	w.Header().Set("Content-Type", xmlType)
	w.WriteHeader(refused[0].err.Status)
	_, err := w.Write(x.Bytes())
	return err
}
