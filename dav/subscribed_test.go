package dav_test

import (
	"strings"
	"testing"

	"atrium/dav/davtest"
)

// TestSourceIsTheOwners: the link of a subscribed calendar may be a secret one; who has the calendar shared reads its
// events and not the link.
func TestSourceIsTheOwners(t *testing.T) {
	s := davtest.New(t)
	const (
		path = "/calendars/user1@example.org/news/"
		link = "https://calendar.example.com/private-0123/basic.ics"
		make = `<C:mkcalendar xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns="DAV:" xmlns:S="http://calendarserver.org/ns/"><set><prop><S:source><href>` + link + `</href></S:source></prop></set></C:mkcalendar>`
		ask  = `<propfind xmlns="DAV:" xmlns:S="http://calendarserver.org/ns/"><prop><S:source/><displayname/></prop></propfind>`
		acl  = `<acl xmlns="DAV:"><ace><principal><href>/principals/user2@example.org/</href></principal><grant><privilege><read/></privilege></grant></ace></acl>`
	)
	want := wanted(t, s)
	want(207, "user1", "PROPFIND", "/", "", "Depth", "0")
	want(201, "user1", "MKCALENDAR", path, make, "Content-Type", "text/xml")
	want(200, "user1", "ACL", path, acl)
	if got := want(207, "user1", "PROPFIND", path, ask, "Depth", "0"); !strings.Contains(got, link) {
		t.Errorf("the owner sees\n%s", got)
	}
	for _, at := range []string{path, "/calendars/user2@example.org/"} {
		if got := want(207, "user2", "PROPFIND", at, ask, "Depth", "1"); strings.Contains(got, link) {
			t.Errorf("at %s the sharee sees\n%s", at, got)
		}
	}
}
