package dav_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"atrium/calendar"
	"atrium/calendar/ics"
	"atrium/contacts/card"
	"atrium/dav/davtest"
)

// TestPutLimits: what a collection says that it takes at most it takes, and one more is refused by the
// precondition of that name, alone in DAV:error (RFC 4791 §5.3.2.1, RFC 6352 §6.3.2.1).
func TestPutLimits(t *testing.T) {
	s := davtest.New(t)
	_, body := call(t, s, "PROPFIND", calPath, "0", `<propfind xmlns="DAV:" xmlns:C="`+calNS+`"><prop><C:max-resource-size/><C:max-attendees-per-instance/><C:max-instances/></prop></propfind>`, 207)
	attendees, size := calendar.DefaultOptions().Attendees, ics.DefaultLimits().Size
	for _, want := range []string{fmt.Sprintf("<C:max-resource-size>%d<", size), fmt.Sprintf("<C:max-attendees-per-instance>%d<", attendees)} {
		if !strings.Contains(string(body), want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	if strings.Contains(string(body), "<C:max-instances>") { // series are taken whatever their length
		t.Errorf("a limit that is not there is told of:\n%s", body)
	}
	object := func(uid, lines string) string {
		return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:" + uid + "\r\nDTSTAMP:20260301T000000Z\r\nDTSTART:20260310T090000Z\r\n" + lines + "END:VEVENT\r\nEND:VCALENDAR\r\n"
	}
	invited := func(n int) string {
		var b strings.Builder
		b.WriteString("ORGANIZER:mailto:user1@example.org\r\n")
		for i := range n {
			fmt.Fprintf(&b, "ATTENDEE:mailto:a%d@example.net\r\n", i)
		}
		return b.String()
	}
	// fill makes an object or a card exactly so large.
	fill := func(size int, shape func(text string) string) string {
		line := "NOTE:" + strings.Repeat("0123456789", 200) + "\r\n"
		n := size - len(shape(""))
		return shape(strings.Repeat(line, n/len(line)-1) + "NOTE:" + strings.Repeat("x", len(line)+n%len(line)-len("NOTE:\r\n")) + "\r\n")
	}
	event := func(uid string) func(string) string {
		return func(text string) string { return object(uid, strings.ReplaceAll(text, "NOTE:", "X-NO:")) }
	}
	person := func(uid string) func(string) string {
		return func(text string) string {
			return "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:" + uid + "\r\nFN:x\r\nN:x;;;;\r\n" + text + "END:VCARD\r\n"
		}
	}
	most := card.DefaultLimits().Size
	for _, tc := range []struct{ name, path, body, refused string }{
		{"as many attendees as there may be", calPath + "a.ics", object("a", invited(attendees)), ""},
		{"one more", calPath + "b.ics", object("b", invited(attendees+1)), "C:max-attendees-per-instance"},
		{"one more in what is there", calPath + "a.ics", object("a", invited(attendees+1)), "C:max-attendees-per-instance"},
		{"as large as it may be", calPath + "c.ics", fill(size, event("c")), ""},
		{"a byte more", calPath + "d.ics", fill(size+1, event("d")), "C:max-resource-size"},
		{"a card as large as it may be", bookPath + "c.vcf", fill(most, person("c")), ""},
		{"a byte more in a card", bookPath + "d.vcf", fill(most+1, person("d")), "CR:max-resource-size"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want := 201
			if tc.refused != "" {
				want = 403
			}
			_, body := call(t, s, "PUT", tc.path, "", tc.body, want)
			_, inside, _ := strings.Cut(string(body), "xmlns:D=")
			_, inside, _ = strings.Cut(inside, ">")
			if tc.refused != "" && strings.TrimSpace(inside) != "<"+tc.refused+"/></D:error>" {
				t.Errorf("refused by %q", body)
			}
		})
	}
}

// TestNothingDangling: what is not there is not announced: clients that find an inbox send their invitations there
// instead of mailing them.
func TestNothingDangling(t *testing.T) {
	s := davtest.New(t)
	const me = "/principals/user1@example.org/"
	header, body := call(t, s, "PROPFIND", me, "0", `<propfind xmlns="DAV:" xmlns:C="`+calNS+`"><prop><C:schedule-inbox-URL/><C:schedule-outbox-URL/><C:calendar-home-set/></prop></propfind>`, 207)
	announced := strings.Contains(header.Get("Dav"), "calendar-auto-schedule")
	for _, name := range []string{"schedule-inbox-URL", "schedule-outbox-URL"} {
		_, rest, there := strings.Cut(string(body), "<C:"+name+"><D:href>")
		if there != announced {
			t.Errorf("calendar-auto-schedule %v, %s %v", announced, name, there)
		}
		if there {
			href, _, _ := strings.Cut(rest, "<")
			call(t, s, "PROPFIND", href, "0", `<propfind xmlns="DAV:"><prop><resourcetype/></prop></propfind>`, 207)
		}
	}
}

// TestManyHrefs: a multiget answers for each of thousands of hrefs, in their order; one that is beyond all
// bounds is refused as a whole.
func TestManyHrefs(t *testing.T) {
	s := benchServer(t, 50, 0)
	ask := func(n, status int) string {
		_, body := call(t, s, "REPORT", calPath, "1", multiget("calendar-multiget", calNS, "calendar-data", calPath, "e%d.ics", n), status)
		return string(body)
	}
	body := ask(20_000, 207)
	if n := strings.Count(body, "<D:response>"); n != 20_000 {
		t.Errorf("%d responses", n)
	}
	if n := strings.Count(body, "<C:calendar-data>"); n != 8 {
		t.Errorf("%d objects", n)
	}
	if n := strings.Count(body, "404 Not Found"); n != 19_992 {
		t.Errorf("%d are not there", n)
	}
	if at := strings.Index(body, "e7.ics"); at < 0 || at > strings.Index(body, "e1995.ics") {
		t.Error("not in their order")
	}
	if got := ask(200_000, http.StatusRequestEntityTooLarge); strings.Contains(got, "multistatus") {
		t.Errorf("%.200s", got)
	}
}
