package imapd

import (
	"testing"

	"atrium/mail/mailtest"
	"atrium/storage"
)

// Identifiers that cannot be names are BAD, whatever the command (RFC 4314 §3); rights are letters in lower case (§3.1).
func TestACLArguments(t *testing.T) {
	t.Parallel()
	mailtest.Play(t, newRig(t, nil).player(), `
		C: a SETACL Sent "" lr
		S: a BAD $...
		C: b DELETEACL Sent ""
		S: b BAD $...
		C: c LISTRIGHTS Sent {1+}
		R: \x07\r\n
		S: c BAD $...
		C: d SETACL Sent user2 LR
		S: d BAD $...
		C: e SETACL Sent user2 0
		S: e BAD $...
		C: f SETACL Sent user2 ++l
		S: f BAD $...
		C: g setacl Sent user2 ""
		S: g OK $...
		C: h listrights Sent USER2
		S: * LISTRIGHTS Sent USER2 "" l r s w i p k x t e a c d
		S: h OK $...
		C: i MYRIGHTS ""
		S: i NO $...`)
}

// LISTRIGHTS says what an identifier has always: what was granted on the whole account (RFC 4314 §3.7).
func TestListRightsOfAll(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	err := r.store.Storage().Update(t.Context(), r.users[0].ID, func(tx *storage.Tx) error {
		return tx.SetGrant(storage.Grant{To: r.users[1].ID, Rights: storage.Lookup | storage.Read | storage.Delete})
	})
	if err != nil {
		t.Fatal(err)
	}
	mailtest.Play(t, r.bare(), login(1, 2)+`
		C: a LISTRIGHTS Sent user2
		S: * LISTRIGHTS Sent user2 lrtd s w i p k x e a c
		S: a OK $...
		C: b SETACL Sent user2 -r
		S: b NO [CANNOT] $...
		C: c SETACL Sent user2 +s
		S: c OK $...
		2C: a LISTRIGHTS Shared/user1/Sent user2
		2S: a NO [NOPERM] $...
		2C: b MYRIGHTS Shared/user1/Sent
		2S: * MYRIGHTS Shared/user1/Sent lrstd
		2S: b OK $...`)
}

// TestFlagRights has what RFC 4314 §4 says of flags that come with rights of their own.
func TestFlagRights(t *testing.T) {
	t.Parallel()
	mailtest.Play(t, newRig(t, nil).bare(), login(1, 2)+`
		C: a CREATE team
		S: a OK $...
		C: b SETACL team user2 lrsi
		S: b OK $...
		2C: a APPEND Shared/user1/team (\Seen \Deleted $Mine \Flagged) {+}
		2L: Subject: one
		2C:
		2S: a OK $...
		2C: b APPEND INBOX (\Seen \Deleted $Mine \Flagged) {+}
		2L: Subject: two
		2C:
		2S: b OK $...
		2C: c SELECT INBOX
		2S: ...
		2S: c OK $...
		2C: d COPY 1 Shared/user1/team
		2S: d OK $...
		2C: e SELECT Shared/user1/team
		2S: ...
		2S: * OK [PERMANENTFLAGS (\Seen)] $...
		2S: ...
		2S: e OK [READ-WRITE] $...
		2C: f FETCH 1:2 (FLAGS)
		2S: * 1 FETCH (FLAGS (\Seen$...))
		2S: * 2 FETCH (FLAGS (\Seen$...))
		2S: f OK $...
		2C: g STORE 1 FLAGS (\Flagged \Deleted)
		2S: * 1 FETCH (FLAGS ($_))
		2S: g OK $...
		2C: h STORE 1 +FLAGS (\Flagged \Deleted)
		2S: h NO [NOPERM] $...
		2C: i STORE 1 +FLAGS (\Flagged \Seen \Deleted)
		2S: * 1 FETCH (FLAGS (\Seen$...))
		2S: i OK $...

		# Without the right to \Seen reading leaves no trace, and CLOSE without that to EXPUNGE is OK.
		C: c SETACL team user2 lri
		S: c OK $...
		C: d APPEND team (\Deleted) {+}
		L: Subject: three
		C:
		S: d OK $...
		2C: j SELECT Shared/user1/team
		2S: ...
		2S: j OK $...
		2C: k FETCH 3 BODY[TEXT]
		2S: ...
		2S: k OK $...
		2C: k2 FETCH 3 FLAGS
		2S: * 3 FETCH (FLAGS (\Deleted$...))
		2S: k2 OK $...
		2C: l CLOSE
		2S: l OK $...
		2C: m STATUS Shared/user1/team (MESSAGES)
		2S: * STATUS Shared/user1/team (MESSAGES 3)
		2S: m OK $...`)
}

// A mailbox that is made has the rights of the one above it, one that is renamed keeps its own, and they go with it
// (RFC 4314 §4).
func TestRightsComeAndGo(t *testing.T) {
	t.Parallel()
	mailtest.Play(t, newRig(t, nil).player(), `
		C: a CREATE team
		S: a OK $...
		C: b SETACL team user2 lrs
		S: b OK $...
		C: c CREATE team/sub
		S: c OK $...
		C: d GETACL team/sub
		S: * ACL team/sub user1@example.org lrswipkxteacd user2@example.org lrs
		S: d OK $...
		C: e CREATE other
		S: e OK $...
		C: f SETACL other user3 lr
		S: f OK $...
		C: g RENAME team other/team
		S: g OK $...
		C: h GETACL other/team
		S: * ACL other/team user1@example.org lrswipkxteacd user2@example.org lrs
		S: h OK $...
		C: i DELETE other/team/sub
		S: i OK $...
		C: j DELETE other/team
		S: j OK $...
		C: k CREATE other/team
		S: k OK $...
		C: l GETACL other/team
		S: * ACL other/team user1@example.org lrswipkxteacd user3@example.org lr
		S: l OK $...`)
}
