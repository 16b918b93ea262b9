package calendar

import (
	"context"
	"encoding/binary"
	"iter"
	"math"

	"atrium/calendar/ics"
	"atrium/calendar/query"
	"atrium/calendar/recur"
	"atrium/storage"
	"atrium/storage/kv"
)

// The time index has one entry for each object that has a time: from the
// first moment to the last at which any instance of it may be, wherever
// floating times are read. The key is a level, by how long that is, and the first moment; so
// what overlaps a range is, in each level, what begins in the range or at
// most the level's length before it. The value is the last moment, and what
// is needed to answer without the object in most cases (sketch.go).

// levels are the longest spans of each level but the last, as powers of two, in seconds:
// 1.5 days, 12 days, 3 months, 2 years, 17 years.
var levels = []uint{17, 20, 23, 26, 29}

const (
	levelEndless = 14 // goes on, or longer than all levels
)

// timeKey is where an object is in the time index.
type timeKey struct {
	level byte
	start int64 // Unix seconds
}

func (k timeKey) bytes(n storage.Num) []byte {
	b := append(make([]byte, 0, 14), timeTag, k.level)
	b = binary.BigEndian.AppendUint64(b, uint64(k.start)^1<<63)
	return binary.BigEndian.AppendUint32(b, uint32(n))
}

// slack is how far floating times may be from UTC, in seconds.
const slack = 26 * 3600

// forever stands for the ends of time; sums with it do not overflow.
const forever = math.MaxInt64 / 4

// timeEntry computes key and value of an object in the time index.
func timeEntry(s *query.Series) (timeKey, []byte) {
	first, last := spanOf(s)
	value := sketch(s, last)
	if first < -forever {
		first = -forever
	}
	if last >= forever {
		return timeKey{levelEndless, first}, value
	}
	for i, bits := range levels {
		if last-first <= 1<<bits {
			return timeKey{byte(i), first}, value
		}
	}
	return timeKey{levelEndless, first}, value
}

// spanOf returns the first and last moment of an object.
func spanOf(s *query.Series) (first, last int64) {
	switch s.Kind {
	case "VEVENT", "VTODO", "VJOURNAL":
	default:
		return -forever, forever
	}
	if s.Kind == "VTODO" && s.Master != nil && s.Master.Prop("DTSTART") == nil && s.Master.Prop("DUE") == nil {
		return undated(s)
	}
	first, last, ended := s.Set.Bounds(nil, recur.Limits{Steps: 20_000})
	if first > last { // no instance at all
		return -forever, forever
	}
	if floats(s) {
		first, last = first-slack, last+slack
	}
	if !ended {
		last = forever
	}
	return first, last
}

// undated is for tasks without start and due: RFC 4791 §9.9 looks at COMPLETED and
// CREATED.
func undated(s *query.Series) (first, last int64) {
	at := func(p *ics.Prop) (int64, bool) {
		if p == nil {
			return 0, false
		}
		t, err := s.Zones.Time(p)
		return t.Unix(nil), err == nil
	}
	completed, ok1 := at(s.Master.Prop("COMPLETED"))
	created, ok2 := at(s.Master.Prop("CREATED"))
	switch {
	case len(s.Overrides) > 0:
	case ok1 && ok2:
		return min(completed, created) - slack, max(completed, created) + slack
	case ok1:
		return completed - slack, completed + slack
	case ok2:
		return created - slack, forever
	}
	return -forever, forever
}

// floats tells whether some time of the object depends on the reader's zone.
func floats(s *query.Series) bool {
	is := func(t recur.Time) bool { return t.Form == recur.Date || t.Form == recur.Floating }
	if !s.Set.NoMaster && is(s.Set.Start) {
		return true
	}
	for _, d := range s.Set.Dates {
		if is(d.Time) {
			return true
		}
	}
	for _, o := range s.Set.Overrides {
		if is(o.Start) || is(o.ID) {
			return true
		}
	}
	return false
}

// hit is an object that the index found.
type hit struct {
	num   storage.Num
	found finding
	busy  byte
	begin int64 // of entries with exact times
	end   int64
}

// candidates yields the objects of a component that may have an instance in
// start <= t <= end, with what their sketches say.
func candidates(ctx context.Context, v *storage.View, id storage.CollectionID, component string, start, end int64, zone *recur.Zone) iter.Seq2[hit, error] {
	code := componentCode(component)
	return func(yield func(hit, error) bool) {
		for level := range byte(levelEndless + 1) {
			from := int64(-forever)
			switch {
			case int(level) < len(levels):
				from = max(start-1<<levels[level], -forever)
			case level != levelEndless:
				continue
			}
			lo, hi := timeKey{level, from}.bytes(0), timeKey{level, min(end, forever)}.bytes(math.MaxUint32)
			for k, value := range v.ScanIndex(id, kv.Range{From: lo, To: append(hi, 0)}) {
				if err := ctx.Err(); err != nil {
					yield(hit{}, err)
					return
				}
				if len(k) != 14 || len(value) < 2 || value[1] != code {
					continue
				}
				h := look(value, start, end, zone)
				if h.found == no {
					continue
				}
				h.num = numOf(k[10:])
				if !yield(h, nil) {
					return
				}
			}
		}
	}
}
