package dav

import (
	"encoding/xml"
	"errors"
	"fmt"

	"atrium/dav/elem"
	"atrium/storage"
	"atrium/storage/account"
)

// The kinds that hold the face together.
var (
	collectionType = elem.N("D:collection")
	rootKind       = Kind{Name: "root", Bits: Root, Types: []xml.Name{collectionType}}
	principalsKind = Kind{Name: "principals", Bits: Place, Types: []xml.Name{collectionType}}
	placeKind      = Kind{Name: "place", Bits: Place, Types: []xml.Name{collectionType}}
	principalKind  = Kind{Name: "principal", Bits: Principal, Types: []xml.Name{collectionType, elem.N("D:principal")}}
)

// Resource is what a path leads to, for one request at one snapshot.
type Resource struct {
	Kind       *Kind
	Path       string // percent-encoded, with "/" at the end when it is a collection
	Tree       *Tree
	Owner      *account.Account    // of the principal, home, collection or member; nil for Root and Place
	Collection *storage.Collection // the collection, or the member's
	Entry      *Entry              // of a member
	Rights     storage.Rights      // what the actor may do with the collection or member
	Proxy      proxyKind           // of a principal that stands for who acts for its Owner; see proxies.go
	Mount      bool                // it is seen in the actor's home, though it is another's
	Made       bool                // this request makes it: what it sets is for all

	Loaded any // what a report has read of it already, for its own properties: []byte is its octets

	dead map[string][]byte // its stored properties, once they were read
	own  map[string]bool   // those of them that are the actor's alone
}

// Account is the account whose View has what belongs to the resource.
func (r *Resource) Account(rq *Request) storage.AccountID {
	if r.Owner != nil {
		return r.Owner.ID
	}
	return rq.Actor.ID
}

// IsCollection tells whether the resource may have members.
func (r *Resource) IsCollection() bool { return !r.Kind.Is(Member) }

// account is the account whose store a target is looked up in.
func (t *Target) account(rq *Request) storage.AccountID {
	if t.Owner != nil {
		return t.Owner.ID
	}
	return rq.Actor.ID
}

// errNowhere is about a path that leads to nothing, or to nothing that the actor may know of.
var errNowhere = fmt.Errorf("path: %w", storage.NotFound)

// locate resolves a target in a snapshot of its account. What the actor may
// not know of is storage.NotFound; of what is in a collection that it cannot read it is told nothing.
func (rq *Request) locate(v *storage.View, t *Target) (*Resource, error) {
	return rq.locateFor(v, t, storage.Read)
}

// locateFor is locate that in a collection which the actor cannot read is content with another right to its members.
func (rq *Request) locateFor(v *storage.View, t *Target, instead storage.Rights) (*Resource, error) {
	if t.Tree == nil {
		return rq.locatePlace(t)
	}
	if t.Owner == nil {
		return nil, errNowhere
	}
	if len(t.Rest) == 0 {
		return rq.locateHome(v, t)
	}
	c, err := rq.collection(v, t, t.Rest)
	if err == nil {
		return rq.asCollection(v, t, c, len(t.Rest))
	}
	if !errors.Is(err, storage.NotFound) || len(t.Rest) == 1 && !t.Tree.Nested {
		return nil, err
	}
	parent, name, err := rq.locateParent(v, t)
	if err != nil {
		return nil, err
	}
	if !parent.Rights.Has(storage.Read) {
		if err := parent.need(instead); err != nil {
			return nil, err // whether it is there or not
		}
	}
	e, err := rq.byName(v, t.Tree, parent.Collection, name)
	if err != nil {
		return nil, err
	}
	return rq.asMember(parent, &e, t.Path()), nil
}

func (rq *Request) locatePlace(t *Target) (*Resource, error) {
	switch t.Kind {
	case &rootKind:
		return &Resource{Kind: t.Kind, Path: "/", Rights: storage.Lookup | storage.Read}, nil
	case &principalsKind:
		return &Resource{Kind: t.Kind, Path: principalsPath, Rights: storage.Lookup | storage.Read}, nil
	case &placeKind:
		return &Resource{Kind: t.Kind, Path: t.home, Rights: storage.Lookup | storage.Read}, nil
	case &principalKind:
		if t.Owner != nil && rq.knows(t.Owner) {
			return rq.principal(t.Owner, t.home), nil
		}
	case &readProxyKind, &writeProxyKind:
		if t.Owner != nil && rq.knows(t.Owner) {
			return rq.proxy(t), nil
		}
	}
	return nil, errNowhere
}

func (rq *Request) principal(a *account.Account, path string) *Resource {
	r := &Resource{Kind: &principalKind, Path: path, Owner: a, Rights: storage.Lookup | storage.Read}
	if a.ID == rq.Actor.ID {
		r.Rights |= storage.Properties
	}
	return r
}

// knows tells whether the actor may know that an account exists: those of
// its own domain.
func (rq *Request) knows(a *account.Account) bool {
	return a.ID == rq.Actor.ID || sameDomain(a.Name, rq.Actor.Name)
}

