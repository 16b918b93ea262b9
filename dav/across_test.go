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
