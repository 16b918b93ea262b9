package dav

import (
	"encoding/xml"
	"net/http"

	"atrium/dav/elem"
	"atrium/storage"
	"atrium/storage/account"
)

// accessControl is RFC 3744. A grant of the store is an ACE here; see aces.go.
var accessControl = Module{
	RFC:      "3744",
	Features: []string{"access-control"},
	Methods:  map[string]Handler{"ACL": setACL},
	Privileges: []Privilege{
		{Name: elem.N("D:all"), Rights: storage.Read | storage.Write | storage.Insert | storage.Delete | storage.Properties | storage.Administer,
			Grants: storage.AllRights, Text: "All"},
		{Name: elem.N("D:read"), In: elem.N("D:all"), Rights: storage.Read, Grants: storage.ReadOnly | storage.Seen, Text: "Read"},
		{Name: elem.N("D:read-current-user-privilege-set"), In: elem.N("D:all"), Rights: storage.Lookup, Text: "Read one's own privileges"},
		{Name: elem.N("D:write"), In: elem.N("D:all"), Rights: storage.Write | storage.Insert | storage.Delete | storage.Properties,
			Grants: storage.ReadWrite &^ storage.ReadOnly, Text: "Write"},
		{Name: elem.N("D:write-properties"), In: elem.N("D:write"), Rights: storage.Properties, Text: "Write properties"},
		{Name: elem.N("D:write-content"), In: elem.N("D:write"), Rights: storage.Write, Grants: storage.Seen, Text: "Write objects"},
		{Name: elem.N("D:bind"), In: elem.N("D:write"), Rights: storage.Insert, Grants: storage.Post, Text: "Add objects"},
		{Name: elem.N("D:unbind"), In: elem.N("D:write"), Rights: storage.Delete, Grants: storage.Expunge, Text: "Remove objects"},
		{Name: elem.N("D:unlock"), In: elem.N("D:all"), Rights: storage.Administer, Abstract: true, Text: "Remove others' locks"},
		{Name: elem.N("D:read-acl"), In: elem.N("D:all"), Rights: storage.Administer, Abstract: true, Text: "Read grants"},
		{Name: elem.N("D:write-acl"), In: elem.N("D:all"), Rights: storage.Administer, Text: "Change grants"},
	},
	Properties: []Property{
		{Name: elem.N("D:owner"), On: Everything &^ (Root | Place), Get: func(_ *Ask, r *Resource, w *elem.Writer) error {
			w.Href(PrincipalPath(r.Owner))
			return nil
		}},
		{Name: elem.N("D:group"), On: Everything, Get: func(*Ask, *Resource, *elem.Writer) error { return Absent() }},
		{Name: elem.N("D:current-user-privilege-set"), On: Everything, Get: getPrivileges},
		{Name: elem.N("D:supported-privilege-set"), On: Everything, Get: func(a *Ask, _ *Resource, w *elem.Writer) error {
			a.Server.writePrivileges(w, xml.Name{})
			return nil
		}},
		{Name: elem.N("D:acl"), On: Everything, Get: getACL},
		{Name: elem.N("D:acl-restrictions"), On: Everything, Get: func(_ *Ask, _ *Resource, w *elem.Writer) error {
			w.Str("<D:grant-only/><D:no-invert/>")
			return nil
		}},
		{Name: elem.N("D:inherited-acl-set"), On: Home | Collection | Member, Get: getInherited},
		{Name: elem.N("D:principal-collection-set"), On: Everything, Get: func(_ *Ask, _ *Resource, w *elem.Writer) error {
			w.Href(principalsPath)
			return nil
		}},
		{Name: elem.N("D:principal-URL"), On: Principal | Proxy, Get: func(_ *Ask, r *Resource, w *elem.Writer) error {
			if r.Proxy != 0 {
				w.Href(r.Proxy.path(r.Owner))
			} else {
				w.Href(PrincipalPath(r.Owner))
			}
			return nil
		}},
		{Name: elem.N("D:alternate-URI-set"), On: Principal, Get: func(_ *Ask, r *Resource, w *elem.Writer) error {
			for _, a := range r.Owner.Addresses {
				w.Href("mailto:" + a)
			}
			return nil
		}},
		{Name: elem.N("D:group-membership"), On: Principal | Proxy, Get: getMembership},
		{Name: elem.N("D:group-member-set"), On: Principal | Proxy, Get: getMembers, Set: setMembers},
	},
	Reports: []Report{
		{Name: elem.N("D:acl-principal-prop-set"), On: Everything, Run: aclPrincipals},
		{Name: elem.N("D:principal-match"), On: Everything, Run: principalMatch},
		{Name: elem.N("D:principal-property-search"), On: Everything, Run: principalSearch},
		{Name: elem.N("D:principal-search-property-set"), On: Root | Place | Principal | Home, Run: searchProperties},
	},
}

// getPrivileges: the rights as the bits that privileges speak of. On homes and places
// what is not there is not needed.
func getPrivileges(a *Ask, r *Resource, w *elem.Writer) error {
	for _, p := range a.Server.privileges {
		if r.Rights.Has(p.Rights) {
			w.Str("<D:privilege>")
			w.Empty(p.Name)
			w.Str("</D:privilege>")
		}
	}
	return nil
}

