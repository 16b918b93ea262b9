package caldav

import (
	"errors"
	"net/http"
	"strings"

	"atrium/calendar"
	"atrium/calendar/ics"
	"atrium/dav"
	"atrium/dav/elem"
	"atrium/dav/tzdist"
	"atrium/storage"
)

// zoned gives an object the time zones that the CalDAV-Timezones header asks for, or takes them away (RFC 7809 §3.1.3,
// §6). Without the header it is as it was sent.
func zoned(rq *dav.Request, b []byte) []byte {
	switch rq.Header.Get("CalDAV-Timezones") {
	case "T":
		return calendar.WithZones(b)
	case "F":
		return calendar.WithoutZones(b)
	}
	return b
}

// negotiate is zoned for GET.
func negotiate(rq *dav.Request, b dav.Body) (dav.Body, string, error) {
	if rq.Header.Get("CalDAV-Timezones") == "" {
		return nil, "", nil
	}
	raw := make([]byte, b.Size())
	if n, err := b.ReadAt(raw, 0); n < len(raw) {
		return nil, "", err
	}
	return dav.BytesBody(zoned(rq, raw)), "text/calendar; charset=utf-8", nil
}

func zoneProperties() []dav.Property {
	return []dav.Property{
		// RFC 7809 §5.1.
		{Name: elem.N("C:timezone-service-set"), On: homeKind, Get: func(a *dav.Ask, _ *dav.Resource, w *elem.Writer) error {
			w.Href(dav.Origin(a.Request.Request) + strings.TrimSuffix(tzdist.Path, "/"))
			return nil
		}},
	}
}

// availabilityProperties are CALDAV:calendar-availability, and what Apple called it before.
func availabilityProperties() []dav.Property {
	var all []dav.Property
	for _, name := range elem.Names("C:calendar-availability", "CS:calendar-availability") {
		all = append(all, dav.Property{Name: name, On: homeKind, Get: getAvailability, Set: setAvailability, Remove: func(c *dav.Change) error {
			return calendar.SetAvailability(c.Tx, "")
		}})
	}
	return all
}

func getAvailability(a *dav.Ask, r *dav.Resource, w *elem.Writer) error {
	if a.View == nil || r.Owner == nil || r.Owner.ID != a.Actor.ID {
		return dav.Absent()
	}
	text, err := calendar.Availability(a.View)
	if err == nil && text == "" {
		return dav.Absent()
	}
	w.Text(text)
	return err
}

func setAvailability(c *dav.Change, v elem.Raw) error {
	err := calendar.SetAvailability(c.Tx, strings.TrimSpace(v.Text()))
	var bad *ics.Error
	if errors.As(err, &bad) {
		return refuse(bad.Condition, err)
	}
	if errors.Is(err, storage.TooLarge) {
		return dav.Refuse(http.StatusForbidden, "C:max-resource-size")
	}
	return err
}

// defaultAlarms are the alarms that clients give what has none of its own: VALARM components, or nothing
// for none. The server keeps them and gives no alarms itself.
func defaultAlarms() []dav.Property {
	var all []dav.Property
	for _, name := range []string{"vevent-datetime", "vevent-date", "vtodo-datetime", "vtodo-date"} {
		all = append(all, dav.Property{Name: elem.N("C:default-alarm-" + name), On: homeKind | calendarKind, Set: func(c *dav.Change, v elem.Raw) error {
			if !validAlarms(v.Text()) {
				return dav.Refuse(http.StatusForbidden, "C:valid-calendar-data")
			}
			return c.Store(v)
		}, Remove: dav.Unstore})
	}
	return all
}

func validAlarms(text string) bool {
	text = strings.TrimSpace(text)
	if text == "" {
		return true
	}
	c, err := ics.Parse([]byte("BEGIN:VCALENDAR\r\n"+text+"\r\nEND:VCALENDAR\r\n"), ics.DefaultLimits())
	if err != nil || len(c.Props) > 0 {
		return false
	}
	for _, k := range c.Components {
		if k.Name != "VALARM" || k.Prop("ACTION") == nil || k.Prop("TRIGGER") == nil {
			return false
		}
	}
	return true
}
