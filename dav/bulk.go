package dav

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"

	"atrium/dav/elem"
	"atrium/storage"
)

// bulk is Apple's way to write many members at once, by POST to their collection: one body with many objects
// (simple), or a document that says of each what to do (crud). Each is stored or refused by itself.
var bulk = Module{
	RFC: "bulk-requests",
	Posts: []Post{
		{Root: elem.N("ME:multiput"), On: Collection, Run: postMany},
		{Type: "text/calendar", On: Collection, Run: postObjects},
		{Type: "text/vcard", On: Collection, Run: postObjects},
	},
	Properties: []Property{{Name: elem.N("ME:bulk-requests"), On: Collection, Get: func(a *Ask, r *Resource, w *elem.Writer) error {
		if !r.shareable() || !r.Rights.Has(storage.Insert) {
			return Absent()
		}
		for _, kind := range []string{"ME:simple", "ME:crud"} {
			w.Str("<" + kind + "><ME:max-resources>")
			w.Int(maxBulk)
			w.Str("</ME:max-resources><ME:max-bytes>")
			w.Int(a.Server.cfg.MaxXML)
			w.Str("</ME:max-bytes></" + kind + ">")
		}
		return nil
	}}},
}

// maxBulk bounds the members of one request.
const maxBulk = 500

// one is what is to be done with one member.
type one struct {
	name    string // "": a new one
	href    string // as the client wrote it
	match   string // ETag that it must have
	delete  bool
	body    []byte
	refused error
}

// postObjects takes a body of many objects, one after the other.
func postObjects(rq *Request, w http.ResponseWriter, _ *elem.Reader, _ elem.Start) error {
	b, err := io.ReadAll(http.MaxBytesReader(w, rq.Body, rq.Server.cfg.MaxXML))
	if err != nil {
		return err
	}
	objects, err := splitObjects(b)
	if err != nil {
		return err
	}
	var all []one
	for _, o := range objects {
		parts := [][]byte{o}
		if split := rq.Target.Tree.Split; split != nil {
			if p, err := split(o, maxBulk); err == nil {
				parts = p // what cannot be read is refused by itself
			}
		}
		for _, p := range parts {
			all = append(all, one{body: p})
		}
	}
	if len(all) > maxBulk {
		return Fail(http.StatusInsufficientStorage, "more than %d objects", maxBulk)
	}
	contentType, _, _ := strings.Cut(rq.Header.Get("Content-Type"), ";")
	return rq.many(w, contentType, all)
}

// splitObjects cuts a body into its outermost components, which begin and end on lines of their own.
func splitObjects(b []byte) (objects [][]byte, err error) {
	depth, start := 0, 0
	for at := 0; at < len(b); {
		end := bytes.IndexByte(b[at:], '\n')
		next := at + end + 1
		if end < 0 {
			next = len(b)
		}
		line := bytes.ToUpper(bytes.TrimSpace(b[at:next]))
		switch {
		case bytes.HasPrefix(line, []byte("BEGIN:")):
			if depth == 0 {
				start = at
			}
			depth++
		case bytes.HasPrefix(line, []byte("END:")) && depth > 0:
			if depth--; depth == 0 {
				if len(objects) >= maxBulk {
					return nil, Fail(http.StatusInsufficientStorage, "more than %d objects", maxBulk)
				}
				objects = append(objects, b[start:next:next])
			}
		}
		at = next
	}
	if len(objects) == 0 || depth != 0 {
		return nil, Fail(http.StatusBadRequest, "the body is no sequence of objects")
	}
	return objects, nil
}

// postMany takes a multiput.
func postMany(rq *Request, w http.ResponseWriter, r *elem.Reader, _ elem.Start) error {
	var all []one
	data := elem.Names("C:calendar-data", "CR:address-data")
	for s := range r.Children() {
		if !s.Is("ME:resource") {
			continue
		}
		if len(all) >= maxBulk {
			return Fail(http.StatusInsufficientStorage, "more than %d resources", maxBulk)
		}
		all = append(all, rq.readOne(r, data))
	}
	if err := r.End(); err != nil {
		return err
	}
	contentType := "text/vcard"
	if rq.Target.Tree.Collection.typeIs("C:calendar") {
		contentType = "text/calendar"
	}
	return rq.many(w, contentType, all)
}

func (rq *Request) readOne(r *elem.Reader, data []xml.Name) (o one) {
	for c := range r.Children() {
		switch {
		case c.Is("D:href"):
			o.href = strings.TrimSpace(r.Text())
			t, err := rq.href(o.href)
			if err != nil || !rq.Target.contains(t) || len(t.Rest) != len(rq.Target.Rest)+1 {
				o.refused = Fail(http.StatusNotFound, "not in this collection")
				break
			}
			o.name = t.Rest[len(t.Rest)-1]
		case c.Is("ME:if-match"):
			for e := range r.Children() {
				if e.Is("D:getetag") {
					o.match = unquote(r.Text())
				}
			}
		case c.Is("ME:delete"):
			o.delete = true
		case c.Is("D:set"):
			for p := range r.Children() {
				if !p.Is("D:prop") {
					continue
				}
				for d := range r.Children() {
					if d.Name == data[0] || d.Name == data[1] {
						o.body = []byte(r.Text())
					}
				}
			}
		}
	}
	return o
}

