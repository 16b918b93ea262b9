package query

import (
	"strings"

	"atrium/calendar/ics"
	"atrium/calendar/recur"
)

// Selection is the content of CALDAV:calendar-data in a request: which parts
// of an object are wanted, RFC 4791 §9.6. The zero Selection is all.
type Selection struct {
	Comp            *CompSelect // nil: all
	Expand          *Range      // §9.6.5
	LimitRecurrence *Range      // §9.6.6
	LimitFreeBusy   *Range      // §9.6.7
}

// CompSelect is CALDAV:comp, RFC 4791 §9.6.1. One that names nothing but itself wants all.
type CompSelect struct {
	Name     string
	AllProps bool
	Props    []PropSelect
	AllComps bool
	Comps    []CompSelect
}

// PropSelect is CALDAV:prop, RFC 4791 §9.6.4.
type PropSelect struct {
	Name    string
	NoValue bool
}

// All tells whether the selection is the object as it was stored.
func (s *Selection) All() bool {
	return s == nil || s.Comp == nil && s.Expand == nil && s.LimitRecurrence == nil && s.LimitFreeBusy == nil
}

// Render returns the wanted parts; octets of properties are as they were
// sent, but for what expansion has to change. The error is *ics.Error with
// MaxInstances when the expansion is too large to be answered.
func (s *Selection) Render(c *ics.Calendar, zone *recur.Zone) ([]byte, error) {
	if s.All() {
		return []byte(c.Source), nil
	}
	r := &renderer{src: c.Source, zone: zone, sel: s}
	if s.Expand != nil || s.LimitRecurrence != nil {
		series, err := NewSeries(c)
		if err != nil {
			return nil, err
		}
		r.series, r.index = series, make(map[*ics.Component]int, len(series.Overrides))
		for i, k := range series.Overrides {
			r.index[k] = i
		}
	}
	var sel *CompSelect
	if s.Comp != nil && strings.EqualFold(s.Comp.Name, c.Name) {
		sel = s.Comp.orAll()
	}
	r.out = make([]byte, 0, len(c.Source)+64)
	err := r.calendar(c, sel)
	return r.out, err
}

// renderer writes one object.
type renderer struct {
	src    string
	zone   *recur.Zone
	sel    *Selection
	series *Series
	index  map[*ics.Component]int // of overrides, in series
	out    []byte
}

func (r *renderer) line(s string) { r.out = ics.AppendLine(r.out, s) }

// raw writes octets of the source, a line end after them.
func (r *renderer) raw(start, end int) {
	r.out = append(r.out, r.src[start:end]...)
	if n := len(r.out); n > 0 && r.out[n-1] != '\n' {
		r.out = append(r.out, '\r', '\n')
	}
}

func (r *renderer) calendar(c *ics.Calendar, sel *CompSelect) error {
	r.line("BEGIN:VCALENDAR")
	for i := range c.Props {
		r.prop(&c.Props[i], sel)
	}
	expanded := false
	for _, k := range c.Components {
		sub, ok := sel.comp(k.Name)
		if !ok {
			continue
		}
		main := k.Name != "VTIMEZONE" && !strings.HasPrefix(k.Name, "X-")
		switch {
		case r.sel.Expand != nil && k.Name == "VTIMEZONE":
		case r.sel.Expand != nil && main && expandable(k.Name):
			if !expanded {
				expanded = true
				if err := r.expand(sub); err != nil {
					return err
				}
			}
		case r.sel.LimitRecurrence != nil && main && k.Prop("RECURRENCE-ID") != nil && !r.affects(k):
		default:
			r.component(k, sub, nil)
		}
	}
	r.line("END:VCALENDAR")
	return nil
}

func expandable(name string) bool { return name == "VEVENT" || name == "VTODO" || name == "VJOURNAL" }

// orAll is nil, for all, when the selection names nothing: `<C:comp name="VTIMEZONE"/>`
// in RFC 4791 §7.8.1 wants the whole of it.
func (s *CompSelect) orAll() *CompSelect {
	if s == nil || !s.AllProps && !s.AllComps && len(s.Props)+len(s.Comps) == 0 {
		return nil
	}
	return s
}

