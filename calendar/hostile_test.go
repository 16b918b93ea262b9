package calendar_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"atrium/calendar"
	"atrium/calendar/ics"
	"atrium/calendar/query"
	"atrium/storage"
)

// Objects of up to some megabytes that are made to cost much: each is refused or
// stored, and asked for, within bounds.
func TestHostileObjects(t *testing.T) {
	many := func(n int, line func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(line(i))
		}
		return b.String()
	}
	daily := "DTSTART:20200101T000000Z\nRRULE:FREQ=DAILY\n"
	day := func(i int) string { return time.Unix(1577836800+int64(i)*86400, 0).UTC().Format("20060102T150405Z") }
	override := func(params string) func(int) string {
		return func(i int) string {
			return "END:VEVENT\nBEGIN:VEVENT\nUID:1\nDTSTART:20260601T100000Z\nRECURRENCE-ID" + params + ":" + day(i) + "\n"
		}
	}
	zone := func(rule string) func(int) string {
		return func(i int) string {
			return fmt.Sprintf("END:VEVENT\nBEGIN:VTIMEZONE\nTZID:z%d\n%sEND:VTIMEZONE\nBEGIN:VEVENT\nUID:1\nRECURRENCE-ID:%s\nDTSTART;TZID=z%d:20260601T000000\n",
				i, strings.Repeat("BEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\n"+rule+"END:STANDARD\n", 3), day(i), i)
		}
	}
	for name, lines := range map[string]string{
		"EXDATEs":          daily + many(20_000, func(i int) string { return "EXDATE:" + day(i) + "\n" }),
		"RDATEs":           daily + many(20_000, func(i int) string { return "RDATE:" + day(i) + "\n" }),
		"overrides":        daily + many(4_000, override("")),
		"this and future":  daily + many(4_000, override(";RANGE=THISANDFUTURE")),
		"unknown zones":    "DTSTART:20260601T000000Z\n" + many(10_000, func(i int) string { return fmt.Sprintf("RDATE;TZID=no%d:20260601T000000\n", i) }),
		"zones":            "DTSTART:20260601T000000Z\n" + many(1_000, zone("")),
		"zones with rules": "DTSTART:20260601T000000Z\n" + many(300, zone("RRULE:FREQ=SECONDLY\n")),
		"rules":            "DTSTART:20200601T000000Z\n" + many(5_000, func(i int) string { return fmt.Sprintf("RRULE:FREQ=DAILY;INTERVAL=%d;BYDAY=MO\n", i+1) }),
		"a count":          "DTSTART:19700601T000000Z\nRRULE:FREQ=SECONDLY;BYMINUTE=1,2;COUNT=2000000000\n",
		"alarms":           daily + many(5_000, func(i int) string { return "BEGIN:VALARM\nTRIGGER:-P1D\nREPEAT:1000\nDURATION:PT1S\nEND:VALARM\n" }),
		"unfolding":        daily + "DESCRIPTION:" + strings.Repeat("x\n ", 1_000_000) + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			id := e.create("x")
			begin := time.Now()
			_, err := e.put(id, "1.ics", event("1", lines), calendar.Condition{})
			t.Logf("put: %v %v", time.Since(begin), err)
			r := &query.Range{Start: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC), End: time.Date(2026, 6, 8, 0, 0, 0, 0, time.UTC)}
			for _, c := range []query.CompFilter{
				{Name: "VEVENT", Range: r}, {Name: "VEVENT", Range: r, Props: []query.PropFilter{{Name: "X", IsNotDefined: true}}},
				{Name: "VEVENT", Comps: []query.CompFilter{{Name: "VALARM", Range: r}}},
			} {
				e.query(id, &query.Filter{Comp: query.CompFilter{Name: "VCALENDAR", Comps: []query.CompFilter{c}}}, nil)
			}
			c, err := ics.Parse([]byte(event("1", lines)), ics.DefaultLimits())
			if err == nil {
				for _, s := range []*query.Selection{{Expand: r}, {LimitRecurrence: r}} {
					_, err := s.Render(c, nil)
					t.Logf("render: %v %v", time.Since(begin), err)
				}
				query.FreeBusy(nil, c, *r, nil)
			}
			e.view(func(v *storage.View) error { _, err := calendar.ByUID(v, id, "none"); _ = err; return nil })
			if d := time.Since(begin); d > 30*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}
