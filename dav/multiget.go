package dav

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

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
	var in storage.AccountID
	arena := arenas.Get().(*[]byte)
	defer func() {
		if cap(*arena) <= 4*elem.FlushAt {
			arenas.Put(arena)
		}
	}()
	n := 0 // of the hrefs lie there
	for len(hrefs) > 0 {
		if n == 0 {
			if in, n, err = rq.stretch(hrefs); err != nil {
				return err
			}
		}
		err := rq.view(in, func(v *storage.View) error {
			g := getter{rq: rq, v: v, l: l, many: n > 4, arena: arena}
			for n > 0 && !l.Full() {
				k, err := g.batch(hrefs[:min(n, getAtOnce)])
				if err != nil {
					return err
				}
				hrefs, n = hrefs[k:], n-k
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

// stretch is the account that the first href lies in and how many from there on do too: in a home
// those of mounts lie in others'.
func (rq *Request) stretch(hrefs []string) (in storage.AccountID, n int, err error) {
	in = rq.Target.account(rq)
	if !rq.Target.isHomeOf(rq.Actor.ID) {
		return in, len(hrefs), nil
	}
	prefix := ""
	for i, href := range hrefs {
		at := href[:strings.LastIndexByte(href, '/')+1]
		if i > 0 && at == prefix {
			continue
		}
		prefix = at
		here := rq.Target.account(rq)
		t, err := rq.href(href)
		var e *Error
		switch {
		case err == nil && rq.reaches(t):
			here = t.account(rq)
		case err != nil && !(errors.As(err, &e) && e.Status != http.StatusInternalServerError):
			return in, 0, err
		}
		if i == 0 {
			in = here
		} else if here != in {
			return in, i, nil
		}
	}
	return in, len(hrefs), nil
}

// getter answers for one href after another in one snapshot.
type getter struct {
	rq *Request
	v  *storage.View
	l  *Listing

	many   bool      // there are many hrefs
	prefix string    // of the hrefs in parent, as they are sent
	parent *Resource // the collection of the last href

	found []*Resource // reused
	arena *[]byte     // bodies of a batch, reused
}

// arenas are for the bodies of batches: a fresh one for each request costs more than what is copied into it.
var arenas = sync.Pool{New: func() any { return new([]byte) }}

// getAtOnce is how many hrefs are looked up before their bodies are read at once.
const getAtOnce = 32

// batch writes the responses for the first n of some hrefs, in their order, as many as fill the buffer: a href that
// leads to nothing in the request's own resource has a status of 404.
func (g *getter) batch(hrefs []string) (n int, err error) {
	found := g.found[:0]
	for size := int64(0); len(found) < len(hrefs) && size < elem.FlushAt; {
		href := hrefs[len(found)]
		r, err := g.find(href)
		var e *Error
		switch {
		case err == nil:
		case errors.Is(err, storage.NotFound), errors.Is(err, storage.Forbidden), errors.As(err, &e) && e.Status != http.StatusInternalServerError:
			r = nil
		default:
			return 0, err
		}
		if r != nil {
			size += r.Entry.Size
		}
		found = append(found, r)
	}
	g.found = found
	if err := g.load(found); err != nil {
		return 0, err
	}
	for i, r := range found {
		if r == nil {
			g.l.Status(hrefs[i], http.StatusNotFound)
		} else if err := g.l.Resource(g.v, r); err != nil {
			return 0, err
		}
	}
	return len(found), nil
}

// load reads the bodies of members together where they are wanted: in the order in
// which they lie in the store that costs a fraction.
func (g *getter) load(found []*Resource) error {
	byObject := make([]*Resource, 0, len(found))
	for _, r := range found {
		if r != nil {
			byObject = append(byObject, r)
		}
	}
	if len(byObject) < 5 || byObject[0].Tree.Bodies == nil || !g.wantsBodies(byObject[0].Kind) {
		return nil
	}
	slices.SortFunc(byObject, func(a, b *Resource) int { return cmp.Compare(a.Entry.Object, b.Entry.Object) })
	objects := make([]storage.ObjectID, len(byObject))
	size := 0
	for i, r := range byObject {
		objects[i] = r.Entry.Object
		size += int(min(r.Entry.Size, elem.FlushAt)) // what is larger lies elsewhere
	}
	arena := slices.Grow((*g.arena)[:0], size)
	err := byObject[0].Tree.Bodies(g.v, objects, func(i int, body []byte) error {
		at := len(arena)
		arena = append(arena, body...)
		byObject[i].Loaded = arena[at:len(arena):len(arena)]
		return nil
	})
	*g.arena = arena
	return err
}

// wantsBodies tells whether a property is asked for that only reports know, which is
// what the members consist of.
func (g *getter) wantsBodies(k *Kind) bool {
	for _, it := range g.l.want.plan(g.rq.Server.registry, k, true).items {
		if it.prop != nil && it.prop.Report {
			return true
		}
	}
	return false
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
	if !rq.reaches(t) || t.account(rq) != g.v.Account() {
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
	e, err := g.rq.byName(g.v, g.parent.Tree, g.parent.Collection, name)
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

// isHomeOf tells whether a target is an account's home with mounts in it.
func (t *Target) isHomeOf(a storage.AccountID) bool {
	return t.Tree != nil && !t.Tree.Nested && t.Owner != nil && t.Owner.ID == a && len(t.Rest) == 0
}

// reaches tells whether a report on the request's target may speak of another: of what is in it, in
// the actor's home of what is mounted there too.
func (rq *Request) reaches(o *Target) bool {
	t := rq.Target
	return t.contains(o) || o.Mount && o.Tree == t.Tree && t.isHomeOf(rq.Actor.ID)
}

// Enough is what a function given to Search returns when it wants no more collections.
var Enough = errors.New("enough")

// Search runs fn once for each collection that the request's target is or holds, those of one account in one
// snapshot: of the actor's home its own and then those that are mounted there. A report on a member searches
// its collection: only tells its name then.
func (rq *Request) Search(fn func(v *storage.View, c *Resource, only string) error) error {
	err := rq.search(storage.Read, fn)
	if err == nil && rq.Target.isHomeOf(rq.Actor.ID) {
		err = rq.searchMounts(fn)
	}
	if errors.Is(err, Enough) {
		return nil
	}
	return err
}

// SearchWith is Search in the collections on which the actor has certain rights, without mounts.
func (rq *Request) SearchWith(need storage.Rights, fn func(v *storage.View, c *Resource, only string) error) error {
	if err := rq.search(need, fn); !errors.Is(err, Enough) {
		return err
	}
	return nil
}

func (rq *Request) search(need storage.Rights, fn func(v *storage.View, c *Resource, only string) error) error {
	return rq.view(rq.Target.account(rq), func(v *storage.View) error {
		r, err := rq.locate(v, rq.Target)
		if err != nil {
			return err
		}
		if err := r.need(need); err != nil {
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
			if c.Mount || !c.Rights.Has(need) {
				continue
			}
			if err := fn(v, c, ""); err != nil {
				return err
			}
		}
		return nil
	})
}

// searchMounts runs fn for each mount in the actor's home.
func (rq *Request) searchMounts(fn func(v *storage.View, c *Resource, only string) error) error {
	t := rq.Target
	ms, err := rq.mounts(t.Tree)
	if err != nil {
		return err
	}
	home := &Resource{Kind: t.Tree.Home, Path: t.home, Tree: t.Tree, Owner: t.Owner}
	for _, m := range ms {
		err := rq.view(m.owner.ID, func(v *storage.View) error {
			c, err := v.Collection(m.collection.ID)
			if errors.Is(err, storage.NotFound) { // gone meanwhile
				return nil
			}
			if err != nil {
				return err
			}
			now, err := rq.mountIn(v, t.Tree, m.owner, c)
			if now == nil || err != nil {
				return err
			}
			return fn(v, now.at(home), "")
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Found writes the response for a member that a query found; loaded is what it has read of it.
func (l *Listing) Found(v *storage.View, c *Resource, e Entry, loaded any) error {
	m := Resource{Kind: c.Tree.Member, Path: c.member(e.Name), Tree: c.Tree, Owner: c.Owner, Collection: c.Collection,
		Entry: &e, Rights: c.Rights, Mount: c.Mount, Loaded: loaded}
	if l.Full() {
		m.Loaded = nil // it may be valid in this snapshot only
		l.later = append(l.later, m)
		return nil
	}
	return l.Resource(v, &m)
}

// rest writes what was found when the buffer was full already. No snapshot is
// held while a client reads: an open one keeps the engine from clearing up.
func (l *Listing) rest() error {
	for len(l.later) > 0 {
		if err := l.Flush(); err != nil {
			return err
		}
		err := l.rq.view(l.later[0].Account(l.rq), func(v *storage.View) error {
			for len(l.later) > 0 && !l.Full() && v.Account() == l.later[0].Account(l.rq) {
				start := l.Len()
				err := l.Resource(v, &l.later[0])
				if errors.Is(err, storage.NotFound) { // gone meanwhile
					l.Cut(start)
					l.Status(l.later[0].Path, http.StatusNotFound)
					err = nil
				}
				if err != nil {
					return err
				}
				l.later = l.later[1:]
			}
			return nil
		})
		if err != nil {
			return err
		}
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
