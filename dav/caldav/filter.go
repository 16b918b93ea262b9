package caldav

import (
	"net/http"
	"strings"

	"atrium/calendar/ics"
	"atrium/calendar/query"
	"atrium/calendar/recur"
	"atrium/dav"
	"atrium/dav/elem"
)

func notValid(text string) error { return &ics.Error{Condition: ics.ValidFilter, Text: text} }

// readFilter reads CALDAV:filter (RFC 4791 §9.7), which is open.
func readFilter(r *elem.Reader) (*query.Filter, error) {
	var f query.Filter
	n := 0
	for s := range r.Children() {
		if !s.Is("C:comp-filter") {
			return nil, notValid("filter holds something else than comp-filter")
		}
		var err error
		if f.Comp, err = readCompFilter(r, s); err != nil {
			return nil, err
		}
		n++
	}
	if r.Err() != nil {
		return nil, r.Err()
	}
	if n != 1 {
		return nil, notValid("filter holds one comp-filter")
	}
	return &f, f.Validate()
}

func readCompFilter(r *elem.Reader, start elem.Start) (c query.CompFilter, err error) {
	c.Name = strings.ToUpper(start.Attr("name"))
	c.Any = start.Attr("test") == "anyof"
	for s := range r.Children() {
		switch {
		case s.Is("C:is-not-defined"):
			c.IsNotDefined = true
		case s.Is("C:time-range"):
			c.Range, err = readRange(s, true)
		case s.Is("C:prop-filter"):
			var p query.PropFilter
			p, err = readPropFilter(r, s)
			c.Props = append(c.Props, p)
		case s.Is("C:comp-filter"):
			var inner query.CompFilter
			inner, err = readCompFilter(r, s)
			c.Comps = append(c.Comps, inner)
		default:
			err = notValid(s.Name.Local + " in comp-filter")
		}
		if err != nil {
			return c, err
		}
	}
	return c, r.Err()
}

func readPropFilter(r *elem.Reader, start elem.Start) (p query.PropFilter, err error) {
	p.Name = strings.ToUpper(start.Attr("name"))
	p.Any = start.Attr("test") == "anyof"
	for s := range r.Children() {
		switch {
		case s.Is("C:is-not-defined"):
			p.IsNotDefined = true
		case s.Is("C:time-range"):
			p.Range, err = readRange(s, true)
		case s.Is("C:text-match"):
			p.Text = readTextMatch(r, s)
		case s.Is("C:param-filter"):
			q := query.ParamFilter{Name: strings.ToUpper(s.Attr("name"))}
			for c := range r.Children() {
				switch {
				case c.Is("C:is-not-defined"):
					q.IsNotDefined = true
				case c.Is("C:text-match"):
					q.Text = readTextMatch(r, c)
				default:
					return p, notValid(c.Name.Local + " in param-filter")
				}
			}
			p.Params = append(p.Params, q)
		default:
			err = notValid(s.Name.Local + " in prop-filter")
		}
		if err != nil {
			return p, err
		}
	}
	return p, r.Err()
}

func readTextMatch(r *elem.Reader, s elem.Start) *query.TextMatch {
	m := &query.TextMatch{Collation: s.Attr("collation"), Negate: s.Attr("negate-condition") == "yes"}
	if m.Collation == "default" {
		m.Collation = ""
	}
	m.Text = r.Text()
	return m
}

func readRange(s elem.Start, open bool) (*query.Range, error) {
	if s.Attr("start") == "" && s.Attr("end") == "" {
		return nil, dav.Fail(http.StatusBadRequest, "%s has neither start nor end", s.Name.Local)
	}
	return query.ParseRange(s.Attr("start"), s.Attr("end"), open)
}

// readSelection reads CALDAV:calendar-data (RFC 4791 §9.6), which is open.
func readSelection(r *elem.Reader, start elem.Start) (any, error) {
	if t := start.Attr("content-type"); t != "" && !strings.EqualFold(t, "text/calendar") {
		return nil, dav.Refuse(http.StatusForbidden, "C:supported-calendar-data")
	}
	if v := start.Attr("version"); v != "" && v != "2.0" {
		return nil, dav.Refuse(http.StatusForbidden, "C:supported-calendar-data")
	}
	var sel query.Selection
	for s := range r.Children() {
		var err error
		switch {
		case s.Is("C:comp"):
			var c query.CompSelect
			c, err = readCompSelect(r, s)
			sel.Comp = &c
		case s.Is("C:expand"):
			sel.Expand, err = readRange(s, false)
		case s.Is("C:limit-recurrence-set"):
			sel.LimitRecurrence, err = readRange(s, false)
		case s.Is("C:limit-freebusy-set"):
			sel.LimitFreeBusy, err = readRange(s, false)
		}
		if err != nil {
			return nil, wrap(err, nil)
		}
	}
	if sel.All() {
		return nil, r.Err()
	}
	return &sel, r.Err()
}

func readCompSelect(r *elem.Reader, start elem.Start) (c query.CompSelect, err error) {
	c.Name = strings.ToUpper(start.Attr("name"))
	for s := range r.Children() {
		switch {
		case s.Is("C:allprop"):
			c.AllProps = true
		case s.Is("C:allcomp"):
			c.AllComps = true
		case s.Is("C:prop"):
			c.Props = append(c.Props, query.PropSelect{Name: strings.ToUpper(s.Attr("name")), NoValue: s.Attr("novalue") == "yes"})
		case s.Is("C:comp"):
			inner, err := readCompSelect(r, s)
			if err != nil {
				return c, err
			}
			c.Comps = append(c.Comps, inner)
		}
	}
	return c, r.Err()
}

// readZone reads CALDAV:timezone or timezone-id into the request's state.
func readZone(rq *dav.Request, r *elem.Reader, s elem.Start) error {
	text := r.Text()
	if s.Is("C:timezone-id") {
		z, ok := recur.LoadZone(strings.TrimSpace(text))
		if !ok {
			return dav.Refuse(http.StatusForbidden, "C:valid-timezone")
		}
		rq.State = &requestZone{z}
		return nil
	}
	z, err := query.ZoneOf([]byte(text))
	if err != nil {
		return dav.Refuse(http.StatusForbidden, "C:valid-calendar-data")
	}
	rq.State = &requestZone{z}
	return nil
}
