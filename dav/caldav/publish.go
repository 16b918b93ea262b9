package caldav

import (
	"bufio"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"atrium/calendar"
	"atrium/calendar/query"
	"atrium/calendar/recur"
	"atrium/dav"
	"atrium/dav/elem"
	"atrium/storage"
)

// Published calendars: a link that anyone may read who knows it (caldav-publish, CS:publish-url), as iCalendar or
// as busy times only.

// publicPath is where published calendars are.
const publicPath = "/public/"

// publishing are the properties of published calendars; only those who may administer one see its link.
func publishing() []dav.Property {
	link := func(a *dav.Ask, r *dav.Resource, w *elem.Writer, suffix string) error {
		l := calendar.Link(r.Collection)
		if l == "" || !r.Rights.Has(storage.Administer) {
			return dav.Absent()
		}
		w.Href(dav.Origin(a.Request.Request) + publicPath + l + suffix)
		return nil
	}
	return []dav.Property{
		{Name: elem.N("CS:publish-url"), On: calendarKind, Get: func(a *dav.Ask, r *dav.Resource, w *elem.Writer) error {
			return link(a, r, w, ".ics")
		}},
		{Name: elem.N("CS:publish-freebusy-url"), On: calendarKind, Get: func(a *dav.Ask, r *dav.Resource, w *elem.Writer) error {
			return link(a, r, w, ".ifb")
		}},
	}
}

// publish answers POST of CS:publish-calendar and CS:unpublish-calendar.
func (f *face) publish(on bool) func(*dav.Request, http.ResponseWriter, *elem.Reader, elem.Start) error {
	return func(rq *dav.Request, w http.ResponseWriter, r *elem.Reader, _ elem.Start) error {
		for range r.Children() {
		}
		if err := r.End(); err != nil {
			return err
		}
		err := rq.Write(storage.Administer, func(tx *storage.Tx, c *dav.Resource) error {
			if !on {
				return calendar.Unpublish(tx, c.Collection.ID)
			}
			_, err := calendar.Publish(tx, c.Collection.ID)
			return err
		})
		if err != nil {
			return err
		}
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
}

// public answers for published calendars, without a login.
func (f *face) public(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "GET only", http.StatusMethodNotAllowed)
		return
	}
	err := f.servePublic(w, r)
	var e *dav.Error
	switch {
	case err == nil:
	case errors.As(err, &e):
		http.Error(w, e.Text, e.Status)
	case errors.Is(err, storage.NotFound):
		http.NotFound(w, r)
	default:
		http.Error(w, "internal error", http.StatusInternalServerError)
	}
}

func (f *face) servePublic(w http.ResponseWriter, r *http.Request) error {
	name, busy := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, publicPath), ".ifb")
	name = strings.TrimSuffix(name, ".ics")
	account, id, secret, ok := calendar.ReadLink(name)
	if !ok {
		return fmt.Errorf("link: %w", storage.NotFound)
	}
	x := calendar.Export{Store: f.store, Account: account, Calendar: id, Public: true}
	var c *storage.Collection
	var s calendar.Settings
	err := f.store.View(r.Context(), account, func(v *storage.View) (err error) {
		if c, s, err = calendar.Published(v, id, secret); err == nil {
			x.Name = dav.LabelOf(v, c)
		}
		return err
	})
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Robots-Tag", "noindex")
	h.Set("Cache-Control", "private, no-cache")
	if busy {
		return f.publicBusy(w, r, account, id, &s)
	}
	return f.export(w, r, &x, c)
}

// export streams a calendar.
func (f *face) export(w http.ResponseWriter, r *http.Request, x *calendar.Export, c *storage.Collection) error {
	h := w.Header()
	tag := fmt.Sprintf(`W/"%d-%d"`, c.Modseq, c.Meta)
	h.Set("Etag", tag)
	h.Set("Content-Type", "text/calendar; charset=utf-8")
	if strings.Contains(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if d := mime.FormatMediaType("attachment", map[string]string{"filename": c.Name + ".ics"}); d != "" {
		h.Set("Content-Disposition", d)
	}
	if r.Method == http.MethodHead {
		return nil
	}
	b := bufio.NewWriterSize(w, 32<<10)
	if err := x.Write(r.Context(), b); err != nil {
		panic(http.ErrAbortHandler) // some of it is under way: the client must see that it is not whole
	}
	return b.Flush()
}

// publicBusy answers a free-busy URL: start and end or period in the query, by default the next six weeks
// (RFC 5545 §3.6.4; the parameters are those of the CalConnect recommendation).
func (f *face) publicBusy(w http.ResponseWriter, r *http.Request, a storage.AccountID, id storage.CollectionID, s *calendar.Settings) error {
	q := r.URL.Query()
	in := query.Range{Start: time.Now().UTC().Truncate(time.Hour)}
	if v := q.Get("start"); v != "" {
		t, err := readInstant(v)
		if err != nil {
			return dav.Fail(http.StatusBadRequest, "start is no time")
		}
		in.Start = t
	}
	in.End = in.Start.AddDate(0, 0, 42)
	if v := q.Get("end"); v != "" {
		t, err := readInstant(v)
		if err != nil {
			return dav.Fail(http.StatusBadRequest, "end is no time")
		}
		in.End = t
	} else if v := q.Get("period"); v != "" {
		d, err := recur.ParseDuration(v)
		if err != nil {
			return dav.Fail(http.StatusBadRequest, "period is no duration")
		}
		in.End = in.Start.Add(time.Duration(min(max(int64(d.Days)*86400+d.Seconds, 0), 1000*86400)) * time.Second)
	}
	if !in.Start.Before(in.End) || in.End.Sub(in.Start) > 1000*24*time.Hour {
		return dav.Fail(http.StatusBadRequest, "the time range is empty or too long")
	}
	var busy []query.Busy
	err := f.store.View(r.Context(), a, func(v *storage.View) (err error) {
		busy, err = calendar.FreeBusy(r.Context(), v, f.blobs(), id, in, s.Zone(), nil)
		return err
	})
	if err != nil {
		return err
	}
	out := query.WriteFreeBusy(busy, in, time.Now().UTC(), "PUBLISH")
	w.Header().Set("Content-Type", "text/calendar; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(out)))
	if r.Method != http.MethodHead {
		w.Write(out)
	}
	return nil
}

// readInstant reads a time of iCalendar or RFC 3339.
func readInstant(s string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC(), nil
	}
	t, err := recur.ParseTime(s)
	return time.Unix(t.Unix(nil), 0).UTC(), err
}

// index answers a GET of a calendar with all of it, unless a browser asks.
func (f *face) index(rq *dav.Request, w http.ResponseWriter, r *dav.Resource) (bool, error) {
	accept := rq.Header.Get("Accept")
	_, asked := rq.URL.Query()["export"]
	if !asked && !strings.Contains(accept, "text/calendar") && accept != "" && accept != "*/*" {
		return false, nil
	}
	x := calendar.Export{Store: f.store, Account: r.Collection.Account, Calendar: r.Collection.ID, As: rq.Actor.ID}
	err := f.store.View(rq.Context(), r.Collection.Account, func(v *storage.View) error {
		x.Name = dav.LabelOf(v, r.Collection)
		return nil
	})
	if err != nil {
		return false, err
	}
	return true, f.export(w, rq.Request, &x, r.Collection)
}
