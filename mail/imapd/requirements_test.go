package imapd

import "testing"

// Requirements of the RFCs that no other test has, one by one.
func TestRequirements(t *testing.T) {
	play(t, "ENABLE in whatever order, RFC 7162 §3.2.3", `
		C: a ENABLE QRESYNC CONDSTORE
		S: * ENABLED QRESYNC CONDSTORE
		S: a OK $...
		C: b ENABLE CONDSTORE QRESYNC METADATA METADATA-SERVER METADATA
		S: * ENABLED METADATA METADATA-SERVER
		S: b OK $...
		2C: a ENABLE CONDSTORE QRESYNC
		2S: * ENABLED CONDSTORE QRESYNC
		2S: a OK $...`)
	play(t, "one PARTIAL or one ALL, RFC 9394 §3.1", `
		C: a SELECT INBOX
		S: ...
		S: a OK $...
		C: b UID SEARCH RETURN (PARTIAL 1:2 PARTIAL 3:4) ALL
		S: b BAD $...
		C: c UID SEARCH RETURN (ALL ALL) ALL
		S: c BAD $...
		C: d UID SEARCH RETURN (PARTIAL 1:2 ALL) ALL
		S: d BAD $...
		C: e UID SEARCH RETURN (PARTIAL 1:-2) ALL
		S: e BAD $...`)
	play(t, "what SAVE keeps beside PARTIAL, RFC 9394 §3.2", five+`
		C: b UID SEARCH RETURN (SAVE PARTIAL 2:3) ALL
		S: * ESEARCH (TAG "b") UID PARTIAL (2:3 2:3)
		S: b OK $...
		C: c UID FETCH $ (UID)
		S: * 2 FETCH (UID 2)
		S: * 3 FETCH (UID 3)
		S: c OK $...
		C: d UID SEARCH RETURN (SAVE PARTIAL -1:-2 MIN) ALL
		S: * ESEARCH (TAG "d") UID MIN 1 PARTIAL (-1:-2 4:5)
		S: d OK $...
		C: e UID FETCH $ (UID)
		S: * 1 FETCH (UID 1)
		S: * 4 FETCH (UID 4)
		S: * 5 FETCH (UID 5)
		S: e OK $...
		C: f UID SEARCH RETURN (SAVE PARTIAL 2:3 COUNT MAX) ALL
		S: * ESEARCH (TAG "f") UID MAX 5 COUNT 5 PARTIAL (2:3 2:3)
		S: f OK $...
		C: g UID SEARCH RETURN (COUNT) $
		S: * ESEARCH (TAG "g") UID COUNT 5
		S: g OK $...
		C: h UID SEARCH RETURN (SAVE PARTIAL 8:9) ALL
		S: * ESEARCH (TAG "h") UID PARTIAL (8:9 NIL)
		S: h OK $...
		C: i UID SEARCH RETURN (COUNT) $
		S: * ESEARCH (TAG "i") UID COUNT 0
		S: i OK $...`)
	play(t, "SAVE that failed: NO empties $, BAD leaves it, RFC 5182 §2.1", five+`
		C: b SEARCH RETURN (SAVE) 2:3
		S: b OK $...
		C: c SEARCH RETURN (SAVE PARTIAL 1:2 ALL) ALL
		S: c BAD $...
		C: d UID SEARCH RETURN (COUNT) $
		S: * ESEARCH (TAG "d") UID COUNT 2
		S: d OK $...
		C: e SEARCH RETURN (SAVE) CHARSET klingon TEXT x
		S: e NO [BADCHARSET $...
		C: f UID SEARCH RETURN (COUNT) $
		S: * ESEARCH (TAG "f") UID COUNT 0
		S: f OK $...`)
	play(t, "REPLACE of *, RFC 8508 §3.1", five+`
		C: b REPLACE * INBOX {}
		L: Subject: six
		C:
		S: * OK [APPENDUID $v 6] $...
		S: * 5 EXPUNGE
		S: * 5 EXISTS
		S: * $_ RECENT
		S: b OK $...`)
	play(t, "new messages of a context with items, RFC 5465 §7", five+`
		C: b UID SEARCH RETURN (COUNT UPDATE (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])) OR SUBJECT boss FLAGGED
		S: * ESEARCH (TAG "b") UID COUNT 0
		S: b OK $...
		2C: a SELECT INBOX
		2S: ...
		2S: a OK $...
		2C: b STORE 1 +FLAGS (\Flagged)
		2S: ...
		2S: b OK $...
		2C: c APPEND INBOX {+}
		L: Subject: boss
		2C:
		2S: ...
		2S: c OK $...
		2C: d APPEND INBOX {+}
		L: Subject: other
		2C:
		2S: ...
		2S: d OK $...
		C: c NOOP
		S: * 7 EXISTS
		S: * $_ RECENT
		S: * 1 FETCH (FLAGS (\Flagged$...))
		S: * 6 FETCH (UID 6 BODY[HEADER.FIELDS (SUBJECT)] {15}
		S: Subject: boss
		S: )
		S: * ESEARCH (TAG "b") UID ADDTO (0 1,6)
		S: c OK $...
		C: d UID SORT RETURN (UPDATE(UID) COUNT) (SUBJECT) UTF-8 SUBJECT boss
		S: * ESEARCH (TAG "d") UID COUNT 1
		S: d OK $...`)
	play(t, "a context that ages is refused, RFC 5267 §4.3.1", five+`
		C: b SEARCH RETURN (UPDATE COUNT) YOUNGER 3600
		S: * ESEARCH (TAG "b") COUNT 5
		S: * NO [NOUPDATE "b"] $...
		S: b OK $...`)
	play(t, "CLOSE tells no mod-sequence, RFC 7162 appendix B", five+`
		C: b ENABLE QRESYNC
		S: ...
		S: b OK $...
		C: c STORE 1 +FLAGS.SILENT (\Deleted)
		S: ...
		S: c OK $...
		C: d CLOSE
		S: d OK CLOSE completed`)
	play(t, "what stands for all annotations is METADATA alone, RFC 5464 §1", `
		C: a CAPABILITY
		!S: $...METADATA-SERVER$...
		S: * CAPABILITY $... METADATA $...
		S: a OK $...`)
	play(t, "UNAUTHENTICATE forgets all, RFC 8437 §4.1", five+`
		C: b ENABLE QRESYNC UTF8=ACCEPT METADATA UIDONLY
		S: * OK [HIGHESTMODSEQ $...
		S: * ENABLED QRESYNC UTF8=ACCEPT METADATA UIDONLY
		S: b OK $...
		C: c UID SEARCH RETURN (SAVE) ALL
		S: c OK $...
		C: d UID SEARCH RETURN (UPDATE COUNT) FLAGGED
		S: * ESEARCH (TAG "d") UID COUNT 0
		S: d OK $...
		C: e NOTIFY SET (personal (MailboxName))
		S: e OK $...
		C: f UNAUTHENTICATE
		S: f OK $...
		C: g SELECT INBOX
		S: g BAD Log in first
		C: h LOGIN user2 pass
		S: h OK $...
		C: i LOGIN user1 pass
		S: i BAD Already logged in
		2C: a CREATE Work
		2S: a OK $...
		C: j SELECT INBOX
		S: ...
		S: * 0 EXISTS
		S: ...
		S: j OK $...
		C: k UNAUTHENTICATE
		S: k OK $...
		C: l LOGIN user1 pass
		S: l OK $...
		C: m SELECT INBOX
		S: ...
		S: * 5 EXISTS
		S: ...
		S: m OK $...
		C: n SEARCH RETURN (COUNT) $
		S: * ESEARCH (TAG "n") COUNT 0
		S: n OK $...
		C: o STORE 1 +FLAGS (\Flagged)
		S: * 1 FETCH (FLAGS (\Flagged$...))
		S: o OK $...
		C: p CANCELUPDATE "d"
		S: p BAD $...
		C: q STORE 2 +FLAGS.SILENT (\Deleted)
		S: q OK $...
		C: r EXPUNGE
		S: * 2 EXPUNGE
		S: r OK EXPUNGE completed`)
	play(t, "message/global is for those who know it, RFC 9051 §7.5.2, RFC 9755 §6", `
		C: a APPEND INBOX {+}
		L: Content-Type: message/global
		L:
		L: Subject: in it
		L:
		L: text
		C:
		S: a OK $...
		C: b SELECT INBOX
		S: ...
		S: b OK $...
		C: c FETCH 1 (BODYSTRUCTURE BODY)
		S: * 1 FETCH (BODYSTRUCTURE ("message" "rfc822" $..."in it"$...) BODY ("message" "rfc822" $..."in it"$...))
		S: c OK $...
		2C: a ENABLE IMAP4rev2
		2S: ...
		2S: a OK $...
		2C: b SELECT INBOX
		2S: ...
		2S: b OK $...
		2C: c FETCH 1 (BODYSTRUCTURE BODY)
		2S: * 1 FETCH (BODYSTRUCTURE ("message" "global" $..."in it"$...) BODY ("message" "global" $..."in it"$...))
		2S: c OK $...`)
	play(t, "UNAUTHENTICATE and LOGIN in one go, RFC 8437 §3", `
		C: a UNAUTHENTICATE
		C: b LOGIN user2 pass
		S: a OK $...
		S: b OK $...`)
}

// five is a selected INBOX of five messages.
const five = `
		C: a1 APPEND INBOX {+}
		L: Subject: one
		C:  {+}
		L: Subject: two
		C:  {+}
		L: Subject: three
		C:  {+}
		L: Subject: four
		C:  {+}
		L: Subject: five
		C:
		S: a1 OK $...
		C: a2 SELECT INBOX
		S: ...
		S: a2 OK $...`
