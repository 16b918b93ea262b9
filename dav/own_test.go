package dav_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"atrium/dav/davtest"
	"atrium/storage"
)

// alarmed is eventText with lines before END:VEVENT.
func alarmed(uid, summary string, lines ...string) string {
	text := strings.Replace(eventText(uid), "SUMMARY:secret", "SUMMARY:"+summary, 1)
	if len(lines) > 0 {
		text = strings.Replace(text, "END:VEVENT", strings.Join(lines, "\r\n")+"\r\nEND:VEVENT", 1)
	}
	return text
}

// send is do that returns the ETag and the sync-token, or what else a header says.
func send(t *testing.T, s *davtest.Server, user, method, path, body string, code int, header ...string) (string, http.Header) {
	t.Helper()
	resp, text := request(t, s, user, method, path, body, header...)
	if resp.StatusCode != code {
		t.Fatalf("%s %s by %s: %d, want %d\n%s", method, path, user, resp.StatusCode, code, text)
	}
	return text, resp.Header
}

const (
	alarm10 = "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT10M\r\nDESCRIPTION:ten\r\nEND:VALARM"
	alarm20 = "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT20M\r\nDESCRIPTION:twenty\r\nEND:VALARM"
	alarm30 = "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT30M\r\nDESCRIPTION:thirty\r\nEND:VALARM"
)

var icsType = []string{"Content-Type", "text/calendar"}[:2:2]