// ctagCondition begins the If header by which Apple's clients name the ctag that the collection must have.
const ctagCondition = "<http://me.com/_namespace/ctag/"

// ctag is the collection's; conditional tells to hold it against the request's headers.
func (rq *Request) ctag(conditional bool) (now string, err error) {
	var want []string
	if conditional {
		want = etags(rq.Header["If-Match"])
		if c, ok := strings.CutPrefix(strings.TrimSpace(rq.Header.Get("If")), ctagCondition); ok {
			want = append(want, strings.TrimSuffix(c, ">"))
		}
	}
	err = rq.view(rq.Target.account(rq), func(v *storage.View) error {
		r, err := rq.locate(v, rq.Target)
		if err == nil && !r.shareable() {
			err = rq.notHere()
		}
		if err == nil {
			err = r.need(storage.Lookup)
		}
		if err != nil {
			return err
		}
		if now, err = rq.syncToken(v, r); err == nil && want != nil && !among(want, now) {
			err = &Error{Status: http.StatusPreconditionFailed, Err: storage.Conflict}
		}
		return err
	})
	return now, err
}

// many does what is asked of each and tells how it went, and the ctag after all.
func (rq *Request) many(w http.ResponseWriter, contentType string, all []one) error {
	if _, err := rq.ctag(true); err != nil {
		return err
	}
	for _, h := range []string{"If-Match", "If-None-Match", "If", "Expect"} {
		rq.Header.Del(h) // of the collection; see one.match
	}
	rq.Header.Set("Content-Type", contentType)
	collection := rq.Target
	l := rq.listing(w, nil, false)
	defer l.Close()
	for i := range all {
		o := &all[i]
		e, err := Entry{}, o.refused
		if err == nil {
			e, err = rq.doOne(collection, o, contentType)
		}
		rq.Target = collection
		path := o.href
		if path == "" {
			path = collection.child(o.name).Path()
		}
		l.Response(path)
		if err != nil {
			bad := asError(err)
			if bad.Status >= 500 && bad.Status != http.StatusInsufficientStorage {
				return err
			}
			l.StatusLine(bad.Status)
			if bad.Condition.Local != "" {
				l.Str("<D:error>")
				l.Empty(bad.Condition)
				l.Str("</D:error>")
			}
		} else if o.delete {
			l.StatusLine(http.StatusOK)
		} else {
			l.Propstat()
			l.Elem("D:getetag", `"`+e.ETag+`"`)
			if uid := uidOf(o.body); uid != "" {
				l.Elem("CS:uid", uid)
			}
			l.EndPropstat(http.StatusOK)
		}
		l.EndResponse()
	}
	if now, err := rq.ctag(false); err == nil {
		w.Header()["CTag"] = []string{now} // spelled as clients know it
	}
	return l.Finish()
}

// doOne stores or removes one member, as PUT and DELETE do.
func (rq *Request) doOne(collection *Target, o *one, contentType string) (e Entry, err error) {
	conds := &conditions{}
	if o.match != "" {
		conds.match = []string{o.match}
	}
	if o.name == "" {
		if o.delete {
			return e, Fail(http.StatusBadRequest, "what is to be deleted?")
		}
		o.name = uuidName(extension(contentType))
	}
	t := collection.child(o.name)
	rq.Target = t
	if o.delete {
		return e, rq.wrap(rq.update(func(tx *storage.Tx) error {
			r, err := rq.locate(&tx.View, t)
			if err != nil {
				return err
			}
			if err := rq.guard(&tx.View, conds, r, r.Entry); err != nil {
				return err
			}
			if err := rq.free(&tx.View, conds, t, touchSelf|touchMembers); err != nil {
				return err
			}
			return rq.removeResource(tx, r)
		}))
	}
	rq.ContentLength = int64(len(o.body))
	up, err := t.Tree.Prepare(rq, bytes.NewReader(o.body))
	if err != nil {
		return e, rq.wrap(err)
	}
	defer up.Release()
	err = rq.update(func(tx *storage.Tx) error {
		r, name, err := rq.placeFor(&tx.View, conds)
		if err == nil {
			e, _, err = rq.store(up, tx, r, name)
		}
		return err
	})
	if errors.Is(err, storage.TooLarge) {
		err = &Error{Status: http.StatusInsufficientStorage, Err: err}
	}
	return e, rq.wrap(err)
}

// uidOf is the UID in an object, by which a client knows again what it sent.
func uidOf(b []byte) string {
	unfold := strings.NewReplacer("\r\n ", "", "\r\n\t", "", "\n ", "", "\n\t", "")
	for at := 0; at < len(b); {
		end := at
		for { // to the end of the line with its folds
			n := bytes.IndexByte(b[end:], '\n')
			if n < 0 {
				end = len(b)
				break
			}
			if end += n + 1; end >= len(b) || b[end] != ' ' && b[end] != '\t' {
				break
			}
		}
		line := b[at:end]
		at = end
		if len(line) < 4 || !bytes.EqualFold(line[:3], []byte("UID")) || line[3] != ':' && line[3] != ';' {
			continue
		}
		if _, value, ok := strings.Cut(unfold.Replace(string(line)), ":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
