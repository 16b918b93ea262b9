package dav_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"atrium/dav/davtest"
)

// TestAttachments goes through RFC 8607: add, read, update, remove; for a series and for one instance.
func TestAttachments(t *testing.T) {
	s := davtest.New(t)
	do := func(method, path, body string, status int, header ...string) (http.Header, string) {
		t.Helper()
		if strings.HasPrefix(path, "/") {
			path = s.URL + path
		}
		r, err := http.NewRequest(method, path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(path, "/attachments/") {
			r.SetBasicAuth("user1", "pass")
		}
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		resp, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != status {
			t.Fatalf("%s %s: %d, want %d, %v\n%s", method, path, resp.StatusCode, status, err, b)
		}
		return resp.Header, string(b)
	}
	event := calPath + "a.ics"
	const series = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20260301T000000Z\r\nDTSTART;TZID=Europe/Berlin:20260310T090000\r\nDTEND;TZID=Europe/Berlin:20260310T100000\r\nRRULE:FREQ=DAILY;COUNT=5\r\nSUMMARY:x\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT5M\r\nDESCRIPTION:x\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	do("PUT", event, series, 201)

	head, body := do("POST", event+"?action=attachment-add", "agenda", 201, "Content-Type", "text/plain; charset=utf-8",
		"Content-Disposition", `attachment; filename="../agenda \"1\".txt"`, "Prefer", "return=representation")
	id, place, tag := head.Get("Cal-Managed-Id"), head.Get("Location"), head.Get("Etag")
	if id == "" || !strings.Contains(strings.ReplaceAll(body, "\r\n ", ""), `ATTACH;MANAGED-ID=`+id+`;FMTTYPE="text/plain; charset=utf-8";FILENAME="agenda ^'1^'.txt";SIZE=6:`+place) {
		t.Fatalf("added: %v\n%s", head, body)
	}
	if now, got := do("GET", event, "", 200); got != body || now.Get("Etag") != tag {
		t.Errorf("the event is not what was answered:\n%s", got)
	}
	if head, got := do("GET", place, "", 200); got != "agenda" || head.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("the attachment: %v %q", head, got)
	}
	do("GET", strings.Replace(place, id, strings.Repeat("A", 22), 1), "", 404)

	// Conditions, and parameters that make no sense.
	do("POST", event+"?action=attachment-add", "x", 412, "If-Match", `"no"`)
	for query, want := range map[string]string{
		"?action=attachment-add&managed-id=" + id: "valid-managed-id-parameter", "?action=attachment-update": "valid-managed-id-parameter",
		"?action=attachment-remove&managed-id=no": "valid-managed-id-parameter", "?action=attachment-add&rid=20300101T000000Z": "valid-rid-parameter",
		"?action=attachment-update&managed-id=" + id + "&rid=M": "valid-rid-parameter",
	} {
		if _, got := do("POST", event+query, "x", 403); !strings.Contains(got, want) {
			t.Errorf("%s: %s", query, got)
		}
	}
	do("POST", event+"?action=dance", "x", 403)

	// One instance gets a component of its own.
	_, body = do("POST", event+"?action=attachment-add&rid=20260312T080000Z", "minutes", 201, "Content-Type", "text/plain", "Prefer", "return=representation")
	plain := strings.ReplaceAll(body, "\r\n ", "")
	if strings.Count(plain, "BEGIN:VEVENT") != 2 || !strings.Contains(plain, "RECURRENCE-ID;TZID=Europe/Berlin:20260312T090000\r\n") || !strings.Contains(plain, "DTEND;TZID=Europe/Berlin:20260312T100000\r\n") ||
		strings.Count(plain, "MANAGED-ID="+id) != 2 || strings.Count(plain, "RRULE") != 1 {
		t.Errorf("with an instance:\n%s", body)
	}

	// An update has another ID, and the old attachment goes.
	head, body = do("POST", event+"?action=attachment-update&managed-id="+id, "agenda 2", 200, "Content-Type", "text/plain", "Prefer", "return=representation")
	second := head.Get("Cal-Managed-Id")
	if second == "" || second == id || strings.Contains(body, "MANAGED-ID="+id) {
		t.Errorf("updated: %v\n%s", head, body)
	}
	do("GET", place, "", 404)
	newPlace := strings.Replace(place[:strings.LastIndexByte(place, '/')], id, second, 1) + "/attachment"
	if _, got := do("GET", newPlace, "", 200); got != "agenda 2" {
		t.Errorf("after the update: %q", got)
	}
	do("POST", event+"?action=attachment-remove&managed-id="+second, "", 204)
	do("GET", newPlace, "", 404)

	// A copy keeps an attachment when the original goes.
	head, _ = do("POST", event+"?action=attachment-add", "kept", 201)
	kept := head.Get("Location")
	do("MKCALENDAR", "/calendars/user1@example.org/other/", "", 201)
	do("COPY", event, "", 201, "Destination", s.URL+"/calendars/user1@example.org/other/a.ics")
	do("DELETE", event, "", 204)
	do("GET", kept, "", 200)
	do("MOVE", "/calendars/user1@example.org/other/a.ics", "", 201, "Destination", s.URL+calPath+"b.ics")
	do("GET", kept, "", 200)
	do("DELETE", calPath+"b.ics", "", 204)
	do("GET", kept, "", 404)

	// One that two calendars have stays until both are gone.
	do("PUT", event, series, 201)
	head, _ = do("POST", event+"?action=attachment-add", "both", 201)
	both := head.Get("Location")
	do("COPY", event, "", 201, "Destination", s.URL+"/calendars/user1@example.org/other/a.ics")
	do("DELETE", "/calendars/user1@example.org/other/", "", 204)
	do("GET", both, "", 200)
	do("DELETE", calPath, "", 204)
	do("GET", both, "", 404)
}
