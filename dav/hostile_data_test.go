package dav_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"atrium/dav/davtest"
)

// times are n points in time, a good half an hour apart, in UTC.
func times(n int) []string {
	out := make([]string, n)
	at := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range out {
		out[i] = at.Add(time.Duration(i) * 37 * time.Minute).Format("20060102T150405Z")
	}
	return out
}

// TestHostileObjects: objects that are large, or stand for more instances than anyone can list, are refused with the
// precondition that they break, or taken; then each report about them ends, with an answer of a size that can be sent. What takes quadratic time takes so long
// that the time limit of go test ends it.
func TestHostileObjects(t *testing.T) {
	if testing.Short() {
		t.Skip("it stores many megabytes")
	}
	many := times(100_000)
	one := func(lines string) string {
		return "BEGIN:VEVENT\r\nUID:x\r\nDTSTAMP:20200101T000000Z\r\nDTSTART:20200101T000000Z\r\nDURATION:PT1H\r\n" + lines + "\r\nEND:VEVENT\r\n"
	}
	counted := func(n int, sep string) string {
		s := make([]string, n)
		for i := range s {
			s[i] = fmt.Sprint(i)
		}
		return strings.Join(s, sep)
	}
	var overrides, observances strings.Builder
	for _, at := range many[:10_000] {
		fmt.Fprintf(&overrides, "BEGIN:VEVENT\r\nUID:x\r\nDTSTAMP:20200101T000000Z\r\nRECURRENCE-ID:%s\r\nDTSTART:%[1]s\r\nEND:VEVENT\r\n", at)
		fmt.Fprintf(&observances, "BEGIN:STANDARD\r\nDTSTART:%s\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nRRULE:FREQ=YEARLY\r\nEND:STANDARD\r\n", at[:15])
	}
	s := davtest.New(t)
	call := func(method, path, body string) (int, string) {
		t.Helper()
		header := []string{"Depth", "1"}
		if method == "PUT" {
			header = append(header, "Content-Type", "text/calendar")
		}
		return do(t, s, "user1", method, path, body, header...)
	}
	call("PROPFIND", "/", "")
	const ns = ` xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"`
	query := func(start, end, data string) string {
		return `<C:calendar-query` + ns + `><prop><getetag/><C:calendar-data>` + fmt.Sprintf(data, start, end) + `</C:calendar-data></prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">` +
			fmt.Sprintf(`<C:time-range start="%s" end="%s"/>`, start, end) + `</C:comp-filter></C:comp-filter></C:filter></C:calendar-query>`
	}
	const whole, expand, some = `<!-- %s %s -->`, `<C:expand start="%s" end="%s"/>`, `<C:limit-recurrence-set start="%s" end="%s"/>`
	reports := []string{
		query("20260101T000000Z", "20260108T000000Z", whole),
		query("20260101T000000Z", "20260108T000000Z", expand),
		query("20190101T000000Z", "20400101T000000Z", expand),
		query("20260101T000000Z", "20260108T000000Z", some),
		query("22000101T000000Z", "22000108T000000Z", whole),
		`<C:free-busy-query` + ns + `><C:time-range start="20200101T000000Z" end="20260201T000000Z"/></C:free-busy-query>`,
		`<C:calendar-query` + ns + `><prop><getetag/></prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"><C:comp-filter name="VALARM"><C:time-range start="20260101T000000Z" end="20260102T000000Z"/></C:comp-filter></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>`,
	}
	for i, tc := range []struct{ name, text, refused string }{
		{"RDATE, a line each", one("RDATE:" + strings.Join(many, "\r\nRDATE:")), ""},
		{"RDATE in one line", one("RDATE:" + strings.Join(many, ",")), ""},
		{"EXDATE", one("RRULE:FREQ=MINUTELY;INTERVAL=37\r\nEXDATE:" + strings.Join(many, "\r\nEXDATE:")), ""},
		{"each second", one("RRULE:FREQ=SECONDLY"), ""},
		{"each second of no day", one("RRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30"), ""},
		{"a second in decades", one("RRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=29;BYHOUR=3;BYMINUTE=7;BYSECOND=11;BYDAY=MO"), ""},
		{"each minute, a year long", strings.Replace(one("RRULE:FREQ=MINUTELY"), "PT1H", "P365D", 1), ""},
		{"a set of millions", one("RRULE:FREQ=YEARLY;BYHOUR=" + counted(24, ",") + ";BYMINUTE=" + counted(60, ",") + ";BYSECOND=" + counted(60, ",") + ";BYSETPOS=-1,1,100000"), "valid-calendar-data"},
		{"overrides", one("RRULE:FREQ=MINUTELY;INTERVAL=37") + overrides.String(), ""},
		{"observances", "BEGIN:VTIMEZONE\r\nTZID:Z\r\n" + observances.String() + "END:VTIMEZONE\r\n" + strings.Replace(one("RRULE:FREQ=HOURLY"), "DTSTART:20200101T000000Z", "DTSTART;TZID=Z:20200101T000000", 1), ""},
		{"a long line", one("DESCRIPTION:" + strings.Repeat("x", 4_000_000)), ""},
		{"folds", one("DESCRIPTION:" + strings.Repeat("x\r\n ", 1_300_000)), "max-resource-size"},
		{"attendees", one("ORGANIZER:mailto:a@b\r\nATTENDEE:mailto:u" + counted(60_000, "@b\r\nATTENDEE:mailto:u")), "max-attendees-per-instance"},
		{"parameters", one("X-A;X" + counted(200_000, "=1;X") + "=1:x"), ""},
		{"alarms", one("RRULE:FREQ=DAILY\r\n" + strings.Repeat("BEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:x\r\nTRIGGER:-PT1M\r\nREPEAT:100000\r\nDURATION:PT1S\r\nEND:VALARM\r\n", 10_000)), ""},
		{"nested", strings.Repeat("BEGIN:VEVENT\r\n", 50_000) + strings.Repeat("END:VEVENT\r\n", 50_000), "valid-calendar-data"},
	} {
		home := fmt.Sprintf("/calendars/user1@example.org/hostile%d/", i)
		call("MKCALENDAR", home, "")
		text := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//t//EN\r\n" + tc.text + "END:VCALENDAR\r\n"
		code, answer := call("PUT", home+"x.ics", text)
		if tc.refused != "" {
			if code != 403 || !strings.Contains(answer, "<C:"+tc.refused+"/>") {
				t.Errorf("%s: %d, want %s\n%.300s", tc.name, code, tc.refused, answer)
			}
			continue
		}
		if code != 201 {
			t.Errorf("%s: %d\n%.300s", tc.name, code, answer)
			continue
		}
		for k, report := range reports {
			code, answer := call("REPORT", home, report)
			if want := len(text) + 16<<20; code/100 != 2 || len(answer) > want {
				t.Errorf("%s, report %d: %d, %d octets", tc.name, k, code, len(answer))
			}
		}
		if code, _ := call("DELETE", home, ""); code != 204 {
			t.Errorf("%s: DELETE: %d", tc.name, code)
		}
	}
}
