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
	play(t, "INBOX is found in any case, also by patterns", `
		C: a CREATE inbox/Sub
		S: a OK $...
		C: b LIST "" InB*
		S: * LIST (\HasChildren) "/" INBOX
		S: * LIST (\HasNoChildren) "/" INBOX/Sub
		S: b OK $...
		C: c LIST "" %x
		S: * LIST (\HasChildren) "/" INBOX
		S: c OK $...
		C: d LIST "" %nbox/sub
		S: d OK $...
		C: e LIST "" *nbox/Sub
		S: * LIST (\HasNoChildren) "/" INBOX/Sub
		S: e OK $...`)
	play(t, "CLOSED tells where one mailbox ends, RFC 7162 §3.2.11", `
		C: a SELECT INBOX
		S: * FLAGS $...
		S: ...
		S: a OK $...
		C: b EXAMINE Sent
		S: * OK [CLOSED] $...
		S: * FLAGS $...
		S: ...
		S: b OK $...
		C: c SELECT nowhere
		S: * OK [CLOSED] $...
		S: c NO [NONEXISTENT] $...`)
	play(t, "resources of RFC 9208", `
		C: a GETQUOTAROOT not/there
		S: * QUOTAROOT not/there ""
		S: * QUOTA "" (MAILBOX 6 10000)
		S: a OK $...
		C: b CREATE x
		S: b OK $...
		C: c GETQUOTA ""
		S: * QUOTA "" (MAILBOX 7 10000)
		S: c OK $...
		C: d APPEND x (\Deleted) {5+}
		R: 12345\r\n
		S: d OK $...
		C: e APPEND x (\Deleted) {7+}
		R: 1234567\r\n
		S: e OK $...
		C: f APPEND x {7+}
		R: 1234567\r\n
		S: f OK $...
		C: g STATUS x (DELETED DELETED-STORAGE)
		S: * STATUS x (DELETED 2 DELETED-STORAGE 12)
		S: g OK $...
		C: h STATUS INBOX (DELETED-STORAGE)
		S: * STATUS INBOX (DELETED-STORAGE 0)
		S: h OK $...`)
	play(t, "a message of no bytes is not kept, nor what came with it, RFC 3502", `
		C: a APPEND INBOX {0+}
		R: \r\n
		S: a NO $...
		C: b APPEND INBOX (\Seen) {5+}
		R: a: b\n {0}\r\n
		S: + $...
		R: \r\n
		S: b NO $...
		C: c STATUS INBOX (MESSAGES)
		S: * STATUS INBOX (MESSAGES 0)
		S: c OK $...`)
	play(t, "a name that does not exist tells that nothing is below it, RFC 5258 §3", `
		C: a CREATE Fruit/Peach
		S: a OK $...
		C: b SUBSCRIBE Fruit/Peach
		S: b OK $...
		C: c DELETE Fruit/Peach
		S: c OK $...
		C: d LIST (SUBSCRIBED) "" Fruit* RETURN (CHILDREN)
		S: * LIST (\NonExistent \HasNoChildren \Subscribed) "/" Fruit/Peach
		S: d OK $...`)
}
