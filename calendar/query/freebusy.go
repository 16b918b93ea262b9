package query

import (
	"slices"
	"strings"
	"time"

	"atrium/calendar/ics"
	"atrium/calendar/recur"
)

// BusyType is FBTYPE, RFC 5545 §3.2.9.
type BusyType uint8

// The types, the stronger the higher.
const (
	Free BusyType = iota
	Tentative
	Unavailable
	BusyTime
)

// String returns the value of FBTYPE.
func (t BusyType) String() string {
	return [...]string{"FREE", "BUSY-TENTATIVE", "BUSY-UNAVAILABLE", "BUSY"}[t&3]
}

// Busy is a piece of time that is taken.
type Busy struct {
	Start, End time.Time // UTC
	Type       BusyType
}

// FreeBusy appends when the events of c are busy in r, unsorted: opaque ones, not
// cancelled, and what VFREEBUSY components say. What sticks out of r is cut
// off. RFC 4791 §7.10.
func FreeBusy(dst []Busy, c *ics.Calendar, r Range, zone *recur.Zone) []Busy {
	s, err := NewSeries(c)
	if err != nil {
		return dst
	}
	return s.FreeBusy(dst, r, zone)
}

// FreeBusy is like the function FreeBusy for a series that is there already.
func (s *Series) FreeBusy(dst []Busy, r Range, zone *recur.Zone) []Busy {
	start, end := r.Unix()
	add := func(from, to int64, t BusyType) { dst = AppendBusy(dst, r, from, to, t) }
	switch s.Kind {
	case "VFREEBUSY":
		if s.Master == nil {
			break
		}
		for i := range s.Master.Props {
			p := &s.Master.Props[i]
			if p.Name != "FREEBUSY" {
				continue
			}
			t := freeBusyType(p)
			s.Zones.each(p, func(at recur.Time, l *recur.Length) {
				if l != nil {
					z := at.In(zone)
					add(z.Unix(at.Wall), l.Add(at.Wall, z), t)
				}
			})
		}
	case "VEVENT":
		var last *ics.Component // of which busy is known: looking reads all its properties
		var busy BusyType
		for in, err := range s.Set.Instances(start, end, zone, limits) {
			if err != nil {
				break
			}
			k := s.Component(in.Override)
			if k == nil {
				continue
			}
			if k != last {
				last, busy = k, EventBusy(k)
			}
			add(in.Begin, in.End, busy)
		}
	}
	return dst
}

// AppendBusy appends a piece of busy time, Unix seconds, as far as it is in r.
func AppendBusy(dst []Busy, r Range, from, to int64, t BusyType) []Busy {
	start, end := r.Unix()
	from, to = max(from, start), min(to, end)
	if from >= to || t == Free {
		return dst
	}
	return append(dst, Busy{time.Unix(from, 0).UTC(), time.Unix(to, 0).UTC(), t})
}

// EventBusy is the type that an event's TRANSP and STATUS make its time.
func EventBusy(k *ics.Component) BusyType {
	if strings.EqualFold(k.Value("TRANSP"), "TRANSPARENT") {
		return Free
	}
	switch status := k.Value("STATUS"); {
	case strings.EqualFold(status, "CANCELLED"):
		return Free
	case strings.EqualFold(status, "TENTATIVE"):
		return Tentative
	}
	return BusyTime
}

func freeBusyType(p *ics.Prop) BusyType {
	v, _ := p.Param("FBTYPE")
	for _, t := range []BusyType{Free, Tentative, Unavailable} {
		if strings.EqualFold(v, t.String()) {
			return t
		}
	}
	return BusyTime
}

// Merge sorts busy time and joins what touches or overlaps, type by type. Where types
// overlap the stronger one wins.
func Merge(b []Busy) []Busy {
	var out []Busy
	for _, t := range []BusyType{BusyTime, Unavailable, Tentative} {
		var same []Busy
		for _, x := range b {
			if x.Type == t {
				same = append(same, x)
			}
		}
		out = append(out, subtract(join(same), out)...)
		slices.SortFunc(out, func(a, b Busy) int { return a.Start.Compare(b.Start) })
	}
	return out
}

// join joins pieces of one type.
func join(b []Busy) []Busy {
	slices.SortFunc(b, func(x, y Busy) int { return x.Start.Compare(y.Start) })
	var out []Busy
	for _, x := range b {
		if n := len(out); n > 0 && !x.Start.After(out[n-1].End) {
			if x.End.After(out[n-1].End) {
				out[n-1].End = x.End
			}
			continue
		}
		out = append(out, x)
	}
	return out
}

// subtract cuts taken, which is sorted and without overlaps, out of b.
func subtract(b, taken []Busy) []Busy {
	var out []Busy
	i := 0
	for _, x := range b {
		for i < len(taken) && !taken[i].End.After(x.Start) {
			i++
		}
		for j := i; j < len(taken) && taken[j].Start.Before(x.End); j++ {
			if taken[j].Start.After(x.Start) {
				out = append(out, Busy{x.Start, taken[j].Start, x.Type})
			}
			x.Start = taken[j].End
		}
		if x.Start.Before(x.End) {
			out = append(out, x)
		}
	}
	return out
}

const stampUTC = "20060102T150405Z"

// WriteFreeBusy returns a VCALENDAR with one VFREEBUSY that covers r. lines are
// more properties of it, unfolded ("ORGANIZER:mailto:…", "UID:…"); method is
// empty or the METHOD of an iTIP answer.
func WriteFreeBusy(b []Busy, r Range, now time.Time, method string, lines ...string) []byte {
	var out []byte
	line := func(s string) { out = ics.AppendLine(out, s) }
	line("BEGIN:VCALENDAR")
	line("VERSION:2.0")
	line("PRODID:-//Atrium//EN")
	if method != "" {
		line("METHOD:" + method)
	}
	line("BEGIN:VFREEBUSY")
	for _, l := range lines {
		line(l)
	}
	line("DTSTAMP:" + now.UTC().Format(stampUTC))
	if !r.Start.IsZero() {
		line("DTSTART:" + r.Start.UTC().Format(stampUTC))
	}
	if !r.End.IsZero() {
		line("DTEND:" + r.End.UTC().Format(stampUTC))
	}
	for _, t := range []BusyType{BusyTime, Unavailable, Tentative} {
		var periods []string
		for _, x := range b {
			if x.Type == t {
				periods = append(periods, x.Start.Format(stampUTC)+"/"+x.End.Format(stampUTC))
			}
		}
		if len(periods) > 0 {
			line("FREEBUSY;FBTYPE=" + t.String() + ":" + strings.Join(periods, ","))
		}
	}
	line("END:VFREEBUSY")
	line("END:VCALENDAR")
	return out
}
