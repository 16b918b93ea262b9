package dav_test

import (
	"regexp"
	"testing"

	"atrium/dav/davtest"
)

// TestResourceID: the id of a resource is a UUID of its own that stays when the resource moves, and is another one's when
// it is copied (RFC 5842 §3.1).
func TestResourceID(t *testing.T) {
	s := davtest.New(t)
	want := wanted(t, s)
	form := regexp.MustCompile(`<D:resource-id><D:href>(urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})</D:href></D:resource-id>`)
	id := func(path string) string {
		t.Helper()
		text := want(207, "user1", "PROPFIND", path, `<propfind xmlns="DAV:"><prop><resource-id/></prop></propfind>`, "Depth", "0")
		m := form.FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("%s has no id:\n%s", path, text)
		}
		return m[1]
	}
	card := "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:a\r\nFN:x\r\nN:x;;;;\r\nEND:VCARD\r\n"
	book := `<mkcol xmlns="DAV:"><set><prop><resourcetype><collection/><A:addressbook xmlns:A="urn:ietf:params:xml:ns:carddav"/></resourcetype></prop></set></mkcol>`
	want(207, "user1", "PROPFIND", "/", "", "Depth", "0")
	seen := map[string]string{}
	for _, kind := range []struct{ home, make, with, body, mediaType string }{
		{"/calendars/user1@example.org/", "MKCALENDAR", "", eventText("a"), "text/calendar"},
		{"/addressbooks/user1@example.org/", "MKCOL", book, card, "text/vcard"},
		{"/files/user1@example.org/", "MKCOL", "", "text", "text/plain"},
	} {
		home := kind.home
		for _, name := range []string{"one/", "two/"} {
			want(201, "user1", kind.make, home+name, kind.with, "Content-Type", "text/xml")
		}
		want(201, "user1", "PUT", home+"one/a", kind.body, "Content-Type", kind.mediaType)
		first, one := id(home+"one/a"), id(home+"one/")
		want(204, "user1", "PUT", home+"one/a", kind.body, "Content-Type", kind.mediaType)
		if got := id(home + "one/a"); got != first {
			t.Errorf("%s: PUT makes %s of %s", home, got, first)
		}
		for _, way := range [][2]string{{"one/a", "one/b"}, {"one/b", "two/b"}, {"two/b", "one/c"}} {
			want(201, "user1", "MOVE", home+way[0], "", "Destination", home+way[1])
			if got := id(home + way[1]); got != first {
				t.Errorf("%s: MOVE %s makes %s of %s", home, way, got, first)
			}
		}
		want(201, "user1", "COPY", home+"one/c", "", "Destination", home+"two/d")
		want(201, "user1", "MOVE", home+"one/", "", "Destination", home+"three/")
		if got := id(home + "three/"); got != one {
			t.Errorf("%s: MOVE makes %s of %s", home, got, one)
		}
		want(201, "user1", "COPY", home+"three/", "", "Destination", home+"four/")
		for _, path := range []string{home, home + "two/", home + "three/", home + "four/", home + "three/c", home + "two/d", home + "four/c", "/principals/user1@example.org/"} {
			got := id(path)
			if other, taken := seen[got]; taken && other != path {
				t.Errorf("%s and %s have the id %s", path, other, got)
			}
			seen[got] = path
		}
	}
}
