package calendar

import (
	"strings"

	"atrium/calendar/ics"
)

// Split cuts a body that holds objects of several UIDs, as clients send them all at once, into one object a UID, in the
// order in which they come. Each has the properties of the calendar and the time zones that it names, as they were
// written. A body of one UID is returned as it is. There are at most so many objects; the error is *ics.Error.
func Split(raw []byte, limits ics.Limits, most int) ([][]byte, error) {
	c, err := ics.Parse(raw, limits)
	if err != nil {
		return nil, err
	}
	groups := map[string][]*ics.Component{}
	zones := map[string]*ics.Component{}
	var order []string
	for _, k := range c.Components {
		if k.Name == "VTIMEZONE" {
			zones[k.Value("TZID")] = k
			continue
		}
		uid := strings.TrimSpace(k.Value("UID"))
		if groups[uid] == nil {
			order = append(order, uid)
		}
		groups[uid] = append(groups[uid], k)
	}
	if len(order) < 2 {
		return [][]byte{raw}, nil
	}
	if len(order) > most {
		return nil, &ics.Error{Condition: ics.MaxResourceSize, Text: "too many objects in one body"}
	}
	objects := make([][]byte, len(order))
	size := 0
	for i, uid := range order {
		objects[i] = part(c, groups[uid], zones)
		if size += len(objects[i]); size > 4*limits.Size { // each brings its time zones
			return nil, &ics.Error{Condition: ics.MaxResourceSize, Text: "the objects are too large"}
		}
	}
	return objects, nil
}

// part writes the components of one UID as a calendar of their own.
func part(c *ics.Calendar, comps []*ics.Component, zones map[string]*ics.Component) []byte {
	out := []byte("BEGIN:VCALENDAR\r\n")
	raw := func(start, end int) {
		out = append(out, c.Source[start:end]...)
		if !strings.HasSuffix(c.Source[start:end], "\n") {
			out = append(out, '\r', '\n')
		}
	}
	for i := range c.Props {
		raw(c.Props[i].Start, c.Props[i].End)
	}
	seen := map[string]bool{}
	var named func(k *ics.Component)
	named = func(k *ics.Component) {
		for i := range k.Props {
			if id, ok := k.Props[i].Param("TZID"); ok && !seen[id] {
				seen[id] = true
				if z := zones[id]; z != nil {
					raw(z.Start, z.End)
				}
			}
		}
		for _, inner := range k.Components {
			named(inner)
		}
	}
	for _, k := range comps {
		named(k)
	}
	for _, k := range comps {
		raw(k.Start, k.End)
	}
	return append(out, "END:VCALENDAR\r\n"...)
}
