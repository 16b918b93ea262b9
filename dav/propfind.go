package dav

import (
	"encoding/xml"
	"errors"
	"io"
	"iter"
	"net/http"
	"strconv"

	"atrium/dav/elem"
	"atrium/storage"
)

// wanted is what a request wants to know of each resource.
type wanted struct {
	mode  wantMode
	names []wantedProp
	plans map[*Kind]*plan
}

type wantMode byte

const (
	wantNames wantMode = iota // the properties in names
	wantAll                   // allprop, and those in names
	wantNameList
)

type wantedProp struct {
	name xml.Name
	args map[*Property]any
}

// plan is what is wanted of one kind, looked up once a request.
type plan struct {
	items []planItem
	dead  bool // all dead properties too
}

type planItem struct {
	name xml.Name
	tag  elem.Tag
	prop *Property // nil: a dead property
	arg  any
}

// readProp reads the children of a DAV:prop.
func (rq *Request) readProp(r *elem.Reader, w *wanted) error {
	for s := range r.Children() {
		if len(w.names) >= 1000 {
			return Fail(http.StatusBadRequest, "more than 1000 properties")
		}
		p := wantedProp{name: s.Name}
		for _, live := range rq.Server.properties[s.Name] {
			if live.Arg == nil {
				continue
			}
			arg, err := live.Arg(r, s)
			if err != nil {
				return err
			}
			p.args = map[*Property]any{live: arg}
			break // the element can be read once
		}
		w.names = append(w.names, p)
	}
	return nil
}

// plan is what is wanted of a kind; report tells that a REPORT asks.
func (w *wanted) plan(g *registry, k *Kind, report bool) *plan {
	if p := w.plans[k]; p != nil {
		return p
	}
	p := &plan{dead: w.mode != wantNames}
	seen := map[xml.Name]bool{}
	if w.mode != wantNames {
		for _, live := range g.order {
			if k.Is(live.On) && (live.All || w.mode == wantNameList) && !live.Report {
				seen[live.Name] = true
				p.items = append(p.items, planItem{name: live.Name, tag: elem.TagOf(live.Name), prop: live})
			}
		}
	}
	for _, n := range w.names {
		if seen[n.name] {
			continue
		}
		seen[n.name] = true
		it := planItem{name: n.name, tag: elem.TagOf(n.name), prop: g.find(n.name, k)}
		if it.prop != nil {
			if it.prop.Report && !report {
				it.prop = nil
			} else {
				it.arg = n.args[it.prop]
			}
		}
		p.items = append(p.items, it)
	}
	if w.plans == nil {
		w.plans = map[*Kind]*plan{}
	}
	w.plans[k] = p
	return p
}

// Listing is an answer of many responses on its way.
type Listing struct {
	*elem.Multistatus
	rq     *Request
	want   *wanted
	report bool
	w      http.ResponseWriter
	missed []int // reused: items of a plan that are absent
	denied []int
	only   func(*Resource) bool // which resources to tell of; nil: all
	later  []Resource           // found, to be written when the client has taken what came before
}

// listing begins a 207 answer. Nothing leaves before Flush or Finish.
func (rq *Request) listing(w http.ResponseWriter, want *wanted, report bool) *Listing {
	l := &Listing{rq: rq, want: want, report: report, w: w}
	l.Multistatus = elem.NewMultistatus(l.out())
	if rq.Prefer.Minimal {
		rq.applied(w, "return=minimal")
	}
	if rq.Prefer.NoRoot {
		rq.applied(w, "depth-noroot")
	}
	return l
}

// ReadListing reads the DAV:prop, allprop or propname of a report and begins its answer. other is
// called with each further child.
func (rq *Request) ReadListing(w http.ResponseWriter, r *elem.Reader, other func(s elem.Start) error) (*Listing, error) {
	want, found := &wanted{}, false
	for s := range r.Children() {
		ok, err := rq.readWanted(r, s, want)
		switch {
		case err != nil:
		case !ok:
			err = other(s)
		case found && s.Name != elem.N("D:include"):
			err = Fail(http.StatusBadRequest, "one of prop, allprop, propname is needed")
		default:
			found = true
		}
		if err != nil {
			return nil, err
		}
	}
	if err := r.End(); err != nil {
		return nil, err
	}
	return rq.listing(w, want, true), nil
}

// readWanted reads one of the elements that say what is wanted.
func (rq *Request) readWanted(r *elem.Reader, s elem.Start, want *wanted) (bool, error) {
	switch s.Name {
	case elem.N("D:prop"):
		return true, rq.readProp(r, want)
	case elem.N("D:allprop"):
		want.mode = wantAll
	case elem.N("D:propname"):
		want.mode = wantNameList
	case elem.N("D:include"):
		return true, rq.readProp(r, want)
	default:
		return false, nil
	}
	return true, nil
}

