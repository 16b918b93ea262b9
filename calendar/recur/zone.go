package recur

import (
	"math"
	"slices"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // zones must not depend on the machine
)

// Zone turns walls into instants and back. The nil Zone is UTC. It is safe for
// many goroutines.
type Zone struct {
	name   string
	loc    *time.Location // IANA's, or nil
	custom []Observance
	fixed  int // seconds east, when neither is set

	mu    sync.Mutex
	years map[int][]shift // of custom: computed years
	once  sync.Once
	lo    int
	hi    int
}

// Observance is a STANDARD or DAYLIGHT part of a VTIMEZONE, RFC 5545 §3.6.5.
type Observance struct {
	Start    Wall // read with From
	From, To int  // seconds east of UTC
	Rules    []*Rule
	Dates    []Time // RDATE
}

// shift is a moment from which an offset holds.
type shift struct {
	at     int64
	offset int
}

// NewZone makes a zone from the observances of a VTIMEZONE.
func NewZone(name string, observances []Observance) *Zone {
	z := &Zone{name: name, custom: observances, years: map[int][]shift{}}
	if len(observances) == 1 && len(observances[0].Rules) == 0 && len(observances[0].Dates) == 0 &&
		observances[0].From == observances[0].To {
		return FixedZone(name, observances[0].To)
	}
	return z
}

// FixedZone makes a zone that is always as many seconds east of UTC.
func FixedZone(name string, offset int) *Zone { return &Zone{name: name, fixed: offset} }

// Name returns the zone's name: its TZID, or IANA's name.
func (z *Zone) Name() string {
	if z == nil {
		return "UTC"
	}
	return z.name
}

// Offset returns the seconds east of UTC at an instant.
func (z *Zone) Offset(unix int64) int {
	switch {
	case z == nil:
		return 0
	case z.loc != nil:
		_, off := time.Unix(unix, 0).In(z.loc).Zone()
		return off
	case z.custom != nil:
		return z.observed(unix)
	}
	return z.fixed
}

// Wall returns what the zone's clocks show at an instant.
func (z *Zone) Wall(unix int64) Wall { return Wall(unix + int64(z.Offset(unix))) }

// Unix returns the instant at which the zone's clocks show w. Where there is
// none, it is read with the offset before the gap; where there are two, it is the first (RFC
// 5545 §3.3.5).
func (z *Zone) Unix(w Wall) int64 {
	unix, _ := z.instant(w)
	return unix
}

// instant is Unix, and tells whether the zone skips w.
func (z *Zone) instant(w Wall) (unix int64, skipped bool) {
	if z == nil {
		return int64(w), false
	}
	if z.loc == nil && z.custom == nil {
		return int64(w) - int64(z.fixed), false
	}
	before := int64(z.Offset(int64(w) - day))
	if int64(z.Offset(int64(w)-before)) == before {
		return int64(w) - before, false
	}
	after := int64(z.Offset(int64(w) + day))
	if int64(z.Offset(int64(w)-after)) == after {
		return int64(w) - after, false
	}
	return int64(w) - before, true
}

// OffsetBounds returns the lowest and highest offset that the zone has at any time
// since 1970.
func (z *Zone) OffsetBounds() (lo, hi int) {
	if z == nil {
		return 0, 0
	}
	z.once.Do(func() {
		z.lo, z.hi = z.fixed, z.fixed
		if z.loc == nil && z.custom == nil {
			return
		}
		z.lo, z.hi = math.MaxInt, math.MinInt
		for _, o := range z.custom {
			z.lo, z.hi = min(z.lo, o.From, o.To), max(z.hi, o.From, o.To)
		}
		if z.loc != nil {
			end := time.Unix(0, 0).AddDate(80, 0, 0)
			for t := time.Unix(0, 0).In(z.loc); t.Before(end); {
				_, off := t.Zone()
				z.lo, z.hi = min(z.lo, off), max(z.hi, off)
				_, next := t.ZoneBounds()
				if next.IsZero() {
					break
				}
				if !next.After(t) { // seen where a zone goes by its rule alone
					next = t.Add(24 * time.Hour)
				}
				t = next
			}
		}
	})
	return z.lo, z.hi
}

// observed finds the offset in a zone of our own making.
func (z *Zone) observed(unix int64) int {
	year, _, _ := Wall(unix).Date()
	z.mu.Lock()
	defer z.mu.Unlock()
	shifts := z.year(year)
	i, exact := slices.BinarySearchFunc(shifts, unix, func(s shift, u int64) int {
		switch {
		case s.at < u:
			return -1
		case s.at > u:
			return 1
		}
		return 0
	})
	if !exact {
		i--
	}
	return shifts[i].offset
}

// maxYears bounds what a zone remembers, zoneSteps what the rules of one year may
// cost, maxShifts how many shifts it may have.
const (
	maxYears  = 400
	zoneSteps = 5_000
	maxShifts = 5_000
)

// year returns the shifts of one UTC year, the first of them at the year's
// start or before it.
func (z *Zone) year(year int) []shift {
	if s, ok := z.years[year]; ok {
		return s
	}
	if len(z.years) >= maxYears {
		clear(z.years)
	}
	from, to := int64(WallOf(year, 1, 1, 0, 0, 0)), int64(WallOf(year+1, 1, 1, 0, 0, 0))
	first := shift{at: math.MinInt64, offset: z.earliest()}
	var in []shift
	steps := zoneSteps
	for i := range z.custom {
		o := &z.custom[i]
		o.shifts(from, to, &steps, func(at int64) {
			switch {
			case at >= to:
			case at > from && len(in) < maxShifts:
				in = append(in, shift{at, o.To})
			case at <= from && at > first.at:
				first = shift{at, o.To}
			}
		})
	}
	first.at = math.MinInt64
	slices.SortFunc(in, func(a, b shift) int { return int(min(max(a.at-b.at, -1), 1)) })
	s := append([]shift{first}, in...)
	z.years[year] = s
	return s
}

