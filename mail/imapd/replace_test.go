package imapd

import (
	"testing"

	"atrium/mail/mailtest"
)

// The mailbox that the new message goes to need not be of the same account (RFC 8508 §3.4).
func TestReplaceAcrossAccounts(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	mailtest.Play(t, r.bare(), login(1, 2)+`
		2C: a CREATE team
		2S: a OK $...
		2C: b SETACL team user1 lrsi
		2S: b OK $...
		2C: c APPEND team {+}
		2L: Subject: theirs
		2C:
		2S: c OK $...
		C: a APPEND Drafts (\Draft \Deleted) {+}
		L: Subject: draft
		C:
		S: a OK $...
		C: b SELECT Drafts
		S: ...
		S: b OK $...
		C: c REPLACE 1 Shared/user2/team (\Seen $Keyword) {}
		L: Subject: done
		C:
		S: * OK [APPENDUID $v 2] $...
		S: * 1 EXPUNGE
		S: c OK $...
		C: d STATUS Drafts (MESSAGES)
		S: * STATUS Drafts (MESSAGES 0)
		S: d OK $...
		2C: d SELECT team
		2S: ...
		2S: d OK $...
		2C: e FETCH 2 (FLAGS BODY[HEADER.FIELDS (SUBJECT)])
		2S: * 2 FETCH (FLAGS (\Seen$...) BODY[HEADER.FIELDS (SUBJECT)] {15}
		2S: ...
		2S: e OK $...

		# Without the rights that it needs in the mailbox that it leaves nothing comes into the other.
		C: e SELECT Shared/user2/team
		S: ...
		S: e OK $...
		C: f REPLACE 1 INBOX {3+}
		R: abc\r\n
		S: f NO [NOPERM] $...
		C: g UID REPLACE 77 INBOX {3+}
		R: abc\r\n
		S: g NO [NONEXISTENT] $...
		C: h STATUS INBOX (MESSAGES)
		S: * STATUS INBOX (MESSAGES 0)
		S: h OK $...
		2C: f SETACL team user1 lrste
		2S: f OK $...
		C: h2 NOOP
		S: ...
		S: h2 OK $...
		C: i REPLACE 1 INBOX {}
		L: Subject: mine
		C:
		S: * OK [APPENDUID $w 1] $...
		S: * 1 EXPUNGE
		S: i OK $...`)
}

// What the old message takes is there for the new one (RFC 8508 §3.4).
func TestReplaceQuota(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.fill(t, 1, "INBOX", 2, nil)
	if err := r.store.Storage().SetLimits(t.Context(), r.users[0].ID, 0, 2); err != nil {
		t.Fatal(err)
	}
	mailtest.Play(t, r.player(), `
		C: a SELECT INBOX
		S: ...
		S: a OK $...
		C: b APPEND INBOX {3+}
		R: abc\r\n
		S: b NO [OVERQUOTA] $...
		C: c REPLACE 1 Sent {}
		L: Subject: new
		C:
		S: * OK [APPENDUID $v 1] $...
		S: * 1 EXPUNGE
		S: c OK $...
		C: d GETQUOTA ""
		S: * QUOTA "" (MESSAGE 2 2 MAILBOX $_ $_)
		S: d OK $...`)
}
