package dav_test

import (
	"fmt"
	"strings"
	"testing"

	"atrium/dav/davtest"
)

// TestOverwrittenProperties: what COPY or MOVE replaces goes as if DELETE came first: what clients had set on it does not
// become the new member's (RFC 4918 §9.8.4, §9.9.3), in one account and from one to another.
func TestOverwrittenProperties(t *testing.T) {
	const (
		patch = `<propertyupdate xmlns="DAV:" xmlns:X="urn:x"><set><prop><X:%s>%s</X:%[1]s></prop></set></propertyupdate>`
		asked = `<propfind xmlns="DAV:" xmlns:X="urn:x"><prop><X:of-old/><X:of-new/></prop></propfind>`
		acl   = `<acl xmlns="DAV:"><ace><principal><href>/principals/user1@example.org/</href></principal><grant><privilege><all/></privilege></grant></ace></acl>`
	)
	card := "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:a\r\nFN:x\r\nN:x;;;;\r\nEND:VCARD\r\n"
	for _, kind := range []struct{ name, home, make, body, mediaType string }{
		{"events", "/calendars/%s@example.org/", "MKCALENDAR", eventText("a"), "text/calendar"},
		{"cards", "/addressbooks/%s@example.org/", "MKCOL", card, "text/vcard"},
		{"files", "/files/%s@example.org/", "MKCOL", "text", "text/plain"},
	} {
		s := davtest.New(t)
		want := wanted(t, s)
		for _, user := range []string{"user1", "user2"} {
			want(207, user, "PROPFIND", "/", "", "Depth", "0")
		}
		n := 0
		for _, method := range []string{"COPY", "MOVE"} {
			for _, owner := range []string{"user1", "user2"} {
				if kind.name == "files" && owner != "user1" {
					continue // folders are not shared
				}
				n++
				from := fmt.Sprintf(kind.home, "user1") + fmt.Sprintf("from%d/", n)
				to := fmt.Sprintf(kind.home, owner) + fmt.Sprintf("to%d/", n)
				body := ""
				if kind.make == "MKCOL" && kind.name == "cards" {
					body = `<mkcol xmlns="DAV:"><set><prop><resourcetype><collection/><A:addressbook xmlns:A="urn:ietf:params:xml:ns:carddav"/></resourcetype></prop></set></mkcol>`
				}
				want(201, "user1", kind.make, from, body, "Content-Type", "text/xml")
				want(201, owner, kind.make, to, body, "Content-Type", "text/xml")
				if owner != "user1" {
					want(200, owner, "ACL", to, acl)
				}
				for _, path := range []string{from, to} {
					want(201, "user1", "PUT", path+"a", kind.body, "Content-Type", kind.mediaType)
				}
				want(207, owner, "PROPPATCH", to+"a", fmt.Sprintf(patch, "of-old", "old"))
				want(207, "user1", "PROPPATCH", to+"a", fmt.Sprintf(patch, "of-old", "mine"))
				want(207, "user1", "PROPPATCH", from+"a", fmt.Sprintf(patch, "of-new", "new"))
				want(204, "user1", method, from+"a", "", "Destination", to+"a")
				for _, user := range []string{"user1", owner} {
					got := want(207, user, "PROPFIND", to+"a", asked, "Depth", "0")
					if strings.Contains(got, ">old<") || strings.Contains(got, ">mine<") || !strings.Contains(got, ">new<") {
						t.Errorf("%s: %s to %s has, for %s,\n%s", kind.name, method, to, user, got)
					}
				}
			}
		}
	}
}
