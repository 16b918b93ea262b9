package dav

import (
	"encoding/xml"
	"net/http"
	"strings"

	"atrium/dav/elem"
	"atrium/storage"
	"atrium/storage/account"
)

// principals is what principals have: RFC 3744 §4 and its reports, RFC 5397,
// and Apple's ways to look people up.
var principals = Module{
	RFC: "5397",
	Properties: []Property{
		{Name: elem.N("D:principal-URL"), On: Principal, Get: func(_ *Ask, r *Resource, w *elem.Writer) error {
			w.Href(PrincipalPath(r.Owner))
			return nil
		}},
		{Name: elem.N("D:alternate-URI-set"), On: Principal, Get: func(_ *Ask, r *Resource, w *elem.Writer) error {
			for _, a := range r.Owner.Addresses {
				w.Href("mailto:" + a)
			}
			return nil
		}},
		{Name: elem.N("D:group-membership"), On: Principal, Get: func(*Ask, *Resource, *elem.Writer) error { return nil }},
		{Name: elem.N("D:group-member-set"), On: Principal, Get: func(*Ask, *Resource, *elem.Writer) error { return nil }},
		{Name: elem.N("CS:email-address-set"), On: Principal, Get: func(_ *Ask, r *Resource, w *elem.Writer) error {
			for _, a := range r.Owner.Addresses {
				w.Elem("CS:email-address", a)
			}
			return nil
		}},
	},
	Reports: []Report{
		{Name: elem.N("D:expand-property"), On: Everything, Run: expandProperty},
		{Name: elem.N("D:principal-property-search"), On: Root | Place | Principal | Home, Run: principalSearch},
		{Name: elem.N("D:principal-search-property-set"), On: Root | Place | Principal | Home, Run: searchProperties},
		{Name: elem.N("D:principal-match"), On: Root | Place | Principal | Home, Run: principalMatch},
		{Name: elem.N("CS:calendarserver-principal-search"), On: Root | Place | Principal | Home, Run: tokenSearch},
	},
}

// homeSet is the property that leads from a principal to its home in a tree. It is
// on all that a client may have been given to start from.
func homeSet(t *Tree) Property {
	return Property{Name: t.HomeSet, On: Root | Place | Principal | Home, Get: func(a *Ask, r *Resource, w *elem.Writer) error {
		owner := r.Owner
		if owner == nil {
			owner = a.Actor
		}
		w.Href(t.HomePath(owner))
		return nil
	}}
}

func sameDomain(a, b string) bool {
	return strings.EqualFold(a[strings.LastIndexByte(a, '@')+1:], b[strings.LastIndexByte(b, '@')+1:])
}

// search is what people are looked for by.
type search struct {
	any   bool // one of the terms is enough
	terms []searchTerm
	limit int
}

// searchTerm is a text to be found in one of some properties, case-blind.
type searchTerm struct {
	names []xml.Name // nil: all that can be searched
	text  string
	start bool // it begins a word
}

// maxFound bounds an answer about people.
const maxFound = 200

var (
	displayName  = elem.N("D:displayname")
	emailSet     = elem.N("CS:email-address-set")
	userAddress  = elem.N("C:calendar-user-address-set")
	alternateURI = elem.N("D:alternate-URI-set")
)

func (t *searchTerm) has(n xml.Name) bool {
	if t.names == nil {
		return true
	}
	for _, o := range t.names {
		if o == n {
			return true
		}
	}
	return false
}

func (t *searchTerm) match(a *account.Account) bool {
	text := strings.ToLower(t.text)
	in := func(s string) bool {
		s = strings.ToLower(s)
		if !t.start {
			return strings.Contains(s, text)
		}
		return strings.HasPrefix(s, text) || strings.Contains(s, " "+text)
	}
	if t.has(displayName) && (in(a.DisplayName) || a.DisplayName == "" && in(a.Name)) {
		return true
	}
	if t.has(emailSet) || t.has(userAddress) || t.has(alternateURI) {
		text = strings.TrimPrefix(text, "mailto:")
		for _, addr := range a.Addresses {
			if in(addr) {
				return true
			}
		}
	}
	return false
}

func (s *search) match(a *account.Account) bool {
	for i := range s.terms {
		if s.terms[i].match(a) == s.any {
			return s.any
		}
	}
	return !s.any
}