// earliest is the offset before all observances.
func (z *Zone) earliest() int {
	best := &z.custom[0]
	for i := range z.custom {
		if o := &z.custom[i]; o.Start-Wall(o.From) < best.Start-Wall(best.From) {
			best = o
		}
	}
	return best.From
}

// shifts calls add with the observance's onsets in [from, to) and with the last one
// before from, at least.
func (o *Observance) shifts(from, to int64, steps *int, add func(int64)) {
	add(int64(o.Start) - int64(o.From))
	for _, d := range o.Dates {
		if d.Form == UTC {
			add(int64(d.Wall))
		} else {
			add(int64(d.Wall) - int64(o.From))
		}
	}
	for _, r := range o.Rules {
		o.ruleShifts(r, from, to, steps, add)
	}
}

func (o *Observance) ruleShifts(r *Rule, from, to int64, steps *int, add func(int64)) {
	until := int64(math.MaxInt64)
	if r.HasUntil {
		until = int64(r.Until.Wall)
		if r.Until.Form != UTC {
			until -= int64(o.From)
		}
	}
	run := func(start Wall) (found bool) {
		w := newWalk(r, o.Start, steps)
		if r.Count == 0 {
			w.seek(start)
		}
		for n := 0; r.Count == 0 || n < r.Count; n++ {
			at, ok := w.pull()
			unix := int64(at) - int64(o.From)
			if !ok || unix >= to || unix > until {
				break
			}
			found = found || unix <= from
			add(unix)
		}
		return found
	}
	// Nearly all zones change every year: the last onset is not far back.
	near := min(from, until) - 2*366*day
	if !run(Wall(near)) && near > int64(o.Start) {
		run(o.Start)
	}
}

// zones are IANA's zones that were asked for: a table that fills itself, of
// no more entries than tzdata has names.
var zones sync.Map // string → *Zone

// LoadZone finds a zone by IANA's name or alias, by one of Windows or by what
// Outlook displays. Matching is liberal: case, a vendor's prefix
// ("/freeassociation.sourceforge.net/Tzfile/Europe/Berlin") and quotes do not matter.
func LoadZone(name string) (z *Zone, ok bool) {
	name = strings.Trim(name, " \t\"'")
	if len(name) > 200 || name == "" {
		return nil, false
	}
	if z, ok := iana(name); ok {
		return z, true
	}
	if z, ok := windowsZone(name); ok {
		return z, true
	}
	if z, ok := offsetZone(name); ok {
		return z, true
	}
	// A vendor's prefix: try what follows each slash.
	for rest := name; ; {
		i := strings.IndexByte(rest, '/')
		if i < 0 {
			return nil, false
		}
		rest = rest[i+1:]
		if z, ok := iana(rest); ok {
			return z, true
		}
	}
}

// iana loads a zone of tzdata.
func iana(name string) (*Zone, bool) {
	if strings.EqualFold(name, "UTC") || strings.EqualFold(name, "Z") || strings.EqualFold(name, "Etc/UTC") || strings.EqualFold(name, "GMT") {
		return nil, true
	}
	if z, ok := zones.Load(name); ok {
		return z.(*Zone), true
	}
	if strings.EqualFold(name, "local") || !plainName(name) {
		return nil, false
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		proper := properCase(name)
		if loc, err = time.LoadLocation(proper); err != nil {
			return nil, false
		}
		if z, ok := zones.Load(proper); ok {
			return z.(*Zone), true
		}
	}
	z, _ := zones.LoadOrStore(loc.String(), &Zone{name: loc.String(), loc: loc})
	return z.(*Zone), true
}

// plainName tells whether s can be a name of tzdata.
func plainName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c|0x20 < 'a' || c|0x20 > 'z' {
			if (c < '0' || c > '9') && c != '/' && c != '_' && c != '-' && c != '+' {
				return false
			}
		}
	}
	return s != "" && len(s) <= 60 && s[0] != '/' && s[0] != '-'
}

// properCase spells a name as tzdata mostly does: "EUROPE/NEW_york" is
// "Europe/New_York".
func properCase(s string) string {
	b := []byte(strings.ToLower(s))
	up := true
	for i, c := range b {
		if up && c >= 'a' && c <= 'z' {
			b[i] = c - 0x20
		}
		up = c == '/' || c == '_' || c == '-'
	}
	return string(b)
}

// offsetZone reads names that are nothing but an offset: "UTC+01:00", "GMT-5",
// "+0530".
func offsetZone(name string) (*Zone, bool) {
	s := strings.ToUpper(name)
	s = strings.TrimPrefix(strings.TrimPrefix(s, "UTC"), "GMT")
	if len(s) < 2 || s[0] != '+' && s[0] != '-' {
		return nil, false
	}
	sign := 1
	if s[0] == '-' {
		sign = -1
	}
	s = strings.ReplaceAll(s[1:], ":", "")
	n, ok := digits(s)
	if !ok || len(s) > 4 {
		return nil, false
	}
	h, m := n, 0
	if len(s) > 2 {
		h, m = n/100, n%100
	}
	if h > 15 || m > 59 {
		return nil, false
	}
	return FixedZone(name, sign*(h*hour+m*60)), true
}
