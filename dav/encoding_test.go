package dav_test

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"atrium/dav/davtest"
)

func zipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

// TestEncodings sends and takes gzip (RFC 9110 §8.4, §12.5.3).
func TestEncodings(t *testing.T) {
	s := davtest.New(t)
	for i := range 20 {
		if code, body := do(t, s, "user1", "PUT", fmt.Sprintf("/calendars/user1@example.org/calendar/%d.ics", i), zipped(eventText(fmt.Sprint("e", i))),
			"Content-Type", "text/calendar", "Content-Encoding", "gzip"); code != 201 {
			t.Fatal(code, body)
		}
	}
	if _, body := do(t, s, "user1", "GET", "/calendars/user1@example.org/calendar/3.ics", ""); body != eventText("e3") {
		t.Errorf("what was sent in gzip is stored as %q", body)
	}
	for _, tc := range []struct {
		name, method, path, body, accept, encoding string
		status                                     int
	}{
		{"a listing", "PROPFIND", "calendar/", "", "gzip", "gzip", 207},
		{"one that may not be compressed", "PROPFIND", "calendar/", "", "gzip;q=0", "", 207},
		{"one that was not asked for", "PROPFIND", "calendar/", "", "identity", "", 207},
		{"a short one", "PROPFIND", "calendar/", `<propfind xmlns="DAV:"><prop><resourcetype/></prop></propfind>`, "gzip", "", 207},
		{"a report", "REPORT", "calendar/", `<sync-collection xmlns="DAV:"><sync-token/><sync-level>1</sync-level><prop><getetag/></prop></sync-collection>`, "gzip, deflate", "gzip", 207},
		{"a member keeps its octets and its ETag", "GET", "calendar/3.ics", "", "gzip", "", 200},
	} {
		r, _ := http.NewRequest(tc.method, s.URL+"/calendars/user1@example.org/"+tc.path, strings.NewReader(tc.body))
		r.SetBasicAuth("user1", "pass")
		r.Header.Set("Accept-Encoding", tc.accept)
		r.Header.Set("Depth", "1")
		if tc.body != "" && tc.method == "PROPFIND" {
			r.Header.Set("Depth", "0")
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		var in io.Reader = resp.Body
		if resp.Header.Get("Content-Encoding") == "gzip" {
			if in, err = gzip.NewReader(resp.Body); err != nil {
				t.Fatal(err)
			}
		}
		body, err := io.ReadAll(in)
		resp.Body.Close()
		if err != nil || resp.StatusCode != tc.status || resp.Header.Get("Content-Encoding") != tc.encoding {
			t.Errorf("%s: %v, Content-Encoding %q, %v", tc.name, resp.Status, resp.Header.Get("Content-Encoding"), err)
		}
		if tc.status == 207 && (!strings.HasSuffix(string(body), "</D:multistatus>") || !strings.Contains(strings.Join(resp.Header.Values("Vary"), ","), "Accept-Encoding")) {
			t.Errorf("%s: Vary %q, %s", tc.name, resp.Header.Values("Vary"), body)
		}
	}
	for _, tc := range []struct {
		encoding, body string
		status         int
	}{
		{"gzip", zipped(`<propfind xmlns="DAV:"><prop><resourcetype/></prop></propfind>`), 207},
		{"gzip", "hello", 400},
		{"gzip", zipped("<propfind/>")[:15], 400},
		{"gzip", zipped("<propfind xmlns='DAV:'><prop>" + strings.Repeat("<getetag/>", 1<<20) + "</prop></propfind>"), 413},
		{"br", "hello", 415},
	} {
		code, body := do(t, s, "user1", "PROPFIND", "/calendars/user1@example.org/", tc.body, "Content-Encoding", tc.encoding, "Depth", "0")
		if code != tc.status {
			t.Errorf("%s %.20q: %d, want %d: %s", tc.encoding, tc.body, code, tc.status, body)
		}
	}
	if code, body := do(t, s, "user1", "PUT", "/calendars/user1@example.org/calendar/bomb.ics", zipped(strings.Repeat("BEGIN:X\r\n", 8<<20)),
		"Content-Type", "text/calendar", "Content-Encoding", "gzip"); code < 400 || code >= 500 {
		t.Errorf("a gzip bomb: %d %s", code, body)
	}
	if code, _ := do(t, s, "user1", "TRACE", "/", ""); code != 405 {
		t.Errorf("TRACE: %d", code)
	}
}

// TestHTTP2 asks over TLS as the program serves it.
func TestHTTP2(t *testing.T) {
	s := davtest.New(t)
	helper := httptest.NewTLSServer(nil) // for its certificate
	defer helper.Close()
	srv := s.DAV.HTTP(&tls.Config{Certificates: helper.TLS.Certificates})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go srv.ServeTLS(l, "", "")
	defer srv.Close()
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	defer c.CloseIdleConnections()
	for _, depth := range []string{"0", "1"} {
		r, _ := http.NewRequest("PROPFIND", "https://"+l.Addr().String()+"/calendars/user1@example.org/", nil)
		r.SetBasicAuth("user1", "pass")
		r.Header.Set("Depth", depth)
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.ProtoMajor != 2 || resp.StatusCode != 207 || !strings.Contains(string(body), "HTTP/1.1 200 OK") {
			t.Errorf("%s %s %v: %s", resp.Proto, resp.Status, err, body)
		}
	}
}
