package dav_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"atrium/dav/davtest"
)

// FuzzShare sends documents about sharing to where they are taken: none is an error of the server.
func FuzzShare(f *testing.F) {
	for _, doc := range []string{
		`<acl xmlns="DAV:"><ace><principal><href>/principals/user1@example.org/</href></principal><grant><privilege><read/></privilege></grant></ace></acl>`,
		`<acl xmlns="DAV:"><ace><invert><principal><all/></principal></invert><deny/><grant/><protected/><inherited><href>/</href></inherited></ace></acl>`,
		`<CS:share xmlns:CS="http://calendarserver.org/ns/" xmlns="DAV:"><CS:set><href>mailto:user2@example.org</href><CS:common-name/><CS:summary>x</CS:summary><CS:read-write/></CS:set><CS:remove><href>x</href></CS:remove></CS:share>`,
		`<share-resource xmlns="DAV:"><sharee><href>mailto:user3@example.org</href><prop><displayname/></prop><share-access><read/></share-access></sharee></share-resource>`,
		`<CS:invite-reply xmlns:CS="http://calendarserver.org/ns/" xmlns="DAV:"><CS:invite-accepted/><CS:hosturl><href>/calendars/user2@example.org/calendar/</href></CS:hosturl></CS:invite-reply>`,
		`<M:multiput xmlns:M="http://me.com/_namespace/" xmlns="DAV:"><M:resource><href>x</href><M:if-match><getetag>y</getetag></M:if-match><M:delete/></M:resource></M:multiput>`,
		`<propertyupdate xmlns="DAV:"><set><prop><group-member-set><href>/principals/user2@example.org/</href></group-member-set></prop></set></propertyupdate>`,
	} {
		f.Add(doc)
	}
	s := davtest.New(f)
	f.Fuzz(func(t *testing.T, doc string) {
		for _, to := range [][2]string{
			{"ACL", "/calendars/user1@example.org/calendar/"}, {"POST", "/calendars/user1@example.org/calendar/"},
			{"POST", "/calendars/user1@example.org/"}, {"PROPPATCH", "/principals/user1@example.org/calendar-proxy-write/"},
		} {
			r := httptest.NewRequest(to[0], to[1], strings.NewReader(doc))
			r.RemoteAddr = "127.0.0.1:1000"
			r.SetBasicAuth("user1", "pass")
			r.Header.Set("Content-Type", "application/xml")
			w := httptest.NewRecorder()
			s.DAV.ServeHTTP(w, r)
			if w.Code == http.StatusInternalServerError {
				t.Fatalf("%s %s: %s", to[0], to[1], w.Body)
			}
		}
	})
}
