package dav

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"strconv"
	"strings"

	"atrium/storage"
)

// get answers GET and HEAD (RFC 9110 §9.3.1).
func get(rq *Request, w http.ResponseWriter) error {
	conds, err := rq.conditions()
	if err != nil {
		return err
	}
	var r *Resource
	var body Body
	err = rq.view(rq.Target.account(rq), func(v *storage.View) (err error) {
		if r, err = rq.locate(v, rq.Target); err != nil {
			return err
		}
		if err = r.need(storage.Read); err != nil {
			return err
		}
		if r.Entry == nil {
			return nil
		}
		if err = conds.check(r.Entry, true); err == nil {
			err = rq.checkIf(v, conds, r)
		}
		if err != nil {
			return err
		}
		body, err = rq.open(v, r.Tree, r.Collection, r.Entry)
		return err
	})
	if err == error(errNotModified) {
		entity(w.Header(), r.Entry)
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if err != nil {
		return err
	}
	if r.Entry == nil {
		if r.Collection != nil && r.Tree.Index != nil {
			if done, err := r.Tree.Index(rq, w, r); done || err != nil {
				return err
			}
		}
		return rq.index(w, r)
	}
	defer func() { body.Close() }()
	entity(w.Header(), r.Entry)
	w.Header().Set("Accept-Ranges", "bytes")
	if f := r.Tree.Negotiate; f != nil {
		other, mediaType, err := f(rq, body)
		if err != nil {
			return err
		}
		w.Header().Add("Vary", "Accept, User-Agent")
		if other != nil {
			body.Close()
			body = other
			w.Header()["Content-Type"] = []string{mediaType}
		}
	}
	if rq.Header.Get("Range") != "" {
		// The preconditions are done with; ServeContent looks at If-Range.
		for _, h := range []string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
			rq.Header.Del(h)
		}
		rq.begun = true
		http.ServeContent(w, rq.Request, "", r.Entry.Modified, io.NewSectionReader(body, 0, body.Size()))
		return nil
	}
	return rq.send(w, body)
}

// entity sets the header fields that describe a member.
func entity(h http.Header, e *Entry) {
	h["Etag"] = []string{`"` + e.ETag + `"`}
	h["Content-Type"] = []string{e.Type}
	h["Last-Modified"] = []string{e.Modified.UTC().Format(http.TimeFormat)}
	if e.ScheduleTag != "" {
		h["Schedule-Tag"] = []string{`"` + e.ScheduleTag + `"`}
	}
	// Shared caches keep out, others ask again: clients hold what they got by its ETag (RFC 9111 §5.2.2).
	h["Cache-Control"] = private
	// What a stranger sent must not run as a page of this host.
	h["X-Content-Type-Options"] = nosniff
	h["Content-Security-Policy"] = sandbox
}

var (
	private = []string{"private, no-cache"}
	nosniff = []string{"nosniff"}
	sandbox = []string{"default-src 'none'; sandbox"}
)

func (rq *Request) send(w http.ResponseWriter, body Body) error {
	w.Header()["Content-Length"] = []string{strconv.FormatInt(body.Size(), 10)}
	rq.begun = true
	w.WriteHeader(http.StatusOK)
	if rq.Method == http.MethodHead {
		return nil
	}
	if m, ok := body.(memory); ok {
		_, err := w.Write(m)
		return err
	}
	var err error
	if to, ok := body.(io.WriterTo); ok {
		_, err = to.WriteTo(w)
	} else {
		_, err = io.Copy(w, io.NewSectionReader(body, 0, body.Size()))
	}
	return err
}

// index answers a GET of a collection with a small page: clients want a 2xx there.
func (rq *Request) index(w http.ResponseWriter, r *Resource) error {
	if !strings.HasSuffix(rq.URL.Path, "/") {
		w.Header().Set("Content-Location", r.Path)
	}
	count := ""
	if r.Collection != nil {
		count = fmt.Sprintf("<p>%d members.</p>", r.Collection.Count)
	}
	page := fmt.Sprintf("<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>%[1]s</title><h1>%[1]s</h1><p>A %[2]s for WebDAV clients.</p>%[3]s</html>\n",
		html.EscapeString(r.Path), r.Kind.Name, count)
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h["Content-Security-Policy"] = sandbox
	h.Set("Content-Length", strconv.Itoa(len(page)))
	rq.begun = true
	w.WriteHeader(http.StatusOK)
	if rq.Method == http.MethodHead {
		return nil
	}
	_, err := io.WriteString(w, page)
	return err
}
