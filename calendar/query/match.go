package query

import (
	"strings"

	"atrium/calendar/ics"
	"atrium/calendar/recur"
)

// limits bound what matching one object may cost.
var limits = recur.DefaultLimits()

// Match tells whether an object matches. Floating times are read in zone.
func (f *Filter) Match(c *ics.Calendar, zone *recur.Zone) bool {
	m := &matcher{calendar: c, zone: zone}
	return m.comp(&f.Comp, c.Component, nil)
}

// matcher matches one object.
type matcher struct {
	calendar *ics.Calendar
	zone     *recur.Zone
	series   *Series
	failed   bool
	hits     map[*Range]map[*ics.Component]bool // what hit found
	work     int                                // spent on alarms
}

// times returns the object's series; nil when it cannot be read: then
// everything about time matches, so that nothing is lost.
func (m *matcher) times() *Series {
	if m.series == nil && !m.failed {
		s, err := NewSeries(m.calendar)
		m.series, m.failed = s, err != nil
	}
	return m.series
}

// comp tells whether component c, which has the filter's name, fulfils it. parent is
// the component that c is in, for alarms.
func (m *matcher) comp(f *CompFilter, c, parent *ics.Component) bool {
	if f.Range != nil && !m.inRange(f.Range, c, parent) {
		return false
	}
	if len(f.Props)+len(f.Comps) == 0 {
		return true
	}
	for i := range f.Props {
		if m.prop(&f.Props[i], c) == f.Any {
			return f.Any
		}
	}
	for i := range f.Comps {
		if m.child(&f.Comps[i], c) == f.Any {
			return f.Any
		}
	}
	return !f.Any
}

// child tells whether c has a component that fulfils f, or none with its name.
func (m *matcher) child(f *CompFilter, c *ics.Component) bool {
	for _, k := range c.Components {
		if k.Name != f.Name {
			continue
		}
		if f.IsNotDefined {
			return false
		}
		if m.comp(f, k, c) {
			return true
		}
	}
	return f.IsNotDefined
}

func (m *matcher) prop(f *PropFilter, c *ics.Component) bool {
	for i := range c.Props {
		p := &c.Props[i]
		if p.Name != f.Name {
			continue
		}
		if f.IsNotDefined {
			return false
		}
		if m.propValue(f, p) {
			return true
		}
	}
	return f.IsNotDefined
}

func (m *matcher) propValue(f *PropFilter, p *ics.Prop) bool {
	conditions := len(f.Params)
	if f.Range != nil {
		conditions++
		if m.propRange(f.Range, p) == f.Any {
			return f.Any
		}
	}
	if f.Text != nil {
		conditions++
		if f.Text.Match(p.Text()) == f.Any {
			return f.Any
		}
	}
	for i := range f.Params {
		if param(&f.Params[i], p) == f.Any {
			return f.Any
		}
	}
	return !f.Any || conditions == 0
}

func param(f *ParamFilter, p *ics.Prop) bool {
	for i := range p.Params {
		if p.Params[i].Name != f.Name {
			continue
		}
		if f.IsNotDefined {
			return false
		}
		if f.Text == nil {
			return true
		}
		for _, v := range p.Params[i].Values {
			if f.Text.in(v) {
				return !f.Text.Negate
			}
		}
		return f.Text.Negate
	}
	return f.IsNotDefined
}

// propRange is for properties with a time, RFC 4791 §9.9.
func (m *matcher) propRange(r *Range, p *ics.Prop) bool {
	s := m.times()
	if s == nil {
		return true
	}
	start, end := r.Unix()
	hit := false
	s.Zones.each(p, func(t recur.Time, _ *recur.Length) {
		u := t.Unix(m.zone)
		hit = hit || start <= u && end > u
	})
	return hit
}

// inRange tells whether component c has an instance in r.
func (m *matcher) inRange(r *Range, c, parent *ics.Component) bool {
	s := m.times()
	if s == nil {
		return true
	}
	start, end := r.Unix()
	switch c.Name {
	case "VALARM":
		return m.alarm(s, start, end, c, parent)
	case "VFREEBUSY":
		return m.freeBusy(s, start, end, c)
	case "VAVAILABILITY":
		return m.availability(s, start, end, c)
	}
	if s.Kind == "VTODO" {
		if hit, known := s.undatedTask(start, end, m.zone, c); known {
			return hit
		}
	}
	if m.hits[r] == nil {
		if m.hits == nil {
			m.hits = map[*Range]map[*ics.Component]bool{}
		}
		m.hits[r] = s.inRange(start, end, m.zone)
	}
	return m.hits[r][c]
}

// inRange returns the components that have an instance in a range by the tables of
// RFC 4791 §9.9.
func (s *Series) inRange(start, end int64, zone *recur.Zone) map[*ics.Component]bool {
	hits := map[*ics.Component]bool{}
	last := s.lastFuture(zone)
	for in, err := range s.Set.Instances(start, end, zone, limits) {
		if err != nil { // it may be any
			hits[s.Master] = true
			for _, k := range s.Overrides {
				hits[k] = true
			}
			break
		}
		k := s.Component(in.Override)
		if k == nil || !overlaps(s.Kind, k, in.Begin, in.End, start, end) {
			continue
		}
		hits[k] = true
		if !in.Own && in.Override == last {
			break // nothing new follows
		}
	}
	return hits
}

// lastFuture returns the override that holds for the end of the series, -1 for the master.
func (s *Series) lastFuture(zone *recur.Zone) int {
	last, at := -1, int64(0)
	for i := range s.Set.Overrides {
		if o := &s.Set.Overrides[i]; o.Future {
			if id := o.ID.Unix(zone); last < 0 || id >= at {
				last, at = i, id
			}
		}
	}
	return last
}

