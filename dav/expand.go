package dav

import (
	"encoding/xml"
	"errors"
	"net/http"

	"atrium/dav/elem"
	"atrium/storage"
)

// expansion is a property that an expand-property report wants, and what it wants
// of the resources that its hrefs lead to (RFC 3253 §3.8).
type expansion struct {
	want  wanted
	inner map[xml.Name]*expansion
}

// maxExpanded bounds the responses of one expand-property.
const maxExpanded = 1000

func expandProperty(rq *Request, w http.ResponseWriter, r *elem.Reader, _ elem.Start) error {
	x, err := readExpansion(r)
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return err
	}
	l := rq.listing(w, &x.want, true)
	defer l.Close()
	e := expander{rq: rq, left: maxExpanded}
	if err := e.response(l, rq.Target, x); err != nil {
		return err
	}
	return l.Finish()
}

func readExpansion(r *elem.Reader) (*expansion, error) {
	x := &expansion{inner: map[xml.Name]*expansion{}}
	for s := range r.Children() {
		if !s.Is("D:property") {
			continue
		}
		n := xml.Name{Space: "DAV:", Local: s.Attr("name")}
		if space, ok := s.LookupAttr("namespace"); ok {
			n.Space = space
		}
		if n.Local == "" {
			return nil, Fail(http.StatusBadRequest, "a property without a name")
		}
		x.want.names = append(x.want.names, wantedProp{name: n})
		inner, err := readExpansion(r)
		if err != nil {
			return nil, err
		}
		if len(inner.want.names) > 0 {
			x.inner[n] = inner
		}
	}
	return x, r.Err()
}

type expander struct {
	rq   *Request
	left int
}

// response writes the response for a target, with the hrefs in its properties
// replaced by responses.
func (e *expander) response(l *Listing, t *Target, x *expansion) error {
	if e.left--; e.left < 0 {
		return Fail(http.StatusInsufficientStorage, "more than %d resources to tell of", maxExpanded)
	}
	return e.rq.view(t.account(e.rq), func(v *storage.View) error {
		r, err := e.rq.locate(v, t)
		if errors.Is(err, storage.NotFound) && t != e.rq.Target {
			l.Status(t.Path(), http.StatusNotFound)
			return nil
		}
		if err != nil {
			return err
		}
		return e.resource(l, v, r, x)
	})
}

func (e *expander) resource(l *Listing, v *storage.View, r *Resource, x *expansion) error {
	p := x.want.plan(e.rq.Server.registry, r.Kind, true)
	ask := Ask{Request: e.rq, View: v}
	var missed []int
	l.Response(r.Path)
	l.Propstat()
	for i := range p.items {
		it := &p.items[i]
		start := l.Len()
		err := l.property(&ask, r, it)
		switch {
		case err == error(errAbsent):
			missed = append(missed, i)
			continue
		case err != nil:
			return err
		}
		if inner := x.inner[it.name]; inner != nil {
			hrefs := hrefsIn(l.Bytes()[start:])
			l.Cut(start)
			l.Str("<" + it.tag.Start + ">")
			for _, h := range hrefs {
				t, err := e.rq.href(h)
				if err != nil || t.Tree == nil && t.Kind == nil {
					l.Href(h) // it leads out of here: mailto:, say
					continue
				}
				if err := e.response(l, t, inner); err != nil {
					return err
				}
			}
			l.Str("</" + it.tag.End + ">")
		}
	}
	l.EndPropstat(http.StatusOK)
	if len(missed) > 0 && !e.rq.Prefer.Minimal {
		l.names(p, missed, http.StatusNotFound)
	}
	l.EndResponse()
	return nil
}

// hrefsIn are the DAV:hrefs in a property as it was written.
func hrefsIn(property []byte) (hrefs []string) {
	var x elem.Writer
	x.Str("<all")
	x.Declare()
	x.Str(">")
	x.Raw(property)
	x.Str("</all>")
	r := elem.ParseBytes(x.Bytes(), elem.Limits{})
	if _, ok := r.Root(); !ok {
		return nil
	}
	var walk func()
	walk = func() {
		for s := range r.Children() {
			if s.Is("D:href") {
				hrefs = append(hrefs, r.Text())
			} else {
				walk()
			}
		}
	}
	walk()
	return hrefs
}