// comp finds what is wanted of a component; nil is all of it.
func (s *CompSelect) comp(name string) (sub *CompSelect, ok bool) {
	if s == nil {
		return nil, true
	}
	for i := range s.Comps {
		if strings.EqualFold(s.Comps[i].Name, name) {
			return s.Comps[i].orAll(), true
		}
	}
	return nil, s.AllComps
}

// prop finds out whether a property is wanted.
func (s *CompSelect) prop(name string) (wanted, noValue bool) {
	if s == nil {
		return true, false
	}
	for i := range s.Props {
		if strings.EqualFold(s.Props[i].Name, name) {
			return true, s.Props[i].NoValue
		}
	}
	return s.AllProps, false
}

func (r *renderer) prop(p *ics.Prop, sel *CompSelect) {
	wanted, noValue := sel.prop(p.Name)
	switch {
	case !wanted:
	case noValue:
		r.line(p.Name + ":")
	case p.Name == "FREEBUSY" && r.sel.LimitFreeBusy != nil:
		r.freeBusy(p)
	default:
		r.raw(p.Start, p.End)
	}
}

// component writes one component. edit, when given, writes a property itself
// or says that it is to be copied.
func (r *renderer) component(k *ics.Component, sel *CompSelect, edit func(*ics.Prop) (done bool)) {
	if sel == nil && edit == nil && r.sel.LimitFreeBusy == nil {
		r.raw(k.Start, k.End)
		return
	}
	r.line("BEGIN:" + k.Name)
	for i := range k.Props {
		if edit == nil || !edit(&k.Props[i]) {
			r.prop(&k.Props[i], sel)
		}
	}
	for _, c := range k.Components {
		if sub, ok := sel.comp(c.Name); ok {
			r.component(c, sub, nil)
		}
	}
	r.line("END:" + k.Name)
}

// affects tells whether an override is of interest to limit-recurrence-set: it
// is in the range, or the instance that it replaces was, or later ones follow it.
func (r *renderer) affects(k *ics.Component) bool {
	start, end := r.sel.LimitRecurrence.Unix()
	s := r.series
	if i, ok := r.index[k]; ok {
		o := &s.Set.Overrides[i]
		z := o.Start.In(r.zone)
		if overlaps(s.Kind, k, z.Unix(o.Start.Wall), o.Length.Add(o.Start.Wall, z), start, end) {
			return true
		}
		id, z := o.ID.Unix(r.zone), o.ID.In(r.zone)
		length := s.Set.Length
		if s.Master == nil {
			length = o.Length
		}
		was := max(length.Add(o.ID.Wall, z), id)
		return id < end && (o.Future || was > start || id >= start)
	}
	return true
}

// freeBusy writes the periods of FREEBUSY that are in the range of
// limit-freebusy-set.
func (r *renderer) freeBusy(p *ics.Prop) {
	start, end := r.sel.LimitFreeBusy.Unix()
	var keep []string
	for v := range strings.SplitSeq(p.Value, ",") {
		one := *p
		one.Value = v
		in := false
		zones := &Zones{}
		zones.each(&one, func(t recur.Time, l *recur.Length) {
			if l != nil {
				z := t.In(r.zone)
				in = start < l.Add(t.Wall, z) && end > z.Unix(t.Wall)
			}
		})
		if in {
			keep = append(keep, strings.TrimSpace(v))
		}
	}
	if len(keep) > 0 {
		r.line(head(r.src, p) + strings.Join(keep, ","))
	}
}

// head returns name and parameters of a property as they were sent, unfolded, with
// the colon.
func head(src string, p *ics.Prop) string {
	text := src[p.Start:p.End]
	if strings.ContainsAny(text, "\n") {
		text = unfold.Replace(text)
	}
	text = strings.TrimRight(text, "\r\n")
	return strings.TrimSuffix(text, p.Value)
}

var unfold = strings.NewReplacer("\r\n ", "", "\r\n\t", "", "\n ", "", "\n\t", "")
