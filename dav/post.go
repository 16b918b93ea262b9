package dav

import (
	"encoding/xml"
	"net/http"
	"strings"

	"atrium/dav/elem"
	"atrium/storage"
)

// Post is one meaning that POST has: told by the query ("?action=attachment-add", "?add-member"),
// by the root element of an XML body, or by the media type of another.
type Post struct {
	Action string   // the query's action, or its only key
	Root   xml.Name // of an XML body
	Type   string   // media type of a body that is not XML
	On     Kinds

	// Run answers. The reader stands on the root element s; it is nil without Root.
	Run func(rq *Request, w http.ResponseWriter, r *elem.Reader, s elem.Start) error
}

// post answers POST by what the modules have for it.
func post(rq *Request, w http.ResponseWriter) error {
	var kind *Kind
	err := rq.view(rq.Target.account(rq), func(v *storage.View) error {
		r, err := rq.locate(v, rq.Target)
		if err == nil {
			kind = r.Kind
		}
		return err
	})
	if err != nil {
		return err
	}
	contentType := rq.Header.Get("Content-Type")
	if action := rq.action(); action != "" {
		for _, p := range rq.Server.posts {
			if p.Action == action && kind.Is(p.On) {
				return p.Run(rq, w, nil, elem.Start{})
			}
		}
		return Fail(http.StatusForbidden, "no such action here")
	}
	if isXML(contentType) {
		r := elem.NewReader(rq.Body, rq.Server.xmlLimits())
		root, ok := r.Root()
		if !ok {
			return r.Err()
		}
		for _, p := range rq.Server.posts {
			if p.Root == root.Name && kind.Is(p.On) {
				return p.Run(rq, w, r, root)
			}
		}
		return Fail(http.StatusForbidden, "no such request here")
	}
	mediaType, _, _ := strings.Cut(contentType, ";")
	for _, p := range rq.Server.posts {
		if p.Type != "" && strings.EqualFold(p.Type, strings.TrimSpace(mediaType)) && kind.Is(p.On) {
			return p.Run(rq, w, nil, elem.Start{})
		}
	}
	return rq.notHere()
}

// action is what a query asks POST to do.
func (rq *Request) action() string {
	if rq.URL.RawQuery == "" {
		return ""
	}
	if a := rq.URL.Query().Get("action"); a != "" {
		return a
	}
	if !strings.ContainsAny(rq.URL.RawQuery, "=&%") {
		return rq.URL.RawQuery
	}
	return ""
}

// Write runs fn in a transaction on the resource that a request is for, when the actor has the rights.
func (rq *Request) Write(need storage.Rights, fn func(tx *storage.Tx, r *Resource) error) error {
	return rq.update(func(tx *storage.Tx) error {
		r, err := rq.locate(&tx.View, rq.Target)
		if err != nil {
			return err
		}
		if err := r.need(need); err != nil {
			return err
		}
		return fn(tx, r)
	})
}

// Read is Write for reading.
func (rq *Request) Read(need storage.Rights, fn func(v *storage.View, r *Resource) error) error {
	return rq.view(rq.Target.account(rq), func(v *storage.View) error {
		r, err := rq.locate(v, rq.Target)
		if err != nil {
			return err
		}
		if err := r.need(need); err != nil {
			return err
		}
		return fn(v, r)
	})
}

// LabelOf is a collection's display name, as its owner set it; its own name when none was.
func LabelOf(v *storage.View, c *storage.Collection) string {
	name := elem.N("D:displayname")
	b, err := v.Prop(storage.PropKey{Collection: c.ID, Name: elem.Key(name)})
	if err != nil {
		return c.Name
	}
	return elem.Raw{Name: name, XML: b}.Text()
}

// OnQuiet has fn called before the commit of each change by a client that named in Push-Dont-Notify who need not be told
// of it, and with nobody when the change did not come about. It is called before the server serves.
func (s *Server) OnQuiet(fn func(a storage.AccountID, modseq uint64, whom string)) { s.quiet = fn }

// quietly is an Update, of which those may not be told that the client names.
func (rq *Request) quietly(a storage.AccountID, fn func(*storage.Tx) error) error {
	whom := rq.Header.Get("Push-Dont-Notify")
	if whom == "" || rq.Server.quiet == nil {
		return rq.Server.store.Update(rq.Context(), a, fn)
	}
	var modseq uint64
	takeBack := func() {
		if modseq != 0 {
			rq.Server.quiet(a, modseq, "")
			modseq = 0
		}
	}
	err := rq.Server.store.Update(rq.Context(), a, func(tx *storage.Tx) error {
		takeBack() // it may run again
		if err := fn(tx); err != nil {
			return err
		}
		n, err := tx.Next()
		if err == nil { // before the commit: who watches is woken by that
			modseq = n
			rq.Server.quiet(a, modseq, whom)
		}
		return err
	})
	if err != nil {
		takeBack()
	}
	return err
}

// TokenOf is a collection's sync-token at its snapshot.
func TokenOf(c *storage.Collection) string { return token{collection: c.ID, modseq: c.Modseq}.String() }

// Origin is the scheme and host by which a request came.
func Origin(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// Account is the account that the request's target is in.
func (rq *Request) Account() storage.AccountID { return rq.Target.account(rq) }

// Unchanged checks the request's preconditions (RFC 9110 §13) on a member.
func (rq *Request) Unchanged(r *Resource) error {
	c, err := rq.conditions()
	if err != nil || c.none() {
		return err
	}
	return c.check(r.Entry, false)
}