// writePrivileges writes the privileges in an aggregate (RFC 3744 §5.3).
func (s *Server) writePrivileges(w *elem.Writer, in xml.Name) {
	for _, p := range s.privileges {
		if p.In != in {
			continue
		}
		w.Str("<D:supported-privilege><D:privilege>")
		w.Empty(p.Name)
		w.Str("</D:privilege>")
		if p.Abstract {
			w.Str("<D:abstract/>")
		}
		w.Str(`<D:description xml:lang="en">`)
		w.Text(p.Text)
		w.Str("</D:description>")
		s.writePrivileges(w, p.Name)
		w.Str("</D:supported-privilege>")
	}
}

// granted writes rights as the fewest privileges that are them.
func (s *Server) granted(w *elem.Writer, rights storage.Rights) {
	var told storage.Rights
	var walk func(in xml.Name)
	walk = func(in xml.Name) {
		for _, p := range s.privileges {
			switch {
			case p.In != in:
			case p.Rights != 0 && rights.Has(p.Rights) && !p.Abstract:
				if p.Rights&^told != 0 {
					w.Str("<D:privilege>")
					w.Empty(p.Name)
					w.Str("</D:privilege>")
					told |= p.Rights | p.Grants
				}
			default:
				walk(p.Name)
			}
		}
	}
	walk(xml.Name{})
}

// aclOf are the grants that reach a collection: its own, and those of its owner's whole account.
func aclOf(v *storage.View, c *storage.Collection) (own, inherited []storage.Grant, err error) {
	if own, err = v.Grants(c.ID); err == nil {
		inherited, err = v.Grants(0)
	}
	return own, inherited, err
}

// getACL writes DAV:acl (RFC 3744 §5.5). What all may do is protected; a member has the grants of its
// collection.
func getACL(a *Ask, r *Resource, w *elem.Writer) error {
	if r.Owner == nil || r.Kind.Is(Principal|Proxy) {
		w.Str("<D:ace><D:principal><D:authenticated/></D:principal><D:grant><D:privilege><D:read/></D:privilege></D:grant><D:protected/></D:ace>")
		return nil
	}
	if err := r.need(storage.Administer); err != nil {
		return err
	}
	w.Str("<D:ace><D:principal><D:property><D:owner/></D:property></D:principal><D:grant><D:privilege><D:all/></D:privilege></D:grant><D:protected/></D:ace>")
	var own, whole []storage.Grant
	var err error
	if r.Collection != nil {
		own, whole, err = aclOf(a.View, r.Collection)
	} else {
		whole, err = a.View.Grants(0)
	}
	if err != nil {
		return err
	}
	up := ""
	if r.Entry != nil {
		up = r.Path[:len(r.Path)-len(Escape(r.Entry.Name))]
	}
	for _, g := range own {
		a.writeACE(w, g, up)
	}
	for _, g := range whole {
		a.writeACE(w, g, r.Tree.HomePath(r.Owner))
	}
	return nil
}

// writeACE writes a grant; inherited is from where it comes, "" for the resource itself.
func (a *Ask) writeACE(w *elem.Writer, g storage.Grant, inherited string) {
	principal, ok := a.Server.grantee(a.Request, g.To)
	if !ok {
		return
	}
	w.Str("<D:ace><D:principal>")
	if principal == "" {
		w.Str("<D:authenticated/>")
	} else {
		w.Href(principal)
	}
	w.Str("</D:principal><D:grant>")
	a.Server.granted(w, g.Rights)
	w.Str("</D:grant>")
	if inherited != "" {
		w.Str("<D:inherited>")
		w.Href(inherited)
		w.Str("</D:inherited>")
	}
	w.Str("</D:ace>")
}

// grantee is the path of the principal that a grant is for, "" for anyone; ok is false when it is no more.
func (s *Server) grantee(rq *Request, id storage.AccountID) (path string, ok bool) {
	if id == storage.Anyone {
		return "", true
	}
	x, err := s.people.Get(rq.Context(), id)
	if err != nil {
		return "", false
	}
	return PrincipalPath(x), true
}

func getInherited(_ *Ask, r *Resource, w *elem.Writer) error {
	if r.Entry != nil {
		w.Href(r.Path[:len(r.Path)-len(Escape(r.Entry.Name))])
	} else if r.Collection != nil {
		w.Href(r.Tree.HomePath(r.Owner))
	}
	return nil
}

// aclPrincipals is RFC 3744 §9.2: properties of those who have something granted.
func aclPrincipals(rq *Request, w http.ResponseWriter, r *elem.Reader, _ elem.Start) error {
	if err := rq.flat(); err != nil {
		return err
	}
	l, err := rq.ReadListing(w, r, func(elem.Start) error { return nil })
	if err != nil {
		return err
	}
	defer l.Close()
	if l.want.mode == wantNames && len(l.want.names) == 0 {
		return Fail(http.StatusBadRequest, "a prop is needed") // RFC 3744 §9.2
	}
	var who []*account.Account
	err = rq.view(rq.Target.account(rq), func(v *storage.View) error {
		res, err := rq.locate(v, rq.Target)
		if err != nil || res.Owner == nil || res.Collection == nil {
			return err
		}
		if err := res.need(storage.Administer); err != nil {
			return err
		}
		own, whole, err := aclOf(v, res.Collection)
		who = append(who, res.Owner)
		seen := map[storage.AccountID]bool{res.Owner.ID: true}
		for _, g := range append(own, whole...) {
			x, err := rq.Server.people.Get(rq.Context(), g.To)
			if err == nil && !seen[g.To] && rq.knows(x) {
				seen[g.To] = true
				who = append(who, x)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, x := range who {
		if err := rq.principalResponse(l, x); err != nil {
			return err
		}
	}
	return l.Finish()
}
