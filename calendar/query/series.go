package query

import (
	"errors"
	"fmt"
	"strings"

	"atrium/calendar/ics"
	"atrium/calendar/recur"
)

// Series is what an object's components of one UID say about time.
type Series struct {
	Set       recur.Set
	Kind      string           // "VEVENT"
	Master    *ics.Component   // nil when only overrides are there
	Overrides []*ics.Component // parallel to Set.Overrides
	Dated     bool             // the master, or some override, has a time at all
	Zones     *Zones
}

// NewSeries reads the times and rules of an object that ics.Validate takes.
// What cannot be computed with is *ics.Error: ValidData or SupportedRScale.
func NewSeries(c *ics.Calendar) (*Series, error) {
	s := &Series{Zones: NewZones(c)}
	s.Set.NoMaster = true
	for _, k := range c.Components {
		if k.Name == "VTIMEZONE" || strings.HasPrefix(k.Name, "X-") {
			continue
		}
		if s.Kind == "" {
			s.Kind = k.Name
		}
		if err := s.add(k); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Component returns the component whose properties an instance has.
func (s *Series) Component(override int) *ics.Component {
	if override < 0 {
		return s.Master
	}
	return s.Overrides[override]
}

func (s *Series) add(k *ics.Component) error {
	id := k.Prop("RECURRENCE-ID")
	start, length, dated, err := s.span(k)
	if err != nil {
		return err
	}
	if id == nil {
		s.Master = k
		s.Set.Start, s.Set.Length = start, length
		s.Set.NoMaster = !dated
		s.Dated = s.Dated || dated
		return s.rules(k)
	}
	t, err := s.Zones.Time(id)
	if err != nil {
		return badProp(id, err)
	}
	if !dated {
		start = t
	}
	s.Dated = true
	r, _ := id.Param("RANGE")
	s.Set.Overrides = append(s.Set.Overrides, recur.Override{ID: t, Start: start, Length: length, Future: strings.EqualFold(r, "THISANDFUTURE")})
	s.Overrides = append(s.Overrides, k)
	return nil
}

// span reads when a component begins and how long it lasts.
func (s *Series) span(k *ics.Component) (start recur.Time, l recur.Length, dated bool, err error) {
	var ts, te *ics.Prop
	var dur *ics.Prop
	for i := range k.Props {
		switch p := &k.Props[i]; p.Name {
		case "DTSTART":
			ts = p
		case "DTEND", "DUE":
			te = p
		case "DURATION":
			dur = p
		}
	}
	if ts == nil && te != nil && k.Name == "VTODO" { // a task that is only due
		start, err = s.Zones.Time(te)
		if err != nil {
			err = badProp(te, err)
		}
		return start, l, true, err
	}
	if ts == nil {
		return start, l, false, nil
	}
	if start, err = s.Zones.Time(ts); err != nil {
		return start, l, false, badProp(ts, err)
	}
	switch {
	case te != nil:
		end, err := s.Zones.Time(te)
		if err != nil {
			return start, l, false, badProp(te, err)
		}
		l = between(start, end)
	case dur != nil:
		if l, err = recur.ParseDuration(strings.TrimSpace(dur.Value)); err != nil {
			return start, l, false, badProp(dur, err)
		}
		if l.Days < 0 || l.Seconds < 0 {
			l = recur.Length{}
		}
	}
	if start.Form == recur.Date && l == (recur.Length{}) && k.Name != "VTODO" {
		l.Days = 1
	}
	return start, l, true, nil
}

// between is how long it is from start to end, in whatever forms both came:
// days between dates, else exact time.
func between(start, end recur.Time) (l recur.Length) {
	switch {
	case start.Form == recur.Date && end.Form == recur.Date:
		l.Days = end.Wall.Day() - start.Wall.Day()
	case start.Form == recur.Date || end.Form == recur.Date || end.Form == recur.Floating && start.Form != recur.Floating:
		// Read both on one clock.
		l.Seconds = int64(end.Wall - start.Wall)
	case start.Form == recur.Floating && end.Form != recur.Floating:
		l.Seconds = int64(end.Wall - start.Wall)
	default:
		l.Seconds = end.Unix(nil) - start.Unix(nil)
	}
	l.Days, l.Seconds = max(l.Days, 0), max(l.Seconds, 0)
	return l
}

// rules reads what makes the master recur.
func (s *Series) rules(k *ics.Component) error {
	for i := range k.Props {
		p := &k.Props[i]
		switch p.Name {
		case "RRULE", "EXRULE":
			if strings.TrimSpace(p.Value) == "" {
				continue // Fantastical writes it for none
			}
			r, err := recur.ParseRule(p.Value)
			if errors.Is(err, recur.ErrScale) {
				return &ics.Error{Condition: ics.SupportedRScale, Line: p.Line, Text: err.Error()}
			}
			if err != nil {
				return badProp(p, err)
			}
			if p.Name == "RRULE" {
				s.Set.Rules = append(s.Set.Rules, r)
			} else {
				s.Set.ExRules = append(s.Set.ExRules, r)
			}
		case "EXDATE":
			if err := s.Zones.each(p, func(t recur.Time, _ *recur.Length) { s.Set.Except = append(s.Set.Except, t) }); err != nil {
				return badProp(p, err)
			}
		case "RDATE":
			if err := s.Zones.each(p, func(t recur.Time, l *recur.Length) {
				s.Set.Dates = append(s.Set.Dates, recur.Extra{Time: t, Length: l})
			}); err != nil {
				return badProp(p, err)
			}
		}
	}
	return nil
}

func badProp(p *ics.Prop, err error) error {
	return &ics.Error{Condition: ics.ValidData, Line: p.Line, Text: p.Name + ": " + err.Error()}
}

// Zones finds the zones that an object's TZIDs mean: its own VTIMEZONE first,
// then LoadZone. Times in a zone that nobody knows are floating.
type Zones struct {
	own   map[string]*ics.Component // VTIMEZONEs by TZID, the first of each
	known map[string]found
	asked int
}

type found struct {
	zone *recur.Zone
	ok   bool
}

// NewZones returns the Zones of an object.
func NewZones(c *ics.Calendar) *Zones {
	z := &Zones{}
	for _, k := range c.Components {
		if k.Name != "VTIMEZONE" {
			continue
		}
		if p := k.Prop("TZID"); p != nil {
			if z.own == nil {
				z.own = map[string]*ics.Component{}
			}
			for _, id := range []string{strings.TrimSpace(p.Text()), p.Value} {
				if z.own[id] == nil {
					z.own[id] = k
				}
			}
		}
	}
	return z
}

// maxAsked bounds how many zones that it does not define an object may ask for.
const maxAsked = 100

// Zone returns the zone of a TZID.
func (z *Zones) Zone(id string) (zone *recur.Zone, ok bool) {
	if f, ok := z.known[id]; ok {
		return f.zone, f.ok
	}
	if z.known == nil {
		z.known = map[string]found{}
	}
	zone, ok = z.find(id)
	z.known[id] = found{zone, ok}
	return zone, ok
}

// Knows tells whether an object defines a TZID, or Zone knows it.
func (z *Zones) Knows(id string) bool {
	if id = strings.TrimSpace(id); id == "" || z.own[id] != nil {
		return true
	}
	_, ok := z.Zone(id)
	return ok
}

func (z *Zones) find(id string) (*recur.Zone, bool) {
	k := z.own[id]
	if k == nil {
		k = z.own[strings.TrimSpace(id)]
	}
	if k != nil {
		if zone, ok := zoneOf(id, k); ok {
			return zone, true
		}
	}
	if z.asked++; z.asked > maxAsked {
		return nil, false
	}
	if k != nil {
		if zone, ok := recur.LoadZone(k.Value("X-LIC-LOCATION")); ok {
			return zone, true
		}
	}
	return recur.LoadZone(id)
}

// zoneOf reads a VTIMEZONE. Parts that make no sense are left out; !ok when
// none is left.
func zoneOf(id string, k *ics.Component) (*recur.Zone, bool) {
	var obs []recur.Observance
	for _, c := range k.Components {
		if c.Name != "STANDARD" && c.Name != "DAYLIGHT" || len(obs) >= 1000 {
			continue
		}
		start, err := recur.ParseTime(strings.TrimSpace(c.Value("DTSTART")))
		from, ok1 := offset(c.Value("TZOFFSETFROM"))
		to, ok2 := offset(c.Value("TZOFFSETTO"))
		if err != nil || !ok2 {
			continue
		}
		if !ok1 {
			from = to
		}
		o := recur.Observance{Start: start.Wall, From: from, To: to}
		for i := range c.Props {
			switch p := &c.Props[i]; p.Name {
			case "RRULE":
				if r, err := recur.ParseRule(p.Value); err == nil {
					o.Rules = append(o.Rules, r)
				}
			case "RDATE":
				for v := range strings.SplitSeq(p.Value, ",") {
					v, _, _ = strings.Cut(v, "/")
					if t, err := recur.ParseTime(strings.TrimSpace(v)); err == nil {
						o.Dates = append(o.Dates, t)
					}
				}
			}
		}
		obs = append(obs, o)
	}
	if len(obs) == 0 {
		return nil, false
	}
	return recur.NewZone(id, obs), true
}

// offset reads UTC-OFFSET, RFC 5545 §3.3.14.
func offset(s string) (seconds int, ok bool) {
	s = strings.TrimSpace(s)
	if len(s) != 5 && len(s) != 7 || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	var n [3]int
	for i := 1; i < len(s); i += 2 {
		if s[i] < '0' || s[i] > '9' || s[i+1] < '0' || s[i+1] > '9' {
			return 0, false
		}
		n[i/2] = int(s[i]-'0')*10 + int(s[i+1]-'0')
	}
	seconds = n[0]*3600 + n[1]*60 + n[2]
	if seconds >= 24*3600 {
		return 0, false
	}
	if s[0] == '-' {
		seconds = -seconds
	}
	return seconds, true
}

// Time reads a property with one time.
func (z *Zones) Time(p *ics.Prop) (recur.Time, error) { return z.value(p, p.Value) }

func (z *Zones) value(p *ics.Prop, v string) (recur.Time, error) {
	t, err := recur.ParseTime(strings.TrimSpace(v))
	if err != nil || t.Form != recur.Floating {
		return t, err
	}
	if id, ok := p.Param("TZID"); ok && id != "" {
		if zone, ok := z.Zone(id); ok {
			t.Form, t.Zone = recur.Zoned, zone
		}
	}
	return t, nil
}

// each reads a property with a list of times or periods. Empty ones are
// passed over.
func (z *Zones) each(p *ics.Prop, add func(recur.Time, *recur.Length)) error {
	for v := range strings.SplitSeq(p.Value, ",") {
		if strings.TrimSpace(v) == "" {
			continue
		}
		begin, end, period := strings.Cut(v, "/")
		t, err := z.value(p, begin)
		if err != nil {
			return err
		}
		if !period {
			add(t, nil)
			continue
		}
		l, err := z.periodEnd(p, t, strings.TrimSpace(end))
		if err != nil {
			return err
		}
		add(t, &l)
	}
	return nil
}

func (z *Zones) periodEnd(p *ics.Prop, begin recur.Time, s string) (recur.Length, error) {
	if strings.ContainsAny(s, "Pp") {
		l, err := recur.ParseDuration(s)
		if l.Days < 0 || l.Seconds < 0 {
			l = recur.Length{}
		}
		return l, err
	}
	end, err := z.value(p, s)
	return between(begin, end), err
}

// ZoneOf reads the VTIMEZONE in an iCalendar object, as in
// CALDAV:calendar-timezone and CALDAV:timezone. Errors are *ics.Error with ValidData.
func ZoneOf(calendar []byte) (*recur.Zone, error) {
	c, err := ics.Parse(calendar, ics.DefaultLimits())
	if err != nil {
		return nil, err
	}
	var zone *ics.Component
	for _, k := range c.Components {
		switch {
		case k.Name != "VTIMEZONE":
			return nil, &ics.Error{Condition: ics.ValidData, Line: k.Line, Text: k.Name + " beside the time zone"}
		case zone != nil:
			return nil, &ics.Error{Condition: ics.ValidData, Line: k.Line, Text: "a second time zone"}
		}
		zone = k
	}
	if zone == nil {
		return nil, &ics.Error{Condition: ics.ValidData, Text: "no VTIMEZONE"}
	}
	id := zone.Value("TZID")
	if z, ok := NewZones(c).Zone(id); ok {
		return z, nil
	}
	return nil, &ics.Error{Condition: ics.ValidData, Line: zone.Line, Text: fmt.Sprintf("time zone %.40q says nothing", id)}
}
