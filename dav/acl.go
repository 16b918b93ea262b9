package dav

import (
	"encoding/xml"

	"atrium/dav/elem"
	"atrium/storage"
)

// accessControl is what RFC 3744 tells of rights. The ACL method is not there yet, so
// neither is the access-control token.
var accessControl = Module{
	RFC: "3744",
	Privileges: []Privilege{
		{Name: elem.N("D:all"), Rights: storage.Read | storage.Write | storage.Insert | storage.Delete | storage.Properties | storage.Administer, Text: "All"},
		{Name: elem.N("D:read"), In: elem.N("D:all"), Rights: storage.Read, Text: "Read"},
		{Name: elem.N("D:read-current-user-privilege-set"), In: elem.N("D:all"), Rights: storage.Lookup, Text: "Read one's own privileges"},
		{Name: elem.N("D:write"), In: elem.N("D:all"), Rights: storage.Write | storage.Insert | storage.Delete | storage.Properties, Text: "Write"},
		{Name: elem.N("D:write-properties"), In: elem.N("D:write"), Rights: storage.Properties, Text: "Write properties"},
		{Name: elem.N("D:write-content"), In: elem.N("D:write"), Rights: storage.Write, Text: "Write objects"},
		{Name: elem.N("D:bind"), In: elem.N("D:write"), Rights: storage.Insert, Text: "Add objects"},
		{Name: elem.N("D:unbind"), In: elem.N("D:write"), Rights: storage.Delete, Text: "Remove objects"},
		{Name: elem.N("D:unlock"), In: elem.N("D:all"), Rights: storage.Administer, Text: "Remove others' locks"},
		{Name: elem.N("D:read-acl"), In: elem.N("D:all"), Rights: storage.Administer, Text: "Read grants"},
		{Name: elem.N("D:write-acl"), In: elem.N("D:all"), Rights: storage.Administer, Text: "Change grants"},
	},
	Properties: []Property{
		{Name: elem.N("D:owner"), On: Everything &^ (Root | Place), Get: func(_ *Ask, r *Resource, w *elem.Writer) error {
			w.Href(PrincipalPath(r.Owner))
			return nil
		}},
		{Name: elem.N("D:current-user-privilege-set"), On: Everything, Get: getPrivileges},
		{Name: elem.N("D:supported-privilege-set"), On: Everything, Get: func(a *Ask, _ *Resource, w *elem.Writer) error {
			a.Server.writePrivileges(w, xml.Name{})
			return nil
		}},
		{Name: elem.N("D:principal-collection-set"), On: Everything, Get: func(_ *Ask, _ *Resource, w *elem.Writer) error {
			w.Href(principalsPath)
			return nil
		}},
	},
}

// privileges are the rights as the bits that privileges speak of: on homes and places
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
		w.Str(`</D:privilege><D:description xml:lang="en">`)
		w.Text(p.Text)
		w.Str("</D:description>")
		s.writePrivileges(w, p.Name)
		w.Str("</D:supported-privilege>")
	}
}
