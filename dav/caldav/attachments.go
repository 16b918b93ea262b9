package caldav

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"atrium/calendar"
	"atrium/calendar/ics"
	"atrium/calendar/query"
	"atrium/dav"
	"atrium/dav/elem"
	"atrium/storage"
	"atrium/storage/blob"
)

// Managed attachments (RFC 8607). Their URLs can be read by who knows them: invited strangers have no login
// here, and nobody guesses one.

// attachmentPath is where they are: account.ID/name.
const attachmentPath = "/attachments/"

func (f *face) attachmentModule() dav.Module {
	const anyCalendar = homeKind | calendarKind
	return dav.Module{
		RFC: "8607", Features: []string{"calendar-managed-attachments"},
		Public: map[string]http.Handler{attachmentPath: http.HandlerFunc(f.attachment)},
		Posts: []dav.Post{
			{Action: "attachment-add", On: objectKind, Run: f.attach},
			{Action: "attachment-update", On: objectKind, Run: f.attach},
			{Action: "attachment-remove", On: objectKind, Run: f.attach},
		},
		Properties: []dav.Property{
			{Name: elem.N("C:managed-attachments-server-URL"), On: anyCalendar, Get: func(a *dav.Ask, _ *dav.Resource, w *elem.Writer) error {
				w.Href(dav.Origin(a.Request.Request) + attachmentPath)
				return nil
			}},
			{Name: elem.N("C:max-attachment-size"), On: anyCalendar, Get: func(_ *dav.Ask, _ *dav.Resource, w *elem.Writer) error {
				w.Int(f.cfg.MaxAttachment)
				return nil
			}},
			{Name: elem.N("C:max-attachments-per-resource"), On: anyCalendar, Get: func(_ *dav.Ask, _ *dav.Resource, w *elem.Writer) error {
				w.Int(int64(f.cfg.MaxAttachments))
				return nil
			}},
		},
	}
}

// attaching is one request about an attachment.
type attaching struct {
	action    string
	id        string   // managed-id
	instances []string // rid
	name      string
	mediaType string
	ref       blob.Ref
}

