package dav

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strings"

	"atrium/dav/elem"
	"atrium/storage"
	"atrium/storage/account"
)

// principals is what Apple added to look people up.
var principals = Module{
	RFC: "calendarserver-principal-search",
	Properties: []Property{
		{Name: elem.N("CS:email-address-set"), On: Principal, Get: func(_ *Ask, r *Resource, w *elem.Writer) error {
			for _, a := range r.Owner.Addresses {
				w.Elem("CS:email-address", a)
			}
			return nil
		}},
	},
	Reports: []Report{{Name: elem.N("CS:calendarserver-principal-search"), On: Root | Place | Principal | Home, Run: tokenSearch}},
}

// versioning is the one report of RFC 3253 that clients ask for.
var versioning = Module{RFC: "3253", Reports: []Report{{Name: elem.N("D:expand-property"), On: Everything, Run: expandProperty}}}

// homeSet is the property that leads from a principal to its home in a tree. It is
// on all that a client may have been given to start from.
func homeSet(t *Tree) Property {
	return Property{Name: t.HomeSet, On: Root | Place | Principal | Home, Get: func(a *Ask, r *Resource, w *elem.Writer) error {
		owner := r.Owner
		if owner == nil {
			owner = a.Actor
		}
		// What is shared is mounted in one's own home. DAVx5 goes to the homes of groups and of those whom one
		// stands in for too, and would have it twice.
		if owner.ID != a.Actor.ID && a.Agent("DAVx5") {
			return Absent()
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
	any   bool           // one of the terms is enough
	sorts []account.Sort // nil: all
	terms []searchTerm
	limit int
}

// searchTerm is a text to be found in one of some properties, case-blind.
type searchTerm struct {
	names []xml.Name // nil: all that can be searched
	text  string
	start bool // it begins a word
	equal bool // it is all
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
		if t.equal {
			return s == text
		}
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
	if s.sorts != nil && !slices.Contains(s.sorts, a.Sort) {
		return false
	}
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
		if !rq.knows(a) || a.Disabled || a.Sort == account.Service || !s.match(a) {
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

// flat refuses a Depth other than 0 for the reports that RFC 3744 §9 defines for that alone.
func (rq *Request) flat() error {
	if rq.Depth != NoDepth && rq.Depth != Depth0 {
		return Fail(http.StatusBadRequest, "this report takes Depth 0")
	}
	return nil
}

// kinds are what Apple's clients narrow a principal-property-search to with the attribute type.
var kinds = map[string][]account.Sort{
	"INDIVIDUAL": {account.Person}, "GROUP": {account.Group}, "RESOURCE": {account.Resource}, "ROOM": {account.Resource},
}

// principalSearch is RFC 3744 §9.4, and what Apple added: attributes test and type, a match-type, a limit.
func principalSearch(rq *Request, w http.ResponseWriter, r *elem.Reader, root elem.Start) error {
	if err := rq.flat(); err != nil {
		return err
	}
	s := search{any: root.Attr("test") == "anyof", sorts: kinds[root.Attr("type")]}
	all := rq.Target.Tree == nil || len(rq.Target.Rest) == 0
	l, err := rq.ReadListing(w, r, func(e elem.Start) (err error) {
		switch e.Name {
		case elem.N("D:property-search"):
			var t searchTerm
			t, err = readSearch(r)
			s.terms = append(s.terms, t)
		case elem.N("D:limit"):
			s.limit = readMost(r)
		case elem.N("D:apply-to-principal-collection-set"):
			all = true
		}
		return err
	})
	if err != nil {
		return err
	}
	defer l.Close()
	if len(s.terms) == 0 {
		return Fail(http.StatusBadRequest, "nothing to search for")
	}
	if !all {
		return l.Finish() // it looks at the members of the resource, and none is a principal
	}
	return rq.found(l, &s)
}

// readSearch reads DAV:property-search, which is open.
func readSearch(r *elem.Reader) (searchTerm, error) {
	t := searchTerm{names: []xml.Name{}}
	for c := range r.Children() {
		switch c.Name {
		case elem.N("D:prop"):
			for p := range r.Children() {
				t.names = append(t.names, p.Name)
			}
		case elem.N("D:match"):
			switch kind := c.Attr("match-type"); kind {
			case "", "contains":
			case "starts-with":
				t.start = true
			case "equals":
				t.equal = true
			default:
				return t, Fail(http.StatusBadRequest, "match-type %.20q", kind)
			}
			if c := c.Attr("caseless"); c != "" && c != "yes" && c != "no" {
				return t, Fail(http.StatusBadRequest, "caseless %.20q", c)
			}
			t.text = strings.TrimSpace(r.Text())
		}
	}
	return t, r.Err()
}

// readMost reads the nresults of a limit, which is open; 0 when there is none.
func readMost(r *elem.Reader) (limit int) {
	for c := range r.Children() {
		if c.Is("CS:nresults") || c.Is("D:nresults") {
			for _, d := range strings.TrimSpace(r.Text()) {
				if d >= '0' && d <= '9' && limit < maxFound {
					limit = limit*10 + int(d-'0')
				}
			}
		}
	}
	return limit
}

// contexts are what Apple's search is for; attendees are all.
var contexts = map[string][]account.Sort{
	"user": {account.Person}, "group": {account.Group}, "location": {account.Resource}, "resource": {account.Resource},
}

// tokenSearch is Apple's calendarserver-principal-search: each word in any property.
func tokenSearch(rq *Request, w http.ResponseWriter, r *elem.Reader, root elem.Start) error {
	s := search{sorts: contexts[root.Attr("context")]}
	l, err := rq.ReadListing(w, r, func(e elem.Start) (err error) {
		switch e.Name {
		case elem.N("CS:search-token"):
			s.terms = append(s.terms, searchTerm{text: strings.TrimSpace(r.Text()), start: true})
		case elem.N("CS:limit"):
			s.limit = readMost(r)
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

// principalMatch is RFC 3744 §9.3: the principals that are the actor, itself and its groups, or the resources of
// which the actor is the owner.
func principalMatch(rq *Request, w http.ResponseWriter, r *elem.Reader, _ elem.Start) error {
	if err := rq.flat(); err != nil {
		return err
	}
	var by xml.Name
	l, err := rq.ReadListing(w, r, func(s elem.Start) error {
		if s.Is("D:principal-property") {
			for p := range r.Children() {
				by = p.Name
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	defer l.Close()
	switch {
	case by == elem.N("D:owner"):
		rq.Depth, rq.Prefer.NoRoot = Depth1, true
		l.only = func(r *Resource) bool { return r.Owner != nil && r.Owner.ID == rq.Actor.ID }
		if err := rq.list(l); err != nil {
			return err
		}
	case by.Local != "" && by != elem.N("D:principal-URL"):
	case rq.Target.Tree == nil:
		for _, a := range append([]*account.Account{rq.Actor}, rq.groups(rq.Actor)...) {
			if err := rq.principalResponse(l, a); err != nil {
				return err
			}
		}
		if err := rq.proxyResponses(l); err != nil {
			return err
		}
	}
	return l.Finish()
}

// proxyResponses tells of the groups of those who act for others that the actor is in.
func (rq *Request) proxyResponses(l *Listing) error {
	for _, p := range []proxyKind{readProxy, writeProxy} {
		list, err := rq.proxyFor(p)
		if err != nil {
			return err
		}
		for _, a := range list {
			t, err := rq.target(p.path(a))
			if err != nil {
				return err
			}
			err = rq.view(a.ID, func(v *storage.View) error { return l.Resource(v, rq.proxy(t)) })
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// groups are those that an account is a member of.
func (rq *Request) groups(a *account.Account) (list []*account.Account) {
	for _, m := range rq.Server.people.Memberships(a.ID) {
		if g, err := rq.Server.people.Get(rq.Context(), m.Group); err == nil && g.Sort != account.Service {
			list = append(list, g)
		}
	}
	return list
}

// searchProperties is RFC 3744 §9.5.
func searchProperties(rq *Request, w http.ResponseWriter, r *elem.Reader, _ elem.Start) error {
	if err := rq.flat(); err != nil {
		return err
	}
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
