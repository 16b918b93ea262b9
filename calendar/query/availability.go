package query

import (
	"slices"
	"strings"
	"time"

	"atrium/calendar/ics"
	"atrium/calendar/recur"
)

// Availability returns when the VAVAILABILITY components of an object make time busy in r: what none of their AVAILABLE
// parts frees. Of components that overlap the one with the higher priority holds (RFC 7953 §4, §5).
func Availability(c *ics.Calendar, r Range, zone *recur.Zone) []Busy {
	var all []*ics.Component
	for _, k := range c.Components {
		if k.Name == "VAVAILABILITY" {
			all = append(all, k)
		}
	}
	slices.SortStableFunc(all, func(a, b *ics.Component) int { return priority(b) - priority(a) }) // the weakest first
	var p paint
	s := &Series{Zones: NewZones(c)}
	start, end := r.Unix()
	for _, k := range all {
		from, to := start, end
		t, l, dated, err := s.span(k)
		if err != nil {
			continue
		}
		if dated {
			z := t.In(zone)
			from = max(from, z.Unix(t.Wall))
			if k.Prop("DTEND") != nil || k.Prop("DURATION") != nil {
				to = min(to, l.Add(t.Wall, z))
			}
		}
		if from >= to {
			continue
		}
		p.lay(from, to, busyType(k))
		for _, free := range availableSeries(c, k) {
			for in, err := range free.Set.Instances(from, to, zone, limits) {
				if err != nil {
					break
				}
				p.lay(max(in.Begin, from), min(in.End, to), Free)
			}
		}
	}
	var out []Busy
	for _, x := range p {
		if x.kind != Free {
			out = append(out, Busy{time.Unix(x.from, 0).UTC(), time.Unix(x.to, 0).UTC(), x.kind})
		}
	}
	return out
}

// availableSeries are the AVAILABLE parts of a component, by UID.
func availableSeries(c *ics.Calendar, k *ics.Component) []*Series {
	byUID := map[string]*Series{}
	var out []*Series
	for _, a := range k.Components {
		if a.Name != "AVAILABLE" || len(out) > 200 {
			continue
		}
		uid := a.Value("UID")
		s := byUID[uid]
		if s == nil || uid == "" {
			s = &Series{Zones: NewZones(c), Kind: a.Name}
			s.Set.NoMaster = true
			byUID[uid] = s
			out = append(out, s)
		}
		if err := s.add(a); err != nil {
			continue
		}
	}
	return out
}

// priority orders components: 1 is the highest, 0 and none the lowest.
func priority(k *ics.Component) int {
	v := strings.TrimSpace(k.Value("PRIORITY"))
	if len(v) == 1 && v[0] >= '1' && v[0] <= '9' {
		return int(v[0] - '0')
	}
	return 10
}

// busyType is BUSYTYPE (RFC 7953 §3.2).
func busyType(k *ics.Component) BusyType {
	switch v := strings.TrimSpace(k.Value("BUSYTYPE")); {
	case strings.EqualFold(v, "BUSY"):
		return BusyTime
	case strings.EqualFold(v, "BUSY-TENTATIVE"):
		return Tentative
	}
	return Unavailable
}

// maxLayers bounds how many pieces the time of one answer has.
const maxLayers = 2000

// paint is time with types, ascending and without overlaps.
type paint []layer

type layer struct {
	from, to int64
	kind     BusyType
}

// lay puts a type over a piece of time, whatever was there.
func (p *paint) lay(from, to int64, kind BusyType) {
	if from >= to || len(*p) > maxLayers {
		return
	}
	out := make(paint, 0, len(*p)+2)
	for _, x := range *p {
		if x.to <= from || x.from >= to {
			out = append(out, x)
			continue
		}
		if x.from < from {
			out = append(out, layer{x.from, from, x.kind})
		}
		if x.to > to {
			out = append(out, layer{to, x.to, x.kind})
		}
	}
	out = append(out, layer{from, to, kind})
	slices.SortFunc(out, func(a, b layer) int { return int(min(max(a.from-b.from, -1), 1)) })
	*p = out
}
