package carddav

import (
	"errors"
	"net/http"
	"strings"

	"atrium/contacts"
	"atrium/contacts/card"
	"atrium/contacts/query"
	"atrium/dav"
	"atrium/dav/elem"
	"atrium/storage"
)

// properties are those of RFC 6352 §6.2.
func (f *face) properties() []dav.Property {
	const anyBook = homeKind | bookKind
	return []dav.Property{
		{Name: elem.N("CR:addressbook-description"), On: bookKind, Set: dav.Store, Remove: dav.Unstore},
		{Name: elem.N("CR:supported-address-data"), On: anyBook, Get: func(_ *dav.Ask, _ *dav.Resource, w *elem.Writer) error {
			w.Str(`<CR:address-data-type content-type="text/vcard" version="3.0"/><CR:address-data-type content-type="text/vcard" version="4.0"/>`)
			return nil
		}},
		{Name: elem.N("CR:supported-collation-set"), On: anyBook | cardKind, Get: func(_ *dav.Ask, _ *dav.Resource, w *elem.Writer) error {
			for _, c := range query.Collations {
				w.Elem("CR:supported-collation", c)
			}
			return nil
		}},
		{Name: elem.N("CR:max-resource-size"), On: anyBook, Get: f.getMaxSize},
		{Name: elem.N("CR:max-image-size"), On: anyBook, Get: f.getMaxSize},
		{Name: elem.N("CR:directory-gateway"), On: dav.Principal | homeKind, Get: f.getGateway},
		{Name: defaultBook, On: homeKind, Get: getDefaultBook, Set: setDefaultBook, Remove: dav.Unstore},
		{Name: elem.N("CR:address-data"), On: cardKind, Report: true, Arg: readSelection, Get: f.getData},
	}
}

func (f *face) getMaxSize(_ *dav.Ask, _ *dav.Resource, w *elem.Writer) error {
	w.Int(f.cfg.MaxCard)
	return nil
}

// getGateway names the directory of the actor's domain, for clients to search by addressbook-query
// (draft-daboo-carddav-directory-gateway §5).
func (f *face) getGateway(a *dav.Ask, r *dav.Resource, w *elem.Writer) error {
	if f.find == nil || r.Owner == nil || r.Owner.ID != a.Actor.ID {
		return dav.Absent()
	}
	owner, id, err := f.find(a.Context(), a.Actor)
	if errors.Is(err, storage.NotFound) {
		return dav.Absent()
	}
	if err == nil {
		w.Href(f.tree.MountPath(a.Actor, owner, id))
	}
	return err
}

// selection is CARDDAV:address-data in a request: the properties that are wanted (RFC 6352 §10.4).
// It says in which version of vCard too; "": as the card is.
type selection struct {
	version        string
	names, novalue map[string]bool
}

func readSelection(r *elem.Reader, start elem.Start) (any, error) {
	t, v := start.Attr("content-type"), start.Attr("version")
	if t != "" && !strings.EqualFold(t, "text/vcard") && !strings.EqualFold(t, "text/x-vcard") {
		return nil, dav.Refuse(http.StatusForbidden, "CR:supported-address-data")
	}
	if v != "" && v != "3.0" && v != "4.0" {
		return nil, dav.Refuse(http.StatusForbidden, "CR:supported-address-data")
	}
	sel := selection{version: v, names: map[string]bool{}, novalue: map[string]bool{}}
	for s := range r.Children() {
		switch {
		case s.Is("CR:allprop"):
			sel.names = nil
		case s.Is("CR:prop") && sel.names != nil:
			name := strings.ToUpper(s.Attr("name"))
			sel.names[name] = true
			if s.Attr("novalue") == "yes" {
				sel.novalue[name] = true
			}
		}
	}
	if len(sel.names) == 0 {
		sel.names = nil
	}
	if sel.names == nil && v == "" {
		return nil, r.Err()
	}
	return &sel, r.Err()
}

