package feed

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"atrium/calendar"
	"atrium/calendar/ics"
	"atrium/calendar/zones"
)

// split makes the calendar objects of a feed, by UID: each with the time zones that it names. There
// are at most so many, without what strip says.
func split(raw []byte, limits ics.Limits, most int, strip calendar.Strip) (objects map[string][]byte, err error) {
	c, err := ics.Parse(ics.WithoutControls(raw), limits)
	if err != nil {
		return nil, err
	}
	own := map[string]*ics.Component{}
	groups := map[string][]*ics.Component{}
	var order []string
	for _, k := range c.Components {
		switch k.Name {
		case "VTIMEZONE":
			own[k.Value("TZID")] = k
		case "VEVENT", "VTODO", "VJOURNAL":
			if k.Name == "VTODO" && strip&calendar.StripTodos != 0 {
				continue
			}
			uid := strings.TrimSpace(k.Value("UID"))
			if groups[uid] == nil {
				if len(groups) >= most {
					continue
				}
				order = append(order, uid)
			}
			groups[uid] = append(groups[uid], k)
		}
	}
	objects = map[string][]byte{}
	size := 0
	add := func(uid string, comps []*ics.Component) bool {
		o := object(c.Source, comps, uid, own, strip)
		objects[nameOf(uid)] = o
		size += len(o)
		return size <= 4*limits.Size // each brings its time zones
	}
	for _, uid := range order {
		if uid != "" {
			if !add(uid, groups[uid]) {
				return nil, tooLarge
			}
			continue
		}
		for _, k := range groups[uid] { // each is one of its own
			made := "feed-" + hash(c.Source[k.Start:k.End])
			if len(objects) < most && !add(made, []*ics.Component{k}) {
				return nil, tooLarge
			}
		}
	}
	return objects, nil
}

var tooLarge = &ics.Error{Condition: ics.MaxResourceSize, Text: "the objects of the feed are too large"}

// maxZone bounds a time zone that a feed brings, in bytes.
const maxZone = 64 << 10

func hash(s string) string {
	h := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(h[:15])
}

// nameOf is the name of the object with a UID.
func nameOf(uid string) string { return hash(uid) + ".ics" }

// object writes the components of one UID.
func object(src string, comps []*ics.Component, uid string, own map[string]*ics.Component, strip calendar.Strip) []byte {
	var out []byte
	line := func(s string) { out = ics.AppendLine(out, s) }
	raw := func(start, end int) {
		out = append(out, src[start:end]...)
		if !strings.HasSuffix(src[start:end], "\n") {
			out = append(out, '\r', '\n')
		}
	}
	line("BEGIN:VCALENDAR")
	line("VERSION:2.0")
	line("PRODID:-//Atrium//EN")
	seen := map[string]bool{}
	var zone func(k *ics.Component)
	zone = func(k *ics.Component) {
		for i := range k.Props {
			id, ok := k.Props[i].Param("TZID")
			if !ok || seen[id] {
				continue
			}
			seen[id] = true
			if z := own[id]; z != nil && z.End-z.Start <= maxZone {
				raw(z.Start, z.End)
			} else if text, ok := zones.VTimezone(id); ok {
				out = append(out, text...)
			}
		}
		for _, c := range k.Components {
			zone(c)
		}
	}
	for _, k := range comps {
		zone(k)
	}
	for _, k := range comps {
		named := strings.TrimSpace(k.Value("UID")) != ""
		if named && strip&(calendar.StripAlarms|calendar.StripAttachments) == 0 {
			raw(k.Start, k.End)
			continue
		}
		line("BEGIN:" + k.Name)
		if !named {
			line("UID:" + uid)
		}
		for i := range k.Props {
			p := &k.Props[i]
			if (named || p.Name != "UID") && (p.Name != "ATTACH" || strip&calendar.StripAttachments == 0) {
				raw(p.Start, p.End)
			}
		}
		for _, c := range k.Components {
			if c.Name != "VALARM" || strip&calendar.StripAlarms == 0 {
				raw(c.Start, c.End)
			}
		}
		line("END:" + k.Name)
	}
	line("END:VCALENDAR")
	return out
}

// same tells whether two objects differ in nothing but when they were made.
func same(a, b []byte) bool { return unstamped(a) == unstamped(b) }

func unstamped(raw []byte) string {
	var w strings.Builder
	for line := range strings.Lines(string(raw)) {
		if !strings.HasPrefix(line, "DTSTAMP") {
			w.WriteString(line)
		}
	}
	return w.String()
}
