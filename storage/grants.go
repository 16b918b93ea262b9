package storage

import (
	"encoding/binary"
	"errors"
	"fmt"

	"atrium/storage/kv"
)

// Allow is the one rights check: it returns the collection when actor has all
// of need on it. The error is NotFound when actor may not even know that it
// exists, else Forbidden.
func (v *View) Allow(actor AccountID, id CollectionID, need Rights) (*Collection, error) {
	c, err := v.Collection(id)
	if err != nil || actor == v.a {
		return c, err
	}
	have, err := v.Rights(actor, id)
	switch {
	case err != nil:
		return nil, err
	case have.Has(need):
		return c, nil
	case have.Has(Lookup):
		return nil, fmt.Errorf("collection %q: %w", c.Name, Forbidden)
	}
	return nil, fmt.Errorf("collection: %w", NotFound)
}

// Rights tells what actor may do with a collection: an account has AllRights on
// what is its own, a member of a group what the membership gives on what is
// the group's own, and all have what grants on the collection and on the whole account
// give them, a group of theirs or anyone.
func (v *View) Rights(actor AccountID, id CollectionID) (Rights, error) {
	if actor == v.a {
		return AllRights, nil
	}
	var have Rights
	to := [8]AccountID{actor, Anyone}
	grantees := to[:2]
	for _, m := range v.s.memberships(actor) {
		if m.Group == v.a {
			have |= m.Rights
		}
		grantees = append(grantees, m.Group)
	}
	for _, c := range []CollectionID{0, id} {
		for _, to := range grantees {
			r, err := v.grant(c, to)
			if err != nil {
				return 0, err
			}
			have |= r
		}
	}
	return have, nil
}

func (v *View) grant(c CollectionID, to AccountID) (Rights, error) {
	k := grantKey(v.a, c, to)
	b, err := v.r.Get(k)
	switch {
	case errors.Is(err, kv.NotFound):
		return 0, nil
	case err != nil:
		return 0, err
	case len(b) != 4:
		return 0, fmt.Errorf("grant %x: %w", k, Corrupt)
	}
	return Rights(binary.BigEndian.Uint32(b)), nil
}

// Grants returns the grants on a collection, or with 0 on the whole account.
func (v *View) Grants(id CollectionID) ([]Grant, error) {
	prefix := collKey(v.a, tagGrant, id, 0)
	var list []Grant
	for k, b := range v.r.Scan(kv.Prefix(prefix)) {
		if len(k) != len(prefix)+8 || len(b) != 4 {
			return nil, fmt.Errorf("grant %x: %w", k, Corrupt)
		}
		list = append(list, Grant{id, AccountID(binary.BigEndian.Uint64(k[len(prefix):])), Rights(binary.BigEndian.Uint32(b))})
	}
	return list, nil
}

// decodeGrantKey reads the key of a grant; ok tells whether it is one.
func decodeGrantKey(k []byte) (g Grant, ok bool) {
	if len(k) != prefixLen+13 || k[prefixLen] != tagGrant {
		return g, false
	}
	k = k[prefixLen+1:]
	return Grant{Collection: CollectionID(binary.BigEndian.Uint32(k)), To: AccountID(binary.BigEndian.Uint64(k[4:]))}, true
}

// SetGrant sets a grant, or removes it when its Rights are 0. Who may grant is
// the caller's to check (Administer).
func (t *Tx) SetGrant(g Grant) error {
	if g.To == t.a {
		return fmt.Errorf("grant to oneself: %w", Invalid)
	}
	k, share := grantKey(t.a, g.Collection, g.To), shareKey(g.To, t.a, g.Collection)
	if g.Rights == 0 {
		t.w.Delete(k)
		t.w.Delete(share)
	} else {
		t.w.Set(share, []byte{shareVersion})
		t.w.Set(k, binary.BigEndian.AppendUint32(nil, uint32(g.Rights)))
	}
	t.granted = append(t.granted, g.To)
	return t.meta(g.Collection)
}