// found answers with the principals that a search finds.
func (rq *Request) found(l *Listing, s *search) error {
	all, err := rq.Server.people.List(rq.Context())
	if err != nil {
		return err
	}
	if s.limit <= 0 || s.limit > maxFound {
		s.limit = maxFound
	}
	n := 0
	for _, a := range all {
		if !rq.knows(a) || a.Disabled || !s.match(a) {
			continue
		}
		if n++; n > s.limit {
			l.Response(rq.URL.EscapedPath())
			l.StatusLine(http.StatusInsufficientStorage)
			l.Str("<D:error><D:number-of-matches-within-limits/></D:error>")
			l.EndResponse()
			break
		}
		if err := rq.principalResponse(l, a); err != nil {
			return err
		}
	}
	return l.Finish()
}

func (rq *Request) principalResponse(l *Listing, a *account.Account) error {
	return rq.view(a.ID, func(v *storage.View) error {
		return l.Resource(v, rq.principal(a, PrincipalPath(a)))
	})
}

// principalSearch is RFC 3744 §9.4.
func principalSearch(rq *Request, w http.ResponseWriter, r *elem.Reader, root elem.Start) error {
	s := search{any: root.Attr("test") == "anyof"}
	l, err := rq.ReadListing(w, r, func(e elem.Start) error {
		if e.Name != elem.N("D:property-search") {
			return nil
		}
		t := searchTerm{names: []xml.Name{}}
		for c := range r.Children() {
			switch c.Name {
			case elem.N("D:prop"):
				for p := range r.Children() {
					t.names = append(t.names, p.Name)
				}
			case elem.N("D:match"):
				t.start = c.Attr("match-type") == "starts-with"
				t.text = strings.TrimSpace(r.Text())
			}
		}
		s.terms = append(s.terms, t)
		return nil
	})
	if err != nil {
		return err
	}
	defer l.Close()
	if len(s.terms) == 0 {
		return Fail(http.StatusBadRequest, "nothing to search for")
	}
	return rq.found(l, &s)
}

// tokenSearch is Apple's calendarserver-principal-search: each word in any property.
func tokenSearch(rq *Request, w http.ResponseWriter, r *elem.Reader, root elem.Start) error {
	var s search
	l, err := rq.ReadListing(w, r, func(e elem.Start) (err error) {
		switch e.Name {
		case elem.N("CS:search-token"):
			s.terms = append(s.terms, searchTerm{text: strings.TrimSpace(r.Text()), start: true})
		case elem.N("CS:limit"):
			for c := range r.Children() {
				if c.Is("CS:nresults") || c.Is("D:nresults") {
					for _, d := range strings.TrimSpace(r.Text()) {
						if d >= '0' && d <= '9' && s.limit < maxFound {
							s.limit = s.limit*10 + int(d-'0')
						}
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	defer l.Close()
	if len(s.terms) == 0 {
		return Fail(http.StatusBadRequest, "nothing to search for")
	}
	return rq.found(l, &s)
}

// principalMatch is RFC 3744 §9.3, for oneself.
func principalMatch(rq *Request, w http.ResponseWriter, r *elem.Reader, _ elem.Start) error {
	l, err := rq.ReadListing(w, r, func(elem.Start) error { return nil })
	if err != nil {
		return err
	}
	defer l.Close()
	if err := rq.principalResponse(l, rq.Actor); err != nil {
		return err
	}
	return l.Finish()
}

// searchProperties is RFC 3744 §9.5.
func searchProperties(rq *Request, w http.ResponseWriter, r *elem.Reader, _ elem.Start) error {
	if err := r.End(); err != nil {
		return err
	}
	var x elem.Writer
	x.Str(xmlHead + "<D:principal-search-property-set")
	x.Declare()
	x.Str(">")
	for _, p := range []struct {
		name xml.Name
		text string
	}{{displayName, "Name"}, {emailSet, "E-mail address"}, {userAddress, "Calendar address"}} {
		x.Str("<D:principal-search-property><D:prop>")
		x.Empty(p.name)
		x.Str(`</D:prop><D:description xml:lang="en">` + p.text + "</D:description></D:principal-search-property>")
	}
	x.Str("</D:principal-search-property-set>")
	return SendXML(w, http.StatusOK, x.Bytes())
}

// SendXML answers with a document.
func SendXML(w http.ResponseWriter, status int, doc []byte) error {
	w.Header().Set("Content-Type", xmlType)
	w.WriteHeader(status)
	_, err := w.Write(doc)
	return err
}
