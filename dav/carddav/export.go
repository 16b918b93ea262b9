package carddav

import (
	"bytes"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"atrium/contacts"
	"atrium/dav"
	"atrium/storage"
)

// chunk is about how much of an export is read from the store at once, in bytes: a slow reader holds up nothing.
const chunk = 1 << 20

// index answers a GET of an address book with all its cards, one after the other, unless a browser asks.
func (f *face) index(rq *dav.Request, w http.ResponseWriter, r *dav.Resource) (bool, error) {
	accept := strings.ToLower(rq.Header.Get("Accept"))
	_, asked := rq.URL.Query()["export"]
	if !asked && !strings.Contains(accept, "vcard") && accept != "" && accept != "*/*" {
		return false, nil
	}
	version := accepted(rq.Header)
	if version == "" {
		version = spoken(rq)
	}
	c := r.Collection
	h := w.Header()
	tag := fmt.Sprintf(`W/"%d-%d"`, c.Modseq, c.Meta)
	h.Set("Etag", tag)
	h.Set("Content-Type", mediaType)
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Vary", "Accept, User-Agent")
	if strings.Contains(rq.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return true, nil
	}
	if d := mime.FormatMediaType("attachment", map[string]string{"filename": c.Name + ".vcf"}); d != "" {
		h.Set("Content-Disposition", d)
	}
	if rq.Method == http.MethodHead {
		return true, nil
	}
	begun := false
	var b bytes.Buffer
	for last, more := storage.Num(0), true; more; {
		b.Reset()
		err := f.store.View(rq.Context(), c.Account, func(v *storage.View) (err error) {
			last, more, err = f.cards(rq, v, c.ID, last, version, &b)
			return err
		})
		if err != nil && !begun {
			for _, name := range []string{"Etag", "Content-Disposition"} {
				h.Del(name)
			}
			return false, err
		}
		if err == nil {
			begun = true
			_, err = b.WriteTo(w)
		}
		if err != nil {
			panic(http.ErrAbortHandler) // some of it is under way: the client must see that it is not whole
		}
	}
	return true, nil
}

// cards appends those behind a number until there is about a chunk; more: there may be others.
func (f *face) cards(rq *dav.Request, v *storage.View, id storage.CollectionID, after storage.Num, version string, b *bytes.Buffer) (last storage.Num, more bool, err error) {
	t, err := v.Table(id)
	if err != nil {
		return after, false, err
	}
	last = after
	for e := range contacts.Entries(t) {
		if e.Num <= after {
			continue
		}
		if b.Len() >= chunk {
			return last, true, nil
		}
		raw, err := contacts.Peek(rq.Context(), v, f.blobs(), e.Object)
		if err != nil {
			return last, false, fmt.Errorf("card %q: %w", e.Name, err)
		}
		if raw, err = inVersion(raw, version); err != nil {
			return last, false, fmt.Errorf("card %q: %w", e.Name, err)
		}
		raw = bytes.TrimSpace(bytes.TrimPrefix(raw, []byte("\ufeff")))
		b.Write(raw)
		b.WriteString("\r\n")
		last = e.Num
	}
	return last, false, nil
}
