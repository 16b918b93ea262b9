package calendar

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"atrium/calendar/ics"
)

const manyObjects = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\n" +
	"BEGIN:VTIMEZONE\r\nTZID:One\r\nBEGIN:STANDARD\r\nDTSTART:18000101T000000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n" +
	"BEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20260101T000000Z\r\nDTSTART;TZID=One:20260101T090000\r\nRRULE:FREQ=DAILY\r\nEND:VEVENT\r\n" +
	"BEGIN:VEVENT\r\nUID:b\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260101T090000Z\r\nX-Long: is kept\r\n  as it is\r\nEND:VEVENT\r\n" +
	"BEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20260101T000000Z\r\nRECURRENCE-ID;TZID=One:20260102T090000\r\nDTSTART;TZID=One:20260102T100000\r\nEND:VEVENT\r\n" +
	"END:VCALENDAR\r\n"

func TestSplit(t *testing.T) {
	list, err := Split([]byte(manyObjects), ics.DefaultLimits(), 10)
	if err != nil || len(list) != 2 {
		t.Fatalf("%d objects, %v", len(list), err)
	}
	a, b := string(list[0]), string(list[1])
	if strings.Count(a, "UID:a") != 2 || !strings.Contains(a, "TZID:One") || strings.Contains(a, "UID:b") {
		t.Errorf("the first object:\n%s", a)
	}
	if !strings.Contains(b, "X-Long: is kept\r\n  as it is\r\n") || strings.Contains(b, "VTIMEZONE") || !strings.Contains(b, "PRODID:-//x//EN") {
		t.Errorf("the second object:\n%s", b)
	}
	again, err := Split(list[0], ics.DefaultLimits(), 10)
	if err != nil || len(again) != 1 || !bytes.Equal(again[0], list[0]) {
		t.Errorf("a part is split again: %q, %v", again, err)
	}
	var e *ics.Error
	if _, err = Split([]byte(manyObjects), ics.DefaultLimits(), 1); !errors.As(err, &e) || e.Condition != ics.MaxResourceSize {
		t.Errorf("too many: %v", err)
	}
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte(manyObjects))
	f.Add([]byte("BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VEVENT\nBEGIN:VEVENT\nUID:1\nEND:VEVENT\nEND:VCALENDAR"))
	f.Fuzz(func(t *testing.T, b []byte) {
		limits := ics.DefaultLimits()
		list, err := Split(b, limits, 50)
		if err != nil || len(list) < 2 {
			return
		}
		for _, o := range list {
			if _, err := ics.Parse(o, limits); err != nil {
				t.Fatalf("%q: %v", o, err)
			}
		}
	})
}
