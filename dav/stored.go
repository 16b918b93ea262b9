package dav

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"atrium/dav/elem"
	"atrium/storage"
	"atrium/storage/account"
)

// Properties that clients set, dead ones and those that the server only keeps, are in storage as
// the XML that came, by elem.Key of their name. Those of principals and homes belong to the
// account, with a word in front.

// shelf is where a resource's properties are kept: the key of all, and what
// their names begin with. ok is false for resources that have no place for them.
func (r *Resource) shelf() (key storage.PropKey, prefix string, ok bool) {
	switch {
	case r.Entry != nil:
		return storage.PropKey{Collection: r.Collection.ID, Num: r.Entry.Num}, "", true
	case r.Collection != nil:
		return storage.PropKey{Collection: r.Collection.ID}, "", true
	case r.Kind.Is(Principal):
		return key, "principal", true
	case r.Kind.Is(Home):
		return key, "home/" + r.Tree.Segment, true
	}
	return key, "", false
}

// load reads what is stored of a resource, once. What the actor keeps of a
// resource of someone else's comes over what all see.
func (r *Resource) load(rq *Request, v *storage.View) error {
	if r.dead != nil {
		return nil
	}
	r.dead = map[string][]byte{}
	key, prefix, ok := r.shelf()
	if !ok || v == nil {
		return nil
	}
	users := []storage.AccountID{0}
	if r.ofAnother(rq) {
		users = append(users, rq.Actor.ID)
	}
	for _, key.User = range users {
		props, err := v.Props(key)
		if err != nil {
			return err
		}
		for _, p := range props {
			if name, ok := strings.CutPrefix(p.Name, prefix); ok && strings.HasPrefix(name, "{") {
				r.dead[name] = p.Value
				if key.User != 0 {
					if r.own == nil {
						r.own = map[string]bool{}
					}
					r.own[name] = true
				}
			}
		}
	}
	return nil
}

// stored is a property as it was set, the whole element; Absent when it was not.
func (r *Resource) stored(rq *Request, v *storage.View, n xml.Name) ([]byte, error) {
	if err := r.load(rq, v); err != nil {
		return nil, err
	}
	if len(r.dead) == 0 {
		return nil, errAbsent
	}
	if b := r.dead[elem.Key(n)]; b != nil {
		return b, nil
	}
	return nil, errAbsent
}

// Stored is a property as a client set it; Absent when none did.
func (a *Ask) Stored(r *Resource, name xml.Name) (elem.Raw, error) {
	b, err := r.stored(a.Request, a.View, name)
	return elem.Raw{Name: name, XML: b}, err
}

// storedAll are all that were set.
func (r *Resource) storedAll(rq *Request, v *storage.View) ([]elem.Raw, error) {
	if err := r.load(rq, v); err != nil {
		return nil, err
	}
	var all []elem.Raw
	for _, key := range sortedKeys(r.dead) {
		if n, ok := elem.ParseKey(key); ok {
			all = append(all, elem.Raw{Name: n, XML: r.dead[key]})
		}
	}
	return all, nil
}

// Store is the Set of a property that is kept as it came.
func Store(c *Change, v elem.Raw) error { return c.Store(v) }

// Unstore is the Remove of such a property.
func Unstore(c *Change) error { return c.store(nil) }

// Store keeps the property's value.
func (c *Change) Store(v elem.Raw) error {
	if int64(len(v.XML)) > c.Server.cfg.MaxProp {
		return Fail(http.StatusInsufficientStorage, "a property of more than %d bytes", c.Server.cfg.MaxProp)
	}
	return c.store(v.XML)
}

// Personal tells whether the value is to be the actor's alone: it is of what another shares. Who administers what
// belongs to a group sets what all its members see, and so does who makes a collection in another's home.
func (c *Change) Personal() bool {
	r := c.Resource
	return r.ofAnother(c.Request) && !r.Made && !(r.Owner.Sort == account.Group && r.Rights.Has(storage.Administer))
}

// ofAnother tells whether a resource is not the actor's.
func (r *Resource) ofAnother(rq *Request) bool { return r.Owner != nil && r.Owner.ID != rq.Actor.ID }

func (c *Change) store(value []byte) error {
	key, prefix, ok := c.Resource.shelf()
	if !ok {
		return Refuse(http.StatusForbidden, "D:cannot-modify-protected-property")
	}
	if c.Personal() {
		key.User = c.Actor.ID
	}
	key.Name = prefix + elem.Key(c.Name)
	if value != nil {
		if err := c.count(key); err != nil {
			return err
		}
	}
	err := c.Tx.SetProp(key, value)
	if errors.Is(err, storage.TooLarge) {
		return &Error{Status: http.StatusInsufficientStorage, Err: err}
	}
	return err
}

// count bounds the number of properties of a resource.
func (c *Change) count(key storage.PropKey) error {
	props, err := c.Tx.Props(key)
	if err != nil {
		return err
	}
	if len(props) >= c.Server.cfg.MaxProps {
		return Fail(http.StatusInsufficientStorage, "more than %d properties", c.Server.cfg.MaxProps)
	}
	return nil
}

// copyProps gives a collection the properties of another, as COPY does (RFC 4918
// §9.8.2).
func copyProps(tx *storage.Tx, from, to storage.PropKey) error {
	props, err := tx.Props(from)
	if err != nil {
		return err
	}
	for _, p := range props {
		if to.Name = p.Name; p.Name == invitesName {
			continue // who was asked to share the one was not asked to share the other
		}
		if err := tx.SetProp(to, p.Value); err != nil {
			return fmt.Errorf("property %s: %w", p.Name, err)
		}
	}
	return nil
}
