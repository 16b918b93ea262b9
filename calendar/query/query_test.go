package query

import (
	"errors"
	"strings"
	"testing"
	"time"

	"atrium/calendar/ics"
	"atrium/calendar/recur"
)

func parse(t testing.TB, text string) *ics.Calendar {
	t.Helper()
	c, err := ics.Parse([]byte(strings.ReplaceAll(text, "\n", "\r\n")), ics.DefaultLimits())
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c
}

func wrap(kind, lines string) string {
	return "BEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:" + kind + "\nUID:1\n" + lines + "END:" + kind + "\nEND:VCALENDAR\n"
}

func rng(t testing.TB, s string) *Range {
	t.Helper()
	start, end, _ := strings.Cut(s, "/")
	r, err := ParseRange(start, end, true)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func filter(comps ...CompFilter) *Filter {
	return &Filter{CompFilter{Name: "VCALENDAR", Comps: comps}}
}

// The tables of RFC 4791 §9.9, at their borders. The range is 10:00 to 12:00
// unless the case has its own.
func TestTimeRangeTables(t *testing.T) {
	const d = "20260601T"
	for _, tc := range []struct {
		kind, lines, in string
		want            bool
	}{
		{"VEVENT", "DTSTART:20260601T100000Z\nDTEND:20260601T120000Z\n", "", true}, // equal to the range
		{"VEVENT", "DTSTART:20260601T090000Z\nDTEND:20260601T100000Z\n", "", false},
		{"VEVENT", "DTSTART:20260601T090000Z\nDTEND:20260601T100001Z\n", "", true},
		{"VEVENT", "DTSTART:20260601T120000Z\nDTEND:20260601T130000Z\n", "", false},
		{"VEVENT", "DTSTART:20260601T115959Z\nDTEND:20260601T130000Z\n", "", true},
		{"VEVENT", "DTSTART:20260501T115959Z\nDTEND:20260701T130000Z\n", "", true},
		{"VEVENT", "DTSTART:20260601T090000Z\nDURATION:PT1H\n", "", false},
		{"VEVENT", "DTSTART:20260601T090000Z\nDURATION:PT61M\n", "", true},
		{"VEVENT", "DTSTART:20260601T100000Z\nDURATION:PT0S\n", "", true},
		{"VEVENT", "DTSTART:20260601T100000Z\n", "", true},
		{"VEVENT", "DTSTART:20260601T120000Z\n", "", false},
		{"VEVENT", "DTSTART:20260601T095959Z\n", "", false},
		{"VEVENT", "DTSTART;VALUE=DATE:20260601\n", "", true},
		{"VEVENT", "DTSTART;VALUE=DATE:20260531\n", "", false},
		{"VEVENT", "DTSTART;VALUE=DATE:20260531\nDTEND;VALUE=DATE:20260602\n", "", true},
		{"VEVENT", "DTSTART:20260601T100000Z\nDTEND:20260601T120000Z\n", "/20260601T100000Z", false},
		{"VEVENT", "DTSTART:20260601T100000Z\nDTEND:20260601T120000Z\n", "20260601T115959Z/", true},
		{"VEVENT", "DTSTART:20260601T100000Z\nDTEND:20260601T120000Z\n", "20260601T120000Z/", false},
		{"VEVENT", "DTSTART;TZID=Europe/Berlin:20260601T135959\nDURATION:PT1H\n", "", true},
		{"VEVENT", "DTSTART;TZID=Europe/Berlin:20260601T140000\nDURATION:PT1H\n", "", false},
		{"VEVENT", "DTSTART:20200601T110000Z\nDURATION:PT1H\nRRULE:FREQ=YEARLY\n", "", true},
		{"VEVENT", "DTSTART:20200601T110000Z\nDURATION:PT1H\nRRULE:FREQ=YEARLY\nEXDATE:20260601T110000Z\n", "", false},
		{"VEVENT", "DTSTART:20200101T110000Z\nRDATE;VALUE=PERIOD:20260601T080000Z/PT3H\n", "", true},
		{"VEVENT", "DTSTART:20200101T110000Z\nRDATE;VALUE=PERIOD:20260601T080000Z/20260601T090000Z\n", "", false},

		{"VTODO", "DTSTART:20260601T090000Z\nDURATION:PT1H\n", "", true}, // start <= end of it
		{"VTODO", "DTSTART:20260601T080000Z\nDURATION:PT1H\n", "", false},
		{"VTODO", "DTSTART:20260601T120000Z\nDURATION:PT1H\n", "", false},
		{"VTODO", "DTSTART:20260601T090000Z\nDUE:20260601T100000Z\n", "", false},
		{"VTODO", "DTSTART:20260601T090000Z\nDUE:20260601T100001Z\n", "", true},
		{"VTODO", "DTSTART:20260601T100000Z\nDUE:20260601T100000Z\n", "", true},
		{"VTODO", "DTSTART:20260601T100000Z\n", "", true},
		{"VTODO", "DTSTART:20260601T120000Z\n", "", false},
		{"VTODO", "DUE:20260601T100000Z\n", "", false},
		{"VTODO", "DUE:20260601T100001Z\n", "", true},
		{"VTODO", "DUE:20260601T120000Z\n", "", true},
		{"VTODO", "DUE:20260601T120001Z\n", "", false},
		{"VTODO", "CREATED:20260601T090000Z\nCOMPLETED:20260601T130000Z\n", "", true},
		{"VTODO", "CREATED:20260601T080000Z\nCOMPLETED:20260601T090000Z\n", "", false},
		{"VTODO", "COMPLETED:20260601T100000Z\n", "", true},
		{"VTODO", "COMPLETED:20260601T095959Z\n", "", false},
		{"VTODO", "CREATED:20200601T095959Z\n", "", true},
		{"VTODO", "CREATED:20260601T120000Z\n", "", false},
		{"VTODO", "SUMMARY:any time\n", "", true},

		{"VJOURNAL", "DTSTART:20260601T100000Z\n", "", true},
		{"VJOURNAL", "DTSTART:20260601T120000Z\n", "", false},
		{"VJOURNAL", "DTSTART;VALUE=DATE:20260601\n", "", true},
		{"VJOURNAL", "SUMMARY:never\n", "", false},

		{"VFREEBUSY", "DTSTART:20260601T120000Z\nDTEND:20260601T130000Z\n", "", false},
		{"VFREEBUSY", "DTSTART:20260601T090000Z\nDTEND:20260601T100000Z\n", "", true},
		{"VFREEBUSY", "FREEBUSY:20260601T090000Z/PT1H,20260601T110000Z/PT1H\n", "", true},
		{"VFREEBUSY", "FREEBUSY:20260601T090000Z/PT1H\n", "", false},
		{"VFREEBUSY", "COMMENT:x\n", "", false},
	} {
		in := tc.in
		if in == "" {
			in = d + "100000Z/" + d + "120000Z"
		}
		f := filter(CompFilter{Name: tc.kind, Range: rng(t, in)})
		if got := f.Match(parse(t, wrap(tc.kind, tc.lines)), nil); got != tc.want {
			t.Errorf("%s in %s\n%sgot %v", tc.kind, in, tc.lines, got)
		}
	}
}

func TestAlarms(t *testing.T) {
	alarm := func(lines string) string { return "BEGIN:VALARM\nACTION:DISPLAY\n" + lines + "END:VALARM\n" }
	for _, tc := range []struct {
		lines string
		want  bool
	}{
		{"DTSTART:20260601T110000Z\nDTEND:20260601T130000Z\n" + alarm("TRIGGER:-PT30M\n"), true},
		{"DTSTART:20260601T110000Z\nDTEND:20260601T130000Z\n" + alarm("TRIGGER:-PT61M\n"), false},
		{"DTSTART:20260601T110000Z\nDTEND:20260601T130000Z\n" + alarm("TRIGGER;RELATED=END:-PT90M\n"), true},
		{"DTSTART:20260601T110000Z\nDTEND:20260601T130000Z\n" + alarm("TRIGGER;RELATED=END:PT0S\n"), false},
		{"DTSTART:20260610T110000Z\n" + alarm("TRIGGER;VALUE=DATE-TIME:20260601T100000Z\n"), true},
		{"DTSTART:20260610T110000Z\n" + alarm("TRIGGER;VALUE=DATE-TIME:20260601T120000Z\n"), false},
		{"DTSTART:20260601T090000Z\n" + alarm("TRIGGER:PT0S\nREPEAT:3\nDURATION:PT30M\n"), true},
		{"DTSTART:20260601T090000Z\n" + alarm("TRIGGER:PT0S\nREPEAT:1\nDURATION:PT30M\n"), false},
		{"DTSTART:20200601T113000Z\nRRULE:FREQ=DAILY\n" + alarm("TRIGGER:-PT1H\n"), true},
		{"DTSTART:20200601T133000Z\nRRULE:FREQ=DAILY\n" + alarm("TRIGGER:-P1DT2H\n"), true},
		{"DTSTART:20200601T133000Z\nRRULE:FREQ=DAILY\n" + alarm("TRIGGER:nonsense\n"), false},
	} {
		f := filter(CompFilter{Name: "VEVENT", Comps: []CompFilter{{Name: "VALARM", Range: rng(t, "20260601T100000Z/20260601T120000Z")}}})
		if got := f.Match(parse(t, wrap("VEVENT", tc.lines)), nil); got != tc.want {
			t.Errorf("%sgot %v", tc.lines, got)
		}
	}
}

func TestFilters(t *testing.T) {
	text := wrap("VEVENT", "DTSTART:20260601T100000Z\nSUMMARY;LANGUAGE=en:Lunch\\, with Ädä\nATTENDEE;PARTSTAT=NEEDS-ACTION;CN=\"Ada, L\":mailto:ada@example.org\nATTENDEE;PARTSTAT=ACCEPTED:mailto:bob@example.org\n")
	prop := func(p PropFilter) *Filter { return filter(CompFilter{Name: "VEVENT", Props: []PropFilter{p}}) }
	tm := func(s, collation string, negate bool) *TextMatch { return &TextMatch{s, collation, negate} }
	for name, tc := range map[string]struct {
		f    *Filter
		want bool
	}{
		"nothing asked":              {filter(), true},
		"component":                  {filter(CompFilter{Name: "VEVENT"}), true},
		"another":                    {filter(CompFilter{Name: "VTODO"}), false},
		"not another":                {filter(CompFilter{Name: "VTODO", IsNotDefined: true}), true},
		"not this":                   {filter(CompFilter{Name: "VEVENT", IsNotDefined: true}), false},
		"no alarm":                   {filter(CompFilter{Name: "VEVENT", Comps: []CompFilter{{Name: "VALARM", IsNotDefined: true}}}), true},
		"property":                   {prop(PropFilter{Name: "SUMMARY"}), true},
		"no such property":           {prop(PropFilter{Name: "LOCATION"}), false},
		"is not defined":             {prop(PropFilter{Name: "LOCATION", IsNotDefined: true}), true},
		"is defined":                 {prop(PropFilter{Name: "SUMMARY", IsNotDefined: true}), false},
		"text by ascii-casemap":      {prop(PropFilter{Name: "SUMMARY", Text: tm("LUNCH, W", "", false)}), true},
		"non-ASCII by ascii-casemap": {prop(PropFilter{Name: "SUMMARY", Text: tm("ädÄ", "i;ascii-casemap", false)}), false},
		"by unicode-casemap":         {prop(PropFilter{Name: "SUMMARY", Text: tm("äDÄ", "i;unicode-casemap", false)}), true},
		"by octet":                   {prop(PropFilter{Name: "SUMMARY", Text: tm("lunch", "i;octet", false)}), false},
		"negated":                    {prop(PropFilter{Name: "SUMMARY", Text: tm("dinner", "", true)}), true},
		"one of two attendees":       {prop(PropFilter{Name: "ATTENDEE", Text: tm("mailto:ada@", "", false), Params: []ParamFilter{{Name: "PARTSTAT", Text: tm("needs-action", "", false)}}}), true},
		"not of the same one":        {prop(PropFilter{Name: "ATTENDEE", Text: tm("mailto:bob@", "", false), Params: []ParamFilter{{Name: "PARTSTAT", Text: tm("needs-action", "", false)}}}), false},
		"parameter":                  {prop(PropFilter{Name: "SUMMARY", Params: []ParamFilter{{Name: "LANGUAGE"}}}), true},
		"no parameter":               {prop(PropFilter{Name: "SUMMARY", Params: []ParamFilter{{Name: "LANGUAGE", IsNotDefined: true}}}), false},
		"property's time":            {prop(PropFilter{Name: "DTSTART", Range: rng(t, "20260601T100000Z/20260601T100001Z")}), true},
		"property's time outside":    {prop(PropFilter{Name: "DTSTART", Range: rng(t, "20260601T100001Z/")}), false},
		"two":                        {filter(CompFilter{Name: "VEVENT", Any: true, Props: []PropFilter{{Name: "LOCATION"}, {Name: "SUMMARY"}}}), true},
	} {
		if err := tc.f.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := tc.f.Match(parse(t, text), nil); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	for name, tc := range map[string]struct {
		f    *Filter
		want ics.Condition
	}{
		"no VCALENDAR": {&Filter{CompFilter{Name: "VEVENT"}}, ics.ValidFilter},
		"collation":    {prop(PropFilter{Name: "SUMMARY", Text: tm("x", "i;basic", false)}), ics.SupportedCollation},
		"both":         {prop(PropFilter{Name: "SUMMARY", IsNotDefined: true, Text: tm("x", "", false)}), ics.ValidFilter},
		"zone's time":  {filter(CompFilter{Name: "VTIMEZONE", Range: rng(t, "20260601T100001Z/")}), ics.SupportedFilter},
	} {
		if err := tc.f.Validate(); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, bad := range []string{"/", "20260601/20260602", "20260601T100000/20260601T110000", "20260602T000000Z/20260601T000000Z", "x/"} {
		a, b, _ := strings.Cut(bad, "/")
		if _, err := ParseRange(a, b, true); !errors.Is(err, ics.ValidFilter) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if _, err := ParseRange("20260601T000000Z", "", false); !errors.Is(err, ics.ValidFilter) {
		t.Error(err)
	}
}

// A property is looked for in the component whose instance is in the range.
func TestTheRightComponentMatches(t *testing.T) {
	c := parse(t, "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART:20260601T100000Z\nRRULE:FREQ=DAILY;COUNT=3\nSUMMARY:plain\nEND:VEVENT\n"+
		"BEGIN:VEVENT\nUID:1\nRECURRENCE-ID:20260602T100000Z\nDTSTART:20260602T150000Z\nSUMMARY:moved\nEND:VEVENT\nEND:VCALENDAR\n")
	for _, tc := range []struct {
		day, word string
		want      bool
	}{{"01", "plain", true}, {"01", "moved", false}, {"02", "moved", true}, {"02", "plain", false}, {"03", "plain", true}, {"04", "plain", false}} {
		f := filter(CompFilter{Name: "VEVENT", Range: rng(t, "202606"+tc.day+"T000000Z/202606"+tc.day+"T235959Z"), Props: []PropFilter{{Name: "SUMMARY", Text: &TextMatch{Text: tc.word}}}})
		if got := f.Match(c, nil); got != tc.want {
			t.Errorf("%v: %v", tc, got)
		}
	}
}

func TestFloatingTimesByZone(t *testing.T) {
	berlin, _ := recur.LoadZone("Europe/Berlin")
	c := parse(t, wrap("VEVENT", "DTSTART:20260601T100000\nDTEND:20260601T110000\n"))
	day := parse(t, wrap("VEVENT", "DTSTART;VALUE=DATE:20260601\n"))
	f := filter(CompFilter{Name: "VEVENT", Range: rng(t, "20260601T080000Z/20260601T090000Z")})
	early := filter(CompFilter{Name: "VEVENT", Range: rng(t, "20260531T220000Z/20260531T230000Z")})
	if f.Match(c, nil) || !f.Match(c, berlin) || early.Match(day, nil) || !early.Match(day, berlin) {
		t.Error("zones are not looked at")
	}
}

const series = `BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Example//EN
BEGIN:VTIMEZONE
TZID:US/Eastern
BEGIN:DAYLIGHT
DTSTART:20000404T020000
RRULE:FREQ=YEARLY;BYDAY=1SU;BYMONTH=4
TZNAME:EDT
TZOFFSETFROM:-0500
TZOFFSETTO:-0400
END:DAYLIGHT
BEGIN:STANDARD
DTSTART:20001026T020000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
TZNAME:EST
TZOFFSETFROM:-0400
TZOFFSETTO:-0500
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
DTSTAMP:20060206T001121Z
DTSTART;TZID=US/Eastern:20060102T120000
DURATION:PT1H
RRULE:FREQ=DAILY;COUNT=5
SUMMARY:Event #2
UID:00959BC664CA650E933C892C@example.com
END:VEVENT
BEGIN:VEVENT
DTSTAMP:20060206T001121Z
DTSTART;TZID=US/Eastern:20060104T140000
DURATION:PT1H
RECURRENCE-ID;TZID=US/Eastern:20060104T120000
SUMMARY:Event #2 bis
UID:00959BC664CA650E933C892C@example.com
END:VEVENT
BEGIN:VEVENT
DTSTAMP:20060206T001121Z
DTSTART;TZID=US/Eastern:20060106T140000
DURATION:PT1H
RECURRENCE-ID;TZID=US/Eastern:20060106T120000
SUMMARY:Event #2 bis bis
UID:00959BC664CA650E933C892C@example.com
END:VEVENT
END:VCALENDAR
`

// The example of RFC 4791 §7.8.3.
func TestExpand(t *testing.T) {
	s := &Selection{Expand: rng(t, "20060103T000000Z/20060105T000000Z")}
	got, err := s.Render(parse(t, series), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll(`BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Example//EN
BEGIN:VEVENT
DTSTAMP:20060206T001121Z
DTSTART:20060103T170000Z
RECURRENCE-ID:20060103T170000Z
DURATION:PT1H
SUMMARY:Event #2
UID:00959BC664CA650E933C892C@example.com
END:VEVENT
BEGIN:VEVENT
DTSTAMP:20060206T001121Z
DTSTART:20060104T190000Z
RECURRENCE-ID:20060104T170000Z
DURATION:PT1H
SUMMARY:Event #2 bis
UID:00959BC664CA650E933C892C@example.com
END:VEVENT
END:VCALENDAR
`, "\n", "\r\n")
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	day := parse(t, wrap("VEVENT", "DTSTART;VALUE=DATE:20060101\nDTEND;VALUE=DATE:20060102\nRRULE:FREQ=WEEKLY\nSUMMARY:all day\n"))
	berlin, _ := recur.LoadZone("Europe/Berlin")
	got, err = (&Selection{Expand: rng(t, "20060107T230000Z/20060108T100000Z")}).Render(day, berlin)
	if err != nil || strings.Count(string(got), "BEGIN:VEVENT") != 1 || !strings.Contains(string(got), "DTSTART;VALUE=DATE:20060108\r\nRECURRENCE-ID;VALUE=DATE:20060108\r\nDTEND;VALUE=DATE:20060109\r\n") {
		t.Errorf("%v\n%s", err, got)
	}
	floating := parse(t, wrap("VEVENT", "DTSTART:20060101T100000\nDTEND:20060101T110000\n"))
	got, err = (&Selection{Expand: rng(t, "20060101T000000Z/20060102T000000Z")}).Render(floating, berlin)
	if err != nil || !strings.Contains(string(got), "DTSTART:20060101T090000Z\r\nDTEND:20060101T100000Z\r\n") || strings.Contains(string(got), "RECURRENCE-ID") {
		t.Errorf("%v\n%s", err, got)
	}
	hostile := parse(t, wrap("VEVENT", "DTSTART:20060101T100000Z\nRRULE:FREQ=SECONDLY\n"))
	if _, err := (&Selection{Expand: rng(t, "20060101T000000Z/20090102T000000Z")}).Render(hostile, nil); !errors.Is(err, ics.MaxInstances) {
		t.Error(err)
	}
}

func TestLimitRecurrence(t *testing.T) {
	for _, tc := range []struct{ in, want, not string }{
		{"20060103T000000Z/20060105T000000Z", "Event #2 bis\r\n", "bis bis"},
		{"20060106T000000Z/20060106T180000Z", "bis bis", "Event #2 bis\r\n"},
		{"20060201T000000Z/20060202T000000Z", "RRULE:FREQ=DAILY;COUNT=5\r\n", "bis"},
	} {
		got, err := (&Selection{LimitRecurrence: rng(t, tc.in)}).Render(parse(t, series), nil)
		if err != nil || !strings.Contains(string(got), tc.want) || strings.Contains(string(got), tc.not) || !strings.Contains(string(got), "BEGIN:VTIMEZONE") {
			t.Errorf("%s: %v\n%s", tc.in, err, got)
		}
	}
}

func TestLimitFreeBusy(t *testing.T) {
	c := parse(t, wrap("VFREEBUSY", "FREEBUSY;FBTYPE=BUSY:20060102T100000Z/PT1H,20060103T100000Z/20060103T110000Z\nFREEBUSY:20060104T100000Z/PT1H\n"))
	got, err := (&Selection{LimitFreeBusy: rng(t, "20060103T000000Z/20060104T000000Z")}).Render(c, nil)
	if err != nil || !strings.Contains(string(got), "FREEBUSY;FBTYPE=BUSY:20060103T100000Z/20060103T110000Z\r\n") || strings.Contains(string(got), "0102") || strings.Contains(string(got), "0104T") {
		t.Errorf("%v\n%s", err, got)
	}
}

// The example of RFC 4791 §7.8.1, and what else may be chosen.
func TestPartialData(t *testing.T) {
	s := &Selection{Comp: &CompSelect{Name: "VCALENDAR", Props: []PropSelect{{Name: "VERSION"}}, Comps: []CompSelect{
		{Name: "VEVENT", Props: []PropSelect{{Name: "SUMMARY"}, {Name: "UID"}, {Name: "RRULE", NoValue: true}}}}}}
	got, err := s.Render(parse(t, series), nil)
	want := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nRRULE:\r\nSUMMARY:Event #2\r\nUID:00959BC664CA650E933C892C@example.com\r\nEND:VEVENT\r\n"
	if err != nil || !strings.HasPrefix(string(got), want) || strings.Contains(string(got), "VTIMEZONE") {
		t.Errorf("%v\n%s", err, got)
	}
	all := &Selection{Comp: &CompSelect{Name: "VCALENDAR", AllProps: true, AllComps: true}}
	got, err = all.Render(parse(t, series), nil)
	if err != nil || string(got) != strings.ReplaceAll(series, "\n", "\r\n") {
		t.Errorf("%v\n%s", err, got)
	}
	empty := &Selection{Comp: &CompSelect{Name: "VCALENDAR"}}
	got, err = empty.Render(parse(t, series), nil)
	if err != nil || string(got) != strings.ReplaceAll(series, "\n", "\r\n") {
		t.Errorf("%v\n%s", err, got)
	}
	got, err = (&Selection{}).Render(parse(t, series), nil)
	if err != nil || string(got) != strings.ReplaceAll(series, "\n", "\r\n") {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestFreeBusy(t *testing.T) {
	at := func(h int) time.Time { return time.Date(2026, 6, 1, h, 0, 0, 0, time.UTC) }
	var busy []Busy
	for _, text := range []string{
		wrap("VEVENT", "DTSTART:20260601T080000Z\nDTEND:20260601T110000Z\n"),
		wrap("VEVENT", "DTSTART:20260601T100000Z\nDTEND:20260601T130000Z\nSTATUS:TENTATIVE\n"),
		wrap("VEVENT", "DTSTART:20260601T150000Z\nDTEND:20260601T160000Z\nSTATUS:CANCELLED\n"),
		wrap("VEVENT", "DTSTART:20260601T150000Z\nDTEND:20260601T160000Z\nTRANSP:TRANSPARENT\n"),
		wrap("VEVENT", "DTSTART:20260501T160000Z\nDTEND:20260501T180000Z\nRRULE:FREQ=DAILY\n"),
		wrap("VFREEBUSY", "FREEBUSY;FBTYPE=BUSY-UNAVAILABLE:20260601T130000Z/PT1H\nFREEBUSY;FBTYPE=FREE:20260601T140000Z/PT1H\n"),
		wrap("VTODO", "DTSTART:20260601T140000Z\nDUE:20260601T150000Z\n"),
	} {
		busy = FreeBusy(busy, parse(t, text), Range{at(9), at(17)}, nil)
	}
	busy = Merge(busy)
	want := []Busy{{at(9), at(11), BusyTime}, {at(11), at(13), Tentative}, {at(13), at(14), Unavailable}, {at(16), at(17), BusyTime}}
	if len(busy) != len(want) {
		t.Fatalf("%v", busy)
	}
	for i := range want {
		if busy[i] != want[i] {
			t.Errorf("%v, want %v", busy[i], want[i])
		}
	}
	out := string(WriteFreeBusy(busy, Range{at(9), at(17)}, at(1), "REPLY", "UID:x", "ORGANIZER:mailto:a@example.org"))
	c := parse(t, strings.ReplaceAll(out, "\r\n", "\n"))
	fb := c.Main()[0]
	if fb.Name != "VFREEBUSY" || fb.Value("DTSTART") != "20260601T090000Z" || !strings.Contains(out, "FREEBUSY;FBTYPE=BUSY:20260601T090000Z/20260601T110000Z,20260601T160000Z/202\r\n 60601T170000Z\r\n") {
		t.Errorf("%s", out)
	}
}

// What clients write and what must not break a query.
func TestOddObjects(t *testing.T) {
	f := filter(CompFilter{Name: "VEVENT", Range: rng(t, "20260601T000000Z/20260602T000000Z")})
	for _, lines := range []string{
		"DTSTART:20260601T100000Z\nDTEND;VALUE=DATE:20260602\n",
		"DTSTART;TZID=Europe/Berlin:20260601T100000\nDTEND;VALUE=DATE:20260602\n",
		"DTSTART:20260601T100000\nDTEND:20260601T110000Z\n",
		"DTSTART:20260601T100000Z\nDTEND;TZID=Europe/Berlin:20260601T130000\n",
		"DTSTART:20260601T100000Z\nDTEND:20260601T090000Z\n",
		"DTSTART;VALUE=DATE:20260601\nDTEND:20260601T090000Z\n",
		"DTSTART;VALUE=DATE:20260601\nDURATION:PT1H\n",
		"DTSTART;VALUE=DATE:20260601\nDTEND;VALUE=DATE:20260601\n",
		"DTSTART:20260601T100000Z\nRDATE:\n",
		"DTSTART:20260601T100000Z\nEXDATE:\nRRULE:FREQ=SECONDLY\n",
		"DTSTART;TZID=\"Kuala Lumpur, Singapore\":20260601T100000\n",
		"DTSTART;TZID=Customized Time Zone:20260601T100000\n",
		"DTSTART;TZID= :20260601T100000\n",
		"DTSTART;TZID=:20260601T100000\n",
		"DTSTART;TZID=W. Europe Standard Time:20260601T100000\n",
		"DTSTART:20260601T100000Z\nRRULE:RSCALE=GREGORIAN;FREQ=YEARLY;SKIP=FORWARD\n",
		"DTSTART:20260601T100000Z\nRRULE:FREQ=WEEKLY;\n",
		"DTSTART:20260101T100000Z\nRDATE;VALUE=PERIOD:20260601T100000Z/PT1H\n",
		"DTSTART:20260101T100000Z\nRDATE;VALUE=DATE:20260601\n",
		"RECURRENCE-ID:20260501T100000Z\nDTSTART:20260601T100000Z\n",
	} {
		c := parse(t, wrap("VEVENT", lines))
		if _, err := NewSeries(c); err != nil {
			t.Errorf("%s%v", lines, err)
		}
		if !f.Match(c, nil) {
			t.Errorf("%sdoes not match", lines)
		}
		if _, err := (&Selection{Expand: rng(t, "20260601T000000Z/20260601T110000Z")}).Render(c, nil); err != nil && !errors.Is(err, ics.MaxInstances) {
			t.Errorf("%s%v", lines, err)
		}
	}
}

func FuzzQuery(f *testing.F) {
	f.Add([]byte(series))
	f.Add([]byte(wrap("VTODO", "DUE:20260601T100000Z\nRRULE:FREQ=DAILY\nBEGIN:VALARM\nTRIGGER:-PT1H\nEND:VALARM\n")))
	f.Add([]byte(wrap("VEVENT", "DTSTART;TZID=x:20260601T100000\nRDATE;VALUE=PERIOD:20060101T000000Z/P1D\n")))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := ics.Parse(raw, ics.DefaultLimits())
		if err != nil {
			return
		}
		if _, err := ics.Validate(c); err != nil {
			return
		}
		r := &Range{time.Date(2006, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2006, 2, 1, 0, 0, 0, 0, time.UTC)}
		for _, kind := range ranged {
			filter(CompFilter{Name: kind, Range: r, Props: []PropFilter{{Name: "SUMMARY", Text: &TextMatch{Text: "x"}}}, Comps: []CompFilter{{Name: "VALARM", Range: r}}}).Match(c, nil)
		}
		for _, s := range []*Selection{{Expand: r}, {LimitRecurrence: r}, {LimitFreeBusy: r}, {Comp: &CompSelect{Name: "VCALENDAR", AllProps: true, AllComps: true}}} {
			out, err := s.Render(c, nil)
			if err != nil {
				continue
			}
			if _, err := ics.Parse(out, ics.Limits{Size: 1 << 30, Depth: 20, Lines: 1 << 30}); err != nil {
				t.Fatalf("%v\n%q", err, out)
			}
		}
		FreeBusy(nil, c, *r, nil)
	})
}