// overlaps is the table of the component's kind for one instance.
func overlaps(kind string, k *ics.Component, begin, finish, start, end int64) bool {
	if kind != "VTODO" {
		if finish > begin {
			return start < finish && end > begin
		}
		return start <= begin && end > begin
	}
	hasStart, hasEnd := k.Prop("DTSTART") != nil, k.Prop("DUE") != nil || k.Prop("DURATION") != nil
	switch {
	case hasStart && k.Prop("DUE") != nil:
		return (start < finish || start <= begin) && (end > begin || end >= finish)
	case hasStart && hasEnd:
		return start <= finish && (end > begin || end >= finish)
	case hasStart:
		return start <= begin && end > begin
	}
	return start < finish && end >= finish // DUE alone
}

// undatedTask is for tasks without DTSTART and DUE: RFC 4791 §9.9, the last
// four lines of VTODO's table.
func (s *Series) undatedTask(start, end int64, zone *recur.Zone, c *ics.Component) (hit, known bool) {
	if c == nil {
		c = s.Master
	}
	if c == nil || c.Prop("RECURRENCE-ID") != nil || c.Prop("DTSTART") != nil || c.Prop("DUE") != nil {
		return false, false
	}
	at := func(name string) (int64, bool) {
		p := c.Prop(name)
		if p == nil {
			return 0, false
		}
		t, err := s.Zones.Time(p)
		return t.Unix(zone), err == nil
	}
	completed, ok1 := at("COMPLETED")
	created, ok2 := at("CREATED")
	switch {
	case ok1 && ok2:
		return (start <= created || start <= completed) && (end >= created || end >= completed), true
	case ok1:
		return start <= completed && end >= completed, true
	case ok2:
		return end > created, true
	}
	return true, true
}

// freeBusy is VFREEBUSY's table.
func (m *matcher) freeBusy(s *Series, start, end int64, c *ics.Component) bool {
	if c.Prop("DTSTART") != nil && c.Prop("DTEND") != nil {
		from, err1 := s.Zones.Time(c.Prop("DTSTART"))
		to, err2 := s.Zones.Time(c.Prop("DTEND"))
		return err1 == nil && err2 == nil && start <= to.Unix(m.zone) && end > from.Unix(m.zone)
	}
	hit := false
	for i := range c.Props {
		if p := &c.Props[i]; p.Name == "FREEBUSY" {
			s.Zones.each(p, func(t recur.Time, l *recur.Length) {
				if l == nil {
					return
				}
				z := t.In(m.zone)
				hit = hit || start < l.Add(t.Wall, z) && end > z.Unix(t.Wall)
			})
		}
	}
	return hit
}

// availability takes a VAVAILABILITY as open where it has no DTSTART or DTEND
// (RFC 7953 §3.1).
func (m *matcher) availability(s *Series, start, end int64, c *ics.Component) bool {
	from, to := int64(openStart), int64(openEnd)
	t, l, dated, err := s.span(c)
	if err != nil {
		return true
	}
	if dated {
		z := t.In(m.zone)
		from = z.Unix(t.Wall)
		if c.Prop("DTEND") != nil || c.Prop("DURATION") != nil {
			to = l.Add(t.Wall, z)
		}
	}
	return start < to && end > from
}

// maxRepeat bounds REPEAT of alarms.
const maxRepeat = 1000

// maxWork bounds what the alarms of one object may cost; past it they match.
const maxWork = 5_000_000

// alarm tells whether an alarm of parent goes off in the range.
func (m *matcher) alarm(s *Series, start, end int64, c, parent *ics.Component) bool {
	trigger := c.Prop("TRIGGER")
	if trigger == nil || parent == nil {
		return false
	}
	repeat, every := repeats(c)
	hit := func(at int64) bool {
		for i := range repeat + 1 {
			if t := at + int64(i)*every; start <= t && end > t {
				return true
			}
		}
		return false
	}
	if t, err := s.Zones.Time(trigger); err == nil {
		return hit(t.Unix(m.zone))
	}
	d, err := recur.ParseDuration(strings.TrimSpace(trigger.Value))
	if err != nil {
		return false
	}
	related, _ := trigger.Param("RELATED")
	fromEnd := strings.EqualFold(related, "END")
	delta := int64(d.Days)*86400 + d.Seconds
	if m.work += 1 + len(s.Overrides) + len(s.Set.Except) + len(s.Set.Dates); m.work > maxWork {
		return true
	}
	for in, err := range s.Set.Instances(shiftOpen(start, -delta-int64(repeat)*every-3*86400), shiftOpen(end, -delta+3*86400), m.zone, limits) {
		if err != nil {
			return true
		}
		if s.Component(in.Override) != parent {
			continue
		}
		at, z := in.Begin, in.Start.In(m.zone)
		if fromEnd {
			at = in.End
		}
		if hit(d.Add(z.Wall(at), z)) {
			return true
		}
	}
	return false
}

// shiftOpen moves a border that is not open.
func shiftOpen(t, d int64) int64 {
	if t == openStart || t == openEnd {
		return t
	}
	return t + d
}

func repeats(c *ics.Component) (n int, every int64) {
	p, q := c.Prop("REPEAT"), c.Prop("DURATION")
	if p == nil || q == nil {
		return 0, 0
	}
	l, err := recur.ParseDuration(strings.TrimSpace(q.Value))
	if err != nil {
		return 0, 0
	}
	for _, ch := range strings.TrimSpace(p.Value) {
		if ch < '0' || ch > '9' {
			return 0, 0
		}
		n = min(n*10+int(ch-'0'), maxRepeat)
	}
	return n, int64(l.Days)*86400 + l.Seconds
}
