package query

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"atrium/calendar/ics"
	"atrium/calendar/recur"
)

// Filter is the content of CALDAV:filter: the comp-filter of VCALENDAR.
type Filter struct{ Comp CompFilter }

// CompFilter is CALDAV:comp-filter, RFC 4791 §9.7.1.
type CompFilter struct {
	Name         string
	IsNotDefined bool
	Range        *Range
	Props        []PropFilter
	Comps        []CompFilter
	Any          bool // test="anyof": one of Props and Comps is enough; an extension, off in RFC 4791
}

// PropFilter is CALDAV:prop-filter, RFC 4791 §9.7.2.
type PropFilter struct {
	Name         string
	IsNotDefined bool
	Range        *Range
	Text         *TextMatch
	Params       []ParamFilter
	Any          bool
}

// ParamFilter is CALDAV:param-filter, RFC 4791 §9.7.3.
type ParamFilter struct {
	Name         string
	IsNotDefined bool
	Text         *TextMatch
}

// Range is CALDAV:time-range, in UTC; a zero Start or End is open. RFC 4791 §9.9.
type Range struct{ Start, End time.Time }

// The instants that stand for an open start and end.
const (
	openStart = -1 << 60
	openEnd   = 1 << 60
)

// Unix returns the range's borders in Unix seconds, with very low and high ones for
// those that are open.
func (r *Range) Unix() (start, end int64) {
	start, end = openStart, openEnd
	if !r.Start.IsZero() {
		start = r.Start.Unix()
	}
	if !r.End.IsZero() {
		end = r.End.Unix()
	}
	return start, end
}

// ParseRange reads the attributes of CALDAV:time-range, expand,
// limit-recurrence-set and so on, which are in UTC. At least one is given
// when a side may be open, else both. Errors are *ics.Error with ValidFilter.
func ParseRange(start, end string, open bool) (*Range, error) {
	r := &Range{}
	bad := func(format string, args ...any) (*Range, error) {
		return nil, &ics.Error{Condition: ics.ValidFilter, Text: fmt.Sprintf(format, args...)}
	}
	for s, to := range map[*string]*time.Time{&start: &r.Start, &end: &r.End} {
		if *s == "" {
			continue
		}
		t, err := recur.ParseTime(*s)
		if err != nil || t.Form != recur.UTC {
			return bad("%.40q is no date with UTC time", *s)
		}
		*to = time.Unix(int64(t.Wall), 0).UTC()
	}
	switch {
	case start == "" && end == "":
		return bad("a time range without start and end")
	case !open && (start == "" || end == ""):
		return bad("a time range that is open")
	case start != "" && end != "" && !r.Start.Before(r.End):
		return bad("a time range that ends before it starts")
	}
	return r, nil
}

// Limits of a filter; no client comes near them.
const (
	maxFilterDepth = 8
	maxFilterParts = 500
)

// Validate says whether the filter makes sense: it starts at VCALENDAR, its
// collations are known, its time ranges are where they may be. Errors are
// *ics.Error with ValidFilter, SupportedFilter or SupportedCollation.
func (f *Filter) Validate() error {
	if !strings.EqualFold(f.Comp.Name, "VCALENDAR") || f.Comp.IsNotDefined {
		return &ics.Error{Condition: ics.ValidFilter, Text: "a filter begins with VCALENDAR"}
	}
	if f.Comp.Range != nil {
		return &ics.Error{Condition: ics.ValidFilter, Text: "VCALENDAR has no time range"}
	}
	parts := 0
	return f.Comp.validate(0, &parts)
}

// ranged are the components that RFC 4791 §9.9 has a table for, and
// VAVAILABILITY.
var ranged = []string{"VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VALARM", "VAVAILABILITY"}

// homes are the components that may hold one (RFC 5545 §3.6, RFC 7953 §3.1); components that are not here
// may be anywhere.
var homes = map[string][]string{
	"VCALENDAR": {},
	"VEVENT":    {"VCALENDAR"}, "VTODO": {"VCALENDAR"}, "VJOURNAL": {"VCALENDAR"}, "VFREEBUSY": {"VCALENDAR"},
	"VTIMEZONE": {"VCALENDAR"}, "VAVAILABILITY": {"VCALENDAR"},
	"VALARM":   {"VEVENT", "VTODO"},
	"STANDARD": {"VTIMEZONE"}, "DAYLIGHT": {"VTIMEZONE"}, "AVAILABLE": {"VAVAILABILITY"},
}

