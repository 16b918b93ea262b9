package dav_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"testing"

	"atrium/contacts/directory"
	"atrium/dav"
	"atrium/dav/davtest"
	"atrium/storage/account"
)

// TestDirectory shows the domain's directory in a home: to be read and searched, never changed.
func TestDirectory(t *testing.T) {
	s := davtest.New(t)
	ctx := t.Context()
	if err := s.People.SetDomain(ctx, account.Domain{Name: "other.example"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.People.Add(ctx, account.New{Name: "stranger@other.example", Password: "pass"}); err != nil {
		t.Fatal(err)
	}
	sync := func(enabled bool) {
		t.Helper()
		book := directory.New(s.Store, s.People, directory.Config{Enabled: enabled}, dav.Label, slog.New(slog.DiscardHandler))
		for range 2 { // the second time there is nothing to do
			if err := book.Sync(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	sync(true)
	me, err := s.People.Find(ctx, "user1")
	if err != nil {
		t.Fatal(err)
	}
	owner, id, err := directory.Find(ctx, s.Store, s.People, me)
	if err != nil {
		t.Fatal(err)
	}
	home := "/addressbooks/user1@example.org/"
	path := fmt.Sprintf("%sshared-%d-%d/", home, owner, id)
	davtest.Play(t, s, `### the gateway
PROPFIND /principals/user1@example.org/
Depth: 0

<propfind xmlns="DAV:"><prop><directory-gateway xmlns="urn:ietf:params:xml:ns:carddav"/></prop></propfind>
HTTP/1.1 207

<directory-gateway xmlns="urn:ietf:params:xml:ns:carddav"><href xmlns="DAV:">`+path+`</href></directory-gateway>

### it is in the home, to be read alone
PROPFIND `+home+`
Depth: 1

<propfind xmlns="DAV:"><prop><displayname/><resourcetype/><current-user-privilege-set/></prop></propfind>
HTTP/1.1 207

<response xmlns="DAV:"><href>`+path+`</href><propstat><prop><displayname>Directory</displayname></prop></propstat></response>
<absent xmlns="test"><stranger/></absent>

### search as a Mac does
REPORT `+path+`
Depth: 1

<R:addressbook-query xmlns:R="urn:ietf:params:xml:ns:carddav"><A:prop xmlns:A="DAV:"><R:address-data/></A:prop><R:filter test="anyof"><R:prop-filter name="EMAIL"><R:text-match match-type="starts-with">user2</R:text-match></R:prop-filter></R:filter></R:addressbook-query>
HTTP/1.1 207

<address-data xmlns="urn:ietf:params:xml:ns:carddav">*</address-data>

### nobody writes to it
PUT `+path+`mine.vcf
Content-Type: text/vcard

BEGIN:VCARD
VERSION:3.0
UID:mine
FN:Mine
N:Mine;;;;
END:VCARD
HTTP/1.1 403

### nor removes from it
DELETE `+path+fmt.Sprint(me.ID)+`.vcf

HTTP/1.1 403
`)
	req, _ := http.NewRequest("GET", s.URL+path+fmt.Sprint(me.ID)+".vcf", nil)
	req.SetBasicAuth("stranger@other.example", "pass")
	if resp, err := s.Client().Do(req); err != nil || resp.StatusCode != 403 && resp.StatusCode != 404 {
		t.Errorf("another domain's people read it: %v %v", resp.StatusCode, err)
	}
	count := func() int {
		n := 0
		list, err := s.People.List(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range list {
			if a.Sort == account.Service {
				n++
			}
		}
		return n
	}
	if n := count(); n != 2 {
		t.Errorf("%d service accounts for two domains", n)
	}
	if found, err := s.People.Resolve(ctx, "~directory@example.org"); err == nil && len(found) > 0 {
		t.Errorf("it takes mail: %v", found)
	}
	sync(false)
	if n := count(); n != 0 {
		t.Errorf("%d service accounts are left when it is off", n)
	}
}