// out sends the header before the first bytes.
func (l *Listing) out() io.Writer { return (*listingWriter)(l) }

type listingWriter Listing

func (l *listingWriter) Write(b []byte) (int, error) {
	l.begin(-1)
	return l.w.Write(b)
}

func (l *listingWriter) begin(size int) {
	if l.rq.begun {
		return
	}
	l.rq.begun = true
	l.w.Header().Set("Content-Type", xmlType)
	if size >= 0 {
		l.w.Header().Set("Content-Length", strconv.Itoa(size))
	}
	l.w.WriteHeader(http.StatusMultiStatus)
}

// Finish ends the answer and sends what is left of it.
func (l *Listing) Finish() error {
	if err := l.rest(); err != nil {
		return err
	}
	l.End()
	(*listingWriter)(l).begin(l.Len())
	return l.Flush()
}

// Resource writes a resource's response. Its error is a failure of the store.
func (l *Listing) Resource(v *storage.View, r *Resource) error {
	if l.only != nil && !l.only(r) {
		return nil
	}
	if r.Mount && v.Account() != r.Owner.ID {
		return l.rq.view(r.Owner.ID, func(v *storage.View) error { return l.Resource(v, r) })
	}
	p := l.want.plan(l.rq.Server.registry, r.Kind, l.report)
	l.Response(r.Path)
	if err := l.propstats(v, r, p); err != nil {
		return err
	}
	l.EndResponse()
	return nil
}

func (l *Listing) propstats(v *storage.View, r *Resource, p *plan) error {
	l.missed, l.denied = l.missed[:0], l.denied[:0]
	start := l.Len()
	l.Propstat()
	empty := l.Len()
	ask := Ask{Request: l.rq, View: v}
	for i := range p.items {
		it := &p.items[i]
		if l.want.mode == wantNameList {
			l.nameOnly(it)
			continue
		}
		ask.Arg = it.arg
		switch err := l.property(&ask, r, it); {
		case err == nil:
		case err == error(errAbsent):
			l.missed = append(l.missed, i)
		default:
			var e *Error
			if !errors.As(err, &e) || e.Status >= 500 {
				return err
			}
			l.denied = append(l.denied, i)
		}
	}
	if p.dead {
		if err := l.allDead(v, r, p); err != nil {
			return err
		}
	}
	if l.want.mode != wantNames {
		l.missed = l.missed[:0] // allprop tells of what is there
	}
	showMissed := len(l.missed) > 0 && !l.rq.Prefer.Minimal
	if l.Len() > empty || !showMissed && len(l.denied) == 0 {
		l.EndPropstat(http.StatusOK)
	} else {
		l.Cut(start)
	}
	if len(l.denied) > 0 {
		l.names(p, l.denied, http.StatusForbidden)
	}
	if showMissed {
		l.names(p, l.missed, http.StatusNotFound)
	}
	return nil
}

func (l *Listing) nameOnly(it *planItem) {
	l.Str("<")
	l.Str(it.tag.Start)
	l.Str("/>")
}

func (l *Listing) names(p *plan, items []int, status int) {
	l.Propstat()
	for _, i := range items {
		l.nameOnly(&p.items[i])
	}
	l.EndPropstat(status)
}

// property writes one property, or nothing and an error.
func (l *Listing) property(a *Ask, r *Resource, it *planItem) error {
	if it.prop == nil || it.prop.Get == nil {
		raw, err := r.stored(a.Request, a.View, it.name)
		if err != nil {
			return err
		}
		l.Raw(raw)
		return nil
	}
	start := l.Len()
	l.Str("<")
	l.Str(it.tag.Start)
	l.Str(">")
	open := l.Len()
	if err := it.prop.Get(a, r, &l.Writer); err != nil {
		l.Cut(start)
		return err
	}
	if l.Len() == open {
		l.Cut(open - 1)
		l.Str("/>")
		return nil
	}
	l.Str("</")
	l.Str(it.tag.End)
	l.Str(">")
	return nil
}

// allDead writes the dead properties that the plan does not name.
func (l *Listing) allDead(v *storage.View, r *Resource, p *plan) error {
	all, err := r.storedAll(l.rq, v)
	if err != nil {
		return err
	}
next:
	for _, d := range all {
		for _, it := range p.items {
			if it.name == d.Name {
				continue next
			}
		}
		if g := l.rq.Server.registry.find(d.Name, r.Kind); g != nil && l.want.mode == wantAll {
			continue // a live one that allprop leaves out
		}
		if l.want.mode == wantNameList {
			l.Empty(d.Name)
		} else {
			l.Raw(d.XML)
		}
	}
	return nil
}

