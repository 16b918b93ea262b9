package imapd

import (
	"testing"

	"atrium/mail/mailtest"
)

// matrix has for each extension what it does when it is on, and what is left when
// it is off. Scripts begin logged in as user1, INBOX empty; those of bare before the login.
var matrix = map[string]struct {
	bare    bool
	on, off string
}{
	"STARTTLS": {bare: true, on: `
		S: * OK [$... STARTTLS $...
		C: a STARTTLS
		S: a OK $...
		TLS:
		C: b LOGIN user1 pass
		S: b OK $...`, off: `
		!S: $...STARTTLS$...
		S: * OK $...
		C: a STARTTLS
		S: a BAD $...`},
	"SASL-IR": {bare: true, on: `
		S: * OK [$...SASL-IR$...
		C: a AUTHENTICATE PLAIN AHVzZXIxAHBhc3M=
		S: a OK $...`, off: `
		!S: $...SASL-IR$...
		S: * OK $...
		C: a AUTHENTICATE PLAIN AHVzZXIxAHBhc3M=
		S: a BAD $...`},
	"LITERAL+": {on: `
		C: a CREATE {10000+}
		R: ` + long(10000) + `\r\n
		S: a NO $...
		C: b CREATE {1+}
		R: x\r\n
		S: b OK $...`, off: `
		C: a CREATE {10000+}
		R: ` + long(10000) + `\r\n
		S: a BAD $...
		C: b CREATE {1+}
		R: x\r\n
		S: b OK $...`},
	"LITERAL-": {on: `
		C: b CREATE {1+}
		R: x\r\n
		S: b OK $...`, off: `
		C: b CREATE {1+}
		R: x\r\n
		S: b OK $...`},
	"ID": {on: `
		C: a ID ("name" "test" "version" NIL)
		S: * ID ("name" "Atrium"$...)
		S: a OK $...
		C: b ID NIL
		S: * ID $...
		S: b OK $...`, off: `
		C: a ID NIL
		S: a BAD $...`},
	"ENABLE": {on: `
		C: a ENABLE QRESYNC X-NOTHING CONDSTORE
		S: * ENABLED QRESYNC CONDSTORE
		S: a OK $...
		C: b ENABLE
		S: b BAD $...`, off: `
		C: a ENABLE QRESYNC
		S: a BAD $...`},
	"IDLE": {on: `
		C: a SELECT INBOX
		S: ...
		S: a OK $...
		C: b IDLE
		S: + idling
		2C: a APPEND INBOX {+}
		L: Subject: one
		2C:
		2S: a OK $...
		S: * 1 EXISTS
		S: * 1 RECENT
		2C: b SELECT INBOX
		2S: ...
		2S: b OK $...
		2C: c STORE 1 +FLAGS.SILENT (\Seen \Deleted)
		2S: c OK $...
		S: * 1 FETCH (FLAGS (\Seen \Deleted \Recent))
		2C: d EXPUNGE
		2S: * 1 EXPUNGE
		2S: d OK $...
		S: * 1 EXPUNGE
		C: DONE
		S: b OK $...
		C: c IDLE
		C: d NOOP
		S: + idling
		S: c OK $...
		S: d OK $...
		R: e IDLE\r\nDONE\r\nf NOOP\r\n
		S: + idling
		S: e OK $...
		S: f OK $...`, off: `
		C: a IDLE
		S: a BAD $...`},
	"ACL": {on: `
		C: a SETACL Sent user2 lrswx
		S: a OK $...
		C: b SETACL Sent user2@example.org +td
		S: b OK $...
		C: c SETACL Sent user2 -w
		S: c OK $...
		C: d SETACL Sent anyone l
		S: d OK $...
		C: e GETACL Sent
		S: * ACL Sent user1@example.org lrswipkxteacd user2@example.org lrsxtecd anyone l
		S: e OK $...
		C: f DELETEACL Sent user2
		S: f OK $...
		C: g SETACL Sent anyone ""
		S: g OK $...
		C: h GETACL Sent
		S: * ACL Sent user1@example.org lrswipkxteacd
		S: h OK $...
		C: i LISTRIGHTS Sent anyone
		S: * LISTRIGHTS Sent anyone "" l r s w i p k x t e a c d
		S: i OK $...
		C: j LISTRIGHTS Sent user1
		S: * LISTRIGHTS Sent user1 lrswipkxteacd
		S: j OK $...
		C: k MYRIGHTS inbox
		S: * MYRIGHTS INBOX lrswipkxteacd
		S: k OK $...
		C: l SETACL Sent user1 lr
		S: l NO [CANNOT] The owner has all rights
		C: m SETACL Sent user1 -a
		S: m NO [CANNOT] $...
		C: n DELETEACL Sent user1
		S: n NO [CANNOT] $...
		C: o SETACL Sent user1 +lr
		S: o OK $...
		C: p SETACL Sent -user2 lr
		S: p NO [CANNOT] There are no negative rights here
		C: q SETACL Sent stranger lr
		S: q NO [CANNOT] No such identifier
		C: r SETACL Sent user2 lrQ
		S: r BAD $...
		C: s SETACL Sent user2 +l+r
		S: s BAD $...
		C: t GETACL nowhere
		S: t NO [NONEXISTENT] $...`, off: `
		C: a GETACL INBOX
		S: a BAD $...
		C: b MYRIGHTS INBOX
		S: b BAD $...`},
	"LIST-MYRIGHTS": {on: `
		C: a LIST "" (INBOX Sent) RETURN (MYRIGHTS STATUS (MESSAGES))
		S: * LIST $...
		S: * STATUS INBOX (MESSAGES 0)
		S: * MYRIGHTS INBOX lrswipkxteacd
		S: * LIST $...
		S: * STATUS Sent (MESSAGES 0)
		S: * MYRIGHTS Sent lrswipkxteacd
		S: a OK $...`, off: `
		C: a LIST "" INBOX RETURN (MYRIGHTS)
		S: a BAD $...`},
	"NAMESPACE": {on: `
		C: a NAMESPACE
		S: * NAMESPACE (("" "/")) NIL (("Shared/" "/"))
		S: a OK $...`, off: `
		C: a NAMESPACE
		S: a BAD $...`},
	"CHILDREN": {on: `
		C: a CREATE INBOX/sub
		S: a OK $...
		C: b LIST "" INBOX*
		S: * LIST (\HasChildren) "/" INBOX
		S: * LIST (\HasNoChildren) "/" INBOX/sub
		S: b OK $...`, off: `
		C: b LIST "" INBOX*
		S: * LIST () "/" INBOX
		S: b OK $...`},
	"LIST-EXTENDED": {on: `
		C: a SUBSCRIBE a/b
		S: a OK $...
		C: b CREATE a
		S: b OK $...
		C: c LIST (SUBSCRIBED RECURSIVEMATCH) "" %
		S: ...
		S: * LIST ($...) "/" a (CHILDINFO ("SUBSCRIBED"))
		S: c OK $...
		C: d LIST (SUBSCRIBED) "" ("a/*" "nothing")
		S: * LIST (\NonExistent \HasNoChildren \Subscribed) "/" a/b
		S: d OK $...
		C: e LIST "" (INBOX Sent) RETURN (SUBSCRIBED CHILDREN)
		S: * LIST (\HasNoChildren$...) "/" INBOX
		S: * LIST (\HasNoChildren$...) "/" Sent
		S: e OK $...
		C: f LIST (RECURSIVEMATCH) "" *
		S: f BAD $...
		C: g LIST (BOGUS) "" *
		S: g BAD $...`, off: `
		C: a LIST (SUBSCRIBED) "" *
		S: a BAD $...
		C: b LIST "" INBOX
		S: * LIST (\HasNoChildren) "/" INBOX
		S: b OK $...`},
	"LIST-STATUS": {on: `
		C: a LIST "" INBOX RETURN (STATUS (MESSAGES UIDNEXT))
		S: * LIST (\HasNoChildren) "/" INBOX
		S: * STATUS INBOX (MESSAGES 0 UIDNEXT 1)
		S: a OK $...`, off: `
		C: a LIST "" INBOX RETURN (STATUS (MESSAGES))
		S: a BAD $...`},
	"SPECIAL-USE": {on: `
		C: a LIST (SPECIAL-USE) "" Sent RETURN (SPECIAL-USE)
		S: * LIST (\HasNoChildren \Sent) "/" Sent
		S: a OK $...`, off: `
		C: a LIST "" Sent
		S: * LIST (\HasNoChildren) "/" Sent
		S: a OK $...
		C: b LIST (SPECIAL-USE) "" *
		S: b BAD $...`},
	"CREATE-SPECIAL-USE": {on: `
		C: a CREATE Wichtig (USE (\Important))
		S: a OK $...
		C: b LIST "" Wichtig
		S: * LIST (\HasNoChildren \Important) "/" Wichtig
		S: b OK $...
		C: c CREATE Alles (USE (\All))
		S: c NO [USEATTR] $...`, off: `
		C: a CREATE Wichtig (USE (\Important))
		S: a BAD $...`},
	"UNSELECT": {on: two + `
		C: a STORE 1 +FLAGS.SILENT \Deleted
		S: a OK $...
		C: b UNSELECT
		S: b OK $...
		C: c STATUS INBOX (MESSAGES)
		S: * STATUS INBOX (MESSAGES 2)
		S: c OK $...
		C: d UNSELECT
		S: d BAD $...`, off: two + `
		C: a UNSELECT
		S: a BAD $...`},
	"UIDPLUS": {on: two + `
		C: a COPY 1:2 Sent
		S: a OK [COPYUID $w 1:2 1:2] $...
		C: b STORE 1:2 +FLAGS.SILENT \Deleted
		S: b OK $...
		C: c UID EXPUNGE 2:*
		S: * 2 EXPUNGE
		S: c OK $...`, off: two + `
		C: a COPY 1:2 Sent
		S: a OK COPY completed
		C: b UID EXPUNGE 1
		S: b BAD $...
		C: c APPEND INBOX {+}
		L: x
		C:
		S: ...
		S: c OK APPEND completed`},
	"MOVE": {on: two + `
		C: a MOVE 1 Sent
		S: * OK [COPYUID $w 1 1] $...
		S: * 1 EXPUNGE
		S: a OK $...
		C: b UID MOVE 2 nowhere
		S: b NO [TRYCREATE] $...
		C: c UID MOVE 2 Sent
		S: * OK [COPYUID $w 2 2] $...
		S: * 1 EXPUNGE
		S: c OK $...
		C: d UID MOVE 2 Sent
		S: d OK $...`, off: two + `
		C: a MOVE 1 Sent
		S: a BAD $...`},
	"MULTIAPPEND": {on: `
		C: a APPEND INBOX (\Seen) {}
		L: Subject: one
		C:  "01-Feb-2026 10:00:00 +0000" {}
		L: Subject: two
		C:
		S: a OK [APPENDUID $v 1:2] $...`, off: `
		C: a APPEND INBOX (\Seen) {}
		L: Subject: one
		C:  {5+}
		R: abcde\r\n
		S: a BAD $...
		C: b STATUS INBOX (MESSAGES)
		S: * STATUS INBOX (MESSAGES 0)
		S: b OK $...`},
	"ESEARCH": {on: two + `
		C: a SEARCH RETURN (MIN MAX COUNT) ALL
		S: * ESEARCH (TAG "a") MIN 1 MAX 2 COUNT 2
		S: a OK $...
		C: b UID SEARCH RETURN () ALL
		S: * ESEARCH (TAG "b") UID ALL 1:2
		S: b OK $...
		C: c SEARCH RETURN (ALL) DELETED
		S: * ESEARCH (TAG "c")
		S: c OK $...
		C: d SEARCH RETURN (COUNT) DELETED
		S: * ESEARCH (TAG "d") COUNT 0
		S: d OK $...
		C: e SEARCH RETURN (BOGUS) ALL
		S: e BAD $...`, off: two + `
		C: a SEARCH RETURN (MIN) ALL
		S: a BAD $...`},
	"CONDSTORE": {on: two + `
		C: a STATUS INBOX (HIGHESTMODSEQ)
		S: * OK [HIGHESTMODSEQ $m] $...
		S: * STATUS INBOX (HIGHESTMODSEQ $m)
		S: a OK $...
		C: b STORE 1 +FLAGS \Seen
		S: * 1 FETCH (UID 1 FLAGS (\Seen \Recent) MODSEQ ($n))
		S: b OK $...
		C: c FETCH 1:* (FLAGS) (CHANGEDSINCE $m)
		S: * 1 FETCH (FLAGS (\Seen \Recent) MODSEQ ($n))
		S: c OK $...
		C: d STORE 1:2 (UNCHANGEDSINCE $m) +FLAGS.SILENT (\Flagged)
		S: * 2 FETCH (UID 2 MODSEQ ($o))
		S: d OK [MODIFIED 1] $...
		C: e UID STORE 1 (UNCHANGEDSINCE $n) +FLAGS (\Flagged)
		S: * 1 FETCH (UID 1 FLAGS (\Seen \Flagged \Recent) MODSEQ ($p))
		S: e OK UID STORE completed
		C: f SEARCH MODSEQ $p
		S: * SEARCH 1 (MODSEQ $p)
		S: f OK $...
		C: g SEARCH RETURN (ALL) MODSEQ "/flags/\\Seen" all $o
		S: * ESEARCH (TAG "g") ALL 1:2 MODSEQ $p
		S: g OK $...
		C: h FETCH 2 (MODSEQ)
		S: * 2 FETCH (MODSEQ ($o))
		S: h OK $...
		C: i STORE 1 (UNCHANGEDSINCE 0) FLAGS ()
		S: i OK [MODIFIED 1] $...
		C: j SELECT INBOX (CONDSTORE)
		S: ...
		S: * OK [HIGHESTMODSEQ $p] $...
		S: j OK $...
		C: k FETCH 1:* (FLAGS) (CHANGEDSINCE 0)
		S: * 1 FETCH $...
		S: * 2 FETCH $...
		S: k OK $...`, off: two + `
		C: a STATUS INBOX (HIGHESTMODSEQ)
		S: a BAD $...
		C: b FETCH 1 (MODSEQ)
		S: b BAD $...
		C: c STORE 1 (UNCHANGEDSINCE 1) FLAGS ()
		S: c BAD $...
		C: d SEARCH MODSEQ 1
		S: d BAD $...`},
	"REPLACE": {on: two + `
		C: a REPLACE 1 INBOX (\Draft) {}
		L: Subject: new
		C:
		S: * OK [APPENDUID $v 3] $...
		S: * 1 EXPUNGE
		S: * 2 EXISTS
		S: * 2 RECENT
		S: a OK $...
		C: b UID REPLACE 3 Sent {}
		L: Subject: newer
		C:
		S: * OK [APPENDUID $w 1] $...
		S: * 2 EXPUNGE
		S: b OK $...
		C: c UID REPLACE 77 Sent {3+}
		C: x
		C:
		S: c NO [NONEXISTENT] $...`, off: two + `
		C: a REPLACE 1 INBOX {3+}
		C: x
		C:
		S: a BAD $...`},
	"APPENDLIMIT": {on: `
		C: a CAPABILITY
		S: * CAPABILITY $... APPENDLIMIT=52428800 $...
		S: a OK $...
		C: b STATUS INBOX (APPENDLIMIT)
		S: * STATUS INBOX (APPENDLIMIT 52428800)
		S: b OK $...
		C: c APPEND INBOX {52428801}
		S: c NO [TOOBIG] $...`, off: `
		C: b STATUS INBOX (APPENDLIMIT)
		S: b BAD $...`},
	"BINARY": {on: `
		C: a APPEND INBOX {}
		L: MIME-Version: 1.0
		L: Content-Type: application/octet-stream
		L: Content-Transfer-Encoding: base64
		L:
		L: AGFiY2Q=
		C:
		S: a OK $...
		C: a APPEND INBOX ~{}
		L: Content-Transfer-Encoding: x-strange
		L:
		L: x
		C:
		S: a OK $...
		C: b SELECT INBOX
		S: ...
		S: b OK $...
		C: c FETCH 1 (BINARY.PEEK[1]<1.3> BINARY.SIZE[1])
		S: * 1 FETCH (BINARY[1]<1> ~{3}
		S: abc BINARY.SIZE[1] 5)
		S: c OK $...
		C: d FETCH 1 BINARY[7]
		S: * 1 FETCH (BINARY[7] NIL FLAGS (\Seen \Recent))
		S: d OK $...
		C: e FETCH 2 BINARY.PEEK[1]
		S: * 2 FETCH (BINARY[1] NIL)
		S: e NO [UNKNOWN-CTE] $...
		C: f FETCH 2 BINARY.PEEK[]<0.7>
		S: * 2 FETCH (BINARY[]<0> ~{7}
		S: Content)
		S: f OK $...`, off: two + `
		C: a FETCH 1 BINARY[1]
		S: a BAD $...
		C: b APPEND INBOX ~{3+}
		C: x
		C:
		S: b BAD $...`},
	"SEARCHRES": {on: three + `
		C: a SEARCH RETURN (SAVE) SUBJECT apples
		S: a OK $...
		C: b FETCH $ (UID)
		S: * 1 FETCH (UID 1)
		S: * 2 FETCH (UID 2)
		S: b OK $...
		C: c UID SEARCH RETURN (SAVE MIN COUNT) 2:3
		S: * ESEARCH (TAG "c") UID MIN 2 COUNT 2
		S: c OK $...
		C: d SEARCH UID $ NOT 3
		S: * SEARCH 2
		S: d OK $...
		C: e SEARCH RETURN (SAVE MAX) $
		S: * ESEARCH (TAG "e") MAX 3
		S: e OK $...
		C: f UID STORE $ +FLAGS.SILENT (\Deleted)
		S: f OK $...
		C: g EXPUNGE
		S: * 3 EXPUNGE
		S: g OK $...
		C: h FETCH $ FLAGS
		S: h OK $...
		C: i SEARCH RETURN (SAVE) CHARSET X-NO ALL
		S: i NO $...
		C: j UID COPY $ Sent
		S: j OK UID COPY completed`, off: two + `
		C: a SEARCH RETURN (SAVE) ALL
		S: a BAD $...
		C: b FETCH $ FLAGS
		S: b BAD $...`},
	"PARTIAL": {on: three + `
		C: a UID SEARCH RETURN (PARTIAL 2:5 COUNT) ALL
		S: * ESEARCH (TAG "a") UID COUNT 3 PARTIAL (2:5 2:3)
		S: a OK $...
		C: b UID SEARCH RETURN (PARTIAL -1:-2) ALL
		S: * ESEARCH (TAG "b") UID PARTIAL (-1:-2 2:3)
		S: b OK $...
		C: c SEARCH RETURN (PARTIAL 7:8) ALL
		S: * ESEARCH (TAG "c") PARTIAL (7:8 NIL)
		S: c OK $...
		C: d SEARCH RETURN (PARTIAL 1:2 ALL) ALL
		S: d BAD $...
		C: e UID FETCH 1:* (UID) (PARTIAL -1:-1)
		S: * 3 FETCH (UID 3)
		S: e OK $...
		C: f FETCH 1:* (UID) (PARTIAL 1:2)
		S: f BAD $...
		C: g SEARCH RETURN (PARTIAL 1:-2) ALL
		S: g BAD $...`, off: two + `
		C: a SEARCH RETURN (PARTIAL 1:2) ALL
		S: a BAD $...`},
	"WITHIN": {on: two + `
		C: a SEARCH YOUNGER 3600
		S: * SEARCH 1 2
		S: a OK $...
		C: b SEARCH OLDER 3600
		S: * SEARCH
		S: b OK $...
		C: c SEARCH YOUNGER 0
		S: c BAD $...`, off: two + `
		C: a SEARCH YOUNGER 3600
		S: a BAD $...`},
	"SORT": {on: three + `
		C: a SORT (SUBJECT) UTF-8 ALL
		S: * SORT 1 2 3
		S: a OK $...
		C: b UID SORT (REVERSE DATE) UTF-8 ALL
		S: * SORT 2 1 3
		S: b OK $...
		C: c SORT (FROM REVERSE SIZE) US-ASCII 1:2
		S: * SORT 2 1
		S: c OK $...
		C: d SORT (BOGUS) UTF-8 ALL
		S: d BAD $...
		C: e SORT (REVERSE) UTF-8 ALL
		S: e BAD $...
		C: f SORT (SIZE) X-NO ALL
		S: f NO [BADCHARSET $...
		C: g SORT (ARRIVAL) UTF-8 DELETED
		S: * SORT
		S: g OK $...`, off: three + `
		C: a SORT (SUBJECT) UTF-8 ALL
		S: a BAD $...`},
	"SORT=DISPLAY": {on: three + `
		C: a SORT (DISPLAYFROM) UTF-8 ALL
		S: * SORT 2 3 1
		S: a OK $...`, off: three + `
		C: a SORT (DISPLAYFROM) UTF-8 ALL
		S: a BAD $...`},
	"ESORT": {on: three + `
		C: a SORT RETURN (MIN MAX COUNT ALL) (REVERSE DATE) UTF-8 ALL
		S: * ESEARCH (TAG "a") MIN 2 MAX 3 ALL 2,1,3 COUNT 3
		S: a OK $...
		C: b UID SORT RETURN (PARTIAL 1:2) (REVERSE DATE) UTF-8 ALL
		S: * ESEARCH (TAG "b") UID PARTIAL (1:2 2,1)
		S: b OK $...`, off: three + `
		C: a SORT RETURN (MIN) (DATE) UTF-8 ALL
		S: a BAD $...`},
	"THREAD": {on: three + `
		C: a THREAD REFERENCES UTF-8 ALL
		S: * THREAD (3)(1 2)
		S: a OK $...
		C: b UID THREAD ORDEREDSUBJECT UTF-8 1:2
		S: * THREAD (1 2)
		S: b OK $...
		C: c THREAD BOGUS UTF-8 ALL
		S: c BAD $...
		C: d THREAD REFS UTF-8 DELETED
		S: * THREAD
		S: d OK $...`, off: three + `
		C: a THREAD REFERENCES UTF-8 ALL
		S: a BAD $...`},
	"I18NLEVEL=1": {on: three + `
		C: a SEARCH SUBJECT ÄPFEL
		S: * SEARCH
		S: a OK $...`, off: three + `
		C: a CAPABILITY
		!S: $...I18NLEVEL$...
		S: * CAPABILITY $...
		S: a OK $...`},
	"STATUS=SIZE": {on: two + `
		C: a STATUS INBOX (SIZE)
		S: * STATUS INBOX (SIZE 28)
		S: a OK $...`, off: two + `
		C: a STATUS INBOX (SIZE)
		S: a BAD $...`},
	"OBJECTID": {on: two + `
		C: a CREATE x
		S: a OK [MAILBOXID ($id)] $...
		C: b STATUS x (MAILBOXID)
		S: * STATUS x (MAILBOXID ($id))
		S: b OK $...
		C: c UID MOVE 1 x
		S: ...
		S: c OK $...
		C: c2 FETCH 1 (EMAILID)
		S: * 1 FETCH (EMAILID ($two))
		S: c2 OK $...
		C: c3 UID SEARCH EMAILID $two
		S: * SEARCH 2
		S: c3 OK $...
		C: c4 UID SEARCH OR EMAILID bogus THREADID bogus
		S: * SEARCH
		S: c4 OK $...
		C: c5 COPY 1 x
		S: c5 OK $...
		C: d RENAME x y
		S: d OK $...
		C: e SELECT y
		S: ...
		S: * OK [MAILBOXID ($id)] $...
		S: ...
		S: e OK $...
		C: f FETCH 2 (EMAILID THREADID)
		S: * 2 FETCH (EMAILID ($two) THREADID (T$thread))
		S: f OK $...
		C: g APPEND y {+}
		L: Message-ID: <a@x>
		C:
		S: * 3 EXISTS
		S: ...
		S: g OK $...
		C: h APPEND y {+}
		L: In-Reply-To: <a@x>
		C:
		S: * 4 EXISTS
		S: ...
		S: h OK $...
		C: i FETCH 3:4 THREADID
		S: * 3 FETCH (THREADID (T$conversation))
		S: * 4 FETCH (THREADID (T$conversation))
		S: i OK $...
		C: j SEARCH THREADID T$conversation
		S: * SEARCH 3 4
		S: j OK $...
		C: k SEARCH OR THREADID T$thread THREADID ""
		S: * SEARCH 2
		S: k OK $...`, off: two + `
		C: a CREATE x
		S: a OK CREATE completed
		C: b FETCH 1 EMAILID
		S: b BAD $...`},
	"SAVEDATE": {on: two + `
		C: a FETCH 1 SAVEDATE
		S: * 1 FETCH (SAVEDATE "$... +0000")
		S: a OK $...
		C: b SEARCH SAVEDSINCE 1-Jan-2020 SAVEDATESUPPORTED
		S: * SEARCH 1 2
		S: b OK $...
		C: c SEARCH SAVEDBEFORE 1-Jan-2020
		S: * SEARCH
		S: c OK $...`, off: two + `
		C: a FETCH 1 SAVEDATE
		S: a BAD $...
		C: b SEARCH SAVEDSINCE 1-Jan-2020
		S: b BAD $...`},
	"PREVIEW": {on: three + `
		C: a FETCH 2 (PREVIEW (LAZY) UID)
		S: * 2 FETCH (PREVIEW "some more text to be larger" UID 2)
		S: a OK $...
		C: b FETCH 1 PREVIEW
		S: * 1 FETCH (PREVIEW "")
		S: b OK $...`, off: two + `
		C: a FETCH 1 PREVIEW
		S: a BAD $...`},
	"QUOTA": {on: `
		C: a GETQUOTAROOT INBOX
		S: * QUOTAROOT INBOX ""
		S: * QUOTA "" (MAILBOX 6 10000)
		S: a OK $...
		C: b GETQUOTA x
		S: b NO [NONEXISTENT] $...
		C: c STATUS INBOX (DELETED)
		S: * STATUS INBOX (DELETED 0)
		S: c OK $...`, off: `
		C: a GETQUOTA ""
		S: a BAD $...`},
	"UNAUTHENTICATE": {on: two + `
		C: a UNAUTHENTICATE
		S: a OK $...
		C: b SELECT INBOX
		S: b BAD $...
		C: c LOGIN user2 pass
		S: c OK $...
		C: d STATUS INBOX (MESSAGES)
		S: * STATUS INBOX (MESSAGES 0)
		S: d OK $...`, off: two + `
		C: a UNAUTHENTICATE
		S: a BAD $...`},
	"QRESYNC": {on: two + `
		C: a ENABLE QRESYNC
		S: * OK [HIGHESTMODSEQ $m] $...
		S: * ENABLED QRESYNC
		S: a OK $...
		C: b STATUS INBOX (UIDVALIDITY HIGHESTMODSEQ)
		S: * STATUS INBOX (UIDVALIDITY $v HIGHESTMODSEQ $m)
		S: b OK $...
		C: c APPEND INBOX {+}
		L: Subject: three
		C:
		S: * 3 EXISTS
		S: * 3 RECENT
		S: c OK $...
		C: d STORE 1 +FLAGS.SILENT (\Deleted)
		S: * 1 FETCH (UID 1 MODSEQ ($n))
		S: d OK $...
		C: e EXPUNGE
		S: * VANISHED 1
		S: e OK [HIGHESTMODSEQ $o] $...
		C: f STORE 1 +FLAGS (\Flagged)
		S: * 1 FETCH (UID 2 FLAGS (\Flagged \Recent) MODSEQ ($p))
		S: f OK $...
		C: g SELECT INBOX (QRESYNC ($v $m))
		S: * OK [CLOSED] $...
		S: ...
		S: * OK [HIGHESTMODSEQ $p] $...
		S: * VANISHED (EARLIER) 1
		~S: * 1 FETCH (UID 2 FLAGS (\Flagged) MODSEQ ($p))
		~S: * 2 FETCH (UID 3 FLAGS () MODSEQ ($q))
		S: g OK $...
		C: h SELECT INBOX (QRESYNC ($v $p 1:5 (1,2 2,3)))
		!S: $...VANISHED$...
		!S: $...FETCH$...
		S: ...
		S: h OK $...
		C: i SELECT INBOX (QRESYNC (77 1))
		!S: $...VANISHED$...
		S: ...
		S: i OK $...
		C: j UID FETCH 1:* (FLAGS) (CHANGEDSINCE $m VANISHED)
		S: * VANISHED (EARLIER) 1
		S: * 1 FETCH (UID 2 FLAGS (\Flagged) MODSEQ ($p))
		S: * 2 FETCH (UID 3 FLAGS () MODSEQ ($q))
		S: j OK $...
		C: k FETCH 1 (FLAGS) (VANISHED)
		S: k BAD $...`, off: `
		C: a ENABLE QRESYNC
		S: * ENABLED
		S: a OK $...
		C: b SELECT INBOX (QRESYNC (1 1))
		S: b BAD $...`},
}

