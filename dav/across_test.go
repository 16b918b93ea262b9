package dav_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"atrium/dav/davtest"
	"atrium/storage"
)

// TestMoveAcrossLosesNothing breaks requests off that move events from one account to another: wherever that happens
// each event is in the one or the other or in both, whole, and the same request sent again ends it.
func TestMoveAcrossLosesNothing(t *testing.T) {
	s := davtest.New(t)
	other := "/calendars/user2@example.org/calendar/"
	as := func(ctx context.Context, user, method, path, body string, header ...string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, method, s.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(user, "pass")
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		resp, err := s.Client().Do(r)
		if err != nil {
			if ctx.Err() == nil {
				t.Fatal(err)
			}
			return 0, ""
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil && ctx.Err() == nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	ctx := context.Background()
	as(ctx, "user2", "PROPFIND", "/", `<propfind xmlns="DAV:"><prop><resourcetype/></prop></propfind>`, "Depth", "0")
	const n = 40
	for i := range n {
		if status, body := as(ctx, "user2", "PUT", fmt.Sprintf("%se%d.ics", other, i), string(event(i)), "Content-Type", "text/calendar"); status != 201 {
			t.Fatalf("PUT: %d %s", status, body)
		}
	}
	acl := `<acl xmlns="DAV:"><ace><principal><href>/principals/user1@example.org/</href></principal><grant><privilege><read/></privilege><privilege><write/></privilege></grant></ace></acl>`
	if status, body := as(ctx, "user2", "ACL", other, acl); status != 200 {
		t.Fatalf("ACL: %d %s", status, body)
	}
	for i := range n {
		from, to := fmt.Sprintf("%se%d.ics", other, i), fmt.Sprintf("%se%d.ics", calPath, i)
		short, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(8000))*time.Microsecond)
		as(short, "user1", "MOVE", from, "", "Destination", to)
		cancel()
		_, was := as(ctx, "user2", "GET", from, "")
		_, is := as(ctx, "user1", "GET", to, "")
		// The request may still be at work: what is gone from the one by now was in the other before that.
		if was != string(event(i)) && is != string(event(i)) {
			t.Fatalf("event %d is lost: there %q, here %q", i, was, is)
		}
		status, body := as(ctx, "user1", "MOVE", from, "", "Destination", to)
		switch status {
		case 201, 204: // it is done now
		case 404, 412: // the broken one has done it, or does
		default:
			t.Fatalf("MOVE again: %d %s", status, body)
		}
		for { // one of the two ends it
			left, _ := as(ctx, "user2", "GET", from, "")
			status, is := as(ctx, "user1", "GET", to, "")
			if status == 200 && is != string(event(i)) {
				t.Fatalf("event %d has changed: %q", i, is)
			}
			if left == 404 && status == 200 {
				break
			}
			as(ctx, "user1", "MOVE", from, "", "Destination", to)
		}
	}
}

