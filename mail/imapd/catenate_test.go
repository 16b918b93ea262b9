package imapd

import "testing"

var _ = onOff("CATENATE", `
	C: a APPEND INBOX {+}
	L: From: a@example.org
	L: Subject: one
	L: Content-Type: multipart/mixed; boundary=b
	L:
	L: --b
	L:
	L: first
	L: --b
	L: Content-Type: text/html
	L:
	L: <b>second</b>
	L: --b--
	C:
	S: a OK [APPENDUID $v 1] $...
	C: b APPEND Drafts (\Seen) CATENATE (TEXT {14+}
	R: Subject: x\r\n\r\n URL "/INBOX/;UID=1/;SECTION=1" TEXT {2+}\r\n
	R: \r\n URL /inbox/;UID=1/;section=2.mime TEXT {3+}\r\n
	R: end)\r\n
	S: b OK [APPENDUID $_ 1] $...
	C: c SELECT Drafts
	S: ...
	S: c OK $...
	C: d FETCH 1 (FLAGS RFC822.SIZE)
	S: * 1 FETCH (FLAGS (\Seen$...) RFC822.SIZE 51)
	S: d OK $...
	C: e APPEND Drafts CATENATE (URL "/INBOX;UIDVALIDITY=$v/;UID=1")
	S: ...
	S: e OK $...
	C: f FETCH 2 RFC822.SIZE
	S: * 2 FETCH (RFC822.SIZE 148)
	S: f OK $...`, `
	C: a APPEND INBOX CATENATE (URL "/INBOX/;UID=1")
	S: a BAD $...`)

var _ = onOff("URL-PARTIAL", `
	C: a APPEND INBOX {+}
	L: Subject: one
	L:
	L: 0123456789
	C:
	S: a OK $...
	C: b SELECT INBOX
	S: ...
	S: b OK $...
	C: c APPEND INBOX CATENATE (URL ";UID=1/;SECTION=HEADER" URL "/INBOX/;UID=1/;SECTION=TEXT/;PARTIAL=2.3" URL ";UID=1/;PARTIAL=25")
	S: ...
	S: c OK $...
	C: d FETCH 2 (BODY.PEEK[TEXT] RFC822.SIZE)
	S: * 2 FETCH (BODY[TEXT] {6}
	S: 2349
	S:  RFC822.SIZE 22)
	S: d OK $...`, `
	C: a CAPABILITY
	!S: $...URL-PARTIAL$...
	S: * CAPABILITY $...
	S: a OK $...`)

func TestCatenate(t *testing.T) {
	play(t, "bad URLs", `
		C: a APPEND INBOX {+}
		L: Subject: one
		C:
		S: a OK $...
		C: b APPEND INBOX CATENATE (URL "/INBOX/;UID=2")
		S: b NO [BADURL "/INBOX/;UID=2"] $...
		C: c APPEND INBOX CATENATE (TEXT {2+}
		R: x\n URL "/nothing/;UID=1" TEXT {3+}\r\n
		R: end)\r\n
		S: c NO [BADURL "/nothing/;UID=1"] $...
		C: d APPEND INBOX CATENATE (URL "/INBOX;UIDVALIDITY=1/;UID=1")
		S: d NO [BADURL $...] $...
		C: e APPEND INBOX CATENATE (URL "imap://other/INBOX/;UID=1")
		S: e NO [BADURL $...] $...
		C: f APPEND INBOX CATENATE (URL ";UID=1")
		S: f NO [BADURL $...] $...
		C: g APPEND INBOX CATENATE (URL "/INBOX/;UID=1/;SECTION=7")
		S: g NO [BADURL $...] $...
		C: h APPEND INBOX CATENATE ()
		S: h BAD $...
		C: i APPEND nothing CATENATE (URL "/INBOX/;UID=1")
		S: i NO [TRYCREATE] $...
		C: j STATUS INBOX (MESSAGES)
		S: * STATUS INBOX (MESSAGES 1)
		S: j OK $...`)
}

func FuzzURL(f *testing.F) {
	for _, s := range []string{"/INBOX/;UID=1", "/a%20b;UIDVALIDITY=3/;UID=20/;SECTION=1.2.MIME/;PARTIAL=0.10", ";UID=1", "/x/;UID=1/;SECTION=HEADER.FIELDS%20(To%20Cc)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if u, ok := parseURL(s); ok && (u.uid == 0 || u.section == nil) {
			t.Errorf("%q: %+v", s, u)
		}
	})
}
