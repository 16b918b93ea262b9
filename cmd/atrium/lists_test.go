package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestLists filters by an address book that a client keeps by CardDAV (RFC 6134).
func TestLists(t *testing.T) {
	const script = `require ["extlists", "fileinto", "variables", "copy", "mailbox", "imap4flags"];
if valid_ext_list ["urn:ietf:params:sieve:addrbook:default", ":addrbook:Friends"] { addflag "valid"; }
if valid_ext_list ":addrbook:nobodys" { addflag "wrong"; }
if header :list "from" ":addrbook:default" { addflag "header"; }
if address :list "from" [":addrbook:nobodys", ":addrbook:friends"] { addflag "friend"; }
if address :list "from" ":addrbook:default" { fileinto :create "Known/${0}"; }
if header "subject" "on" { redirect :copy :list ":addrbook:Friends"; }`
	i := newInstance(t, "")
	i.start()
	defer i.terminate()
	i.admin(exitOK, "", "account", "add", "ann", "-password", "pass")
	i.admin(exitOK, "", "account", "add", "bob", "-password", "pass")
	ask := func(method, path, body string) {
		t.Helper()
		status, answer, err := i.request(t.Context(), http.DefaultClient, method, path, "ann", body)
		if err != nil || status/100 != 2 {
			t.Fatal(method, path, status, answer, err)
		}
	}
	ask("MKCOL", "/addressbooks/ann@example.org/friends/", `<D:mkcol xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"><D:set><D:prop><D:resourcetype><D:collection/><C:addressbook/></D:resourcetype><D:displayname>Friends</D:displayname></D:prop></D:set></D:mkcol>`)
	for name, email := range map[string]string{"bob": "bob@example.org", "more": "Carl@example.net"} {
		book := map[string]string{"bob": "friends", "more": "contacts"}[name]
		ask("PUT", "/addressbooks/ann@example.org/"+book+"/"+name+".vcf", "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:"+name+"\r\nFN:"+name+"\r\nN:;;;;\r\nEMAIL;TYPE=HOME:"+email+"\r\nEND:VCARD\r\n")
	}
	ms, err := i.dialSieve(t.Context(), "ann", "pass")
	if err != nil {
		t.Fatal(err)
	}
	defer ms.Close()
	for _, command := range []string{fmt.Sprintf("PUTSCRIPT \"main\" {%d+}\r\n%s", len(script), script), `SETACTIVE "main"`} {
		if _, err := ms.sieve(command); err != nil {
			t.Fatal(err)
		}
	}
	for _, from := range []string{"bob@example.org", "carl@example.net", "eve@example.net"} {
		c, err := i.dialLMTP(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range [][2]string{{"MAIL FROM:<" + from + ">", "250"}, {"RCPT TO:<ann@example.org>", "250"}, {"DATA", "354"},
			{"From: Some One <" + from + ">\r\nTo: ann@example.org\r\nSubject: x\r\n\r\ntext\r\n.", "250"}} {
			if _, err := c.send(s[0], s[1]); err != nil {
				t.Fatal(err)
			}
		}
		c.Close()
	}
	c, err := i.dialIMAP(t.Context(), "ann", "pass")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for box, want := range map[string]string{"Known/bob@example.org": "valid header friend", "Known/carl@example.net": "valid header", "INBOX": "valid"} {
		c.imap(`SELECT "`+box+`"`, nil)
		got, _, err := c.imap("FETCH 1:* FLAGS", nil)
		if err != nil || len(got) != 1 || !strings.Contains(strings.ReplaceAll(got[0], ` \Recent`, ""), "("+want+")") {
			t.Errorf("%s: %q, %v; want %s", box, got, err, want)
		}
	}
}
