package caldav

import (
	"net/http"

	"atrium/calendar"
	"atrium/calendar/query"
	"atrium/calendar/recur"
	"atrium/dav"
	"atrium/dav/elem"
	"atrium/storage"
	"atrium/storage/account"
)

// dateTime is UTC in iCalendar.
const dateTime = "20060102T150405Z"

// properties are those of RFC 4791 §5.2, RFC 6638 §9.1, RFC 7809 §5.2. What is only
// kept, like Apple's colour and order, is a dead property.
func (f *face) properties() []dav.Property {
	const anyCalendar = homeKind | calendarKind
	return []dav.Property{
		{Name: elem.N("C:calendar-description"), On: calendarKind, Set: dav.Store, Remove: dav.Unstore},
		{Name: elem.N("C:calendar-timezone"), On: calendarKind, Get: getTimezone, Set: setTimezone, Remove: removeTimezone},
		{Name: elem.N("C:calendar-timezone-id"), On: calendarKind, Get: getTimezoneID, Set: setTimezoneID, Remove: removeTimezone},
		{Name: elem.N("C:supported-calendar-component-set"), On: calendarKind, Get: getComponents},
		{Name: elem.N("C:supported-calendar-component-sets"), On: homeKind, Get: getComponentSets},
		{Name: elem.N("CS:allowed-calendar-component-set"), On: homeKind | dav.Principal, Get: func(_ *dav.Ask, _ *dav.Resource, w *elem.Writer) error {
			writeComponents(w, calendar.Components[:3])
			return nil
		}},
		{Name: elem.N("C:supported-calendar-data"), On: anyCalendar, Get: func(_ *dav.Ask, _ *dav.Resource, w *elem.Writer) error {
			w.Str(`<C:calendar-data content-type="text/calendar" version="2.0"/>`)
			return nil
		}},
		{Name: elem.N("C:supported-collation-set"), On: anyCalendar | objectKind, Get: func(_ *dav.Ask, _ *dav.Resource, w *elem.Writer) error {
			for _, c := range query.Collations {
				w.Elem("C:supported-collation", c)
			}
			return nil
		}},
		{Name: elem.N("C:max-resource-size"), On: anyCalendar, Get: func(_ *dav.Ask, _ *dav.Resource, w *elem.Writer) error {
			w.Int(f.cfg.MaxObject)
			return nil
		}},
		{Name: elem.N("C:max-attendees-per-instance"), On: anyCalendar, Get: func(_ *dav.Ask, _ *dav.Resource, w *elem.Writer) error {
			if f.cfg.MaxAttendees == 0 {
				return dav.Absent()
			}
			w.Int(int64(f.cfg.MaxAttendees))
			return nil
		}},
		{Name: elem.N("C:min-date-time"), On: anyCalendar, Get: func(_ *dav.Ask, _ *dav.Resource, w *elem.Writer) error {
			w.Text(calendar.MinDate.Format(dateTime))
			return nil
		}},
		{Name: elem.N("C:max-date-time"), On: anyCalendar, Get: func(_ *dav.Ask, _ *dav.Resource, w *elem.Writer) error {
			w.Text(calendar.MaxDate.Format(dateTime))
			return nil
		}},
		{Name: elem.N("C:schedule-calendar-transp"), On: calendarKind, Get: getTransp, Set: setTransp, Remove: removeTransp, Own: true},
		{Name: elem.N("C:calendar-user-address-set"), On: dav.Principal, Get: func(_ *dav.Ask, r *dav.Resource, w *elem.Writer) error {
			for _, a := range r.Owner.Addresses {
				w.Href("mailto:" + a)
			}
			w.Href(dav.PrincipalPath(r.Owner))
			return nil
		}},
		{Name: elem.N("C:calendar-user-type"), On: dav.Principal, Get: func(_ *dav.Ask, r *dav.Resource, w *elem.Writer) error {
			w.Str(map[account.Sort]string{account.Person: "INDIVIDUAL", account.Group: "GROUP", account.Resource: "RESOURCE"}[r.Owner.Sort])
			return nil
		}},
		{Name: elem.N("C:calendar-data"), On: objectKind, Report: true, Arg: readSelection, Get: f.getData},
	}
}

func settings(r *dav.Resource) (calendar.Settings, error) { return calendar.SettingsOf(r.Collection) }

func configure(c *dav.Change, change func(*calendar.Settings) error) error {
	return calendar.Configure(c.Tx, c.Resource.Collection.ID, change)
}

func getTimezone(_ *dav.Ask, r *dav.Resource, w *elem.Writer) error {
	s, err := settings(r)
	if err != nil {
		return err
	}
	if s.Timezone == "" {
		return dav.Absent()
	}
	w.Text(s.Timezone)
	return nil
}

// The two properties of a calendar's zone say the same thing (RFC 7809 §5.2): what sets one sets the other, as far as
// a definition has a name that is known.

