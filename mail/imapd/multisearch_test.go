package imapd

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
