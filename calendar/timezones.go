package calendar

import (
	"strings"

	"atrium/calendar/ics"
	"atrium/calendar/zones"
)

// WithoutZones returns an object without the VTIMEZONEs of zones that everybody knows (RFC 7809 §3.1.2).
// It is raw itself when there is none.
func WithoutZones(raw []byte) []byte {
	if !strings.Contains(string(raw), "VTIMEZONE") {
		return raw
	}
	c, err := parse(raw)
	if err != nil {
		return raw
	}
	out := make([]byte, 0, len(raw))
	at := 0
	for _, k := range c.Components {
		if k.Name != "VTIMEZONE" {
			continue
		}
		if _, known := zones.Canonical(k.Value("TZID")); known {
			out = append(out, c.Source[at:k.Start]...)
			at = k.End
		}
	}
	if at == 0 {
		return raw
	}
	return append(out, c.Source[at:]...)
}

// WithZones returns an object with a VTIMEZONE for each of IANA's zones that it names without defining it.
func WithZones(raw []byte) []byte {
	if !strings.Contains(string(raw), "TZID=") {
		return raw
	}
	c, err := parse(raw)
	if err != nil || len(c.Components) == 0 {
		return raw
	}
	seen := map[string]bool{}
	for _, k := range c.Components {
		if k.Name == "VTIMEZONE" {
			seen[k.Value("TZID")] = true
		}
	}
	var add strings.Builder
	var look func(k *ics.Component)
	look = func(k *ics.Component) {
		for i := range k.Props {
			id, ok := k.Props[i].Param("TZID")
			if !ok || seen[id] || len(seen) > 100 {
				continue
			}
			seen[id] = true
			if text, ok := zones.VTimezone(id); ok {
				add.WriteString(text)
			}
		}
		for _, c := range k.Components {
			look(c)
		}
	}
	for _, k := range c.Components {
		look(k)
	}
	if add.Len() == 0 {
		return raw
	}
	at := c.Components[0].Start
	return []byte(c.Source[:at] + add.String() + c.Source[at:])
}

// ZoneID returns the TZID of the VTIMEZONE in an iCalendar object when everybody knows it, else "".
func ZoneID(text string) string {
	c, err := parse([]byte(text))
	if err != nil {
		return ""
	}
	for _, k := range c.Components {
		if k.Name != "VTIMEZONE" {
			continue
		}
		id := strings.TrimSpace(k.Value("TZID"))
		if _, known := zones.Canonical(id); known {
			return id
		}
	}
	return ""
}

// ZoneText returns an iCalendar object with the VTIMEZONE of an ID, "" when IANA has none of that name.
func ZoneText(id string) string {
	text, ok := zones.VTimezone(id)
	if !ok {
		return ""
	}
	return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Atrium//EN\r\n" + text + "END:VCALENDAR\r\n"
}
