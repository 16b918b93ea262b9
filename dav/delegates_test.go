package dav_test

import (
	"strings"
	"testing"

	"atrium/dav/davtest"
)

// TestDelegateMakesCalendars: who acts for another and may write makes calendars in that home, as DAV:write on it says;
// they are the owner's, with the name that they were given for all. Who may only read, or has some calendar shared, does not.
func TestDelegateMakesCalendars(t *testing.T) {
	s := davtest.New(t)
	const (
		home = "/calendars/user2@example.org/"
		name = `<propfind xmlns="DAV:"><prop><displayname/><owner/></prop></propfind>`
		made = `<C:mkcalendar xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns="DAV:"><set><prop><displayname>By the delegate</displayname></prop></set></C:mkcalendar>`
	)
	want := wanted(t, s)
	delegate := func(group, who string) {
		t.Helper()
		want(207, "user2", "PROPPATCH", "/principals/user2@example.org/"+group+"/", `<propertyupdate xmlns="DAV:"><set><prop><group-member-set>`+who+`</group-member-set></prop></set></propertyupdate>`)
	}
	const one = "<href>/principals/user1@example.org/</href>"
	for _, user := range []string{"user1", "user2"} {
		want(207, user, "PROPFIND", "/", "", "Depth", "0")
	}
	want(404, "user1", "MKCALENDAR", home+"a/", made, "Content-Type", "text/xml")
	delegate("calendar-proxy-read", one)
	want(403, "user1", "MKCALENDAR", home+"a/", made, "Content-Type", "text/xml")
	delegate("calendar-proxy-write", one)
	if got := want(207, "user1", "PROPFIND", home, `<propfind xmlns="DAV:"><prop><current-user-privilege-set/></prop></propfind>`, "Depth", "0"); !strings.Contains(got, "<D:bind/>") {
		t.Errorf("the home does not tell that calendars are made in it:\n%s", got)
	}
	want(201, "user1", "MKCALENDAR", home+"a/", made, "Content-Type", "text/xml")
	for _, user := range []string{"user1", "user2"} {
		got := want(207, user, "PROPFIND", home+"a/", name, "Depth", "0")
		if !strings.Contains(got, ">By the delegate<") || !strings.Contains(got, "/principals/user2@example.org/") {
			t.Errorf("%s sees\n%s", user, got)
		}
	}
	want(201, "user1", "PUT", home+"a/e.ics", eventText("e"), "Content-Type", "text/calendar")
	want(404, "user1", "MKCOL", "/addressbooks/user2@example.org/a/", "")
	delegate("calendar-proxy-write", "")
	want(404, "user1", "MKCALENDAR", home+"b/", made, "Content-Type", "text/xml")
	want(404, "user1", "GET", home+"a/e.ics", "")
}