func setTimezone(c *dav.Change, v elem.Raw) error {
	text := v.Text()
	if _, err := query.ZoneOf([]byte(text)); err != nil {
		return dav.Refuse(http.StatusForbidden, "C:valid-calendar-data")
	}
	id := calendar.ZoneID(text)
	return configure(c, func(s *calendar.Settings) error {
		s.Timezone, s.TimezoneID = text, id
		return nil
	})
}

func removeTimezone(c *dav.Change) error {
	return configure(c, func(s *calendar.Settings) error {
		s.Timezone, s.TimezoneID = "", ""
		return nil
	})
}

func getTimezoneID(_ *dav.Ask, r *dav.Resource, w *elem.Writer) error {
	s, err := settings(r)
	if err != nil {
		return err
	}
	if s.TimezoneID == "" {
		return dav.Absent()
	}
	w.Text(s.TimezoneID)
	return nil
}

func setTimezoneID(c *dav.Change, v elem.Raw) error {
	id := v.Trimmed()
	if _, ok := recur.LoadZone(id); !ok {
		return dav.Refuse(http.StatusForbidden, "C:valid-timezone") // RFC 7809 §5.2
	}
	return configure(c, func(s *calendar.Settings) error {
		s.TimezoneID, s.Timezone = id, calendar.ZoneText(id)
		return nil
	})
}

// getTransp tells of another's calendar what the actor said of it, which counts for the actor alone.
func getTransp(a *dav.Ask, r *dav.Resource, w *elem.Writer) error {
	s, err := settings(r)
	if r.Owner.ID != a.Actor.ID {
		if raw, err := a.Stored(r, elem.N("C:schedule-calendar-transp")); err == nil {
			s.Transparent, _ = readTransp(raw)
		}
	}
	if s.Transparent {
		w.Str("<C:transparent/>")
	} else {
		w.Str("<C:opaque/>")
	}
	return err
}

func readTransp(v elem.Raw) (transparent, known bool) {
	r := v.Reader()
	r.Root()
	for s := range r.Children() {
		transparent = s.Is("C:transparent")
		known = known || transparent || s.Is("C:opaque")
	}
	return transparent, known && r.Err() == nil
}

func setTransp(c *dav.Change, v elem.Raw) error {
	transparent, known := readTransp(v)
	if !known {
		return dav.Fail(http.StatusConflict, "neither opaque nor transparent") // RFC 6638 §9.1, RFC 4918 §9.2.1
	}
	if c.Personal() {
		return c.Store(v)
	}
	return configure(c, func(s *calendar.Settings) error {
		s.Transparent = transparent
		return nil
	})
}

func removeTransp(c *dav.Change) error {
	if c.Personal() {
		return dav.Unstore(c)
	}
	return configure(c, func(s *calendar.Settings) error {
		s.Transparent = false
		return nil
	})
}

func getComponents(_ *dav.Ask, r *dav.Resource, w *elem.Writer) error {
	s, err := settings(r)
	if err != nil {
		return err
	}
	all := s.Components
	if len(all) == 0 {
		all = calendar.Components
	}
	writeComponents(w, all)
	return nil
}

func writeComponents(w *elem.Writer, components []string) {
	for _, c := range components {
		w.Str(`<C:comp name="`)
		w.Attr(c)
		w.Str(`"/>`)
	}
}

// getComponentSets tells that a calendar may be for any one component: the
// sets that clients make (draft-daboo-caldav-extensions).
func getComponentSets(_ *dav.Ask, _ *dav.Resource, w *elem.Writer) error {
	for i := range 3 {
		w.Str("<C:supported-calendar-component-set>")
		writeComponents(w, calendar.Components[i:i+1])
		w.Str("</C:supported-calendar-component-set>")
	}
	return nil
}

// getData writes an object, whole or in parts (RFC 4791 §9.6).
func (f *face) getData(a *dav.Ask, r *dav.Resource, w *elem.Writer) error {
	sel, _ := a.Arg.(*query.Selection)
	if sel.All() {
		b, err := f.octets(a, r)
		w.TextBytes(zoned(a.Request, b))
		return err
	}
	c, err := f.parsed(a, r)
	if err != nil {
		return err
	}
	zone, err := zoneFor(a.Request, r.Collection)
	if err != nil {
		return err
	}
	b, err := sel.Render(c, zone)
	if err != nil {
		return wrap(err, nil)
	}
	w.TextBytes(zoned(a.Request, b))
	return nil
}

// zoneFor is the zone that floating times are read in: the request's, or the
// calendar's (RFC 4791 §7.3).
func zoneFor(rq *dav.Request, c *storage.Collection) (*recur.Zone, error) {
	if z, ok := rq.State.(*requestZone); ok {
		return z.zone, nil
	}
	s, err := calendar.SettingsOf(c)
	if err != nil {
		return nil, err
	}
	return s.Zone(), nil
}

// requestZone is a zone that came with a report.
type requestZone struct{ zone *recur.Zone }