// TestCopyOfManyAcross: a calendar is copied in many transactions; what one of them fails at leaves nothing behind.
func TestCopyOfManyAcross(t *testing.T) {
	s := benchServer(t, 450, 0)
	acl := `<acl xmlns="DAV:"><ace><principal><href>/principals/user2@example.org/</href></principal><grant><privilege><read/></privilege></grant></ace></acl>`
	call(t, s, "ACL", calPath, "", acl, 200)
	do := func(method, path string, want int, header ...string) string {
		t.Helper()
		r, err := http.NewRequest(method, s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("user2", "pass")
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		resp, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != want {
			t.Fatalf("%s %s: %s, %v\n%s", method, path, resp.Status, err, b)
		}
		return string(b)
	}
	copied := "/calendars/user2@example.org/copy/"
	do("COPY", calPath, 201, "Destination", copied)
	for _, i := range []int{0, 99, 100, 449} {
		if got := do("GET", fmt.Sprintf("%se%d.ics", copied, i), 200); got != string(event(i)) {
			t.Errorf("event %d: %q", i, got)
		}
	}
	if n := strings.Count(do("PROPFIND", copied, 207, "Depth", "1"), "<D:response>"); n != 451 {
		t.Errorf("%d responses", n)
	}
	a, err := s.People.Find(context.Background(), "user2@example.org")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Store.SetLimits(context.Background(), a.ID, 0, 700); err != nil {
		t.Fatal(err)
	}
	do("COPY", calPath, 507, "Destination", "/calendars/user2@example.org/more/")
	do("PROPFIND", "/calendars/user2@example.org/more/", 404, "Depth", "0")
}

// TestCopyThatFailsLosesNothing: a COPY of a collection over another one that fails half-way leaves that as it was, and
// nothing of its own; one that succeeds replaces it.
func TestCopyThatFailsLosesNothing(t *testing.T) {
	s := benchServer(t, 450, 0)
	acl := `<acl xmlns="DAV:"><ace><principal><href>/principals/user2@example.org/</href></principal><grant><privilege><read/></privilege></grant></ace></acl>`
	call(t, s, "ACL", calPath, "", acl, 200)
	want := wanted(t, s)
	want(207, "user1", "PROPPATCH", calPath+"e0.ics", `<propertyupdate xmlns="DAV:"><set><prop><X:p xmlns:X="urn:x">kept</X:p></prop></set></propertyupdate>`)
	for _, user := range []string{"user1", "user2"} {
		home := "/calendars/" + user + "@example.org/"
		members := func(path string) int {
			t.Helper()
			return strings.Count(want(207, user, "PROPFIND", path, "", "Depth", "1"), "<D:response>") - 1
		}
		a, err := s.People.Find(context.Background(), user+"@example.org")
		if err != nil {
			t.Fatal(err)
		}
		want(207, user, "PROPFIND", "/", "", "Depth", "0")
		want(201, user, "MKCALENDAR", home+"old/", "")
		want(201, user, "PUT", home+"old/kept.ics", eventText("kept"), "Content-Type", "text/calendar")
		home0 := members(home)
		token := syncToken(t, want(207, user, "REPORT", home, homeSync("")))
		limit := int64(700)
		if user == "user2" {
			limit = 250
		}
		if err := s.Store.SetLimits(context.Background(), a.ID, 0, limit); err != nil {
			t.Fatal(err)
		}
		want(507, user, "COPY", calPath, "", "Destination", home+"old/")
		want(412, user, "COPY", calPath, "", "Destination", home+"old/", "Overwrite", "F")
		if got := want(200, user, "GET", home+"old/kept.ics", ""); got != eventText("kept") {
			t.Errorf("%s has %q", user, got)
		}
		if n := members(home + "old/"); n != 1 {
			t.Errorf("%s has %d events", user, n)
		}
		if n := members(home); n != home0 {
			t.Errorf("%s has %d collections, had %d", user, n, home0)
		}
		if got := want(207, user, "REPORT", home, homeSync(token)); strings.Contains(got, "<D:response>") {
			t.Errorf("the home tells of the copy that failed:\n%s", got)
		}
		err = s.Store.View(context.Background(), a.ID, func(v *storage.View) error {
			if u, err := v.Usage(); err != nil || u.Objects > 451 {
				t.Errorf("%s uses %d objects, %v", user, u.Objects, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Store.SetLimits(context.Background(), a.ID, 0, 0); err != nil {
			t.Fatal(err)
		}
		want(204, user, "COPY", calPath, "", "Destination", home+"old/")
		want(404, user, "GET", home+"old/kept.ics", "")
		if got := want(207, user, "PROPFIND", home+"old/e0.ics", `<propfind xmlns="DAV:"><prop><X:p xmlns:X="urn:x"/></prop></propfind>`, "Depth", "0"); !strings.Contains(got, ">kept<") {
			t.Errorf("the copy has lost a property:\n%s", got)
		}
		if n := members(home + "old/"); n != 450 {
			t.Errorf("%s has %d events", user, n)
		}
		token = syncToken(t, want(207, user, "REPORT", home, homeSync("")))
		want(201, user, "COPY", calPath, "", "Destination", home+"new/")
		if got := want(207, user, "REPORT", home, homeSync(token)); !strings.Contains(got, "/new/e449.ics<") {
			t.Errorf("the home does not tell of the copy's events:\n%.2000s", got)
		}
	}
}

func homeSync(token string) string {
	return `<sync-collection xmlns="DAV:"><sync-token>` + token + `</sync-token><sync-level>infinite</sync-level><prop><getetag/></prop></sync-collection>`
}

func syncToken(t *testing.T, answer string) string {
	t.Helper()
	_, rest, ok := strings.Cut(answer, "<D:sync-token>")
	token, _, ok2 := strings.Cut(rest, "<")
	if !ok || !ok2 {
		t.Fatalf("no token in %.500s", answer)
	}
	return token
}