// attach answers POST with one of the three actions (RFC 8607 §3.4 to §3.6).
func (f *face) attach(rq *dav.Request, w http.ResponseWriter, _ *elem.Reader, _ elem.Start) error {
	a, err := readAttaching(rq)
	if err != nil {
		return err
	}
	if a.action != "attachment-remove" {
		// Rights first: the body may be large.
		if err := rq.Read(storage.Read|storage.Write, func(*storage.View, *dav.Resource) error { return nil }); err != nil {
			return err
		}
		spool, err := f.takeAttachment(rq, w, a)
		if err != nil {
			return err
		}
		defer spool.Release()
	}
	var e dav.Entry
	var raw []byte
	var made calendar.Attachment
	err = rq.Write(storage.Read|storage.Write, func(tx *storage.Tx, r *dav.Resource) error {
		if err := rq.Unchanged(r); err != nil {
			return err
		}
		o, err := f.edited(rq, tx, r, a, &made)
		if err != nil {
			return err
		}
		defer o.Release()
		if e, _, err = (upload{Object: o}).Put(tx, r.Collection.ID, r.Entry.Name); err != nil {
			return err
		}
		as, err := calendar.ViewAs(&tx.View, r.Collection.ID, rq.Actor.ID)
		if err == nil {
			e.ETag, err = as.ETag(e.Num, e.ETag)
		}
		if err == nil {
			raw, err = as.Data(e.Num, o.Raw)
		}
		return err
	})
	if err != nil {
		return wrap(err, func(string) string { return "" })
	}
	h := w.Header()
	status := http.StatusNoContent
	if made.ID != "" {
		h.Set("Cal-Managed-ID", made.ID)
		if a.action == "attachment-add" {
			status = http.StatusCreated
			h.Set("Location", attachmentURL(rq, &made))
		}
	}
	h["Etag"] = []string{`"` + e.ETag + `"`}
	if e.ScheduleTag != "" {
		h["Schedule-Tag"] = []string{`"` + e.ScheduleTag + `"`}
	}
	if !rq.Prefer.Representation {
		w.WriteHeader(status)
		return nil
	}
	if status == http.StatusNoContent {
		status = http.StatusOK
	}
	h.Set("Preference-Applied", "return=representation")
	h.Set("Content-Location", rq.Target.Path())
	h.Set("Content-Type", "text/calendar; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(raw)))
	w.WriteHeader(status)
	_, err = w.Write(raw)
	return err
}

func readAttaching(rq *dav.Request) (*attaching, error) {
	q := rq.URL.Query()
	a := &attaching{action: q.Get("action"), id: q.Get("managed-id")}
	if rid := q.Get("rid"); rid != "" {
		a.instances = strings.Split(rid, ",")
	}
	switch {
	case a.action == "attachment-add" && a.id != "", a.action != "attachment-add" && a.id == "", len(a.id) > 100:
		return nil, dav.Refuse(http.StatusForbidden, "C:valid-managed-id-parameter")
	case a.action == "attachment-update" && q.Has("rid"):
		return nil, dav.Refuse(http.StatusForbidden, "C:valid-rid-parameter")
	}
	a.mediaType = "application/octet-stream"
	if t, params, err := mime.ParseMediaType(rq.Header.Get("Content-Type")); err == nil {
		if a.mediaType = mime.FormatMediaType(t, params); a.mediaType == "" || len(a.mediaType) > 200 {
			a.mediaType = t
		}
	}
	if _, params, err := mime.ParseMediaType(rq.Header.Get("Content-Disposition")); err == nil {
		a.name = cleanName(params["filename"])
	}
	return a, nil
}

// cleanName is the last part of a file's name, without what no parameter can hold.
func cleanName(s string) string {
	s = path.Base(strings.ReplaceAll(s, `\`, "/"))
	if s == "." || s == "/" || !utf8.ValidString(s) {
		return ""
	}
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return -1
		}
		return r
	}, s)
	for len(s) > 200 {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}

// takeAttachment files the body.
func (f *face) takeAttachment(rq *dav.Request, w http.ResponseWriter, a *attaching) (blob.Spool, error) {
	tooLarge := dav.Refuse(http.StatusForbidden, "C:max-attachment-size")
	if rq.ContentLength > f.cfg.MaxAttachment {
		return nil, tooLarge
	}
	spool, err := f.blobs().Spool(rq.Context(), f.cfg.MaxAttachment)
	if err != nil {
		return nil, err
	}
	if _, err = io.Copy(spool, http.MaxBytesReader(w, rq.Body, f.cfg.MaxAttachment+1)); err == nil {
		a.ref, err = spool.Commit(rq.Context())
	}
	if err != nil {
		spool.Release()
		var size *http.MaxBytesError
		if errors.Is(err, blob.TooLarge) || errors.As(err, &size) {
			return nil, tooLarge
		}
		return nil, err
	}
	return spool, nil
}

// edited makes the object as it is after a request.
func (f *face) edited(rq *dav.Request, tx *storage.Tx, r *dav.Resource, a *attaching, made *calendar.Attachment) (*calendar.Object, error) {
	old, err := calendar.Peek(rq.Context(), &tx.View, f.blobs(), r.Entry.Object)
	if err != nil {
		return nil, err
	}
	limits := ics.DefaultLimits()
	limits.Size = max(limits.Size, len(old))
	c, err := ics.Parse(old, limits)
	if err != nil {
		return nil, err
	}
	edit := query.Edit{Remove: a.id, Instances: a.instances}
	if a.action != "attachment-remove" {
		if a.action == "attachment-add" && countAttachments(c) >= f.cfg.MaxAttachments {
			return nil, dav.Refuse(http.StatusForbidden, "C:max-attachments-per-resource")
		}
		if *made, err = calendar.Attach(tx, a.ref, a.name, a.mediaType); err != nil {
			return nil, err
		}
		edit.Line = attachLine(attachmentURL(rq, made), made)
	}
	raw, changed, err := edit.Apply(c)
	var bad *ics.Error
	switch {
	case errors.As(err, &bad):
		return nil, dav.Refuse(http.StatusForbidden, "C:valid-rid-parameter")
	case err != nil:
		return nil, err
	case changed == 0:
		return nil, dav.Refuse(http.StatusForbidden, "C:valid-managed-id-parameter")
	}
	limits.Size = int(f.cfg.MaxObject)
	return calendar.Prepare(rq.Context(), f.blobs(), raw, calendar.Options{Limits: limits, Attendees: f.cfg.MaxAttendees})
}

func countAttachments(c *ics.Calendar) int {
	ids := map[string]bool{}
	for _, k := range c.Components {
		for i := range k.Props {
			if id, ok := k.Props[i].Param("MANAGED-ID"); ok && k.Props[i].Name == "ATTACH" {
				ids[id] = true
			}
		}
	}
	return len(ids)
}

func attachmentURL(rq *dav.Request, a *calendar.Attachment) string {
	name := a.Name
	if name == "" {
		name = "attachment"
	}
	return dav.Origin(rq.Request) + attachmentPath + strconv.FormatUint(uint64(rq.Account()), 36) + "." + a.ID + "/" + url.PathEscape(name)
}

// attachLine is the ATTACH property (RFC 8607 §4).
func attachLine(url string, a *calendar.Attachment) string {
	line := "ATTACH;MANAGED-ID=" + a.ID + ";FMTTYPE=" + quoted(a.Type)
	if a.Name != "" {
		line += ";FILENAME=" + quoted(a.Name)
	}
	return line + fmt.Sprintf(";SIZE=%d:%s", a.Size, url)
}

// quoted writes the value of a parameter (RFC 5545 §3.2, RFC 6868).
func quoted(s string) string {
	return `"` + strings.NewReplacer("^", "^^", `"`, "^'", "\n", "^n").Replace(s) + `"`
}

// attachment answers GET of an attachment.
func (f *face) attachment(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "GET only", http.StatusMethodNotAllowed)
		return
	}
	link, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, attachmentPath), "/")
	account, id, ok := strings.Cut(link, ".")
	number, err := strconv.ParseUint(account, 36, 64)
	if !ok || err != nil {
		http.NotFound(w, r)
		return
	}
	var a calendar.Attachment
	err = f.store.View(r.Context(), storage.AccountID(number), func(v *storage.View) (err error) {
		a, err = calendar.AttachmentByID(v, id)
		return err
	})
	var body blob.Body
	if err == nil {
		body, err = f.blobs().Open(r.Context(), a.Blob)
	}
	if errors.Is(err, storage.NotFound) || errors.Is(err, blob.NotFound) {
		http.NotFound(w, r)
		return
	}
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	defer body.Close()
	h := w.Header()
	h.Set("Content-Type", a.Type)
	h.Set("Etag", `"`+a.ID+`"`)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("X-Robots-Tag", "noindex")
	h.Set("Cache-Control", "private, max-age=31536000, immutable")
	disposition := "attachment"
	if a.Name != "" {
		if d := mime.FormatMediaType("attachment", map[string]string{"filename": a.Name}); d != "" {
			disposition = d
		}
	}
	h.Set("Content-Disposition", disposition)
	http.ServeContent(w, r, "", time.Time{}, io.NewSectionReader(body, 0, body.Size()))
}
