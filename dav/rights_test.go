package dav_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"atrium/calendar"
	"atrium/dav"
	"atrium/dav/davtest"
	"atrium/storage"
	"atrium/storage/account"
)

// request sends a request as someone and returns the answer, and its body.
func request(t testing.TB, s *davtest.Server, user, method, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(user, "pass")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

// do is request for those who need no header of the answer.
func do(t testing.TB, s *davtest.Server, user, method, path, body string, header ...string) (int, string) {
	t.Helper()
	resp, text := request(t, s, user, method, path, body, header...)
	return resp.StatusCode, text
}

// wanted returns do that ends the test unless the answer has a status.
func wanted(t testing.TB, s *davtest.Server) func(code int, user, method, path, body string, header ...string) string {
	return func(code int, user, method, path, body string, header ...string) string {
		t.Helper()
		got, text := do(t, s, user, method, path, body, header...)
		if got != code {
			t.Fatalf("%s %s as %s: %d, want %d\n%s", method, path, user, got, code, text)
		}
		return text
	}
}

func eventText(uid string) string {
	return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:" + uid +
		"\r\nDTSTAMP:20260301T000000Z\r\nDTSTART:20260310T090000Z\r\nDURATION:PT1H\r\nSUMMARY:secret\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
}

// shared makes a calendar of user2 with an event, on which user1 has rights.
func shared(t testing.TB, s *davtest.Server, name string, rights storage.Rights) (direct, mount string) {
	t.Helper()
	direct = "/calendars/user2@example.org/" + name + "/"
	if code, body := do(t, s, "user2", "MKCALENDAR", direct, ""); code != 201 {
		t.Fatal(code, body)
	}
	if code, body := do(t, s, "user2", "PUT", direct+"there.ics", eventText("there"), "Content-Type", "text/calendar"); code != 201 {
		t.Fatal(code, body)
	}
	ctx := context.Background()
	one, _ := s.People.Find(ctx, "user1")
	two, _ := s.People.Find(ctx, "user2")
	err := s.Store.Update(ctx, two.ID, func(tx *storage.Tx) error {
		c, err := tx.CollectionByName(calendar.Schema.Code, name)
		if err != nil {
			return err
		}
		mount = fmt.Sprintf("/calendars/user1@example.org/shared-%d-%d/", two.ID, c.ID)
		if rights == 0 {
			return nil
		}
		return dav.Grant(tx, c.ID, one.ID, rights)
	})
	if err != nil {
		t.Fatal(err)
	}
	return direct, mount
}

// TestRights holds every method against every degree of rights on another's calendar.
func TestRights(t *testing.T) {
	const (
		none = iota
		busy
		read
		write
		admin
	)
	levels := []storage.Rights{0, storage.FreeBusy, storage.ReadOnly, storage.ReadWrite, storage.AllRights}
	const prop = `<propfind xmlns="DAV:"><prop><displayname/><getetag/></prop></propfind>`
	const multiget = `<C:calendar-multiget xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns="DAV:"><prop><getetag/></prop><href>%sthere.ics</href></C:calendar-multiget>`
	const query = `<C:calendar-query xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns="DAV:"><prop><getetag/></prop><C:filter><C:comp-filter name="VCALENDAR"/></C:filter></C:calendar-query>`
	const freeBusy = `<C:free-busy-query xmlns:C="urn:ietf:params:xml:ns:caldav"><C:time-range start="20260301T000000Z" end="20260401T000000Z"/></C:free-busy-query>`
	const sync = `<sync-collection xmlns="DAV:"><sync-token/><sync-level>1</sync-level><prop><getetag/></prop></sync-collection>`
	const patch = `<propertyupdate xmlns="DAV:"><set><prop><displayname>Mine</displayname></prop></set></propertyupdate>`
	const zone = `<propertyupdate xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><set><prop><C:calendar-timezone-id>Europe/Berlin</C:calendar-timezone-id></prop></set></propertyupdate>`
	const acl = `<acl xmlns="DAV:"><ace><principal><href>/principals/user1@example.org/</href></principal><grant><privilege><all/></privilege></grant></ace></acl>`
	const lock = `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`
	ics := []string{"Content-Type", "text/calendar"}
	s := davtest.New(t)
	do(t, s, "user1", "PROPFIND", "/", "", "Depth", "0")
	calendars := 0
	for _, tc := range []struct {
		method, name, body string
		header             []string
		want               [5]int // by level; 403 may be a propstat
	}{
		{"GET", "there.ics", "", nil, [5]int{404, 403, 200, 200, 200}},
		{"GET", "none.ics", "", nil, [5]int{404, 403, 404, 404, 404}},
		{"HEAD", "there.ics", "", nil, [5]int{404, 403, 200, 200, 200}},
		{"GET", "", "", nil, [5]int{404, 403, 200, 200, 200}},
		{"PROPFIND", "", prop, []string{"Depth", "1"}, [5]int{404, 403, 207, 207, 207}},
		{"PROPFIND", "there.ics", prop, []string{"Depth", "0"}, [5]int{404, 403, 207, 207, 207}},
		{"PROPFIND", "none.ics", prop, []string{"Depth", "0"}, [5]int{404, 403, 404, 404, 404}},
		{"REPORT", "", multiget, nil, [5]int{404, 403, 207, 207, 207}},
		{"REPORT", "", query, []string{"Depth", "1"}, [5]int{404, 403, 207, 207, 207}},
		{"REPORT", "", sync, nil, [5]int{404, 403, 207, 207, 207}},
		{"REPORT", "", freeBusy, nil, [5]int{404, 200, 200, 200, 200}},
		{"PROPPATCH", "", patch, nil, [5]int{404, 403, 207, 207, 207}},
		{"PROPPATCH", "", zone, nil, [5]int{404, 403, 0, 207, 207}}, // 0: 207 with a 403 in it
		{"PROPPATCH", "there.ics", patch, nil, [5]int{404, 403, 403, 207, 207}},
		{"PUT", "new.ics", eventText("new"), ics, [5]int{404, 403, 403, 201, 201}},
		{"PUT", "there.ics", eventText("there"), ics, [5]int{404, 403, 403, 204, 204}},
		{"DELETE", "there.ics", "", nil, [5]int{404, 403, 403, 204, 204}},
		{"DELETE", "none.ics", "", nil, [5]int{404, 403, 404, 404, 404}},
		{"MOVE", "there.ics", "", []string{"Destination", "/calendars/user1@example.org/calendar/moved.ics"}, [5]int{404, 403, 403, 201, 201}},
		{"COPY", "there.ics", "", []string{"Destination", "/calendars/user1@example.org/calendar/copied.ics"}, [5]int{404, 403, 201, 201, 201}},
		{"LOCK", "there.ics", lock, nil, [5]int{404, 403, 403, 200, 200}},
		{"ACL", "", acl, nil, [5]int{404, 403, 403, 403, 200}},
		{"MKCALENDAR", "below/", "", nil, [5]int{404, 403, 403, 403, 403}},
		{"POST", "", "x", []string{"Content-Type", "text/x-none"}, [5]int{404, 0, 405, 405, 405}},
	} {
		t.Run(tc.method+" "+tc.name, func(t *testing.T) {
			for level, rights := range levels {
				calendars++
				direct, mount := shared(t, s, fmt.Sprintf("c%d", calendars), rights)
				for i := range 2 {
					path := [2]string{direct, mount}[i]
					want := tc.want[level]
					if path == mount && level == busy {
						want = 404 // only what one can read is mounted
					}
					body := tc.body
					if strings.Contains(body, "%s") {
						body = fmt.Sprintf(body, path)
					}
					code, got := do(t, s, "user1", tc.method, path+tc.name, body, tc.header...)
					if path == mount && want == 404 && (code == 409 || code == 403) && (tc.method == "PUT" || tc.method == "MKCALENDAR") {
						continue // in one's own home the collection is told to be missing
					}
					if tc.method == "MKCALENDAR" && want == 404 && code == 403 {
						continue // something else in that home is shared
					}
					inside := want == 0 && code == 207 && strings.Contains(got, "403 Forbidden")
					if want == 0 && tc.method == "POST" {
						inside = code == 403 || code == 405
					}
					if code != want && !inside {
						t.Errorf("level %d: %s %s%s: %d, want %d\n%s", level, tc.method, path, tc.name, code, want, got)
					}
					if level < read && strings.Contains(got, "secret") {
						t.Errorf("level %d: %s %s%s tells what is in it:\n%s", level, tc.method, path, tc.name, got)
					}
					if tc.method != "GET" && tc.method != "PROPFIND" && tc.method != "REPORT" {
						calendars++
						_, mount = shared(t, s, fmt.Sprintf("c%d", calendars), rights) // as it was
						do(t, s, "user1", "DELETE", "/calendars/user1@example.org/calendar/moved.ics", "")
						do(t, s, "user1", "DELETE", "/calendars/user1@example.org/calendar/copied.ics", "")
					}
				}
			}
		})
	}
}

// TestDropBox: who may bind or unbind and nothing else does that and learns nothing (RFC 3744 §3.9, §3.10).
func TestDropBox(t *testing.T) {
	s := davtest.New(t)
	do(t, s, "user1", "PROPFIND", "/", "", "Depth", "0")
	const prop = `<propfind xmlns="DAV:"><prop><displayname/><getetag/></prop></propfind>`
	const sync = `<sync-collection xmlns="DAV:"><sync-token/><sync-level>1</sync-level><prop><getetag/></prop></sync-collection>`
	const multiget = `<C:calendar-multiget xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns="DAV:"><prop><getetag/></prop><href>%sthere.ics</href></C:calendar-multiget>`
	ics := []string{"Content-Type", "text/calendar"}
	for _, tc := range []struct {
		method, name, body   string
		header               []string
		bind, unbind, writes int
	}{
		{"GET", "there.ics", "", nil, 403, 403, 403},
		{"GET", "none.ics", "", nil, 403, 403, 403},
		{"GET", "", "", nil, 403, 403, 403},
		{"PROPFIND", "", prop, []string{"Depth", "1"}, 403, 403, 403},
		{"PROPFIND", "there.ics", prop, []string{"Depth", "0"}, 403, 403, 403},
		{"REPORT", "", sync, nil, 403, 403, 403},
		{"REPORT", "", multiget, nil, 403, 403, 403},
		{"PUT", "new.ics", eventText("new"), ics, 201, 403, 403},
		{"PUT", "there.ics", eventText("there"), ics, 403, 403, 204},
		{"DELETE", "there.ics", "", nil, 403, 204, 403},
		{"DELETE", "none.ics", "", nil, 403, 404, 403},
		{"DELETE", "", "", nil, 403, 403, 403},
		{"COPY", "there.ics", "", []string{"Destination", "/calendars/user1@example.org/calendar/copied.ics"}, 403, 403, 403},
		{"MOVE", "there.ics", "", []string{"Destination", "/calendars/user1@example.org/calendar/moved.ics"}, 403, 403, 403},
		{"ACL", "", `<acl xmlns="DAV:"/>`, nil, 403, 403, 403},
	} {
		for i, rights := range []storage.Rights{storage.Insert, storage.Delete, storage.Write} {
			direct, mount := shared(t, s, fmt.Sprintf("%s-%s-%d-%d", tc.method, strings.TrimSuffix(tc.name, ".ics"), len(tc.body), i), rights)
			body := tc.body
			if strings.Contains(body, "%s") {
				body = fmt.Sprintf(body, direct)
			}
			want := []int{tc.bind, tc.unbind, tc.writes}[i]
			if code, got := do(t, s, "user1", tc.method, direct+tc.name, body, tc.header...); code != want || strings.Contains(got, "secret") {
				t.Errorf("%v: %s %s: %d, want %d\n%s", rights, tc.method, tc.name, code, want, got)
			}
			if code, _ := do(t, s, "user1", "PROPFIND", mount, prop, "Depth", "0"); code != 404 {
				t.Errorf("%v: it is mounted: %d", rights, code)
			}
		}
	}
}

// TestGroupHome: what belongs to a group is in its members' homes, and a member makes more of it.
func TestGroupHome(t *testing.T) {
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
	_, got := do(t, s, "user1", "PROPFIND", "/calendars/user1@example.org/", "", "Depth", "1")
	if n := strings.Count(got, "/shared-"); n < 1 || !strings.Contains(got, "Calendar (The Team)") {
		t.Fatalf("the group's calendars are not mounted:\n%s", got)
	}
	if code, got := do(t, s, "user1", "MKCALENDAR", "/calendars/team@example.org/plans/", ""); code != 201 {
		t.Fatal(code, got)
	}
	if code, _ := do(t, s, "user2", "MKCALENDAR", "/calendars/team@example.org/plans2/", ""); code != 404 {
		t.Fatal(code)
	}
	if _, got = do(t, s, "user2", "PROPFIND", "/calendars/user2@example.org/", "", "Depth", "1"); strings.Contains(got, "shared-") {
		t.Fatalf("who is no member sees the group's calendars:\n%s", got)
	}
	if code, got := do(t, s, "user1", "PROPFIND", "/addressbooks/user1@example.org/", "", "Depth", "1"); !strings.Contains(got, "Contacts (The Team)") {
		t.Fatal(code, got)
	}
	if _, got := do(t, s, "user1", "PROPFIND", "/principals/user1@example.org/", `<propfind xmlns="DAV:"><prop><group-membership/></prop></propfind>`, "Depth", "0"); !strings.Contains(got, "/principals/team@example.org/") {
		t.Fatal(got)
	}
	if _, got := do(t, s, "user1", "PROPFIND", "/principals/team@example.org/", `<propfind xmlns="DAV:"><prop><group-member-set/></prop></propfind>`, "Depth", "0"); !strings.Contains(got, "/principals/user1@example.org/") {
		t.Fatal(got)
	}
}
