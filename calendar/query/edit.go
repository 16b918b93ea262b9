package query

import (
	"fmt"
	"slices"
	"strings"

	"atrium/calendar/ics"
	"atrium/calendar/recur"
)

// Edit is a change of the ATTACH properties of an object (RFC 8607).
type Edit struct {
	Line   string // the new property, unfolded; "": none
	Remove string // MANAGED-ID of those that go; "": none

	// Instances are those that change, as RECURRENCE-IDs, or "M" for the master; none means all components. One that has no
	// component of its own gets one.
	Instances []string
}

// maxInstances bounds Edit.Instances.
const maxInstances = 100

// Apply returns the changed object. changed tells how many components were. The error is *ics.Error with
// ValidFilter when an instance is none of the object's.
func (e *Edit) Apply(c *ics.Calendar) (raw []byte, changed int, err error) {
	wanted := map[*ics.Component]bool{}
	var added []byte
	if len(e.Instances) == 0 {
		for _, k := range c.Main() {
			wanted[k] = true
		}
	} else {
		if len(e.Instances) > maxInstances {
			return nil, 0, noInstance("too many")
		}
		s, err := NewSeries(c)
		if err != nil {
			return nil, 0, err
		}
		for _, id := range e.Instances {
			k, made, err := s.instance(c.Source, id)
			if err != nil {
				return nil, 0, err
			}
			if k != nil {
				wanted[k] = true
				continue
			}
			text, n := e.component(made.Source, made.Component)
			added = append(added, text...)
			changed += n
		}
	}
	var out []byte
	at := 0
	for _, k := range c.Components {
		if !wanted[k] {
			continue
		}
		text, n := e.component(c.Source, k)
		changed += n
		out = append(append(out, c.Source[at:k.Start]...), text...)
		at = k.End
	}
	tail := c.Source[at:]
	if len(added) > 0 {
		end := strings.LastIndex(strings.ToUpper(tail), "END:VCALENDAR")
		if end < 0 {
			return nil, 0, noInstance("no end")
		}
		out = append(append(append(out, tail[:end]...), added...), tail[end:]...)
	} else {
		out = append(out, tail...)
	}
	return out, changed, nil
}

// component writes one component with the change.
func (e *Edit) component(src string, k *ics.Component) (out []byte, changed int) {
	at := k.Start
	insert := k.Start
	done := false
	for i := range k.Props {
		p := &k.Props[i]
		insert = p.End
		if p.Name != "ATTACH" || e.Remove == "" {
			continue
		}
		if id, ok := p.Param("MANAGED-ID"); !ok || id != e.Remove {
			continue
		}
		out = append(out, src[at:p.Start]...)
		if e.Line != "" && !done {
			out = ics.AppendLine(out, e.Line)
		}
		done = true
		at = p.End
	}
	if e.Remove == "" && e.Line != "" && len(k.Props) > 0 {
		out = append(out, src[at:insert]...)
		if n := len(out); n > 0 && out[n-1] != '\n' {
			out = append(out, '\r', '\n')
		}
		out = ics.AppendLine(out, e.Line)
		at, done = insert, true
	}
	out = append(out, src[at:k.End]...)
	if n := len(out); n > 0 && out[n-1] != '\n' {
		out = append(out, '\r', '\n')
	}
	if done {
		changed = 1
	}
	return out, changed
}

func noInstance(id string) error {
	return &ics.Error{Condition: ics.ValidFilter, Text: fmt.Sprintf("no instance %.40q", id)}
}

// instance finds the component of an instance, or makes one from the master: as an object of its own.
func (s *Series) instance(src, id string) (*ics.Component, *ics.Calendar, error) {
	id = strings.ToUpper(strings.TrimSpace(id))
	if id == "M" {
		if s.Master == nil {
			return nil, nil, noInstance(id)
		}
		return s.Master, nil, nil
	}
	t, err := recur.ParseTime(id)
	if err != nil {
		return nil, nil, noInstance(id)
	}
	// An ID in the clock of the series, or in UTC.
	same := func(o recur.Time) bool {
		return o.Wall == t.Wall && t.Form != recur.UTC || t.Form == recur.UTC && o.Unix(nil) == t.Unix(nil)
	}
	for i := range s.Set.Overrides {
		if same(s.Set.Overrides[i].ID) {
			return s.Overrides[i], nil, nil
		}
	}
	if s.Master == nil {
		return nil, nil, noInstance(id)
	}
	around := t.Unix(nil)
	for in, err := range s.Set.Instances(around-2*86400, around+2*86400, nil, limits) {
		if err != nil {
			break
		}
		if in.Override < 0 && same(in.ID) {
			made, err := s.derive(src, &in)
			return nil, made, err
		}
	}
	return nil, nil, noInstance(id)
}

// derive makes the component of an instance that differs in nothing yet.
func (s *Series) derive(src string, in *recur.Instance) (*ics.Calendar, error) {
	m := s.Master
	var out []byte
	line := func(t string) { out = ics.AppendLine(out, t) }
	start := m.Prop("DTSTART")
	if start == nil {
		return nil, noInstance("without DTSTART")
	}
	line("BEGIN:VCALENDAR")
	line("BEGIN:" + m.Name)
	shift := in.Start.Wall - s.Set.Start.Wall
	for i := range m.Props {
		p := &m.Props[i]
		switch {
		case slices.Contains([]string{"RRULE", "RDATE", "EXDATE", "EXRULE"}, p.Name):
		case p.Name == "DTSTART":
			head := head(src, p)
			line(head + in.Start.String())
			line("RECURRENCE-ID" + strings.TrimPrefix(head, head[:len("DTSTART")]) + in.ID.String())
		case p.Name == "DTEND" || p.Name == "DUE":
			t, err := s.Zones.Time(p)
			if err != nil {
				return nil, badProp(p, err)
			}
			t.Wall += shift
			line(head(src, p) + t.String())
		default:
			out = append(out, src[p.Start:p.End]...)
			if out[len(out)-1] != '\n' {
				out = append(out, '\r', '\n')
			}
		}
	}
	for _, c := range m.Components {
		out = append(out, src[c.Start:c.End]...)
	}
	line("END:" + m.Name)
	line("END:VCALENDAR")
	made, err := ics.Parse(out, ics.Limits{Size: len(out), Depth: 20, Lines: 1 << 30})
	if err != nil {
		return nil, err
	}
	return &ics.Calendar{Source: made.Source, Component: made.Components[0]}, nil
}
