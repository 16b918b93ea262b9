package imapd

import (
	"testing"

	"atrium/mail/mailtest"
)

var _ = onOff("MULTISEARCH", `
	C: a APPEND INBOX {+}
	L: Subject: one
	C:
	S: a OK $...
	C: b APPEND Sent {+}
	L: Subject: one
	C:
	S: b OK [APPENDUID $v 1] $...
	C: c APPEND Sent {+}
	L: Subject: two
	C:
	S: c OK $...
	C: d ESEARCH IN (mailboxes (Sent Drafts nothing) inboxes) SUBJECT one
	S: * ESEARCH (TAG "d" MAILBOX INBOX UIDVALIDITY $_) UID ALL 1
	S: * ESEARCH (TAG "d" MAILBOX Sent UIDVALIDITY $v) UID ALL 1
	S: d OK $...
	C: e ESEARCH IN (personal) RETURN (COUNT MAX) UID 2:* UNSEEN
	S: * ESEARCH (TAG "e" MAILBOX INBOX UIDVALIDITY $_) UID MAX 1 COUNT 1
	S: * ESEARCH (TAG "e" MAILBOX Sent UIDVALIDITY $v) UID MAX 2 COUNT 1
	S: e OK $...
	C: f ESEARCH IN (personal) RETURN (SAVE) ALL
	S: f BAD $...
	C: g ESEARCH IN (personal) 1:*
	S: g BAD $...
	C: g2 ESEARCH IN (personal) OR EMAILID x OR THREADID T9-9 SUBJECT two
	S: * ESEARCH (TAG "g2" MAILBOX Sent UIDVALIDITY $v) UID ALL 2
	S: g2 OK $...
	C: h ESEARCH ALL
	S: h BAD $...
	C: i SELECT Sent
	S: ...
	S: i OK $...
	C: j ESEARCH 2
	S: * ESEARCH (TAG "j" MAILBOX Sent UIDVALIDITY $v) UID ALL 2
	S: j OK $...
	C: k ESEARCH IN (selected subtree-one INBOX) RETURN () MODSEQ 1
	S: * ESEARCH (TAG "k" MAILBOX INBOX UIDVALIDITY $_) UID ALL 1 MODSEQ $_
	S: * ESEARCH (TAG "k" MAILBOX Sent UIDVALIDITY $v) UID ALL 1:2 MODSEQ $_
	S: k OK $...
	C: l FETCH 2 UID
	S: * 2 FETCH (UID 2)
	S: l OK $...`, `
	C: a ESEARCH IN (personal) ALL
	S: a BAD $...`)

// TestMultiSearch has what RFC 7377 §2 says of the selected mailbox and of rights.
func TestMultiSearch(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, script string }{
		{"where nothing is found nothing is said, not even a count, §2.1", login(1) + `
			C: a SELECT INBOX
			S: ...
			S: a OK $...
			C: b ESEARCH RETURN (COUNT MIN) ALL
			S: b OK $...
			C: c ESEARCH IN (selected) SUBJECT x
			S: c OK $...
			C: d SEARCH RETURN (COUNT) ALL
			S: * ESEARCH (TAG "d") COUNT 0
			S: d OK $...`},
		{"selected among others needs a selected mailbox, §2.2", login(1) + `
			C: a ESEARCH IN (selected personal) ALL
			S: a BAD $...
			C: b ESEARCH IN (personal) RETURN (ALL UPDATE) ALL
			S: b BAD $...`},
		{"UPDATE is for the selected mailbox alone, §2.2", login(1, 1) + `
			C: a SELECT INBOX
			S: ...
			S: * OK [UIDVALIDITY $v] $...
			S: ...
			S: a OK $...
			C: b ESEARCH IN (personal) RETURN (COUNT UPDATE) UNSEEN
			S: b OK $...
			C: b ESEARCH IN (mailboxes Drafts) RETURN (UPDATE) ALL
			S: b BAD Tag reuse
			2C: a APPEND Sent {+}
			2L: Subject: one
			2C:
			2S: a OK $...
			2C: b APPEND INBOX {+}
			2L: Subject: two
			2C:
			2S: b OK $...
			C: c NOOP
			S: * 1 EXISTS
			S: * 1 RECENT
			S: * ESEARCH (TAG "b" MAILBOX INBOX UIDVALIDITY $v) UID ADDTO (0 1)
			S: c OK $...
			C: d CANCELUPDATE "b"
			S: d OK $...
			C: e ESEARCH IN (mailboxes Sent) RETURN (COUNT UPDATE) ALL
			S: * ESEARCH (TAG "e" MAILBOX Sent UIDVALIDITY $_) UID COUNT 1
			S: e OK $...
			C: f CANCELUPDATE "e"
			S: f BAD $...`},
		{"the right to read is enough for a mailbox that is named, §2.2", login(1, 2) + `
			C: a CREATE team
			S: a OK $...
			C: b APPEND team {+}
			L: Subject: one
			C:
			S: b OK $...
			C: c SETACL team user2 r
			S: c OK $...
			2C: a LIST "" Shared*
			2S: a OK $...
			2C: b ESEARCH IN (mailboxes Shared/user1/team) ALL
			2S: * ESEARCH (TAG "b" MAILBOX Shared/user1/team UIDVALIDITY $v) UID ALL 1
			2S: b OK $...
			2C: c ESEARCH IN (subtree Shared) ALL
			2S: c OK $...
			2C: d SELECT Shared/user1/team
			2S: ...
			2S: d OK $...
			2C: e ESEARCH IN (selected inboxes) ALL
			2S: * ESEARCH (TAG "e" MAILBOX Shared/user1/team UIDVALIDITY $v) UID ALL 1
			2S: e OK $...
			C: d SETACL team user2 l
			S: d OK $...
			2C: f ESEARCH IN (mailboxes Shared/user1/team) ALL
			2S: * BYE $...
			2EOF:`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			mailtest.Play(t, newRig(t, nil).bare(), tc.script)
		})
	}
}
