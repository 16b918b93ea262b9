package caldav

import (
	"net/http"
	"strconv"
	"time"

	"atrium/calendar"
	"atrium/calendar/ics"
	"atrium/calendar/query"
	"atrium/dav"
	"atrium/dav/elem"
	"atrium/storage"
)

func (f *face) reports() []dav.Report {
	const any = homeKind | calendarKind | objectKind
	return []dav.Report{
		{Name: elem.N("C:calendar-query"), On: any, Run: f.query},
		{Name: elem.N("C:calendar-multiget"), On: any, Run: func(rq *dav.Request, w http.ResponseWriter, r *elem.Reader, _ elem.Start) error {
			return rq.Multiget(w, r)
		}},
		{Name: elem.N("C:free-busy-query"), On: homeKind | calendarKind, Rights: storage.FreeBusy, Run: f.freeBusy},
	}
}

// query answers calendar-query (RFC 4791 §7.8). Whatever the Depth, it is a
// query of the members: clients leave the header out.
func (f *face) query(rq *dav.Request, w http.ResponseWriter, r *elem.Reader, _ elem.Start) error {
	var filter *query.Filter
	limit := 0
	l, err := rq.ReadListing(w, r, func(s elem.Start) (err error) {
		switch {
		case s.Is("C:filter"):
			filter, err = readFilter(r)
			return wrap(err, nil)
		case s.Is("C:timezone"), s.Is("C:timezone-id"):
			return readZone(rq, r, s)
		case s.Is("C:limit"), s.Is("D:limit"):
			limit, err = dav.ReadLimit(r)
		}
		return err
	})
	if err != nil {
		return err
	}
	defer l.Close()
	if filter == nil {
		return refuse(ics.ValidFilter, nil)
	}
	found := 0
	err = rq.Search(func(v *storage.View, c *dav.Resource, only string) error {
		zone, err := zoneFor(rq, c.Collection)
		if err != nil {
			return err
		}
		as, err := calendar.ViewAs(v, c.Collection.ID, rq.Actor.ID)
		if err != nil {
			return err
		}
		for m, err := range calendar.Query(rq.Context(), v, f.blobs(), c.Collection.ID, filter, zone, as) {
			if err != nil {
				return err
			}
			if only != "" && m.Name != only {
				continue
			}
			if found++; limit > 0 && found > limit {
				l.Truncated()
				return dav.Enough
			}
			if err := l.Found(v, c, entry(m.Entry), m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return wrap(err, nil)
	}
	return l.Finish()
}

// parsed is an object that is to be shown in parts.
func (f *face) parsed(a *dav.Ask, r *dav.Resource) (*ics.Calendar, error) {
	if m, ok := r.Loaded.(*calendar.Match); ok {
		return m.Calendar()
	}
	b, err := f.octets(a, r)
	if err != nil {
		return nil, err
	}
	limits := ics.DefaultLimits()
	limits.Size = max(limits.Size, len(b))
	return ics.Parse(b, limits)
}

// octets are those of an object, valid until the View ends.
func (f *face) octets(a *dav.Ask, r *dav.Resource) ([]byte, error) {
	if m, ok := r.Loaded.(*calendar.Match); ok {
		return m.Data()
	}
	b, ok := r.Loaded.([]byte)
	if !ok {
		var err error
		if b, err = calendar.Peek(a.Context(), a.View, f.blobs(), r.Entry.Object); err != nil {
			return nil, err
		}
	}
	own, err := a.Own(a.View, r.Tree, r.Collection)
	if own == nil || err != nil {
		return b, err
	}
	return own.Body(r.Entry.Num, b)
}

// freeBusy answers free-busy-query (RFC 4791 §7.10): iCalendar, not a
// multistatus.
func (f *face) freeBusy(rq *dav.Request, w http.ResponseWriter, r *elem.Reader, _ elem.Start) error {
	var in *query.Range
	for s := range r.Children() {
		if !s.Is("C:time-range") {
			continue
		}
		var err error
		if in, err = readRange(s, false); err != nil {
			return dav.Fail(http.StatusBadRequest, "time-range: %v", err)
		}
	}
	if err := r.End(); err != nil {
		return err
	}
	if in == nil {
		return dav.Fail(http.StatusBadRequest, "a time-range is needed")
	}
	var busy []query.Busy
	var asked storage.AccountID
	err := rq.SearchWith(storage.FreeBusy, func(v *storage.View, c *dav.Resource, _ string) error {
		s, err := calendar.SettingsOf(c.Collection)
		if err != nil || s.Transparent && rq.Target.Path() != c.Path && len(rq.Target.Rest) == 0 {
			return err // a transparent calendar counts only when it is asked itself (RFC 6638 §9.1)
		}
		as, err := calendar.ViewAs(v, c.Collection.ID, rq.Actor.ID)
		if err != nil {
			return err
		}
		b, err := calendar.FreeBusy(rq.Context(), v, f.blobs(), c.Collection.ID, *in, s.Zone(), as)
		busy = append(busy, b...)
		if err == nil && c.Collection.Account != asked && len(rq.Target.Rest) == 0 {
			asked = c.Collection.Account
			if b, err = calendar.Unavailable(v, *in, s.Zone()); err == nil {
				busy = append(busy, b...)
			}
		}
		return err
	})
	if err != nil {
		return wrap(err, nil)
	}
	out := query.WriteFreeBusy(query.Merge(busy), *in, time.Now().UTC(), "")
	w.Header().Set("Content-Type", "text/calendar; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(out)))
	w.WriteHeader(http.StatusOK)
	_, err = w.Write(out)
	return err
}
