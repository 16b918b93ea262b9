package query

import (
	"strings"
	"testing"
	"time"

	"atrium/calendar/ics"
)

func TestAvailability(t *testing.T) {
	day := func(d, h int) time.Time { return time.Date(2026, 3, d, h, 0, 0, 0, time.UTC) }
	r := Range{Start: day(9, 0), End: day(11, 0)} // Monday and Tuesday
	for _, tc := range []struct{ name, text, want string }{
		{"office hours, RFC 7953 §6", `
BEGIN:VAVAILABILITY
UID:a
DTSTAMP:20260101T000000Z
BEGIN:AVAILABLE
UID:b
DTSTAMP:20260101T000000Z
DTSTART:20260105T090000Z
DTEND:20260105T170000Z
RRULE:FREQ=WEEKLY;BYDAY=MO,TU
END:AVAILABLE
END:VAVAILABILITY`, "09T00-09T09 BUSY-UNAVAILABLE, 09T17-10T09 BUSY-UNAVAILABLE, 10T17-11T00 BUSY-UNAVAILABLE"},
		{"a journey with a higher priority", `
BEGIN:VAVAILABILITY
UID:a
DTSTAMP:20260101T000000Z
BEGIN:AVAILABLE
UID:b
DTSTAMP:20260101T000000Z
DTSTART:20260101T000000Z
DTEND:20270101T000000Z
END:AVAILABLE
END:VAVAILABILITY
BEGIN:VAVAILABILITY
UID:c
DTSTAMP:20260101T000000Z
DTSTART:20260310T000000Z
DTEND:20260312T000000Z
PRIORITY:1
BUSYTYPE:BUSY
END:VAVAILABILITY`, "10T00-11T00 BUSY"},
		{"nothing is said about these days", `
BEGIN:VAVAILABILITY
UID:a
DTSTAMP:20260101T000000Z
DTSTART:20260401T000000Z
END:VAVAILABILITY`, ""},
	} {
		c, err := ics.Parse([]byte("BEGIN:VCALENDAR\nVERSION:2.0"+tc.text+"\nEND:VCALENDAR\n"), ics.DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, b := range Availability(c, r, nil) {
			got = append(got, b.Start.Format("02T15")+"-"+b.End.Format("02T15")+" "+b.Type.String())
		}
		if s := strings.Join(got, ", "); s != tc.want {
			t.Errorf("%s:\n%s, want\n%s", tc.name, s, tc.want)
		}
	}
}

func FuzzAvailability(f *testing.F) {
	f.Add("BEGIN:VAVAILABILITY\nBEGIN:AVAILABLE\nUID:b\nDTSTART:20260105T090000Z\nDTEND:20260105T170000Z\nRRULE:FREQ=DAILY\nEND:AVAILABLE\nEND:VAVAILABILITY")
	f.Add("BEGIN:VAVAILABILITY\nDTSTART:20260310T000000Z\nDURATION:P1D\nPRIORITY:9\nEND:VAVAILABILITY")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ics.Parse([]byte("BEGIN:VCALENDAR\n"+text+"\nEND:VCALENDAR\n"), ics.DefaultLimits())
		if err != nil {
			return
		}
		at := time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC)
		last := at
		for _, b := range Availability(c, Range{Start: at, End: at.AddDate(0, 1, 0)}, nil) {
			if b.Start.Before(last) || !b.Start.Before(b.End) {
				t.Errorf("%v to %v after %v", b.Start, b.End, last)
			}
			last = b.End
		}
	})
}
