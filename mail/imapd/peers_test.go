package imapd

import "testing"

// TestAsPeersDo has answers in which the RFCs leave room, and in which servers that clients know agree.
func TestAsPeersDo(t *testing.T) {
	play(t, "BODY matches no header, RFC 9051 §6.4.4; numbers out of range match nothing", `
		C: a APPEND INBOX {+}
		L: Subject: outer
		L: Content-Type: multipart/mixed; boundary=x
		L:
		L: --x
		L: Content-Type: text/plain; name=partname
		L:
		L: words
		L: --x
		L: Content-Type: message/rfc822
		L:
		L: Subject: inner
		L:
		L: text
		L: --x--
		C:
		S: a OK $...
		C: b SELECT INBOX
		S: ...
		S: b OK $...
		C: c SEARCH BODY partname
		S: * SEARCH
		S: c OK $...
		C: d SEARCH BODY inner
		S: * SEARCH
		S: d OK $...
		C: e SEARCH TEXT partname TEXT inner BODY words BODY text
		S: * SEARCH 1
		S: e OK $...
		C: f SEARCH 2
		S: * SEARCH
		S: f OK $...
		C: g SEARCH 1:100
		S: * SEARCH 1
		S: g OK $...
		C: h SEARCH NOT 5:*
		S: * SEARCH
		S: h OK $...
		C: i SEARCH OR 7,9 SUBJECT outer
		S: * SEARCH 1
		S: i OK $...
		C: j FETCH 2 UID
		S: j BAD $...
		C: k STORE 1 +FLAGS.SILENT \Deleted
		S: k OK $...
		C: l EXPUNGE
		S: * 1 EXPUNGE
		S: l OK $...
		C: m SEARCH 1
		S: * SEARCH
		S: m OK $...
		C: n SEARCH *
		S: * SEARCH
		S: n OK $...
		C: o SEARCH NOT 1:*
		S: * SEARCH
		S: o OK $...`)
}
