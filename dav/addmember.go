package dav

import (
	"errors"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"atrium/dav/elem"
	"atrium/storage"
)

// addMember is RFC 5995: POST to the URI in DAV:add-member puts a body under a name that the server chooses.
var addMember = Module{
	RFC:      "5995",
	Features: []string{"add-member"},
	Posts:    []Post{{Action: "add-member", On: Collection, Run: postMember}},
	Properties: []Property{{Name: elem.N("D:add-member"), On: Collection, Get: func(_ *Ask, r *Resource, w *elem.Writer) error {
		if !r.Rights.Has(storage.Insert) {
			return Absent()
		}
		w.Href(r.Path + "?add-member")
		return nil
	}}},
}

// postMember stores the body as a new member.
func postMember(rq *Request, w http.ResponseWriter, _ *elem.Reader, _ elem.Start) error {
	slug, err := slugOf(rq.Header.Get("Slug"))
	if err != nil {
		return err
	}
	name, err := rq.newName(slug, extension(rq.Header.Get("Content-Type")))
	if err != nil {
		return err
	}
	rq.Target = rq.Target.child(name)
	rq.Header.Set("If-None-Match", "*") // two of them must not meet
	h := w.Header()
	h.Set("Location", rq.Target.Path())
	if err := put(rq, w); err != nil {
		h.Del("Location")
		return err
	}
	return nil
}

// child is the target of a member.
func (t *Target) child(name string) *Target {
	c := *t
	c.Rest = append(append([]string(nil), t.Rest...), name)
	c.raw = append(append([]string(nil), t.raw...), Escape(name))
	return &c
}

// newName is a name that nothing has in the target yet: the client's, or one of the server's own.
func (rq *Request) newName(slug, ext string) (name string, err error) {
	if slug == "" {
		return uuidName(ext), nil
	}
	name = strings.TrimSuffix(slug, ext) + ext
	err = rq.view(rq.Target.account(rq), func(v *storage.View) error {
		r, err := rq.locate(v, rq.Target)
		if err != nil {
			return err
		}
		if err := r.need(storage.Insert); err != nil {
			return err
		}
		_, err = r.Tree.ByName(v, r.Collection.ID, name)
		if errors.Is(err, storage.NotFound) && r.Tree.Nested {
			_, err = rq.collection(v, rq.Target, append(append([]string(nil), rq.Target.Rest...), name))
		}
		if err == nil {
			name = uuidName(ext)
		}
		if errors.Is(err, storage.NotFound) {
			err = nil
		}
		return err
	})
	return name, err
}

func uuidName(ext string) string { return strings.TrimPrefix(uuid(), "urn:uuid:") + ext }

// slugOf reads a Slug header (RFC 5023 §9.7): percent-encoded UTF-8, of which what cannot be in a name goes.
func slugOf(h string) (string, error) {
	s := h
	if _, decoded, err := splitPath(strings.ReplaceAll(h, "/", "-")); err == nil && len(decoded) == 1 {
		s = decoded[0]
	} else if h != "" {
		return "", nil // it is a wish only
	}
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r == '/' || r == utf8.RuneError {
			return -1
		}
		return r
	}, strings.TrimSpace(s))
	if len(s) > 200 || s == "." || s == ".." {
		return "", nil
	}
	return s, nil
}

// extension is what names of a media type end with.
func extension(contentType string) string {
	t, _, _ := mime.ParseMediaType(contentType)
	switch t {
	case "text/calendar":
		return ".ics"
	case "text/vcard", "text/x-vcard", "text/directory":
		return ".vcf"
	}
	return ""
}
