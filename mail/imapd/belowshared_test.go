package imapd

import (
	"testing"

	"atrium/mail/mailtest"
)

// TestBelowShared has the extensions that look at many mailboxes, and those that tell news, in the mailboxes of others.
func TestBelowShared(t *testing.T) {
	r, _ := newGroup(t)
	mailtest.Play(t, r.bare(), login(1, 2)+`
		C: a NOTIFY SET (subtree Shared/sales (MessageNew MessageExpunge))
		S: a OK $...
		2C: a APPEND Shared/sales/Archive {+}
		L: Subject: offer
		2C:
		2S: a OK $...
		S: * STATUS Shared/sales/Archive (MESSAGES 1 UIDNEXT 2$...)
		C: b NOTIFY SET (selected (MessageNew MessageExpunge FlagChange))
		S: b OK $...
		C: c ESEARCH IN (subtree (Shared/sales)) SUBJECT offer
		S: * ESEARCH (TAG "c" MAILBOX Shared/sales/Archive UIDVALIDITY $_) UID ALL 1
		S: c OK $...
		C: d SETMETADATA Shared/sales/Archive (/private/comment "of user1" /shared/comment "of all")
		S: d OK $...
		2C: b GETMETADATA Shared/sales/Archive (/private/comment /shared/comment)
		2S: * METADATA Shared/sales/Archive (/private/comment NIL /shared/comment "of all")
		2S: b OK $...
		C: e SELECT Shared/sales/Archive
		S: ...
		S: e OK $...
		C: f UID SEARCH RETURN (UPDATE ALL) FLAGGED
		S: * ESEARCH (TAG "f") UID
		S: f OK $...
		C: g IDLE
		S: + idling
		2C: c SELECT Shared/sales/Archive
		2S: ...
		2S: c OK $...
		2C: d UID STORE 1 +FLAGS.SILENT (\Flagged)
		2S: d OK $...
		S: * 1 FETCH (UID 1 FLAGS (\Flagged$...))
		S: * ESEARCH (TAG "f") UID ADDTO (0 1)
		C: DONE
		S: g OK $...
		C: h GETQUOTAROOT Shared/sales/Archive
		S: * QUOTAROOT Shared/sales/Archive Shared/sales
		S: * QUOTA Shared/sales (MAILBOX 6 10000)
		S: h OK $...
		C: i UIDBATCHES 500
		S: * UIDBATCHES (TAG "i") 1:1
		S: i OK $...`)
}