// TestOwnAlarms: of an event in a shared calendar each has alarms, TRANSP and what clients note of alarms for himself.
func TestOwnAlarms(t *testing.T) {
	for _, tc := range []struct {
		name   string
		rights storage.Rights
	}{{"who may write", storage.ReadWrite}, {"who may read only", storage.ReadOnly}} {
		t.Run(tc.name, func(t *testing.T) {
			s := davtest.New(t)
			direct, mount := shared(t, s, "plans", tc.rights)
			owners := alarmed("own", "lunch", alarm10)
			send(t, s, "user2", "PUT", direct+"own.ics", owners, 201, icsType...)
			_, h := send(t, s, "user2", "GET", direct+"own.ics", "", 200)
			tag := h.Get("Etag")

			// nothing of the owner's is shown, wherever it is looked at
			for _, path := range []string{mount, direct} {
				if got, _ := send(t, s, "user1", "GET", path+"own.ics", "", 200); got != alarmed("own", "lunch") {
					t.Errorf("without alarms of one's own:\n%s", got)
				}
			}
			const sync = `<sync-collection xmlns="DAV:"><sync-token>%s</sync-token><sync-level>1</sync-level><prop><getetag/></prop></sync-collection>`
			tokens := map[string]string{}
			changed := func(user, path string) string {
				t.Helper()
				got, _ := send(t, s, user, "REPORT", path, strings.Replace(sync, "%s", tokens[user], 1), 207, "Content-Type", "text/xml")
				tokens[user] = between(got, "<D:sync-token>", "</D:sync-token>")
				return got
			}
			changed("user1", mount)
			changed("user2", direct)

			// the sharee's alarms are kept for him, as he sent them
			mine := alarmed("own", "lunch", "TRANSP:TRANSPARENT", "X-MOZ-LASTACK:20260309T090000Z", alarm20)
			_, h = send(t, s, "user1", "PUT", mount+"own.ics", mine, 204, append(icsType, "If-Match", tag)...)
			own := h.Get("Etag")
			if own == "" || own == tag {
				t.Errorf("ETag of what is one's own: %q beside %q", own, tag)
			}
			got, h := send(t, s, "user1", "GET", mount+"own.ics", "", 200)
			if got != mine || h.Get("Etag") != own {
				t.Errorf("with ETag %s:\n%s", h.Get("Etag"), got)
			}
			got, h = send(t, s, "user2", "GET", direct+"own.ics", "", 200)
			if got != owners || h.Get("Etag") != tag {
				t.Errorf("the owner's with ETag %s, which was %s:\n%s", h.Get("Etag"), tag, got)
			}
			if got := changed("user1", mount); !strings.Contains(got, "own.ics") || !strings.Contains(got, strings.Trim(own, `"`)) {
				t.Errorf("in the sharee's sync:\n%s", got)
			}
			if got := changed("user2", direct); strings.Contains(got, "own.ics") && !strings.Contains(got, strings.Trim(tag, `"`)) {
				t.Errorf("in the owner's sync:\n%s", got)
			}
			list, _ := send(t, s, "user1", "PROPFIND", mount, `<propfind xmlns="DAV:"><prop><getetag/><getcontentlength/></prop></propfind>`, 207, "Depth", "1")
			if !strings.Contains(list, strings.Trim(own, `"`)) || !strings.Contains(list, fmt.Sprintf(">%d<", len(mine))) {
				t.Errorf("listed, of %d octets:\n%s", len(mine), list)
			}
			multiget := `<C:calendar-multiget xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns="DAV:"><prop><getetag/><C:calendar-data/></prop>` +
				strings.Repeat("<href>"+mount+"own.ics</href>", 6) + `</C:calendar-multiget>`
			if got, _ := send(t, s, "user1", "REPORT", mount, multiget, 207); strings.Count(got, "twenty") != 6 || strings.Contains(got, "ten\r") || !strings.Contains(got, strings.Trim(own, `"`)) {
				t.Errorf("multiget:\n%s", got)
			}
			// filters and free-busy see what he sees
			filter := `<C:calendar-query xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns="DAV:"><prop><getetag/><C:calendar-data/></prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"><C:comp-filter name="VALARM"><C:prop-filter name="DESCRIPTION"><C:text-match>%s</C:text-match></C:prop-filter></C:comp-filter></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>`
			for _, q := range []struct {
				user, path, text string
				found            bool
			}{{"user1", mount, "twenty", true}, {"user1", mount, "ten", false}, {"user2", direct, "ten", true}, {"user2", direct, "twenty", false}} {
				if got, _ := send(t, s, q.user, "REPORT", q.path, strings.Replace(filter, "%s", q.text, 1), 207); strings.Contains(got, "own.ics") != q.found {
					t.Errorf("alarm %q of %s:\n%s", q.text, q.user, got)
				}
			}
			send(t, s, "user2", "DELETE", direct+"there.ics", "", 204)
			busy := `<C:free-busy-query xmlns:C="urn:ietf:params:xml:ns:caldav"><C:time-range start="20260310T000000Z" end="20260311T000000Z"/></C:free-busy-query>`
			if got, _ := send(t, s, "user1", "REPORT", mount, busy, 200); strings.Contains(got, "FREEBUSY") && strings.Contains(got, "20260310T09") {
				t.Errorf("busy at what is transparent to him:\n%s", got)
			}
			if got, _ := send(t, s, "user2", "REPORT", direct, busy, 200); !strings.Contains(got, "20260310T09") {
				t.Errorf("the owner is busy:\n%s", got)
			}
			if got, _ := send(t, s, "user1", "GET", mount, "", 200, "Accept", "text/calendar"); !strings.Contains(got, "twenty") || strings.Contains(got, "DESCRIPTION:ten") {
				t.Errorf("whole:\n%s", got)
			}

			// the owner changes what all see: the sharee's alarms stay
			send(t, s, "user2", "PUT", direct+"own.ics", alarmed("own", "dinner", alarm10), 204, append(icsType, "If-Match", tag)...)
			send(t, s, "user1", "PUT", mount+"own.ics", mine, 412, append(icsType, "If-Match", own)...)
			got, h = send(t, s, "user1", "GET", mount+"own.ics", "", 200)
			if !strings.Contains(got, "dinner") || !strings.Contains(got, "twenty") || !strings.Contains(got, "TRANSPARENT") || strings.Contains(got, "DESCRIPTION:ten") {
				t.Errorf("after the owner's change:\n%s", got)
			}
			// what all see is changed by who may write only, and keeps the owner's alarms
			theirs := strings.Replace(got, "dinner", "breakfast", 1)
			if tc.rights != storage.ReadWrite {
				send(t, s, "user1", "PUT", mount+"own.ics", theirs, 403, icsType...)
				bare := alarmed("own", "dinner", "TRANSP:OPAQUE")
				send(t, s, "user1", "PUT", mount+"own.ics", bare, 204, icsType...)
				if got, _ := send(t, s, "user1", "GET", mount+"own.ics", "", 200); got != alarmed("own", "dinner") {
					t.Errorf("without alarms:\n%s", got)
				}
				send(t, s, "user1", "PUT", mount+"own.ics", bare, 403, icsType...) // nothing of it is his
				send(t, s, "user1", "PUT", mount+"new.ics", alarmed("new", "x", alarm20), 403, icsType...)
				send(t, s, "user1", "DELETE", mount+"own.ics", "", 403)
				send(t, s, "user1", "LOCK", mount+"own.ics", `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`, 403)
				return
			}
			send(t, s, "user1", "PUT", mount+"own.ics", theirs, 204, append(icsType, "If-Match", h.Get("Etag"))...)
			if got, _ := send(t, s, "user2", "GET", direct+"own.ics", "", 200); got != alarmed("own", "breakfast", alarm10) {
				t.Errorf("the owner's after a change by who shares it:\n%s", got)
			}
			// what he makes new has his alarms for him alone
			send(t, s, "user1", "PUT", mount+"new.ics", alarmed("new", "x", alarm30), 201, icsType...)
			if got, _ := send(t, s, "user1", "GET", mount+"new.ics", "", 200); got != alarmed("new", "x", alarm30) {
				t.Errorf("new:\n%s", got)
			}
			if got, _ := send(t, s, "user2", "GET", direct+"new.ics", "", 200); got != alarmed("new", "x") {
				t.Errorf("new, to the owner:\n%s", got)
			}
			// a copy into his own calendar has his alarms
			send(t, s, "user1", "COPY", mount+"own.ics", "", 201, "Destination", "/calendars/user1@example.org/calendar/own.ics")
			if got, _ := send(t, s, "user1", "GET", "/calendars/user1@example.org/calendar/own.ics", "", 200); !strings.Contains(got, "twenty") || strings.Contains(got, "DESCRIPTION:ten") {
				t.Errorf("copied:\n%s", got)
			}
			// another event of that name knows nothing of it; alarms that are taken away are gone
			send(t, s, "user1", "PUT", mount+"new.ics", alarmed("new", "x"), 204, icsType...)
			if got, _ := send(t, s, "user1", "GET", mount+"new.ics", "", 200); got != alarmed("new", "x") {
				t.Errorf("without alarms:\n%s", got)
			}
			send(t, s, "user2", "DELETE", direct+"own.ics", "", 204)
			send(t, s, "user2", "PUT", direct+"own.ics", alarmed("own", "again"), 201, icsType...)
			if got, _ := send(t, s, "user1", "GET", mount+"own.ics", "", 200); got != alarmed("own", "again") {
				t.Errorf("of that name again:\n%s", got)
			}
		})
	}
}

