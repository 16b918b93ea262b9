package dav_test

import (
	"fmt"
	"strings"
	"testing"

	"atrium/dav/davtest"
	"atrium/storage"
)

// TestHomeReports: multiget and calendar-query on one's home reach what others share, among one's own; a limit is told
// once, whatever the number of calendars.
func TestHomeReports(t *testing.T) {
	s := davtest.New(t)
	const home = "/calendars/user1@example.org/"
	_, mount := shared(t, s, "plans", storage.ReadOnly)
	hidden, busy := shared(t, s, "busy", storage.FreeBusy)
	for _, uid := range []string{"a", "b"} {
		if code, got := do(t, s, "user1", "PUT", home+"calendar/"+uid+".ics", eventText(uid), "Content-Type", "text/calendar"); code != 201 {
			t.Fatal(code, got)
		}
	}
	var hrefs strings.Builder
	asked := []string{home + "calendar/a.ics", mount + "there.ics", mount + "none.ics", home + "calendar/b.ics", busy + "there.ics", hidden + "there.ics", "/calendars/nobody/x/y.ics", mount + "there.ics"}
	for _, h := range asked {
		fmt.Fprintf(&hrefs, "<href>%s</href>", h)
	}
	code, got := do(t, s, "user1", "REPORT", home, `<C:calendar-multiget xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><prop><getetag/><C:calendar-data/></prop>`+hrefs.String()+`</C:calendar-multiget>`)
	if code != 207 || strings.Count(got, "BEGIN:VCALENDAR") != 4 || strings.Count(got, "404 Not Found") != 4 {
		t.Errorf("multiget: %d\n%s", code, got)
	}
	at := 0
	for _, h := range asked { // in the order they were asked
		i := strings.Index(got[at:], h+"<")
		if i < 0 {
			t.Fatalf("%s is not answered in its place:\n%s", h, got)
		}
		at += i
	}
	query := func(limit string) string {
		return `<C:calendar-query xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><prop><getetag/></prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"/></C:comp-filter></C:filter>` + limit + `</C:calendar-query>`
	}
	code, got = do(t, s, "user1", "REPORT", home, query(""), "Depth", "1")
	if code != 207 || strings.Count(got, "<D:response>") != 3 || !strings.Contains(got, mount+"there.ics") {
		t.Errorf("query: %d\n%s", code, got)
	}
	code, got = do(t, s, "user1", "REPORT", home, query(`<limit><nresults>1</nresults></limit>`), "Depth", "1")
	if code != 207 || strings.Count(got, ".ics<") != 1 || strings.Count(got, "507 Insufficient") != 1 {
		t.Errorf("limited query: %d\n%s", code, got)
	}
	// what is in the home of one who shares busy times alone is told as such
	free := `<C:free-busy-query xmlns:C="urn:ietf:params:xml:ns:caldav"><C:time-range start="20260301T000000Z" end="20260401T000000Z"/></C:free-busy-query>`
	for _, path := range []string{hidden, "/calendars/user2@example.org/"} {
		code, got = do(t, s, "user1", "REPORT", path, free)
		if code != 200 || !strings.Contains(got, "FREEBUSY") || strings.Contains(got, "secret") {
			t.Errorf("busy times of %s: %d\n%s", path, code, got)
		}
	}
	if _, got = do(t, s, "user1", "REPORT", home, free); strings.Count(got, "20260310T090000Z/") != 1 {
		t.Errorf("one's own busy times:\n%s", got)
	}
}
