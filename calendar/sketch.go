package calendar

import (
	"encoding/binary"

	"atrium/calendar/query"
	"atrium/calendar/recur"
)

// A sketch is the value of an entry in the time index: what says of an event,
// without reading it, whether it has an instance in a range. Its bytes: kind,
// component, busy type, last moment; then by kind.

const (
	opaque   = iota // only the last moment is known
	exact           // one instance: begin and end
	absolute        // a series on the clock of a zone whose lowest and highest offsets are known
	floating        // a series that is read in the reader's zone
)

// maxSketch bounds a sketch, in bytes; a larger one is opaque.
const maxSketch = 2 << 10

// finding is what a sketch says.
type finding uint8

const (
	no finding = iota
	maybe
	yes
)

// mixedBusy is a busy type that differs between components.
const mixedBusy = 0xff

// sketch makes the value for an object.
func sketch(s *query.Series, last int64) []byte {
	b := []byte{opaque, componentCode(s.Kind), busyOf(s)}
	b = binary.AppendVarint(b, last)
	if s.Kind != "VEVENT" {
		return b
	}
	set := &s.Set
	if !set.Recurs() && !set.NoMaster {
		if z, ok := fixedZone(set.Start); ok {
			begin := set.Start.Unix(nil)
			b[0] = exact
			b = binary.AppendVarint(b, begin)
			return binary.AppendVarint(b, max(set.Length.Add(set.Start.Wall, z), begin))
		}
	}
	if p, ok := newPencil(s); ok {
		head := len(b)
		b[0] = absolute
		if p.floats {
			b[0] = floating
		}
		if b = p.draw(b); len(b) <= maxSketch {
			return b
		}
		b = b[:head]
		b[0] = opaque
	}
	return b
}

// fixedZone returns the zone of a time that does not depend on the reader.
func fixedZone(t recur.Time) (*recur.Zone, bool) {
	return t.In(nil), t.Form == recur.UTC || t.Form == recur.Zoned
}

// busyOf is the type that all components of an event have.
func busyOf(s *query.Series) byte {
	if s.Kind != "VEVENT" {
		return mixedBusy
	}
	out := byte(mixedBusy)
	if s.Master != nil {
		out = byte(query.EventBusy(s.Master))
	}
	for i, k := range s.Overrides {
		t := byte(query.EventBusy(k))
		if i == 0 && s.Master == nil {
			out = t
		}
		if t != out {
			return mixedBusy
		}
	}
	return out
}

// pencil draws the sketch of a series: everything on one clock.
type pencil struct {
	set    *recur.Set
	floats bool
	zone   *recur.Zone // the clock, unless floats
}

// newPencil is !ok for series that one clock cannot tell.
func newPencil(s *query.Series) (p pencil, ok bool) {
	p.set = &s.Set
	clock := s.Set.Start
	if s.Set.NoMaster {
		clock = s.Set.Overrides[0].Start
	}
	p.zone, ok = fixedZone(clock)
	p.floats = !ok
	same := func(t recur.Time) bool {
		_, fixed := fixedZone(t)
		return fixed != p.floats
	}
	if len(s.Set.ExRules) > 0 {
		return p, false
	}
	for _, o := range s.Set.Overrides {
		if o.Future || o.Gone || !same(o.ID) || !same(o.Start) {
			return p, false
		}
	}
	for _, d := range s.Set.Dates {
		if !same(d.Time) {
			return p, false
		}
	}
	for _, t := range s.Set.Except {
		if !same(t) && (t.Form != recur.Date || len(s.Set.Dates) > 0) {
			return p, false
		}
	}
	return p, true
}

// wall reads a time on the clock.
func (p *pencil) wall(t recur.Time) int64 {
	if p.floats {
		return int64(t.Wall)
	}
	return int64(p.zone.Wall(t.Unix(nil)))
}

const (
	flagNoMaster = 1 << iota
	flagDates
)