func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

// TestOwnLarge: what is too large for the store's own records is taken apart too; what a PUT answers with is what its
// sender sees.
func TestOwnLarge(t *testing.T) {
	s := davtest.New(t)
	direct, mount := shared(t, s, "plans", storage.ReadWrite)
	long := strings.Repeat("DESCRIPTION:"+strings.Repeat("words ", 10)+"\r\n", 3000)
	first := alarmed("large", "a", long+alarm20)
	send(t, s, "user1", "PUT", mount+"large.ics", first, 201, icsType...)
	if got, _ := send(t, s, "user1", "GET", mount+"large.ics", "", 200); got != first {
		t.Errorf("%d octets of %d", len(got), len(first))
	}
	owners := alarmed("large", "b", long+alarm10)
	send(t, s, "user2", "PUT", direct+"large.ics", owners, 204, icsType...)
	got, h := send(t, s, "user1", "PUT", mount+"large.ics", alarmed("large", "c", long+alarm30), 200, append(icsType, "Prefer", "return=representation")...)
	if got != alarmed("large", "c", long+alarm30) || h.Get("Etag") == "" {
		t.Errorf("answered with ETag %s: %d octets", h.Get("Etag"), len(got))
	}
	if got, _ := send(t, s, "user2", "GET", direct+"large.ics", "", 200); got != alarmed("large", "c", long+alarm10) {
		t.Errorf("the owner's: %d octets", len(got))
	}
	// attachments change what all see, and nobody's alarms
	body, h := send(t, s, "user1", "POST", mount+"large.ics?action=attachment-add", "x", 201, "Content-Type", "text/plain", "Prefer", "return=representation")
	now, head := send(t, s, "user1", "GET", mount+"large.ics", "", 200)
	if body != now || head.Get("Etag") != h.Get("Etag") || !strings.Contains(now, "thirty") || strings.Contains(now, "DESCRIPTION:ten") {
		t.Errorf("with an attachment, ETag %s and %s", h.Get("Etag"), head.Get("Etag"))
	}
	if got, _ := send(t, s, "user2", "GET", direct+"large.ics", "", 200); !strings.Contains(got, "MANAGED-ID") || !strings.Contains(got, "DESCRIPTION:ten") || strings.Contains(got, "thirty") {
		t.Error("the owner's with an attachment")
	}
	// a MOVE between two calendars of the owner takes along what each has
	send(t, s, "user2", "MKCALENDAR", "/calendars/user2@example.org/more/", "", 201)
	acl := `<acl xmlns="DAV:"><ace><principal><href>/principals/user1@example.org/</href></principal><grant><privilege><read/></privilege></grant></ace></acl>`
	send(t, s, "user2", "ACL", "/calendars/user2@example.org/more/", acl, 200)
	send(t, s, "user2", "MOVE", direct+"large.ics", "", 201, "Destination", "/calendars/user2@example.org/more/large.ics")
	if got, _ := send(t, s, "user1", "GET", "/calendars/user2@example.org/more/large.ics", "", 200); got != now {
		t.Errorf("moved: %d octets of %d", len(got), len(now))
	}
}
