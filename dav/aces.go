package dav

import (
	"encoding/xml"
	"errors"
	"net/http"
	"strings"

	"atrium/dav/elem"
	"atrium/storage"
)

// setACL answers the ACL method (RFC 3744 §8.1): the grants of a collection become those of the request, but
// for what is protected (the owner's rights) and inherited (grants of the whole account). Only grants
// are known; rights are a union, so that no order of ACEs matters.
func setACL(rq *Request, w http.ResponseWriter) error {
	r := elem.NewReader(rq.Body, rq.Server.xmlLimits())
	root, ok := r.Root()
	if !ok {
		return r.Err()
	}
	if root.Name != elem.N("D:acl") {
		return Fail(http.StatusBadRequest, "the root element is not DAV:acl")
	}
	aces, err := rq.readACEs(r)
	if err != nil {
		return err
	}
	conds, err := rq.conditions()
	if err != nil {
		return err
	}
	err = rq.update(func(tx *storage.Tx) error {
		res, err := rq.locate(&tx.View, rq.Target)
		if err != nil {
			return err
		}
		if err := res.need(storage.Administer); err != nil {
			return err
		}
		if res.Collection == nil || res.Entry != nil || res.Tree.Nested || res.Tree.Private != nil && res.Tree.Private(res.Collection) {
			return Fail(http.StatusForbidden, "grants are set on calendars and address books")
		}
		if err := rq.guard(&tx.View, conds, res, nil); err != nil {
			return err
		}
		if err := rq.free(&tx.View, conds, rq.Target, touchSelf); err != nil {
			return err
		}
		return rq.Server.replaceGrants(tx, res, aces)
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// ace is one ACE as a request has it.
type ace struct {
	to        storage.AccountID // 0: the owner, by DAV:property
	rights    storage.Rights
	inherited bool
	protected bool
}

func (rq *Request) readACEs(r *elem.Reader) (aces []ace, err error) {
	for s := range r.Children() {
		if !s.Is("D:ace") {
			continue
		}
		if len(aces) >= maxShared {
			return nil, Refuse(http.StatusForbidden, "D:limited-number-of-aces")
		}
		a, err := rq.readACE(r)
		if err != nil {
			return nil, err
		}
		aces = append(aces, a)
	}
	return aces, r.End()
}

// readACE reads a DAV:ace. Of what does not hold the first is told (RFC 3744 §8.1.1).
func (rq *Request) readACE(r *elem.Reader) (a ace, err error) {
	principal, grant := false, false
	for s := range r.Children() {
		switch s.Name {
		case elem.N("D:principal"):
			principal = true
			a.to, err = rq.readPrincipal(r)
		case elem.N("D:invert"):
			err = Refuse(http.StatusForbidden, "D:no-invert")
		case elem.N("D:deny"):
			err = Refuse(http.StatusForbidden, "D:grant-only")
		case elem.N("D:grant"):
			grant = true
			var rights storage.Rights
			rights, err = rq.Server.readGranted(r)
			a.rights |= rights
		case elem.N("D:protected"):
			a.protected = true
		case elem.N("D:inherited"):
			a.inherited = true
		}
		if err != nil {
			return a, err
		}
	}
	if r.Err() == nil && !(principal && grant) {
		return a, Fail(http.StatusBadRequest, "an ACE has one DAV:principal and one DAV:grant")
	}
	return a, r.Err()
}

// readPrincipal reads whom an ACE is about.
func (rq *Request) readPrincipal(r *elem.Reader) (to storage.AccountID, err error) {
	found := false
	for s := range r.Children() {
		found = true
		switch s.Name {
		case hrefName:
			to, err = rq.grantTo(strings.TrimSpace(r.Text()))
		case elem.N("D:all"), elem.N("D:authenticated"):
			to = storage.Anyone // nobody is let in who is not authenticated
		case elem.N("D:property"):
			for p := range r.Children() {
				if !p.Is("D:owner") {
					err = Refuse(http.StatusForbidden, "D:allowed-principal")
				}
			}
		default: // DAV:unauthenticated, DAV:self
			err = Refuse(http.StatusForbidden, "D:allowed-principal")
		}
		if err != nil {
			return 0, err
		}
	}
	if !found && r.Err() == nil {
		return 0, Refuse(http.StatusForbidden, "D:recognized-principal")
	}
	return to, r.Err()
}

// grantTo is the account behind the URL of a principal or an address.
func (rq *Request) grantTo(ref string) (storage.AccountID, error) {
	if len(ref) > 7 && strings.EqualFold(ref[:7], "mailto:") {
		x, err := rq.Server.find(rq.Context(), ref[7:])
		if err == nil && (x == nil || !rq.knows(x)) {
			err = Refuse(http.StatusForbidden, "D:recognized-principal")
		}
		if err != nil {
			return 0, err
		}
		return x.ID, nil
	}
	t, err := rq.href(ref)
	var e *Error
	if err != nil && !errors.As(err, &e) {
		return 0, err
	}
	if err != nil || t.Kind != &principalKind || t.Owner == nil || !rq.knows(t.Owner) {
		return 0, Refuse(http.StatusForbidden, "D:recognized-principal")
	}
	return t.Owner.ID, nil
}

// readGranted reads the privileges of a DAV:grant as rights.
func (s *Server) readGranted(r *elem.Reader) (rights storage.Rights, err error) {
	for e := range r.Children() {
		if !e.Is("D:privilege") {
			continue
		}
		for p := range r.Children() {
			known := s.privilege(p.Name)
			switch {
			case known == nil:
				return 0, Refuse(http.StatusForbidden, "D:not-supported-privilege")
			case known.Abstract:
				return 0, Refuse(http.StatusForbidden, "D:no-abstract")
			}
			rights |= known.Rights | known.Grants
		}
	}
	return rights, r.Err()
}

func (s *Server) privilege(n xml.Name) *Privilege {
	for i := range s.privileges {
		if s.privileges[i].Name == n {
			return &s.privileges[i]
		}
	}
	return nil
}

// replaceGrants makes the grants of a collection those of a request's ACEs.
func (s *Server) replaceGrants(tx *storage.Tx, res *Resource, aces []ace) error {
	have, whole, err := aclOf(&tx.View, res.Collection)
	if err != nil {
		return err
	}
	want := map[storage.AccountID]storage.Rights{}
	for _, a := range aces {
		switch {
		case a.to == 0 || a.to == res.Owner.ID:
			if a.rights != storage.AllRights {
				return Refuse(http.StatusForbidden, "D:no-protected-ace-conflict")
			}
		case a.protected:
			return Refuse(http.StatusForbidden, "D:no-protected-ace-conflict")
		case a.inherited:
			if !s.says(whole, a) {
				return Refuse(http.StatusForbidden, "D:no-inherited-ace-conflict")
			}
		default:
			want[a.to] |= a.rights
		}
	}
	for _, g := range have {
		rights, stays := want[g.To]
		if delete(want, g.To); stays && s.alike(rights, g.Rights) {
			continue // it may have rights that no privilege tells
		}
		if err := Grant(tx, res.Collection.ID, g.To, rights); err != nil {
			return err
		}
	}
	for to, rights := range want {
		if rights == 0 {
			continue
		}
		if err := Grant(tx, res.Collection.ID, to, rights); err != nil {
			return err
		}
	}
	return nil
}

// says tells whether an ACE is one of some grants.
func (s *Server) says(grants []storage.Grant, a ace) bool {
	for _, g := range grants {
		if g.To == a.to && s.alike(g.Rights, a.rights) {
			return true
		}
	}
	return false
}

// alike tells whether two sets of rights are the same in privileges.
func (s *Server) alike(a, b storage.Rights) bool {
	var x, y elem.Writer
	s.granted(&x, a)
	s.granted(&y, b)
	return string(x.Bytes()) == string(y.Bytes())
}