func (p *pencil) draw(b []byte) []byte {
	s := p.set
	if !p.floats {
		lo, hi := p.zone.OffsetBounds()
		b = binary.AppendVarint(b, int64(lo))
		b = binary.AppendVarint(b, int64(hi))
	}
	flags := byte(0)
	if s.NoMaster {
		flags |= flagNoMaster
	}
	if s.Start.Form == recur.Date {
		flags |= flagDates
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(len(s.Overrides)))
	for _, o := range s.Overrides {
		z := o.Start.In(nil)
		begin := z.Unix(o.Start.Wall)
		b = binary.AppendVarint(b, begin)
		b = binary.AppendVarint(b, max(o.Length.Add(o.Start.Wall, z), begin))
	}
	if s.NoMaster {
		return b
	}
	b = binary.AppendVarint(b, int64(s.Start.Wall))
	b = appendLength(b, s.Length)
	b = binary.AppendUvarint(b, uint64(len(s.Rules)))
	for _, r := range s.Rules {
		b = appendString(b, r.String())
		if r.HasUntil && r.Until.Form == recur.UTC && s.Start.Form != recur.Date && !p.floats {
			b = binary.AppendVarint(append(b, 1), int64(p.zone.Wall(int64(r.Until.Wall))))
		} else {
			b = append(b, 0)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(s.Dates)))
	for _, d := range s.Dates {
		l := s.Length
		if d.Length != nil {
			l = *d.Length
		}
		b = append(b, byte(d.Time.Form))
		b = appendLength(binary.AppendVarint(b, p.wall(d.Time)), l)
	}
	b = binary.AppendUvarint(b, uint64(len(s.Except)+len(s.Overrides)))
	except := func(t recur.Time) {
		if t.Form == recur.Date {
			b = binary.AppendVarint(append(b, byte(recur.Date)), int64(t.Wall))
		} else {
			b = binary.AppendVarint(append(b, byte(recur.Floating)), p.wall(t))
		}
	}
	for _, t := range s.Except {
		except(t)
	}
	for _, o := range s.Overrides {
		except(o.ID)
	}
	return b
}

func appendLength(b []byte, l recur.Length) []byte {
	return binary.AppendVarint(binary.AppendVarint(b, int64(l.Days)), l.Seconds)
}

// look says what a value means for a range.
func look(value []byte, start, end int64, zone *recur.Zone) (h hit) {
	d := decoder{b: value}
	kind := d.byte()
	d.byte()
	h.busy = d.byte()
	if last := d.int(); last < start || d.bad {
		return h
	}
	switch kind {
	case exact:
		h.begin, h.end = d.int(), d.int()
		if overlaps(h.begin, h.end, start, end) {
			h.found = yes
		}
	case absolute, floating:
		h.found = d.series(kind == floating, start, end, zone)
	default:
		h.found = maybe
	}
	if d.bad {
		h.found = maybe
	}
	return h
}

// overlaps is RFC 4791 §9.9 for one instance of an event.
func overlaps(begin, finish, start, end int64) bool {
	if finish > begin {
		return start < finish && end > begin
	}
	return start <= begin && end > begin
}

// series reads a sketch and looks for an instance in the range. A clock that is off
// UTC by lo to hi shows t + lo to t + hi at t.
func (d *decoder) series(floats bool, start, end int64, zone *recur.Zone) finding {
	var lo, hi int64
	if !floats {
		lo, hi, zone = d.int(), d.int(), nil
	}
	flags := d.byte()
	for range d.count() {
		begin, finish := d.int(), d.int()
		if floats {
			begin, finish = zone.Unix(recur.Wall(begin)), zone.Unix(recur.Wall(finish))
		}
		if overlaps(begin, finish, start, end) {
			return yes
		}
	}
	if flags&flagNoMaster != 0 || d.bad {
		return no
	}
	set := recur.Set{Start: recur.Time{Wall: recur.Wall(d.int()), Form: recur.Floating}, Length: d.length()}
	if flags&flagDates != 0 {
		set.Start.Form = recur.Date
	}
	for range d.count() {
		r, err := recur.ParseRule(d.string())
		if err != nil {
			return maybe
		}
		if d.byte() == 1 {
			r = r.WithUntil(recur.Time{Wall: recur.Wall(d.int()), Form: recur.Floating})
		}
		set.Rules = append(set.Rules, r)
	}
	for range d.count() {
		form := recur.Form(d.byte())
		if form != recur.Date {
			form = recur.Floating
		}
		x := recur.Extra{Time: recur.Time{Wall: recur.Wall(d.int()), Form: form}}
		l := d.length()
		x.Length = &l
		set.Dates = append(set.Dates, x)
	}
	for range d.count() {
		form := recur.Form(d.byte())
		set.Except = append(set.Except, recur.Time{Wall: recur.Wall(d.int()), Form: form})
	}
	if d.bad {
		return maybe
	}
	out := no
	for in, err := range set.Instances(start+lo, end+hi, zone, recur.DefaultLimits()) {
		if err != nil {
			return maybe
		}
		// In truth it begins hi to lo earlier, and so it ends.
		if in.End-lo < start || in.Begin-hi >= end {
			continue
		}
		if in.End == in.Begin && in.Begin-hi >= start && in.Begin-lo < end || in.End > in.Begin && in.End-hi > start && in.Begin-lo < end {
			return yes
		}
		out = maybe
	}
	return out
}

// count reads how many of something follow; it cannot be more than bytes are left.
func (d *decoder) count() int {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return 0
	}
	return int(n)
}

func (d *decoder) length() recur.Length {
	return recur.Length{Days: int(d.int()), Seconds: d.int()}
}
