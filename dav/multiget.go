package dav

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"atrium/dav/elem"
	"atrium/storage"
)

// Multiget answers a multiget report: calendar-multiget (RFC 4791 §7.9) and
// addressbook-multiget (RFC 6352 §8.7). The reader stands on its root.
func (rq *Request) Multiget(w http.ResponseWriter, r *elem.Reader) error {
	var hrefs []string
	l, err := rq.ReadListing(w, r, func(s elem.Start) error {
		if s.Name == hrefName {
			hrefs = append(hrefs, strings.TrimSpace(r.Text()))
		}
		return nil
	})
	if err != nil {
		return err
	}
	defer l.Close()
	for len(hrefs) > 0 {
		err := rq.view(rq.Target.account(rq), func(v *storage.View) error {
			g := getter{rq: rq, v: v, l: l, many: len(hrefs) > 4}
			for len(hrefs) > 0 && !l.Full() {
				if err := g.get(hrefs[0]); err != nil {
					return err
				}
				hrefs = hrefs[1:]
			}
			return nil
		})
		if err == nil && len(hrefs) > 0 {
			err = l.Flush()
		}
		if err != nil {
			return err
		}
	}
	return l.Finish()
}

var hrefName = elem.N("D:href")

// getter answers for one href after another in one snapshot.
type getter struct {
	rq *Request
	v  *storage.View
	l  *Listing

	many   bool      // there are many hrefs
	prefix string    // of the hrefs in parent, as they are sent
	parent *Resource // the collection of the last href
}

// get writes the response for one href: a href that leads to nothing in
// the request's own resource has a status of 404.
func (g *getter) get(href string) error {
	r, err := g.find(href)
	var e *Error
	switch {
	case err == nil:
		return g.l.Resource(g.v, r)
	case errors.Is(err, storage.NotFound), errors.Is(err, storage.Forbidden), errors.As(err, &e) && e.Status != http.StatusInternalServerError:
		g.l.Status(href, http.StatusNotFound)
		return nil
	}
	return err
}

func (g *getter) find(href string) (*Resource, error) {
	at := strings.LastIndexByte(href, '/')
	if at < 0 {
		return nil, errNowhere
	}
	if g.prefix != "" && href[:at+1] == g.prefix && !strings.ContainsAny(href[at:], "?#") {
		name, err := url.PathUnescape(href[at+1:])
		if err != nil {
			return nil, errNowhere
		}
		return g.member(name, href)
	}
	rq := g.rq
	t, err := rq.href(href)
	if err != nil {
		return nil, err
	}
	if !rq.Target.contains(t) {
		return nil, errNowhere
	}
	parent, name, err := rq.locateParent(g.v, t)
	if err != nil {
		return nil, err
	}
	if parent.Collection == nil {
		return nil, errNowhere
	}
	if err := parent.need(storage.Read); err != nil {
		return nil, err
	}
	g.prefix, g.parent = "", parent
	if !strings.ContainsAny(href, "?#") {
		g.prefix = href[:at+1]
	}
	if g.many { // all rows in memory: one by one they cost a page each
		if _, err := g.v.Table(parent.Collection.ID); err != nil {
			return nil, err
		}
	}
	return g.member(name, href)
}

func (g *getter) member(name, href string) (*Resource, error) {
	e, err := g.parent.Tree.ByName(g.v, g.parent.Collection.ID, name)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(href, "/") { // it was a URL
		href = g.parent.member(name)
	}
	return g.rq.asMember(g.parent, &e, href), nil
}

// contains tells whether another target is the same as t or below it.
func (t *Target) contains(o *Target) bool {
	if t.Tree != o.Tree || t.Owner == nil || o.Owner == nil || t.Owner.ID != o.Owner.ID || len(o.Rest) < len(t.Rest) {
		return false
	}
	for i, s := range t.Rest {
		if o.Rest[i] != s {
			return false
		}
	}
	return true
}

// Search runs fn once for each collection that the request's target is or holds, in one snapshot. A
// report on a member searches its collection: only tells its name then.
func (rq *Request) Search(fn func(v *storage.View, c *Resource, only string) error) error {
	return rq.view(rq.Target.account(rq), func(v *storage.View) error {
		r, err := rq.locate(v, rq.Target)
		if err != nil {
			return err
		}
		if err := r.need(storage.Read); err != nil {
			return err
		}
		switch {
		case r.Entry != nil:
			parent, name, err := rq.locateParent(v, rq.Target)
			if err != nil {
				return err
			}
			return fn(v, parent, name)
		case r.Collection != nil:
			return fn(v, r, "")
		}
		var all []*Resource
		if err := rq.collections(v, r, &all); err != nil {
			return err
		}
		for _, c := range all {
			if !c.Rights.Has(storage.Read) {
				continue
			}
			if err := fn(v, c, ""); err != nil {
				return err
			}
		}
		return nil
	})
}

// Found writes the response for a member that a query found; loaded is what it has read of it.
func (l *Listing) Found(v *storage.View, c *Resource, e Entry, loaded any) error {
	m := Resource{Kind: c.Tree.Member, Path: c.member(e.Name), Tree: c.Tree, Owner: c.Owner, Collection: c.Collection,
		Entry: &e, Rights: c.Rights, Loaded: loaded}
	if err := l.Resource(v, &m); err != nil {
		return err
	}
	if l.Full() {
		return l.Flush()
	}
	return nil
}

// Truncated tells that a limit cut an answer (RFC 5323 §5.17, RFC 6352 §8.6.2).
func (l *Listing) Truncated() {
	l.Response(l.rq.URL.EscapedPath())
	l.StatusLine(http.StatusInsufficientStorage)
	l.Str("<D:error><D:number-of-matches-within-limits/></D:error>")
	l.EndResponse()
}
