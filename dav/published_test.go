package dav_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"atrium/dav/davtest"
)

// TestPublicLink: a published calendar can be read by anyone who has its link, until it is taken back.
func TestPublicLink(t *testing.T) {
	s := davtest.New(t)
	object := func(uid, more string) string {
		return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:" + uid + "\r\nDTSTAMP:20260301T000000Z\r\nDTSTART:20260310T090000Z\r\nDTEND:20260310T100000Z\r\n" + more + "END:VEVENT\r\nEND:VCALENDAR\r\n"
	}
	call(t, s, "PUT", calPath+"a.ics", "", object("a", "SUMMARY:Open day\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT5M\r\nDESCRIPTION:x\r\nEND:VALARM\r\n"), 201)
	call(t, s, "PUT", calPath+"b.ics", "", object("b", "SUMMARY:Dentist\r\nCLASS:PRIVATE\r\n"), 201)
	post := func(root string, status int) {
		t.Helper()
		r, err := http.NewRequest("POST", s.URL+calPath, strings.NewReader(`<`+root+` xmlns="http://calendarserver.org/ns/"/>`))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("user1", "pass")
		r.Header.Set("Content-Type", "application/xml")
		resp, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != status {
			t.Fatalf("%s: %d", root, resp.StatusCode)
		}
	}
	post("publish-calendar", 202)
	_, body := call(t, s, "PROPFIND", calPath, "0", `<propfind xmlns="DAV:"><prop><publish-url xmlns="http://calendarserver.org/ns/"/></prop></propfind>`, 207)
	_, rest, _ := strings.Cut(string(body), "<CS:publish-url><D:href>")
	link, _, ok := strings.Cut(rest, "<")
	if !ok || !strings.HasPrefix(link, s.URL+"/public/") {
		t.Fatalf("no link in\n%s", body)
	}
	get := func(url, tag string) (int, string, string) {
		t.Helper()
		r, err := http.NewRequest("GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("If-None-Match", tag)
		resp, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b), resp.Header.Get("Etag")
	}
	status, text, tag := get(link, "")
	if status != 200 || !strings.Contains(text, "SUMMARY:Open day") || strings.Contains(text, "Dentist") || strings.Contains(text, "VALARM") {
		t.Errorf("%d\n%s", status, text)
	}
	if status, _, _ := get(link, tag); status != 304 {
		t.Errorf("with its ETag: %d", status)
	}
	status, text, _ = get(strings.TrimSuffix(link, ".ics")+".ifb?start=20260301T000000Z&end=20260401T000000Z", "")
	if status != 200 || !strings.Contains(text, "FREEBUSY;FBTYPE=BUSY:20260310T090000Z/20260310T100000Z") || strings.Contains(text, "SUMMARY") {
		t.Errorf("busy times: %d\n%s", status, text)
	}
	if status, _, _ := get(strings.TrimSuffix(link, ".ics")+".ifb?start=x", ""); status != 400 {
		t.Errorf("a start that is none: %d", status)
	}
	post("unpublish-calendar", 202)
	if status, _, _ := get(link, ""); status != 404 {
		t.Errorf("taken back: %d", status)
	}
}
