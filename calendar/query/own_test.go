package query_test

import (
	"bytes"
	"strings"
	"testing"

	"atrium/calendar/ics"
	"atrium/calendar/query"
)

func event(lines ...string) string {
	return "BEGIN:VEVENT\r\nUID:u\r\n" + strings.Join(lines, "\r\n") + "\r\nEND:VEVENT\r\n"
}

func calendarOf(parts ...string) string {
	return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n" + strings.Join(parts, "") + "END:VCALENDAR\r\n"
}

const (
	alarmA   = "BEGIN:VALARM\r\nTRIGGER:-PT1M\r\nEND:VALARM"
	alarmB   = "BEGIN:VALARM\r\nTRIGGER:-PT2M\r\nEND:VALARM"
	daily    = "DTSTART:20260101T090000Z\r\nRRULE:FREQ=DAILY"
	instance = "RECURRENCE-ID:20260102T090000Z\r\nDTSTART:20260102T100000Z"
)

// TestOwn: base is what the owner has, sent is what another sends, shared what is stored, seen what the other has
// once the owner's is after.
func TestOwn(t *testing.T) {
	for _, tc := range []struct {
		name, base, sent, shared, after, seen string
	}{
		{
			name:   "alarms",
			base:   calendarOf(event("SUMMARY:a", alarmA)),
			sent:   calendarOf(event("SUMMARY:b", alarmB)),
			shared: calendarOf(event("SUMMARY:b", alarmA)),
			seen:   calendarOf(event("SUMMARY:b", alarmB)),
		},
		{
			name:   "TRANSP that is the same stays where it is",
			base:   calendarOf(event("TRANSP:OPAQUE", "SUMMARY:a", alarmA)),
			sent:   calendarOf(event("TRANSP:OPAQUE", "SUMMARY:b")),
			shared: calendarOf(event("TRANSP:OPAQUE", "SUMMARY:b", alarmA)),
			seen:   calendarOf(event("TRANSP:OPAQUE", "SUMMARY:b")),
		},
		{
			name:   "TRANSP that is one's own",
			base:   calendarOf(event("SUMMARY:a", "TRANSP:TRANSPARENT")),
			sent:   calendarOf(event("SUMMARY:b")),
			shared: calendarOf(event("SUMMARY:b", "TRANSP:TRANSPARENT")),
			seen:   calendarOf(event("SUMMARY:b", "TRANSP:OPAQUE")),
		},
		{
			name:   "an instance that the owner makes afterwards has the alarms of the series",
			base:   calendarOf(event(daily, alarmA)),
			sent:   calendarOf(event(daily, "X-MOZ-LASTACK:20260101T000000Z", alarmB)),
			shared: calendarOf(event(daily, alarmA)),
			after:  calendarOf(event(daily, alarmA), event(instance, alarmA)),
			seen:   calendarOf(event(daily, "X-MOZ-LASTACK:20260101T000000Z", alarmB), event(instance, "X-MOZ-LASTACK:20260101T000000Z", alarmB)),
		},
		{
			name:   "an instance that is made by who has no alarm there",
			base:   calendarOf(event(daily, alarmA)),
			sent:   calendarOf(event(daily, alarmB), event(instance)),
			shared: calendarOf(event(daily, alarmA), event(instance, alarmA)),
			seen:   calendarOf(event(daily, alarmB), event(instance)),
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			base, sent := parsed(t, tc.base), parsed(t, tc.sent)
			shared := string(query.Shared(sent, base))
			if shared != tc.shared {
				t.Errorf("shared:\n%s", shared)
			}
			after := parsed(t, shared)
			if tc.after != "" {
				after = parsed(t, tc.after)
			}
			own := query.Own(sent, base)
			var mine *ics.Calendar
			if own != nil {
				mine = parsed(t, string(own))
			}
			if seen := string(query.WithOwn(after, mine)); seen != tc.seen {
				t.Errorf("seen:\n%s\nown:\n%s", seen, own)
			}
		})
	}
	one, two := calendarOf(event("SUMMARY:a", "DTSTAMP:20260101T000000Z", alarmA)), calendarOf(event("DTSTAMP:20260102T000000Z", "SUMMARY:a", "TRANSP:TRANSPARENT"))
	if !query.SameShared(parsed(t, one), parsed(t, two)) || query.SameShared(parsed(t, one), parsed(t, strings.Replace(one, "SUMMARY:a", "SUMMARY:b", 1))) {
		t.Error("what is shared is the same, or is not")
	}
}

func parsed(t testing.TB, text string) *ics.Calendar {
	t.Helper()
	c, err := ics.Parse([]byte(text), ics.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// FuzzOwn: what one sends into another's calendar can be read in both its forms, the owner has none of
// the other's alarms and the other all that he sent.
func FuzzOwn(f *testing.F) {
	f.Add(calendarOf(event("SUMMARY:a", alarmA)), calendarOf(event("SUMMARY:b", "TRANSP:TRANSPARENT", alarmB)))
	f.Add(calendarOf(event(daily, alarmA), event(instance)), calendarOf(event(daily), event(instance, "X-MOZ-SNOOZE-TIME-1:20260101T000000Z", alarmB)))
	f.Add("BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VEVENT\nEND:VCALENDAR", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nBEGIN:VALARM\nEND:VALARM\nUID:u\nEND:VEVENT")
	f.Fuzz(func(t *testing.T, had, sent string) {
		read := func(text []byte) *ics.Calendar {
			c, err := ics.Parse(text, ics.DefaultLimits())
			if err != nil {
				t.Skip()
			}
			if _, err := ics.Validate(c); err != nil {
				t.Skip()
			}
			return c
		}
		base, c := read([]byte(had)), read([]byte(sent))
		again := func(text []byte) *ics.Calendar {
			c, err := ics.Parse(text, ics.Limits{Size: len(text), Depth: 100, Lines: 1 << 30})
			if err != nil {
				t.Fatalf("%v\n%q", err, text)
			}
			return c
		}
		shared := again(query.Shared(c, base))
		own := query.Own(c, base)
		var mine *ics.Calendar
		if own != nil {
			mine = again(own)
		}
		seen := again(query.WithOwn(shared, mine))
		if !query.SameShared(seen, c) || !query.SameShared(shared, c) {
			t.Fatalf("sent %q\nseen %q\nshared %q", sent, seen.Source, shared.Source)
		}
		if twice := query.WithOwn(seen, mine); !bytes.Equal(twice, []byte(seen.Source)) {
			t.Fatalf("seen %q\nand again %q", seen.Source, twice)
		}
	})
}