// getData writes a card, whole or in parts, in the version that was asked for.
func (f *face) getData(a *dav.Ask, r *dav.Resource, w *elem.Writer) error {
	var sel selection
	if s, _ := a.Arg.(*selection); s != nil {
		sel = *s
	}
	if sel.version == "" {
		sel.version = spoken(a.Request)
	}
	var b []byte
	var c *card.Card // when the filter has read it
	var err error
	switch m := r.Loaded.(type) {
	case *contacts.Match:
		b, err = m.Data()
	case []byte:
		b = m
	default:
		b, err = contacts.Peek(a.Context(), a.View, f.blobs(), r.Entry.Object)
	}
	if err != nil {
		return err
	}
	has := card.VersionOf(b)
	if sel.version == "" && has == "2.1" {
		sel.version = "3.0" // the default of RFC 6352 §10.4: 2.1 is no supported-address-data
	}
	if m, ok := r.Loaded.(*contacts.Match); ok && sel.names != nil && (sel.version == "" || has == sel.version) {
		if c, err = m.Card(); err != nil {
			return err
		}
	}
	if c == nil {
		if b, err = inVersion(b, sel.version); err != nil {
			return err
		}
		if sel.names != nil {
			if c, err = card.Parse(b, card.Limits{}); err != nil {
				return err
			}
		}
	}
	if sel.names != nil {
		b = c.Select(sel.names, sel.novalue)
	}
	w.TextBytes(b)
	return nil
}

// query answers addressbook-query (RFC 6352 §8.6).
func (f *face) query(rq *dav.Request, w http.ResponseWriter, r *elem.Reader, _ elem.Start) error {
	var filter *query.Filter
	limit := 0
	l, err := rq.ReadListing(w, r, func(s elem.Start) (err error) {
		switch {
		case s.Is("CR:filter"):
			filter, err = readFilter(r, s)
			return wrap(err, nil)
		case s.Is("CR:limit"), s.Is("D:limit"):
			limit, err = dav.ReadLimit(r)
		}
		return err
	})
	if err != nil {
		return err
	}
	defer l.Close()
	if filter == nil {
		filter = &query.Filter{} // RFC 6352 §8.6 wants one; clients of the drafts send none for all
	}
	found := 0
	err = rq.Search(func(v *storage.View, c *dav.Resource, only string) error {
		for m, err := range contacts.Query(rq.Context(), v, f.blobs(), c.Collection.ID, filter) {
			if err != nil {
				return err
			}
			if only != "" && m.Name != only {
				continue
			}
			if found++; limit > 0 && found > limit {
				l.Truncated()
				return dav.Enough
			}
			if err := l.Found(v, c, entry(m.Entry), m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return wrap(err, nil)
	}
	return l.Finish()
}

// readFilter reads CARDDAV:filter (RFC 6352 §10.5), which is open.
func readFilter(r *elem.Reader, start elem.Start) (*query.Filter, error) {
	f := &query.Filter{All: start.Attr("test") == "allof"}
	for s := range r.Children() {
		if !s.Is("CR:prop-filter") {
			return nil, notSupported(s)
		}
		p := query.PropFilter{Name: s.Attr("name"), All: s.Attr("test") == "allof"}
		for c := range r.Children() {
			switch {
			case c.Is("CR:is-not-defined"):
				p.IsNotDefined = true
			case c.Is("CR:text-match"):
				p.Texts = append(p.Texts, readTextMatch(r, c))
			case c.Is("CR:param-filter"):
				p.Params = append(p.Params, readParamFilter(r, c))
			default:
				return nil, notSupported(c)
			}
		}
		f.Props = append(f.Props, p)
	}
	if r.Err() != nil {
		return nil, r.Err()
	}
	return f, f.Validate()
}

func notSupported(s elem.Start) error {
	return &card.Error{Condition: card.SupportedFilter, Detail: s.Name.Local + " in a filter"}
}

func readParamFilter(r *elem.Reader, start elem.Start) query.ParamFilter {
	p := query.ParamFilter{Name: start.Attr("name")}
	for s := range r.Children() {
		switch {
		case s.Is("CR:is-not-defined"):
			p.IsNotDefined = true
		case s.Is("CR:text-match"):
			t := readTextMatch(r, s)
			p.Text = &t
		}
	}
	return p
}

func readTextMatch(r *elem.Reader, s elem.Start) query.TextMatch {
	m := query.TextMatch{Collation: s.Attr("collation"), Type: s.Attr("match-type"), Negate: s.Attr("negate-condition") == "yes"}
	if m.Collation == "default" {
		m.Collation = ""
	}
	m.Text = r.Text()
	return m
}
