package calendar_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"atrium/calendar"
	"atrium/calendar/ics"
	"atrium/calendar/query"
	"atrium/calendar/recur"
	"atrium/storage"
)

// TestNotQuiteLawful puts events as clients send them though RFC 5545 says
// otherwise: each is taken, kept octet by octet, and found at its time, which
// touches 2 March 2026 in Berlin and not the 20th.
func TestNotQuiteLawful(t *testing.T) {
	e := newEnv(t)
	id := e.create("odd", "VEVENT")
	berlin, _ := recur.LoadZone("Europe/Berlin")
	const nine = "DTSTART;TZID=Europe/Berlin:20260302T090000\n"
	for name, lines := range map[string]string{
		"a date without VALUE=DATE":               "DTSTART:20260302\nDTEND:20260303\n",
		"VALUE=DATE-TIME on a date":               "DTSTART;VALUE=DATE-TIME:20260302\n",
		"an all-day event that ends as it begins": "DTSTART;VALUE=DATE:20260302\nDTEND;VALUE=DATE:20260302\n",
		"an end before the start":                 nine + "DTEND;TZID=Europe/Berlin:20260302T080000\n",
		"an end of another kind":                  nine + "DTEND;VALUE=DATE:20260303\n",
		"end and duration":                        nine + "DTEND;TZID=Europe/Berlin:20260302T100000\nDURATION:PT1H\n",
		"a negative duration":                     nine + "DURATION:-PT1H\n",
		"weeks with days in a duration":           nine + "DURATION:P1W1D\n",
		"a zone in quotes":                        "DTSTART;TZID=\"Europe/Berlin\":20260302T090000\n",
		"a zone of Evolution":                     "DTSTART;TZID=/freeassociation.sourceforge.net/Europe/Berlin:20260302T090000\n",
		"a zone of Windows without VTIMEZONE":     "DTSTART;TZID=W. Europe Standard Time:20260302T090000\n",
		"a zone by its cities":                    "DTSTART;TZID=\"(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna\":20260302T090000\n",
		"a zone that nobody knows":                "DTSTART;TZID=Customized Time Zone 3:20260302T090000\n",
		"a zone and a Z":                          "DTSTART;TZID=Europe/Berlin:20260302T090000Z\n",
		"an empty zone":                           "DTSTART;TZID=:20260302T090000\n",
		"UNTIL as a date":                         nine + "RRULE:FREQ=DAILY;UNTIL=20260305\n",
		"UNTIL in local time":                     nine + "RRULE:FREQ=DAILY;UNTIL=20260305T090000\n",
		"UNTIL before the start":                  nine + "RRULE:FREQ=DAILY;UNTIL=20260101T000000Z\n",
		"UNTIL and COUNT":                         nine + "RRULE:FREQ=DAILY;UNTIL=20260305;COUNT=9\n",
		"a rule in lower case":                    nine + "RRULE:freq=weekly;byday=mo;count=2\n",
		"a semicolon after a rule":                nine + "RRULE:FREQ=WEEKLY;COUNT=2;\n",
		"blanks in a rule":                        nine + "RRULE:FREQ=WEEKLY; BYDAY=MO, TU; COUNT=2\n",
		"numbers in BYDAY of a week":              nine + "RRULE:FREQ=WEEKLY;BYDAY=1MO;COUNT=2\n",
		"BYMONTHDAY in a week":                    nine + "RRULE:FREQ=WEEKLY;BYMONTHDAY=2;COUNT=2\n",
		"an empty rule":                           nine + "RRULE:\n",
		"BYMONTH with a zero":                     nine + "RRULE:FREQ=YEARLY;BYMONTH=03;BYMONTHDAY=02;COUNT=2\n",
		"two rules":                               nine + "RRULE:FREQ=YEARLY;COUNT=2\nRRULE:FREQ=MONTHLY;COUNT=2\n",
		"an empty EXDATE":                         nine + "RRULE:FREQ=WEEKLY;COUNT=2\nEXDATE:\n",
		"EXDATE as a date":                        nine + "RRULE:FREQ=DAILY;COUNT=3\nEXDATE;VALUE=DATE:20260303\n",
		"the year 0 of Google":                    nine + "CREATED:00001231T000000Z\n",
		"no numbers":                              nine + "SEQUENCE:one\nPRIORITY:high\nGEO:here\nPERCENT-COMPLETE:\n",
		"an alarm without a trigger":              nine + "BEGIN:VALARM\nACTION:DISPLAY\nEND:VALARM\n",
		"an alarm that is none":                   nine + "BEGIN:VALARM\nTRIGGER:soon\nACTION:FOO\nEND:VALARM\n",
		"two of what is once":                     nine + "SUMMARY:a\nSUMMARY:b\nSTATUS:MAYBE\nTRANSP:FOO\n",
		"names with an underscore":                nine + "X_FOO_BAR;A_B=1:x\n",
		"addresses without a scheme":              nine + "ORGANIZER:ada@example.org\nATTENDEE;CN=\"A\\\"B\":MAILTO:b@example.org\nATTENDEE:\n",
		"text that is not escaped":                nine + "SUMMARY:a, b; c \\x \\\nLOCATION:C:\\dir\n",
	} {
		text := event("u"+name, lines)
		entry, err := e.put(id, name+".ics", text, calendar.Condition{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		e.view(func(v *storage.View) error {
			got, err := calendar.Peek(context.Background(), v, e.blobs, entry.Object)
			if string(got) != text {
				t.Errorf("%s is kept as %q", name, got)
			}
			return err
		})
		found := func(mday int) bool {
			at := time.Date(2026, 3, mday, 0, 0, 0, 0, time.UTC)
			r := &query.Range{Start: at.Add(-time.Hour), End: at.Add(23 * time.Hour)}
			f := &query.Filter{Comp: query.CompFilter{Name: "VCALENDAR", Comps: []query.CompFilter{{Name: "VEVENT", Range: r}}}}
			return slices.Contains(e.query(id, f, berlin), name+".ics")
		}
		if !found(2) || found(20) {
			t.Errorf("%s: found on the 2nd %v, on the 20th %v", name, found(2), found(20))
		}
	}
	// What says nothing of when it is, or might mean anything, is refused (RFC 4791 §5.3.2.1).
	for name, lines := range map[string]string{
		"INTERVAL=0":                    nine + "RRULE:FREQ=WEEKLY;INTERVAL=0;COUNT=2\n",
		"an empty duration":             nine + "DURATION:PT\n",
		"COUNT=0":                       nine + "RRULE:FREQ=WEEKLY;COUNT=0\n",
		"a rule part that nobody knows": nine + "RRULE:FREQ=YEARLY;FOO=1;COUNT=2\n",
		"RDATE that is none":            nine + "RDATE:never,20260304T080000Z\n",
		"no FREQ":                       nine + "RRULE:INTERVAL=1\n",
		"EXDATE that is none":           nine + "RRULE:FREQ=DAILY;COUNT=3\nEXDATE:never\n",
	} {
		if _, err := e.put(id, "bad.ics", event("bad", lines), calendar.Condition{}); !errors.Is(err, ics.ValidData) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
