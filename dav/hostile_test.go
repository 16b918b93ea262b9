package dav_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"atrium/calendar"
	"atrium/dav"
	"atrium/dav/davtest"
	"atrium/storage"
)

// raw sends octets as they are and returns the answer, nil when the server hung up without one.
func raw(t *testing.T, s *davtest.Server, text string) *http.Response {
	t.Helper()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		return nil
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return nil
	}
	return r
}

// login is the header of user1.
const login = "Host: x\r\nAuthorization: Basic dXNlcjE6cGFzcw==\r\n"

// alive checks that another user is served as ever.
func alive(t *testing.T, s *davtest.Server) {
	t.Helper()
	r, err := http.NewRequest("PROPFIND", s.URL+"/calendars/user2@example.org/", strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("user2", "pass")
	r.Header.Set("Depth", "0")
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatalf("another user: %v", err)
	}
	resp.Body.Close()
	if resp.StatusCode != 207 {
		t.Fatalf("another user: %s", resp.Status)
	}
}

// TestHostileXML sends bodies that are made to cost much or to reveal something, to
// each method that reads XML: each is refused at once.
func TestHostileXML(t *testing.T) {
	s := davtest.New(t)
	var laughs strings.Builder
	laughs.WriteString(`<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a0 "lol">`)
	for i := range 20 {
		fmt.Fprintf(&laughs, `<!ENTITY a%d "%s">`, i+1, strings.Repeat(fmt.Sprintf("&a%d;", i), 10))
	}
	laughs.WriteString(`]><propfind xmlns="DAV:"><prop><x>&a20;</x></prop></propfind>`)
	deep := strings.Repeat("<x>", 100_000)
	attrs := new(strings.Builder)
	for i := range 50_000 {
		fmt.Fprintf(attrs, ` a%d=""`, i)
	}
	for _, tc := range []struct {
		name, body string
		status     int
	}{
		{"a billion laughs", laughs.String(), 400},
		{"an external entity", `<!DOCTYPE p [<!ENTITY x SYSTEM "file:///etc/passwd">]><propfind xmlns="DAV:"><prop><x>&x;</x></prop></propfind>`, 400},
		{"an external DTD", `<!DOCTYPE p SYSTEM "http://127.0.0.1:1/x.dtd"><propfind xmlns="DAV:"><prop/></propfind>`, 400},
		{"a parameter entity", `<!DOCTYPE p [<!ENTITY % x SYSTEM "file:///etc/passwd">%x;]><propfind xmlns="DAV:"/>`, 400},
		{"an unknown entity", `<propfind xmlns="DAV:"><prop><x>&nbsp;</x></prop></propfind>`, 400},
		{"deep nesting", `<propfind xmlns="DAV:"><prop>` + deep, 413},
		{"100,000 elements", `<propfind xmlns="DAV:"><prop>` + strings.Repeat("<x/>", 100_000) + `</prop></propfind>`, 0},
		{"more elements", `<a>` + strings.Repeat("<x/>", 200_000) + `</a>`, 0},
		{"many attributes", `<propfind xmlns="DAV:"` + attrs.String() + `><prop/></propfind>`, 413},
		{"20 MB", `<propfind xmlns="DAV:"><prop><x>` + strings.Repeat("x", 20<<20) + `</x></prop></propfind>`, 413},
		{"text", "hello", 400},
		{"cut", `<propfind xmlns="DAV:"><prop>`, 400},
		{"not UTF-8", "<propfind xmlns=\"DAV:\"><prop><x>\xff\xfe\xfd</x></prop></propfind>", 400},
		{"UTF-16 with half a character", "\xff\xfe<\x00p\x00\x00\xd8", 400},
		{"NUL", "<propfind xmlns=\"DAV:\"><prop><x>\x00</x></prop></propfind>", 400},
		{"JSON", `{"a": 1}`, 400},
		{"iCalendar", string(event(1)), 400},
	} {
		for _, method := range []string{"PROPFIND", "PROPPATCH", "REPORT", "MKCALENDAR", "MKCOL", "LOCK", "ACL"} {
			path := calPath
			if strings.HasPrefix(method, "MK") {
				path = "/calendars/user1@example.org/new/"
			}
			begin := time.Now()
			r, err := http.NewRequest(method, s.URL+path, strings.NewReader(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			r.SetBasicAuth("user1", "pass")
			r.Header.Set("Depth", "0")
			resp, err := s.Client().Do(r)
			if err != nil {
				continue // the server hung up on what it does not read
			}
			got, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode < 400 || resp.StatusCode >= 500 || tc.status != 0 && resp.StatusCode != tc.status && method == "PROPFIND" {
				t.Errorf("%s, %s: %s, want %d\n%.200s", tc.name, method, resp.Status, tc.status, got)
			}
			if bytes.Contains(got, []byte("root:")) {
				t.Errorf("%s, %s: a file of the machine is in the answer", tc.name, method)
			}
			if d := time.Since(begin); d > 10*time.Second {
				t.Errorf("%s, %s: took %v", tc.name, method, d)
			}
		}
	}
	alive(t, s)
}

// TestHugeUpload announces a gigabyte: the refusal comes before the body is read.
func TestHugeUpload(t *testing.T) {
	s := davtest.New(t)
	call(t, s, "PROPFIND", "/", "0", "", 207)
	for _, tc := range []struct{ name, path, header string }{
		{"an event", calPath + "big.ics", "Content-Length: 1073741824\r\n"},
		{"a card", bookPath + "big.vcf", "Content-Length: 1073741824\r\n"},
		{"waiting for 100", calPath + "big.ics", "Expect: 100-continue\r\nContent-Length: 1073741824\r\n"},
		{"another's calendar", "/calendars/user2@example.org/calendar/big.ics", "Expect: 100-continue\r\nContent-Length: 500000\r\n"},
		{"a precondition", calPath + "big.ics", "If-Match: \"x\"\r\nContent-Length: 500000\r\n"},
	} {
		begin := time.Now()
		r := raw(t, s, "PUT "+tc.path+" HTTP/1.1\r\n"+login+"Content-Type: text/calendar\r\n"+tc.header+"\r\n")
		switch {
		case r == nil:
			t.Errorf("%s: no answer", tc.name)
		case r.StatusCode < 400 || r.StatusCode >= 500:
			t.Errorf("%s: %s", tc.name, r.Status)
		case time.Since(begin) > 5*time.Second:
			t.Errorf("%s: refused after %v", tc.name, time.Since(begin))
		}
	}
	// Without a length it is cut where the limit is.
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r, err := http.NewRequest("PUT", s.URL+calPath+"endless.ics", io.LimitReader(endless{}, 1<<30))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("user1", "pass")
	if resp, err := s.Client().Do(r); err == nil {
		resp.Body.Close()
		if resp.StatusCode != 403 && resp.StatusCode != 413 {
			t.Errorf("without end: %s", resp.Status)
		}
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 200<<20 {
		t.Errorf("without end: %d MB of memory", n>>20)
	}
	alive(t, s)
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// TestSlowAndHalfClosed holds connections open in the middle of things.
func TestSlowAndHalfClosed(t *testing.T) {
	s := davtest.New(t, func(c *dav.Config) {
		c.HeaderTimeout, c.BodyTimeout, c.IdleTimeout = time.Second, 2*time.Second, time.Second
	})
	slow := httptest.NewUnstartedServer(nil)
	slow.Config = s.DAV.HTTP(nil)
	slow.Start()
	defer slow.Close()
	open := func(text string) net.Conn {
		c, err := net.Dial("tcp", slow.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, text)
		return c
	}
	for _, text := range []string{
		"", "PROP", "PROPFIND / HTTP/1.1\r\n" + login,
		"PROPFIND / HTTP/1.1\r\n" + login + "Content-Length: 500\r\n\r\n<propfind",
		"PUT " + calPath + "slow.ics HTTP/1.1\r\n" + login + "Content-Length: 500\r\n\r\nBEGIN:",
		"PUT " + calPath + "slow.ics HTTP/1.1\r\n" + login + "Transfer-Encoding: chunked\r\n\r\n5\r\nBEGIN\r\n",
	} {
		c := open(text)
		c.SetReadDeadline(time.Now().Add(15 * time.Second))
		begin := time.Now()
		io.Copy(io.Discard, c)
		if d := time.Since(begin); d > 10*time.Second {
			t.Errorf("after %.60q the connection stays for %v", text, d)
		}
		c.Close()
	}
	// Half-closed: the body ends too soon, nothing is stored, the answer is an error or none.
	c := open("PUT " + calPath + "half.ics HTTP/1.1\r\n" + login + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(event(1))+1) + string(event(1)))
	c.(*net.TCPConn).CloseWrite()
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if r, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil && r.StatusCode < 400 {
		t.Errorf("half a body: %s", r.Status)
	}
	c.Close()
	call(t, s, "GET", calPath+"half.ics", "", "", 404)
	// Half-closed after a whole request: the answer comes.
	c = open("PROPFIND / HTTP/1.1\r\n" + login + "Depth: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	c.(*net.TCPConn).CloseWrite()
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if r, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || r.StatusCode != 207 {
		t.Errorf("half-closed after the request: %v %v", r, err)
	}
	c.Close()
	alive(t, s)
}

// TestWrongType sends bodies that are not what they say.
func TestWrongType(t *testing.T) {
	s := davtest.New(t)
	call(t, s, "PROPFIND", "/", "0", "", 207)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(bytes.Repeat([]byte("x"), 50<<20))
	z.Close()
	for _, tc := range []struct {
		name, method, path, kind, encoding, body string
		status                                   int
		has                                      string
	}{
		{"a card as an event", "PUT", calPath + "x.ics", "text/vcard", "", string(vcard(1)), 403, "supported-calendar-data"},
		{"JSON as an event", "PUT", calPath + "x.ics", "application/json", "", "{}", 403, "supported-calendar-data"},
		{"a type that is none", "PUT", calPath + "x.ics", "/;;", "", string(event(1)), 403, "supported-calendar-data"},
		{"a card that says it is an event", "PUT", calPath + "x.ics", "text/calendar", "", string(vcard(1)), 403, "valid-calendar-data"},
		{"an event as a card", "PUT", bookPath + "x.vcf", "text/calendar", "", string(event(1)), 403, "supported-address-data"},
		{"an event that says it is a card", "PUT", bookPath + "x.vcf", "text/vcard", "", string(event(1)), 403, "valid-address-data"},
		{"garbage", "PUT", calPath + "x.ics", "text/calendar", "", "\x00\x01\xff", 403, "valid-calendar-data"},
		{"nothing", "PUT", calPath + "x.ics", "text/calendar", "", "", 403, "valid-calendar-data"},
		{"a gzip bomb as an event", "PUT", calPath + "x.ics", "text/calendar", "gzip", packed.String(), 403, "max-resource-size"},
		{"a gzip bomb as XML", "PROPFIND", calPath, "application/xml", "gzip", packed.String(), 413, ""},
		{"identity is no encoding", "PUT", calPath + "x.ics", "text/calendar", "identity", string(event(1)), 201, ""},
		{"XML without a type", "PROPFIND", calPath, "", "", `<propfind xmlns="DAV:"><prop><getetag/></prop></propfind>`, 207, ""},
	} {
		r, err := http.NewRequest(tc.method, s.URL+tc.path, strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("user1", "pass")
		for k, v := range map[string]string{"Content-Type": tc.kind, "Content-Encoding": tc.encoding} {
			if v != "" {
				r.Header.Set(k, v)
			}
		}
		resp, err := s.Client().Do(r)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		got, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != tc.status || !bytes.Contains(got, []byte(tc.has)) {
			t.Errorf("%s: %s, want %d %s\n%.300s", tc.name, resp.Status, tc.status, tc.has, got)
		}
	}
}

// TestHostilePaths asks for what a path should not lead to.
func TestHostilePaths(t *testing.T) {
	s := davtest.New(t)
	call(t, s, "PROPFIND", "/", "0", "", 207)
	call(t, s, "PUT", calPath+"a.ics", "", string(event(1)), 201)
	for _, tc := range []struct {
		path   string
		status []int
	}{
		{calPath + "%00.ics", []int{400}},
		{calPath + "a.ics%00", []int{400}},
		{calPath + "%ff.ics", []int{400}},
		{calPath + "%zz.ics", []int{400}},
		{calPath + "../tasks/", []int{400}},
		{calPath + "%2e%2e/tasks/", []int{400}},
		{calPath + "..%2ftasks", []int{404, 400}},
		{calPath + "%252e%252e%252ftasks", []int{404}},
		{calPath + "a%2Eics", []int{200}},
		{calPath + "a%252Eics", []int{404}},
		{calPath + strings.Repeat("x", 5000), []int{404}},
		{"/" + strings.Repeat("x/", 5000), []int{404, 414}},
		{"/calendars/" + strings.Repeat("x", 5000) + "/", []int{404}},
		{"/calendars/" + strings.Repeat("x@", 100) + "/calendar/", []int{404}},
		{"/calendars/../../etc/passwd", []int{400}},
		{"/calendars//user1@example.org///calendar//a.ics", []int{200}},
		{"//etc/passwd", []int{404}},
		{"/%2e%2e/%2e%2e/etc/passwd", []int{400}},
		{"/files/user1@example.org/..%5c..%5cetc", []int{404, 400}},
		{calPath + "a.ics/b.ics", []int{404}},
		{calPath + "?x=../../", []int{200}},
	} {
		r := raw(t, s, "GET "+tc.path+" HTTP/1.1\r\n"+login+"Connection: close\r\n\r\n")
		if r == nil {
			t.Errorf("%.80s: no answer", tc.path)
			continue
		}
		ok := r.StatusCode == 400 // net/http may have refused it
		for _, st := range tc.status {
			ok = ok && st == 400 || r.StatusCode == st
			if ok {
				break
			}
		}
		if !ok {
			t.Errorf("%.80s: %s, want %v", tc.path, r.Status, tc.status)
		}
	}
	for _, name := range []string{strings.Repeat("x", 2000) + ".ics", "..", "%2e", "%00"} {
		if r := raw(t, s, fmt.Sprintf("PUT %s%s HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s", calPath, name, login, len(event(2)), event(2))); r == nil || r.StatusCode < 400 || r.StatusCode >= 500 {
			t.Errorf("PUT as %.60s: %v", name, r)
		}
	}
	alive(t, s)
}

// TestStrangersLookAlike asks with each method for what another account has and for what
// nobody has: the answers do not differ.
func TestStrangersLookAlike(t *testing.T) {
	s := davtest.New(t)
	alive(t, s) // makes the collections of user2
	put := func(user, path string) {
		r, _ := http.NewRequest("PUT", s.URL+path, bytes.NewReader(event(1)))
		r.SetBasicAuth(user, "pass")
		resp, err := s.Client().Do(r)
		if err != nil || resp.StatusCode != 201 {
			t.Fatal(resp, err)
		}
		resp.Body.Close()
	}
	put("user2", "/calendars/user2@example.org/calendar/there.ics")
	call(t, s, "PROPFIND", "/", "0", "", 207)
	call(t, s, "PUT", calPath+"own.ics", "", string(event(1)), 201)
	ask := func(method, path string, header map[string]string, body string) (int, string) {
		r, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("user1", "pass")
		for k, v := range header {
			r.Header.Set(k, v)
		}
		resp, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		got, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(got)
	}
	there, none := "/calendars/user2@example.org/", "/calendars/nobody@example.org/"
	for _, tc := range []struct {
		method, path string
		header       map[string]string
		body         string
	}{
		{"GET", "calendar/there.ics", nil, ""},
		{"HEAD", "calendar/there.ics", nil, ""},
		{"GET", "calendar/", nil, ""},
		{"GET", "", nil, ""},
		{"PROPFIND", "", map[string]string{"Depth": "1"}, ""},
		{"PROPFIND", "calendar/", map[string]string{"Depth": "0"}, ""},
		{"PROPFIND", "calendar/there.ics", map[string]string{"Depth": "0"}, ""},
		{"PROPPATCH", "calendar/", nil, `<propertyupdate xmlns="DAV:"><set><prop><displayname>x</displayname></prop></set></propertyupdate>`},
		{"PUT", "calendar/there.ics", nil, string(event(1))},
		{"PUT", "calendar/there.ics", map[string]string{"If-Match": "*"}, string(event(1))},
		{"PUT", "calendar/there.ics", map[string]string{"If-None-Match": "*"}, string(event(1))},
		{"PUT", "calendar/new.ics", map[string]string{"If-None-Match": "*"}, string(event(3))},
		{"DELETE", "calendar/there.ics", nil, ""},
		{"DELETE", "calendar/", nil, ""},
		{"MKCALENDAR", "calendar/", nil, ""},
		{"MKCOL", "calendar/", nil, ""},
		{"LOCK", "calendar/there.ics", nil, `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`},
		{"UNLOCK", "calendar/there.ics", map[string]string{"Lock-Token": "<urn:x>"}, ""},
		{"REPORT", "calendar/", nil, syncBody("")},
		{"REPORT", "", nil, syncBody("")},
		{"REPORT", "calendar/", nil, multiget("calendar-multiget", calNS, "calendar-data", there+"calendar/", "there%d.ics", 1)},
		{"COPY", "calendar/there.ics", map[string]string{"Destination": calPath + "stolen.ics"}, ""},
		{"MOVE", "calendar/there.ics", map[string]string{"Destination": calPath + "stolen.ics"}, ""},
		{"ACL", "calendar/", nil, `<acl xmlns="DAV:"/>`},
	} {
		a, abody := ask(tc.method, there+tc.path, tc.header, tc.body)
		b, bbody := ask(tc.method, none+tc.path, tc.header, tc.body)
		if a != b || strings.ReplaceAll(abody, "user2", "nobody") != bbody || a < 400 || a >= 500 {
			t.Errorf("%s %s: %d %.200s\nof nobody: %d %.200s", tc.method, tc.path, a, abody, b, bbody)
		}
	}
	for _, method := range []string{"COPY", "MOVE"} {
		for _, name := range []string{"calendar/there.ics", "calendar/new.ics", "other/new.ics"} {
			a, abody := ask(method, calPath+"own.ics", map[string]string{"Destination": there + name}, "")
			b, bbody := ask(method, calPath+"own.ics", map[string]string{"Destination": none + name}, "")
			if a != b || abody != bbody || a < 400 {
				t.Errorf("%s to %s: %d %.200s\nof nobody: %d %.200s", method, name, a, abody, b, bbody)
			}
		}
	}
	// An If header about them tells nothing either.
	for _, user := range []string{"user2", "nobody"} {
		if st, _ := ask("PUT", calPath+"own.ics", map[string]string{"If": "</calendars/" + user + "@example.org/calendar/there.ics> (Not <urn:x>)"}, string(event(1))); st != 412 && st != 204 {
			t.Errorf("If about %s: %d", user, st)
		}
	}
	call(t, s, "GET", calPath+"stolen.ics", "", "", 404)
}

// TestStrangeHrefs asks by multiget for what no client should: nothing breaks, and what leads to a
// member in some other way of writing is found.
func TestStrangeHrefs(t *testing.T) {
	s := davtest.New(t)
	call(t, s, "PROPFIND", "/", "0", "", 207)
	for _, name := range []string{"a.ics", "a%20b.ics", "%25%23%3F.ics", "%C3%A9.ics", "x%2Fy.ics"} {
		call(t, s, "PUT", calPath+name, "", strings.ReplaceAll(string(event(1)), "UID:e1", "UID:"+name), 201)
	}
	for _, tc := range []struct {
		href string
		ok   bool
	}{
		{calPath + "a.ics", true}, {calPath + "%61.ics", true}, {calPath + "a.ics?x", true}, {calPath + "a.ics#x", true},
		{s.URL + calPath + "a.ics", true}, {strings.Replace(calPath, "@", "%40", 1) + "a.ics", true},
		{calPath + "a%20b.ics", true}, {calPath + "a b.ics", true}, {calPath + "%25%23%3F.ics", true}, {calPath + "%C3%A9.ics", true}, {calPath + "é.ics", true},
		{calPath + "x%2Fy.ics", true}, {calPath + "x/y.ics", false}, {calPath, false}, {"", false}, {"a.ics", false}, {"?", false}, {"#", false}, {"/", false}, {"//", false},
		{calPath + "%zz", false}, {calPath + "%00", false}, {calPath + "../tasks/a.ics", false}, {"http://elsewhere" + calPath + "a.ics", false},
		{"mailto:x", false}, {"/calendars/user2@example.org/calendar/a.ics", false}, {"/calendars/user1@example.org/tasks/a.ics", false},
		{bookPath + "a.ics", false}, {calPath + strings.Repeat("x", 3000), false},
	} {
		// Alone, and after one that was found.
		for _, before := range []string{"", "<D:href>" + calPath + "a.ics</D:href>"} {
			_, got := call(t, s, "REPORT", calPath, "1", `<C:calendar-multiget xmlns:C="`+calNS+`" xmlns:D="DAV:"><D:prop><D:getetag/></D:prop>`+before+`<D:href>`+tc.href+`</D:href></C:calendar-multiget>`, 207)
			n, found := 1, bytes.Count(got, []byte("<D:getetag>"))
			if before != "" {
				n, found = 2, found-1
			}
			if bytes.Count(got, []byte("<D:response>")) != n || found == 1 != tc.ok {
				t.Errorf("%.100q: %.600s", tc.href, got)
			}
		}
	}
}

// TestDroppedElsewhere drops a calendar without DAV: the home's sync tells.
func TestDroppedElsewhere(t *testing.T) {
	s := davtest.New(t)
	home := "/calendars/user1@example.org/"
	_, body := call(t, s, "REPORT", home, "", syncBody(""), 207)
	a, err := s.People.Find(context.Background(), "user1@example.org")
	if err != nil {
		t.Fatal(err)
	}
	err = s.Store.Update(context.Background(), a.ID, func(tx *storage.Tx) error {
		c, err := tx.CollectionByName(calendar.Schema.Code, "notes")
		if err != nil {
			return err
		}
		return tx.Drop(c.ID)
	})
	if err != nil {
		t.Fatal(err)
	}
	_, body = call(t, s, "REPORT", home, "", syncBody(tokenIn(t, body)), 207)
	if !bytes.Contains(body, []byte("<D:href>"+home+"notes/</D:href><D:status>HTTP/1.1 404")) || bytes.Count(body, []byte("<D:response>")) != 1 {
		t.Errorf("%s", body)
	}
}

// TestMended: a character that a fold has cut in two, and control characters that were pasted into a text, are no
// reason to refuse it; the answer has no ETag then, and all that is served is UTF-8 (RFC 5545 §3.1, RFC 4791 §5.3.4).
func TestMended(t *testing.T) {
	s := davtest.New(t)
	for _, tc := range []struct{ path, contentType, sent, stored string }{
		{"/addressbooks/user1@example.org/contacts/a.vcf", "text/vcard", "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:a\r\nFN:J\xc3\r\n \xbcr\x0bgen\r\nEND:VCARD\r\n",
			"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:a\r\nFN:J\u00fc\r\n rgen\r\nEND:VCARD\r\n"},
		{"/calendars/user1@example.org/calendar/a.ics", "text/calendar",
			"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//t//EN\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260110T090000Z\r\nSUMMARY:caf\xc3\r\n \xa9\x0b\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
			"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//t//EN\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260110T090000Z\r\nSUMMARY:caf\u00e9\r\n \r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"},
	} {
		do := func(method, body string) *http.Response {
			rq, err := http.NewRequest(method, s.URL+tc.path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			rq.SetBasicAuth("user1", "pass")
			rq.Header.Set("Content-Type", tc.contentType)
			r, err := http.DefaultClient.Do(rq)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { r.Body.Close() })
			return r
		}
		if r := do("PUT", tc.sent); r.StatusCode != http.StatusCreated || r.Header.Get("ETag") != "" {
			t.Errorf("PUT %s: %s, ETag %q", tc.path, r.Status, r.Header.Get("ETag"))
		}
		r := do("GET", "")
		if b, err := io.ReadAll(r.Body); err != nil || string(b) != tc.stored {
			t.Errorf("GET %s: %v\n%q, want\n%q", tc.path, err, b, tc.stored)
		}
		if r := do("PUT", tc.stored); r.StatusCode != http.StatusNoContent || r.Header.Get("ETag") == "" {
			t.Errorf("the stored octets again: %s, ETag %q", r.Status, r.Header.Get("ETag"))
		}
	}
}