// three puts three messages of a thread into INBOX and selects it.
const three = `
		C: t APPEND INBOX {}
		L: Date: Mon, 2 Mar 2026 10:00:00 +0000
		L: From: Zoe <z@example.org>
		L: Subject: apples
		L: Message-ID: <1@x>
		C:
		S: t OK $...
		C: t APPEND INBOX {}
		L: Date: Tue, 3 Mar 2026 10:00:00 +0000
		L: From: Anna <b@example.org>
		L: Subject: Re: apples
		L: Message-ID: <2@x>
		L: In-Reply-To: <1@x>
		L:
		L: some more text to be larger
		C:
		S: t OK $...
		C: t APPEND INBOX {}
		L: Date: Sun, 1 Mar 2026 10:00:00 +0000
		L: From: Mia <m@example.org>
		L: Subject: bananas
		L: Message-ID: <3@x>
		C:
		S: t OK $...
		C: t SELECT INBOX
		S: ...
		S: t OK $...`

// two puts two messages into INBOX and selects it.
const two = `
		C: t APPEND INBOX {}
		L: Subject: one
		C:
		S: t OK $...
		C: t APPEND INBOX {}
		L: Subject: two
		C:
		S: t OK $...
		C: t SELECT INBOX
		S: ...
		S: t OK $...`

func long(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'x'
	}
	return string(b)
}

// TestExtensions plays each extension switched on and off.
func TestExtensions(t *testing.T) {
	for _, x := range extensions() {
		if x == &base {
			continue
		}
		m, ok := matrix[x.name]
		if !ok || m.on == "" || m.off == "" {
			t.Errorf("%s has no scripts", x.name)
			continue
		}
		for _, on := range []bool{true, false} {
			name, script := x.name+" on", m.on
			if !on {
				name, script = x.name+" off", m.off
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				r := newRig(t, func(c *rigConfig) {
					if !on {
						c.imap.Disable = []string{x.name}
					}
				})
				s := r.player()
				if m.bare {
					s = r.bare()
				}
				mailtest.Play(t, s, script)
			})
		}
	}
}

// TestTwoClaims is the rule that two extensions cannot have one name.
func TestTwoClaims(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("two claims on UID EXPUNGE")
		}
	}()
	newRegistry([]*extension{&base, &uidplus, {name: "X", commands: []command{{name: "UID EXPUNGE"}}}}, nil)
}
