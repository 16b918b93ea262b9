package dav_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"atrium/calendar"
	"atrium/dav"
	"atrium/dav/davtest"
	"atrium/storage"
	"atrium/storage/account"
)

// TestOneGrant gives user1 the same on a calendar of user2 in each way there is, and looks at it in each way: there is one
// grant, in the store, and all others are views of it.
func TestOneGrant(t *testing.T) {
	const (
		share  = `<CS:share xmlns:CS="http://calendarserver.org/ns/" xmlns="DAV:"><CS:set><href>mailto:user1@example.org</href><CS:read-write/></CS:set></CS:share>`
		newer  = `<share-resource xmlns="DAV:"><sharee><href>mailto:user1@example.org</href><share-access><read-write/></share-access></sharee></share-resource>`
		acl    = `<acl xmlns="DAV:"><ace><principal><href>/principals/user1@example.org/</href></principal><grant><privilege><read/></privilege><privilege><write-content/></privilege><privilege><bind/></privilege><privilege><unbind/></privilege><privilege><write-properties/></privilege></grant></ace></acl>`
		accept = `<CS:invite-reply xmlns:CS="http://calendarserver.org/ns/" xmlns="DAV:"><href>mailto:user1@example.org</href><CS:invite-accepted/><CS:hosturl><href>%s</href></CS:hosturl></CS:invite-reply>`
		proxy  = `<propertyupdate xmlns="DAV:"><set><prop><group-member-set>%s</group-member-set></prop></set></propertyupdate>`
		member = `<href>/principals/user1@example.org/</href>`
		home   = "/calendars/user1@example.org/"
	)
	set := func(t *testing.T, s *davtest.Server, name string, rights storage.Rights) {
		ctx := context.Background()
		one, _ := s.People.Find(ctx, "user1")
		two, _ := s.People.Find(ctx, "user2")
		err := s.Store.Update(ctx, two.ID, func(tx *storage.Tx) error {
			c, err := tx.CollectionByName(calendar.Schema.Code, name)
			if err != nil {
				return err
			}
			return dav.Grant(tx, c.ID, one.ID, rights)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	want := func(t *testing.T, s *davtest.Server, user, method, path, body string, code int, header ...string) string {
		t.Helper()
		got, text := do(t, s, user, method, path, body, header...)
		if got != code {
			t.Fatalf("%s %s: %d, want %d\n%s", method, path, got, code, text)
		}
		return text
	}
	xml := []string{"Content-Type", "text/xml"}
	for _, way := range []struct {
		name      string
		invited   bool // asked, so that the views of Apple's sharing know of it by its own words
		give, end func(t *testing.T, s *davtest.Server, path string)
	}{
		{"ACL", false, func(t *testing.T, s *davtest.Server, path string) { want(t, s, "user2", "ACL", path, acl, 200) },
			func(t *testing.T, s *davtest.Server, path string) {
				want(t, s, "user2", "ACL", path, `<acl xmlns="DAV:"/>`, 200)
			}},
		{"CS:share", true, func(t *testing.T, s *davtest.Server, path string) {
			want(t, s, "user2", "POST", path, share, 200, xml...)
			want(t, s, "user1", "POST", home, fmt.Sprintf(accept, path), 200, xml...)
		}, func(t *testing.T, s *davtest.Server, path string) {
			want(t, s, "user2", "POST", path, strings.NewReplacer("CS:set", "CS:remove", "<CS:read-write/>", "").Replace(share), 200, xml...)
		}},
		{"DAV:share-resource", true, func(t *testing.T, s *davtest.Server, path string) {
			want(t, s, "user2", "POST", path, newer, 200, "Content-Type", "application/davsharing+xml")
			want(t, s, "user1", "POST", home, fmt.Sprintf(accept, path), 200, xml...)
		}, func(t *testing.T, s *davtest.Server, path string) {
			want(t, s, "user2", "POST", path, strings.Replace(newer, "read-write", "no-access", 1), 200, "Content-Type", "application/davsharing+xml")
		}},
		{"calendar-proxy", false, func(t *testing.T, s *davtest.Server, path string) {
			want(t, s, "user2", "PROPPATCH", "/principals/user2@example.org/calendar-proxy-write/", fmt.Sprintf(proxy, member), 207)
		}, func(t *testing.T, s *davtest.Server, path string) {
			want(t, s, "user2", "PROPPATCH", "/principals/user2@example.org/calendar-proxy-write/", fmt.Sprintf(proxy, ""), 207)
		}},
		{"the command", false, func(t *testing.T, s *davtest.Server, path string) {
			set(t, s, "plans", storage.ReadWrite)
		}, func(t *testing.T, s *davtest.Server, path string) { set(t, s, "plans", 0) }},
	} {
		t.Run(way.name, func(t *testing.T) {
			s := davtest.New(t)
			direct, mount := shared(t, s, "plans", 0)
			way.give(t, s, direct)

			acls := want(t, s, "user2", "PROPFIND", direct, `<propfind xmlns="DAV:"><prop><acl/></prop></propfind>`, 207, "Depth", "0")
			if strings.Count(acls, "<D:ace>") != 2 || !strings.Contains(acls, "/principals/user1@example.org/") || !strings.Contains(acls, "<D:write-content/>") && !strings.Contains(acls, "<D:write/>") {
				t.Errorf("as an ACL:\n%s", acls)
			}
			invite := want(t, s, "user2", "PROPFIND", direct, `<propfind xmlns="DAV:" xmlns:CS="http://calendarserver.org/ns/"><prop><CS:invite/><invite/></prop></propfind>`, 207, "Depth", "0")
			if !strings.Contains(invite, "mailto:user1@example.org") || !strings.Contains(invite, "<CS:invite-accepted/>") || !strings.Contains(invite, "<D:read-write/>") || !strings.Contains(invite, "<CS:read-write/>") {
				t.Errorf("as a share:\n%s", invite)
			}
			seen := want(t, s, "user1", "PROPFIND", mount, `<propfind xmlns="DAV:"><prop><owner/><current-user-privilege-set/><share-access/></prop></propfind>`, 207, "Depth", "0")
			for _, part := range []string{"/principals/user2@example.org/", "<D:write-content/>", "<D:bind/>", "<D:read-write/>"} {
				if !strings.Contains(seen, part) {
					t.Errorf("in the home %s is missing:\n%s", part, seen)
				}
			}
			proxies := want(t, s, "user1", "PROPFIND", "/principals/user1@example.org/", `<propfind xmlns="DAV:" xmlns:CS="http://calendarserver.org/ns/"><prop><CS:calendar-proxy-write-for/></prop></propfind>`, 207, "Depth", "0")
			if got := strings.Contains(proxies, "user2@"); got != (way.name == "calendar-proxy") { // who may act for another has all calendars, one is not enough
				t.Errorf("as a delegation: %v\n%s", got, proxies)
			}
			grants := grantsOf(t, s, "user2", "plans")
			if len(grants) != 1 || !grants[0].Rights.Has(storage.ReadWrite) || grants[0].Rights.Has(storage.Administer) {
				t.Errorf("in the store: %+v", grants)
			}
			want(t, s, "user1", "PUT", mount+"new.ics", eventText("new"), 201, "Content-Type", "text/calendar")

			way.end(t, s, direct)
			if left := grantsOf(t, s, "user2", "plans"); len(left) != 0 {
				t.Errorf("left in the store: %+v", left)
			}
			for _, path := range []string{mount, direct} {
				want(t, s, "user1", "PROPFIND", path, "", 404, "Depth", "0")
			}
			if acls = want(t, s, "user2", "PROPFIND", direct, `<propfind xmlns="DAV:"><prop><acl/></prop></propfind>`, 207, "Depth", "0"); strings.Count(acls, "<D:ace>") != 1 {
				t.Errorf("left as an ACL:\n%s", acls)
			}
			// what one way gave another takes back
			way.give(t, s, direct)
			want(t, s, "user2", "ACL", direct, `<acl xmlns="DAV:"/>`, 200)
			want(t, s, "user1", "PROPFIND", mount, "", 404, "Depth", "0")
		})
	}
}

func grantsOf(t *testing.T, s *davtest.Server, owner, name string) (all []storage.Grant) {
	t.Helper()
	ctx := context.Background()
	a, _ := s.People.Find(ctx, owner)
	err := s.Store.View(ctx, a.ID, func(v *storage.View) error {
		c, err := v.CollectionByName(calendar.Schema.Code, name)
		if err != nil {
			return err
		}
		all, err = v.Grants(c.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestGrantToGroup: what is granted to a group its members have, as long as they are members.
func TestGrantToGroup(t *testing.T) {
	s := davtest.New(t)
	ctx := context.Background()
	g, err := s.People.Add(ctx, account.New{Name: "team", DisplayName: "The Team", Sort: account.Group})
	if err != nil {
		t.Fatal(err)
	}
	one, _ := s.People.Find(ctx, "user1")
	if err := s.People.SetMember(ctx, g.ID, one.ID, true); err != nil {
		t.Fatal(err)
	}
	direct, mount := shared(t, s, "plans", 0)
	book := "/addressbooks/user2@example.org/contacts/"
	for _, path := range []string{direct, book} {
		acl := `<acl xmlns="DAV:"><ace><principal><href>/principals/team@example.org/</href></principal><grant><privilege><read/></privilege></grant></ace></acl>`
		if code, got := do(t, s, "user2", "ACL", path, acl); code != 200 {
			t.Fatal(code, got)
		}
	}
	for _, home := range []string{"/calendars/", "/addressbooks/"} {
		if _, got := do(t, s, "user1", "PROPFIND", home+"user1@example.org/", "", "Depth", "1"); !strings.Contains(got, "(User 2)") {
			t.Errorf("%s of a member:\n%s", home, got)
		}
		if _, got := do(t, s, "user3", "PROPFIND", home+"user3@example.org/", "", "Depth", "1"); strings.Contains(got, "(User 2)") {
			t.Errorf("%s of one who is none:\n%s", home, got)
		}
	}
	if code, got := do(t, s, "user1", "GET", mount+"there.ics", ""); code != 200 {
		t.Error(code, got)
	}
	if err := s.People.RemoveMember(ctx, g.ID, one.ID); err != nil {
		t.Fatal(err)
	}
	if code, _ := do(t, s, "user1", "GET", mount+"there.ics", ""); code != 404 {
		t.Error("a member of old still reads:", code)
	}
}
