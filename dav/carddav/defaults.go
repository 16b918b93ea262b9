package carddav

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"atrium/contacts"
	"atrium/dav"
	"atrium/dav/elem"
	"atrium/storage"
)

// defaultBook is Apple's property of a home: the address book that new cards go to.
var defaultBook = elem.N("CR:default-addressbook-URL")

// getDefaultBook names the address book that the owner has set and that is still there; else the one that each
// account begins with, else any.
func getDefaultBook(a *dav.Ask, r *dav.Resource, w *elem.Writer) error {
	if r.Owner == nil || r.Owner.ID != a.Actor.ID {
		return dav.Absent()
	}
	names, err := books(a.View)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return dav.Absent()
	}
	name := names[0]
	if slices.Contains(names, "contacts") {
		name = "contacts"
	}
	set, err := a.Stored(r, defaultBook)
	if err != nil && err != dav.Absent() {
		return err
	}
	if n, ok := bookOf(r, set); ok && slices.Contains(names, n) {
		name = n
	}
	w.Href(r.Path + dav.Escape(name) + "/")
	return nil
}

func setDefaultBook(c *dav.Change, v elem.Raw) error {
	names, err := books(&c.Tx.View)
	if err != nil {
		return err
	}
	if n, ok := bookOf(c.Resource, v); !ok || !slices.Contains(names, n) {
		return dav.Fail(http.StatusForbidden, "that is no address book of this home")
	}
	return c.Store(v)
}

// books are the names of an account's address books.
func books(v *storage.View) (names []string, err error) {
	list, err := v.Collections(contacts.Schema.Code)
	for _, c := range list {
		names = append(names, c.Name)
	}
	return names, err
}

// bookOf is the name of the address book that the href in a value leads to, as far as it is below the home.
func bookOf(home *dav.Resource, v elem.Raw) (name string, ok bool) {
	href := ""
	x := v.Reader()
	if _, ok := x.Root(); ok {
		for c := range x.Children() {
			if c.Is("D:href") {
				href = strings.TrimSpace(x.Text())
			}
		}
	}
	to, err := url.Parse(href)
	if err != nil || href == "" {
		return "", false
	}
	base, err := url.PathUnescape(home.Path)
	if err != nil {
		return "", false
	}
	name, ok = strings.CutPrefix(to.Path, base)
	name = strings.TrimSuffix(name, "/")
	return name, ok && name != "" && !strings.Contains(name, "/")
}
