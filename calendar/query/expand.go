package query

import (
	"fmt"
	"slices"

	"atrium/calendar/ics"
	"atrium/calendar/recur"
)

// Bounds of one object's expansion.
const (
	maxExpand      = 10_000
	maxExpandBytes = 16 << 20
)

// expand writes the instances of the series in the range of CALDAV:expand, each
// as a component of its own, in UTC and without a rule: RFC 4791 §9.6.5.
func (r *renderer) expand(sel *CompSelect) error {
	s := r.series
	start, end := r.sel.Expand.Unix()
	if s.Kind == "VTODO" {
		if _, known := s.undatedTask(start, end, r.zone, nil); known {
			r.component(s.Master, sel, nil)
			return nil
		}
	}
	var all []recur.Instance
	for in, err := range s.Set.Instances(start, end, r.zone, recur.Limits{Steps: limits.Steps, Instances: maxExpand}) {
		if err != nil {
			return tooMany()
		}
		if k := s.Component(in.Override); k != nil && overlaps(s.Kind, k, in.Begin, in.End, start, end) {
			all = append(all, in)
		}
	}
	slices.SortStableFunc(all, func(a, b recur.Instance) int { return int(min(max(a.Begin-b.Begin, -1), 1)) })
	for i := range all {
		r.instance(&all[i], sel)
		if len(r.out) > maxExpandBytes {
			return tooMany()
		}
	}
	return nil
}

func tooMany() error {
	return &ics.Error{Condition: ics.MaxInstances, Text: fmt.Sprintf("more than %d instances", maxExpand)}
}

// instance writes one instance.
func (r *renderer) instance(in *recur.Instance, sel *CompSelect) {
	s := r.series
	k := s.Component(in.Override)
	hasEnd := k.Prop("DTEND") != nil || k.Prop("DUE") != nil
	recurs := s.Set.Recurs()
	wants := func(name string) bool { wanted, noValue := sel.prop(name); return wanted && !noValue }
	idDone := false
	r.component(k, sel, func(p *ics.Prop) bool {
		switch p.Name {
		case "RRULE", "RDATE", "EXDATE", "EXRULE", "RECURRENCE-ID":
			return true
		case "DTSTART":
			if wants(p.Name) {
				r.time("DTSTART", in.Start.Form, in.Begin)
			}
			if recurs && !idDone && wants("RECURRENCE-ID") {
				idDone = true
				r.time("RECURRENCE-ID", in.ID.Form, in.ID.Unix(r.zone))
			}
			return wants(p.Name)
		case "DTEND", "DUE":
			if !wants(p.Name) {
				return false
			}
			at := in.End
			if k.Prop("DTSTART") == nil {
				at = in.Begin
			}
			r.time(p.Name, r.endForm(p, in), at)
			if recurs && !idDone && k.Prop("DTSTART") == nil && wants("RECURRENCE-ID") {
				idDone = true
				r.time("RECURRENCE-ID", in.ID.Form, in.ID.Unix(r.zone))
			}
			return true
		case "DURATION":
			return hasEnd
		}
		return false
	})
}

// endForm is DATE when the end was written so and the instance is of days.
func (r *renderer) endForm(p *ics.Prop, in *recur.Instance) recur.Form {
	t, err := r.series.Zones.Time(p)
	if err == nil && t.Form == recur.Date && in.Start.Form == recur.Date {
		return recur.Date
	}
	return recur.UTC
}

// time writes a property with an instant: as a date where days were meant, else
// in UTC.
func (r *renderer) time(name string, form recur.Form, unix int64) {
	if form == recur.Date {
		r.line(name + ";VALUE=DATE:" + recur.Time{Wall: r.zone.Wall(unix)}.String())
		return
	}
	r.line(name + ":" + recur.Time{Wall: recur.Wall(unix), Form: recur.UTC}.String())
}