// misplaced tells that a component never holds another, by what is known of both: RFC 4791 §7.8 calls a
// filter that looks for it anyway not valid.
func misplaced(in, name string) bool {
	known, ok := homes[name]
	_, parent := homes[in]
	return ok && parent && !slices.Contains(known, in)
}

func (f *CompFilter) validate(depth int, parts *int) error {
	if *parts += 1 + len(f.Props); depth > maxFilterDepth || *parts > maxFilterParts {
		return &ics.Error{Condition: ics.SupportedFilter, Text: "the filter is too large"}
	}
	f.Name = strings.ToUpper(f.Name)
	if f.Name == "" {
		return &ics.Error{Condition: ics.ValidFilter, Text: "comp-filter without a name"}
	}
	if f.IsNotDefined && (f.Range != nil || len(f.Props)+len(f.Comps) > 0) {
		return &ics.Error{Condition: ics.ValidFilter, Text: "is-not-defined beside other conditions"}
	}
	if f.Range != nil && !slices.Contains(ranged, f.Name) {
		return &ics.Error{Condition: ics.SupportedFilter, Text: f.Name + " has no time range"}
	}
	for i := range f.Props {
		if err := f.Props[i].validate(parts); err != nil {
			return err
		}
	}
	for i := range f.Comps {
		if err := f.Comps[i].validate(depth+1, parts); err != nil {
			return err
		}
		if misplaced(f.Name, f.Comps[i].Name) {
			return &ics.Error{Condition: ics.ValidFilter, Text: f.Comps[i].Name + " in " + f.Name}
		}
	}
	return nil
}

func (f *PropFilter) validate(parts *int) error {
	*parts += len(f.Params)
	f.Name = strings.ToUpper(f.Name)
	if f.Name == "" {
		return &ics.Error{Condition: ics.ValidFilter, Text: "prop-filter without a name"}
	}
	if f.IsNotDefined && (f.Range != nil || f.Text != nil || len(f.Params) > 0) {
		return &ics.Error{Condition: ics.ValidFilter, Text: "is-not-defined beside other conditions"}
	}
	if err := f.Text.validate(); err != nil {
		return err
	}
	for i := range f.Params {
		p := &f.Params[i]
		p.Name = strings.ToUpper(p.Name)
		if p.Name == "" || p.IsNotDefined && p.Text != nil {
			return &ics.Error{Condition: ics.ValidFilter, Text: "param-filter that says nothing or too much"}
		}
		if err := p.Text.validate(); err != nil {
			return err
		}
	}
	return nil
}

// Plan is what can be said of all objects that match a filter, for a caller
// that has an index.
type Plan struct {
	Component string     // they hold this one; "" when nothing is known
	Range     *Range     // they have an instance in it
	UID       *TextMatch // their UID matches
	Exact     bool       // and that is all: an object that fulfils the plan matches
}

// Plan returns the filter's plan.
func (f *Filter) Plan() Plan {
	c := &f.Comp
	if c.Any && len(c.Comps)+len(c.Props) > 1 {
		return Plan{}
	}
	p := Plan{Exact: len(c.Props) == 0 && len(c.Comps) <= 1}
	for i := range c.Comps {
		k := &c.Comps[i]
		if k.IsNotDefined || k.Name == "VTIMEZONE" || strings.HasPrefix(k.Name, "X-") {
			p.Exact = false
			continue
		}
		p.Component, p.Range = k.Name, k.Range
		if len(k.Comps)+len(k.Props) > 0 {
			p.Exact = false
		}
		if !k.Any || len(k.Comps)+len(k.Props) == 1 {
			for j := range k.Props {
				if q := &k.Props[j]; q.Name == "UID" && q.Text != nil && !(q.Any && len(q.Params) > 0) {
					p.UID = q.Text
				}
			}
		}
	}
	return p
}
