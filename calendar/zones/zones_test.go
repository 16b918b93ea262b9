package zones

import (
	"strings"
	"testing"
	"time"

	"atrium/calendar/query"
)

// TestVTimezone holds every VTIMEZONE against the data that it was made from, as a client reads
// it: at each change, just before and after, and far into the years of its last rules.
func TestVTimezone(t *testing.T) {
	long := 0
	for _, z := range All() {
		text, ok := VTimezone(z.ID)
		if !ok {
			t.Fatalf("%s: no VTIMEZONE", z.ID)
		}
		long = max(long, len(text))
		read, err := query.ZoneOf([]byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\n" + text + "END:VCALENDAR\r\n"))
		if err != nil {
			t.Errorf("%s: %v\n%s", z.ID, err, text)
			continue
		}
		loc, err := time.LoadLocation(z.ID)
		if err != nil {
			t.Fatal(err)
		}
		check := func(unix int64) bool {
			_, want := time.Unix(unix, 0).In(loc).Zone()
			if got := read.Offset(unix); got != want {
				t.Errorf("%s at %v: %d, want %d\n%s", z.ID, time.Unix(unix, 0).UTC(), got, want, text)
				return false
			}
			return true
		}
		for _, o := range Onsets(z.ID, 0, time.Date(lastYear+1, 1, 1, 0, 0, 0, 0, time.UTC).Unix()) {
			if !check(o.At-1) || !check(o.At) || !check(o.At+1) {
				break
			}
		}
		switch z.ID {
		case "Africa/Casablanca", "Africa/El_Aaiun", "Asia/Gaza", "Asia/Hebron":
			continue // by the moon, told year by year
		}
		for year := lastYear + 1; year < 2060; year++ {
			for month := time.January; month <= time.December; month++ {
				if !check(time.Date(year, month, 15, 12, 0, 0, 0, time.UTC).Unix()) {
					return
				}
			}
		}
	}
	if long > 16<<10 {
		t.Errorf("the longest has %d bytes", long)
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{"Europe/Berlin": "Europe/Berlin", "us/eastern": "America/New_York", "Asia/Calcutta": "Asia/Kolkata", "Nowhere/Town": ""} {
		if got, ok := Canonical(name); got != want || ok != (want != "") {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	text, _ := VTimezone("us/eastern")
	if !strings.Contains(text, "TZID:US/Eastern\r\n") || !strings.Contains(text, "TZID-ALIAS-OF:America/New_York\r\n") || !strings.Contains(text, "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU\r\n") {
		t.Errorf("US/Eastern is\n%s", text)
	}
	for _, z := range All() {
		if _, err := time.LoadLocation(z.ID); err != nil {
			t.Errorf("%s: %v", z.ID, err)
		}
	}
}
