package sieve

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"time"

	"atrium/mail/message"
)

// date has the tests of dates (RFC 5260 §4, §5).
var date = extension{name: "date", rfc: "5260", tests: []test{
	{name: "date", shape: shape{tags: with(matchTags, []tagDef{{name: "zone", value: "s", group: "zone"}, {name: "originalzone", group: "zone"}}), args: "ssl"}, compile: compileDate},
	{name: "currentdate", shape: shape{tags: with(matchTags, []tagDef{{name: "zone", value: "s"}}), args: "sl"}, compile: compileCurrentDate},
}}

// dateParts are what of a date can be asked for (RFC 5260 §4.1).
var dateParts = map[string]func(time.Time) string{
	"year":    func(t time.Time) string { return fmt.Sprintf("%04d", t.Year()) },
	"month":   func(t time.Time) string { return t.Format("01") },
	"day":     func(t time.Time) string { return t.Format("02") },
	"date":    func(t time.Time) string { return t.Format("2006-01-02") },
	"julian":  julian,
	"hour":    func(t time.Time) string { return t.Format("15") },
	"minute":  func(t time.Time) string { return t.Format("04") },
	"second":  func(t time.Time) string { return t.Format("05") },
	"time":    func(t time.Time) string { return t.Format("15:04:05") },
	"iso8601": func(t time.Time) string { return t.Format("2006-01-02T15:04:05-07:00") },
	"std11":   func(t time.Time) string { return t.Format("Mon, 02 Jan 2006 15:04:05 -0700") },
	"zone":    func(t time.Time) string { return t.Format("-0700") },
	"weekday": func(t time.Time) string { return strconv.Itoa(int(t.Weekday())) },
}

// julian is the modified Julian day, in the date's own zone.
func julian(t time.Time) string {
	y, m, d := t.Date()
	days := time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400
	return strconv.FormatInt(days+40587, 10)
}

// zoneTag returns the function that brings a time into the zone of a script.
func (c *compiler) zoneTag(a *call) func(*run, time.Time) (time.Time, error) {
	if a.tag("originalzone") {
		return func(_ *run, t time.Time) (time.Time, error) { return t, nil }
	}
	x := a.tags["zone"]
	if x == nil {
		return func(_ *run, t time.Time) (time.Time, error) { return t.Local(), nil }
	}
	zone := c.text(x)
	if zone.constant() {
		if _, ok := offset(zone.fixed); !ok {
			c.errf(x.pos, "%q is no zone, such as \"+0200\"", clip(zone.fixed))
		}
	}
	return func(r *run, t time.Time) (time.Time, error) {
		s := zone.eval(r)
		l, ok := offset(s)
		if !ok {
			return t, fmt.Errorf("zone %q: %w", clip(s), Wrong)
		}
		return t.In(l), nil
	}
}

// offset reads a zone, +hhmm.
func offset(s string) (*time.Location, bool) {
	if len(s) != 5 || s[0] != '+' && s[0] != '-' {
		return nil, false
	}
	n, err := strconv.Atoi(s[1:])
	if err != nil || n < 0 || n%100 > 59 || n > 2359 {
		return nil, false
	}
	n = (n/100*60 + n%100) * 60
	if s[0] == '-' {
		n = -n
	}
	return time.FixedZone("", n), true
}

// partOf returns what takes a part of a date.
func (c *compiler) partOf(a *arg) func(*run, time.Time) (string, bool) {
	name := c.text(a)
	if name.constant() && dateParts[lower(name.fixed)] == nil {
		c.errf(a.pos, "unknown part of a date %q", clip(name.fixed))
	}
	return func(r *run, t time.Time) (string, bool) {
		f := dateParts[lower(name.eval(r))]
		if f == nil {
			return "", false
		}
		return f(t), true
	}
}

func compileDate(c *compiler, a *call) cond {
	names, part, m := c.names(a.pos[0]), c.partOf(a.pos[1]), c.matcher(a, a.pos[2])
	zone, pick := c.zoneTag(a), c.indexTags(a)
	return func(r *run) (bool, error) {
		var values []string
		for _, f := range pick(r.msg.named(names[0].eval(r))) {
			value := f.value
			// RFC 5260 §4: the date may follow the last semicolon, as in Received.
			if i := bytes.LastIndexByte(value, ';'); i >= 0 {
				value = value[i+1:]
			}
			t, ok := message.ParseDate(value)
			if !ok {
				continue
			}
			t, err := zone(r, t)
			if err != nil {
				return false, err
			}
			if v, ok := part(r, t); ok {
				values = append(values, v)
			}
		}
		return m.match(r, values)
	}
}

func compileCurrentDate(c *compiler, a *call) cond {
	part, m, zone := c.partOf(a.pos[0]), c.matcher(a, a.pos[1]), c.zoneTag(a)
	return func(r *run) (bool, error) {
		t, err := zone(r, r.now)
		if err != nil {
			return false, err
		}
		v, ok := part(r, t)
		if !ok {
			return false, nil
		}
		return m.match(r, []string{v})
	}
}

// duplicate tells of messages that came before (RFC 7352).
var duplicate = extension{name: "duplicate", rfc: "7352", tests: []test{{name: "duplicate", shape: shape{tags: []tagDef{
	{name: "handle", value: "s"}, {name: "header", value: "s", group: "id"}, {name: "uniqueid", value: "s", group: "id"},
	{name: "seconds", value: "n"}, {name: "last"}}}, compile: compileDuplicate}}}

// Bounds of how long duplicates are remembered.
const (
	defaultRemember = 7 * 24 * time.Hour
	maxRemember     = 90 * 24 * time.Hour
)

func compileDuplicate(c *compiler, a *call) cond {
	handle, unique := c.text(a.tags["handle"]), c.text(a.tags["uniqueid"])
	header := &template{fixed: "message-id"}
	if x := a.tags["header"]; x != nil {
		header = c.names(x)[0]
	}
	span := defaultRemember
	if x := a.tags["seconds"]; x != nil {
		span = time.Duration(min(x.n, int64(maxRemember/time.Second))) * time.Second
	}
	return func(r *run) (bool, error) {
		id := ""
		if unique != nil {
			id = unique.eval(r)
		} else if list := r.msg.named(header.eval(r)); len(list) > 0 {
			id = list[0].text()
		}
		if id == "" {
			return false, nil
		}
		h := ""
		if handle != nil {
			h = handle.eval(r)
		}
		key := Digest("duplicate", h, id)
		seen, err := r.host().Seen(r.ctx, key)
		if err != nil {
			return false, err
		}
		known := slices.ContainsFunc(r.res.Remember, func(m Remember) bool { return m.Key == key })
		if (!seen || a.tag("last")) && !known && span > 0 {
			if len(r.res.Remember) >= 32 {
				return false, fmt.Errorf("more than 32 duplicate tests: %w", Exhausted)
			}
			r.res.Remember = append(r.res.Remember, Remember{key, span})
		}
		return seen, nil
	}
}