// propfind answers PROPFIND (RFC 4918 §9.1).
func propfind(rq *Request, w http.ResponseWriter) error {
	want, err := rq.readPropfind()
	if err != nil {
		return err
	}
	switch rq.Depth {
	case Infinity:
		if t := rq.Target; t.Tree != nil && !t.Tree.Nested && len(t.Rest) > 0 {
			rq.Depth = Depth1 // there is nothing deeper
			break
		}
		return Refuse(http.StatusForbidden, "D:propfind-finite-depth")
	case NoDepth:
		rq.Depth = Depth1 // RFC 4918 §9.1 means infinity; this is as far as it goes here
	}
	l := rq.listing(w, want, false)
	defer l.Close()
	if err := rq.list(l); err != nil {
		return err
	}
	return l.Finish()
}

func (rq *Request) readPropfind() (*wanted, error) {
	want := &wanted{}
	r := elem.NewReader(rq.Body, rq.Server.xmlLimits())
	root, ok := r.Root()
	if !ok {
		if r.Err() == elem.Empty {
			want.mode = wantAll // RFC 4918 §9.1: an empty body is allprop
			return want, nil
		}
		return nil, r.Err()
	}
	if root.Name != elem.N("D:propfind") {
		return nil, Fail(http.StatusBadRequest, "the root element is not DAV:propfind")
	}
	found := 0
	for s := range r.Children() {
		ok, err := rq.readWanted(r, s, want)
		if err != nil {
			return nil, err
		}
		if ok && s.Name != elem.N("D:include") {
			found++
		}
	}
	if err := r.End(); err != nil {
		return nil, err
	}
	if found != 1 {
		return nil, Fail(http.StatusBadRequest, "one of prop, allprop, propname is needed")
	}
	return want, nil
}

func (s *Server) xmlLimits() elem.Limits {
	l := elem.DefaultLimits()
	l.Bytes = s.cfg.MaxXML
	return l
}

// list writes the responses of a PROPFIND.
func (rq *Request) list(l *Listing) error {
	var next func() (*Resource, bool)
	done := func() {}
	defer func() { done() }()
	for more := true; more; {
		err := rq.view(rq.Target.account(rq), func(v *storage.View) error {
			if next == nil {
				r, err := rq.locate(v, rq.Target)
				if err != nil {
					return err
				}
				if err := r.need(storage.Lookup); err != nil {
					return err
				}
				members, err := rq.members(v, r)
				if err != nil {
					return err
				}
				next, done = iter.Pull(members)
				if !rq.Prefer.NoRoot {
					if err := l.Resource(v, r); err != nil {
						return err
					}
				}
			}
			for rq.Depth == Depth1 && !l.Full() {
				m, ok := next()
				if !ok {
					break
				}
				if err := l.Resource(v, m); err != nil {
					return err
				}
			}
			more = l.Full()
			return nil
		})
		if err != nil {
			return err
		}
		if more {
			if err := l.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// members yields what is in a resource; it is valid after the snapshot too.
func (rq *Request) members(v *storage.View, r *Resource) (iter.Seq[*Resource], error) {
	if rq.Depth != Depth1 {
		return func(func(*Resource) bool) {}, nil
	}
	var all []*Resource
	if err := rq.collections(v, r, &all); err != nil {
		return nil, err
	}
	mounts, err := rq.mountedIn(r)
	if err != nil {
		return nil, err
	}
	all = append(all, mounts...)
	if r.Collection == nil || !r.IsCollection() || !r.Rights.Has(storage.Read) {
		return sequence(all), nil
	}
	t, err := v.Table(r.Collection.ID)
	if err != nil {
		return nil, err
	}
	own, err := rq.Own(v, r.Tree, r.Collection)
	if err != nil {
		return nil, err
	}
	return func(yield func(*Resource) bool) {
		for _, m := range all {
			if !yield(m) {
				return
			}
		}
		var m Resource
		var entry Entry
		for e := range r.Tree.Entries(t) {
			entry = e
			if own != nil {
				_ = own.Entry(&entry) // where that fails it is what the owner sees: left out it would be taken for gone
			}
			m = Resource{Kind: r.Tree.Member, Path: r.member(e.Name), Tree: r.Tree, Owner: r.Owner,
				Collection: r.Collection, Entry: &entry, Rights: r.Rights, Mount: r.Mount}
			if !yield(&m) {
				return
			}
		}
	}, nil
}

func sequence(all []*Resource) iter.Seq[*Resource] {
	return func(yield func(*Resource) bool) {
		for _, m := range all {
			if !yield(m) {
				return
			}
		}
	}
}
