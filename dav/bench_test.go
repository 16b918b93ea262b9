package dav_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"atrium/calendar"
	"atrium/contacts"
	"atrium/dav/davtest"
	"atrium/storage"
)

const (
	calPath  = "/calendars/user1@example.org/calendar/"
	bookPath = "/addressbooks/user1@example.org/contacts/"
	busyDay  = 2000 // events in a fixture are spread over so many days
)

// benchServer is a server whose user1 has n events, each tenth of them a weekly
// series, and n cards.
func benchServer(b testing.TB, events, cards int) *davtest.Server {
	s := davtest.New(b)
	call(b, s, "PROPFIND", "/", "0", `<propfind xmlns="DAV:"><prop><resourcetype/></prop></propfind>`, 207) // makes the defaults
	fill(b, s, calendar.Schema.Code, "calendar", events, func(tx *storage.Tx, id storage.CollectionID, i int) error {
		o, err := calendar.Prepare(context.Background(), s.Store.Blobs(), event(i), calendar.DefaultOptions())
		if err == nil {
			_, _, err = calendar.Put(tx, id, fmt.Sprintf("e%d.ics", i), o, calendar.Condition{})
		}
		return err
	})
	fill(b, s, contacts.Schema.Code, "contacts", cards, func(tx *storage.Tx, id storage.CollectionID, i int) error {
		o, err := contacts.Prepare(context.Background(), s.Store.Blobs(), vcard(i), contacts.DefaultOptions())
		if err == nil {
			_, _, err = contacts.Put(tx, id, fmt.Sprintf("c%d.vcf", i), o, contacts.Condition{})
		}
		return err
	})
	return s
}