func (rq *Request) locateHome(v *storage.View, t *Target) (*Resource, error) {
	if t.Tree.Nested {
		c, err := v.CollectionByName(t.Tree.Schema, rootFolder)
		if err != nil {
			return nil, err
		}
		r, err := rq.asCollection(v, t, c, 0)
		if err == nil {
			r.Kind = t.Tree.Home
		}
		return r, err
	}
	r := &Resource{Kind: t.Tree.Home, Path: t.home, Tree: t.Tree, Owner: t.Owner}
	if t.Owner.ID == rq.Actor.ID {
		r.Rights = storage.AllRights
		return r, nil
	}
	all, err := v.Collections(t.Tree.Schema)
	if err != nil {
		return nil, err
	}
	if r.Rights, err = v.Rights(rq.Actor.ID, 0); err != nil {
		return nil, err
	}
	delegated, err := rq.delegated(v, t.Tree)
	if err != nil {
		return nil, err
	}
	r.Rights |= delegated
	for _, c := range all {
		rights, err := rq.rights(v, t.Tree, c)
		if err != nil {
			return nil, err
		}
		if rights.Has(storage.Lookup) {
			r.Rights |= storage.Lookup | storage.Read | storage.FreeBusy
			break
		}
	}
	if !r.Rights.Has(storage.Lookup) {
		return nil, errNowhere
	}
	// A home has no properties but its owner's.
	r.Rights &^= storage.Properties
	return r, nil
}

// collection is the one that segments lead to.
func (rq *Request) collection(v *storage.View, t *Target, segments []string) (*storage.Collection, error) {
	if !t.Tree.Nested && len(segments) != 1 {
		return nil, errNowhere
	}
	return v.CollectionByName(t.Tree.Schema, t.Tree.stored(segments))
}

// asCollection is the Resource of a collection that n segments of the target lead to.
func (rq *Request) asCollection(v *storage.View, t *Target, c *storage.Collection, n int) (*Resource, error) {
	rights, err := rq.rights(v, t.Tree, c)
	if err != nil {
		return nil, err
	}
	if rights == 0 {
		return nil, errNowhere
	}
	return &Resource{Kind: t.Tree.Collection, Path: t.path(n, true), Tree: t.Tree, Owner: t.Owner, Collection: c, Rights: rights, Mount: t.Mount}, nil
}

// rights are what the actor may do with a collection.
func (rq *Request) rights(v *storage.View, t *Tree, c *storage.Collection) (storage.Rights, error) {
	rights, err := v.Rights(rq.Actor.ID, c.ID)
	if t.Limit != nil {
		rights &= t.Limit(c)
	}
	return rights, err
}

func (rq *Request) asMember(parent *Resource, e *Entry, path string) *Resource {
	return &Resource{Kind: parent.Tree.Member, Path: path, Tree: parent.Tree, Owner: parent.Owner,
		Collection: parent.Collection, Entry: e, Rights: parent.Rights, Mount: parent.Mount}
}

// locateParent is the collection or home above a target, and the target's name in it.
func (rq *Request) locateParent(v *storage.View, t *Target) (*Resource, string, error) {
	n := len(t.Rest) - 1
	if t.Tree == nil || t.Owner == nil || n < 0 {
		return nil, "", errNowhere
	}
	name := t.Rest[n]
	if n == 0 {
		home, err := rq.locateHome(v, t)
		return home, name, err
	}
	c, err := rq.collection(v, t, t.Rest[:n])
	if err != nil {
		return nil, "", err
	}
	parent, err := rq.asCollection(v, t, c, n)
	return parent, name, err
}

// need is the one check of rights on a resource: storage.Forbidden when some are lacking.
func (r *Resource) need(rights storage.Rights) error {
	if r.Rights.Has(rights) {
		return nil
	}
	var w elem.Writer
	for _, n := range needed {
		if rights.Has(n.right) && !r.Rights.Has(n.right) {
			w.Str("<D:resource>")
			w.Href(r.Path)
			w.Str("<D:privilege><" + n.privilege + "/></D:privilege></D:resource>")
		}
	}
	return &Error{Status: 403, Condition: elem.N("D:need-privileges"), Inner: w.Bytes(), Err: storage.Forbidden}
}

// needed are the privileges that rights are, in DAV:need-privileges (RFC 3744 §7.1.1).
var needed = []struct {
	right     storage.Rights
	privilege string
}{
	{storage.Read, "D:read"}, {storage.FreeBusy, "C:read-free-busy"}, {storage.Lookup, "D:read-current-user-privilege-set"},
	{storage.Write, "D:write-content"}, {storage.Properties, "D:write-properties"},
	{storage.Insert, "D:bind"}, {storage.Create, "D:bind"}, {storage.Delete, "D:unbind"}, {storage.Remove, "D:unbind"},
	{storage.Administer, "D:write-acl"},
}

// member is the path of a member of a collection.
func (r *Resource) member(name string) string { return r.Path + Escape(name) }