func fill(b testing.TB, s *davtest.Server, schema byte, name string, n int, put func(*storage.Tx, storage.CollectionID, int) error) {
	b.Helper()
	a, err := s.People.Find(context.Background(), "user1@example.org")
	if err != nil {
		b.Fatal(err)
	}
	for from := 0; from < n; from += 200 {
		err := s.Store.Update(context.Background(), a.ID, func(tx *storage.Tx) error {
			c, err := tx.CollectionByName(schema, name)
			for i := from; i < min(from+200, n) && err == nil; i++ {
				err = put(tx, c.ID, i)
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func event(i int) []byte {
	day := time.Date(2024, 1, 1, 9, 0, 0, 0, time.UTC).AddDate(0, 0, i%busyDay)
	rule := ""
	if i%10 == 0 {
		rule = "RRULE:FREQ=WEEKLY;COUNT=20\r\n"
	}
	const form = "20060102T150405Z"
	return fmt.Appendf(nil, "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:e%d\r\nDTSTAMP:20240101T000000Z\r\nDTSTART:%s\r\nDTEND:%s\r\n%sSUMMARY:Meeting %d\r\nLOCATION:Room %d\r\nDESCRIPTION:%s\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
		i, day.Format(form), day.Add(time.Hour).Format(form), rule, i, i%7, strings.Repeat("words about it ", 20))
}

func vcard(i int) []byte {
	photo := ""
	if i%10 == 0 {
		photo = "PHOTO;ENCODING=b;TYPE=JPEG:" + strings.Repeat("QUJD", 1000) + "\r\n"
	}
	return fmt.Appendf(nil, "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:c%d\r\nFN:Person Number %d\r\nN:Number %d;Person;;;\r\nEMAIL;TYPE=INTERNET,WORK:person%d@work.example\r\nEMAIL;TYPE=INTERNET,HOME:p%d@home.example\r\nTEL;TYPE=CELL:+49 30 %06d\r\nORG:Firm %d;Sales\r\nADR;TYPE=WORK:;;Street %d;Town;;12345;Land\r\n%sNOTE:met at the fair in %d\r\nEND:VCARD\r\n",
		i, i, i, i, i, i, i%50, i, photo, 2000+i%25)
}

// call sends a request as user1 and returns the answer's header and body.
func call(b testing.TB, s *davtest.Server, method, path, depth, body string, status int) (http.Header, []byte) {
	b.Helper()
	r, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	r.SetBasicAuth("user1", "pass")
	if depth != "" {
		r.Header.Set("Depth", depth)
	}
	resp, err := s.Client().Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status {
		b.Fatalf("%s %s: %d, want %d, %v\n%.500s", method, path, resp.StatusCode, status, err, got)
	}
	return resp.Header, got
}

func tokenIn(b testing.TB, body []byte) string {
	b.Helper()
	_, rest, ok := bytes.Cut(body, []byte("<D:sync-token>"))
	token, _, ok2 := bytes.Cut(rest, []byte("<"))
	if !ok || !ok2 {
		b.Fatalf("no sync-token in\n%.300s", body)
	}
	return string(token)
}

func syncBody(token string) string {
	return `<D:sync-collection xmlns:D="DAV:"><D:sync-token>` + token + `</D:sync-token><D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop></D:sync-collection>`
}

func multiget(report, ns, data, path, name string, n int) string {
	var w strings.Builder
	fmt.Fprintf(&w, `<X:%s xmlns:X="%s" xmlns:D="DAV:"><D:prop><D:getetag/><X:%s/></D:prop>`, report, ns, data)
	for i := range n {
		fmt.Fprintf(&w, "<D:href>%s"+name+"</D:href>", path, i*7)
	}
	fmt.Fprintf(&w, "</X:%s>", report)
	return w.String()
}

const (
	calNS  = "urn:ietf:params:xml:ns:caldav"
	bookNS = "urn:ietf:params:xml:ns:carddav"
)

// BenchmarkRequests measures whole requests over loopback against 10,000 events and 10,000 cards.
func BenchmarkRequests(b *testing.B) {
	s := benchServer(b, 10_000, 10_000)
	etags := `<propfind xmlns="DAV:"><prop><getetag/><getcontenttype/></prop></propfind>`
	week := func(data string) string {
		return `<C:calendar-query xmlns:C="` + calNS + `" xmlns:D="DAV:"><D:prop><D:getetag/>` + data + `</D:prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"><C:time-range start="20250310T000000Z" end="20250317T000000Z"/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>`
	}
	search := func(prop, text string) string {
		return `<C:addressbook-query xmlns:C="` + bookNS + `" xmlns:D="DAV:"><D:prop><D:getetag/><C:address-data/></D:prop><C:filter test="anyof"><C:prop-filter name="` + prop + `"><C:text-match collation="i;unicode-casemap" match-type="contains">` + text + `</C:text-match></C:prop-filter></C:filter></C:addressbook-query>`
	}
	for _, bm := range []struct{ name, method, path, depth, body string }{
		{"get", "GET", calPath + "e7.ics", "", ""},
		{"propfind-1", "PROPFIND", calPath, "1", etags},
		{"propfind-home", "PROPFIND", "/calendars/user1@example.org/", "1", `<propfind xmlns="DAV:"><allprop/></propfind>`},
		{"multiget-100", "REPORT", calPath, "1", multiget("calendar-multiget", calNS, "calendar-data", calPath, "e%d.ics", 100)},
		{"multiget-1000", "REPORT", calPath, "1", multiget("calendar-multiget", calNS, "calendar-data", calPath, "e%d.ics", 1000)},
		{"cards-multiget-1000", "REPORT", bookPath, "1", multiget("addressbook-multiget", bookNS, "address-data", bookPath, "c%d.vcf", 1000)},
		{"first-sync", "REPORT", calPath, "", syncBody("")},
		{"query-week", "REPORT", calPath, "1", week("")},
		{"query-week-data", "REPORT", calPath, "1", week("<C:calendar-data/>")},
		{"free-busy", "REPORT", calPath, "1", `<C:free-busy-query xmlns:C="` + calNS + `"><C:time-range start="20250310T000000Z" end="20250410T000000Z"/></C:free-busy-query>`},
		{"cards-query", "REPORT", bookPath, "1", search("FN", "number 777")},
		{"cards-query-email", "REPORT", bookPath, "1", search("EMAIL", "PERSON777@")},
	} {
		b.Run(bm.name, func(b *testing.B) {
			want := 207
			if bm.method == "GET" || bm.name == "free-busy" {
				want = 200
			}
			b.ReportAllocs()
			for b.Loop() {
				_, got := call(b, s, bm.method, bm.path, bm.depth, bm.body, want)
				b.SetBytes(int64(len(got)))
			}
		})
	}
	b.Run("put", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			body := strings.Replace(string(event(20_000+i)), "Meeting", "Changed", 1)
			call(b, s, "PUT", fmt.Sprintf("%snew%d-%d.ics", calPath, b.N, i), "", strings.Replace(body, "UID:e", fmt.Sprintf("UID:n%d-%d-", b.N, i), 1), 201)
		}
	})
	for _, size := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("sync-10-of-%d", size), func(b *testing.B) {
			s := s
			if size != 10_000 {
				s = benchServer(b, size, 0)
			}
			_, body := call(b, s, "REPORT", calPath, "", syncBody(""), 207)
			token := tokenIn(b, body)
			for i := range 10 {
				call(b, s, "PUT", fmt.Sprintf("%se%d.ics", calPath, i*9), "", strings.Replace(string(event(i*9)), "Meeting", "Moved", 1), 204)
			}
			for b.Loop() {
				call(b, s, "REPORT", calPath, "", syncBody(token), 207)
			}
		})
	}
}
