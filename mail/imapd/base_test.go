package imapd

import (
	"testing"

	"atrium/mail/mailtest"
)

func play(t *testing.T, name, script string) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		mailtest.Play(t, newRig(t, nil).player(), script)
	})
}

func TestLogin(t *testing.T) {
	r := newRig(t, nil)
	for name, script := range map[string]string{
		"LOGIN": `
			S: * OK [CAPABILITY IMAP4rev1 $...
			C: a1 login user1 wrong
			S: a1 NO [AUTHENTICATIONFAILED] $...
			C: a2 SELECT INBOX
			S: a2 BAD Log in first
			C: a3 login "user1" {4+}
			R: pass\r\n
			S: a3 OK [CAPABILITY $...
			C: a4 LOGIN user1 pass
			S: a4 BAD Already logged in
			C: a5 LOGOUT
			S: * BYE $...
			S: a5 OK $...
			EOF:`,
		"AUTHENTICATE": `
			S: * OK $...
			C: a AUTHENTICATE PLAIN
			S: + 
			C: AHVzZXIxAHBhc3M=
			S: a OK $...`,
		"AUTHENTICATE is cancelled": `
			S: * OK $...
			C: a AUTHENTICATE PLAIN
			S: + 
			C: *
			S: a BAD $...
			C: b NOOP
			S: b OK $...`,
		"binary garbage": `
			S: * OK $...
			R: \x00\x01\xff{}\r\n
			S: * BAD $...
			C: (
			S: * BAD $...
			C:
			S: * BAD $...
			C: a
			S: a BAD $...
			C: a FETCH {5+}
			C: a NOOP
			S: a BAD $...
			C: b NOOP
			S: b OK $...`,
	} {
		t.Run(name, func(t *testing.T) { mailtest.Play(t, r.bare(), script) })
	}
}

func TestPlainTextRefused(t *testing.T) {
	r := newRig(t, func(c *rigConfig) { c.auth.PlainLocal = false })
	mailtest.Play(t, r.bare(), `
		S: * OK [CAPABILITY $... LOGINDISABLED$...] $...
		C: a LOGIN user1 pass
		S: a NO [PRIVACYREQUIRED] $...
		C: b AUTHENTICATE PLAIN AHVzZXIxAHBhc3M=
		S: b NO [PRIVACYREQUIRED] $...
		C: c STARTTLS
		S: c OK $...
		TLS:
		C: d CAPABILITY
		!S: $...STARTTLS$...
		!S: $...LOGINDISABLED$...
		S: * CAPABILITY IMAP4rev1 $...
		S: d OK $...
		C: e LOGIN user1 pass
		S: e OK $...
		C: f STARTTLS
		S: f BAD $...`)
}

func TestMailboxCommands(t *testing.T) {
	play(t, "CREATE, RENAME, DELETE", `
		C: a CREATE Work/Projects/
		S: a OK $...
		C: b CREATE Work/Projects
		S: b NO [ALREADYEXISTS] $...
		C: c CREATE inbox
		S: c NO $...
		C: d LIST "" Work*
		S: * LIST (\Noselect \NonExistent \HasChildren) "/" Work
		S: * LIST (\HasNoChildren) "/" Work/Projects
		S: d OK $...
		C: e RENAME Work Arbeit
		S: e OK $...
		C: f LIST "" "*e*t*s"
		S: * LIST (\HasNoChildren) "/" Arbeit/Projects
		S: f OK $...
		C: g DELETE Arbeit
		S: g NO [HASCHILDREN] $...
		C: h DELETE Arbeit/Projects
		S: h OK $...
		C: i DELETE Arbeit/Projects
		S: i NO [NONEXISTENT] $...
		C: j DELETE INBOX
		S: j NO [CANNOT] $...
		C: k CREATE "Entw&APw-rfe"
		S: k OK $...
		C: l LIST "" Entw%
		S: * LIST (\HasNoChildren) "/" Entw&APw-rfe
		S: l OK $...
		C: m LIST "" ""
		S: * LIST (\Noselect) "/" ""
		S: m OK $...
		C: n SELECT nothing
		S: n NO [NONEXISTENT] $...`)
	play(t, "subscriptions", `
		C: a SUBSCRIBE INBOX
		S: a OK $...
		C: b SUBSCRIBE a/b/c
		S: b OK $...
		C: c LSUB "" *
		S: ...
		S: * LSUB () "/" INBOX
		S: ...
		S: * LSUB () "/" a/b/c
		S: c OK $...
		C: d LSUB "" a/%
		S: * LSUB (\Noselect) "/" a/b
		S: d OK $...
		C: e UNSUBSCRIBE a/b/c
		S: e OK $...
		C: f LSUB "" a*
		S: f OK $...`)
	play(t, "STATUS", `
		C: a APPEND INBOX (\Seen) {}
		L: Subject: one
		C:
		S: a OK $...
		C: b APPEND INBOX {+}
		L: Subject: two
		C:
		S: b OK $...
		C: c STATUS inbox (MESSAGES UIDNEXT UNSEEN)
		S: * STATUS INBOX (MESSAGES 2 UIDNEXT 3 UNSEEN 1)
		S: c OK $...
		C: d STATUS nothing (MESSAGES)
		S: d NO [NONEXISTENT] $...
		C: e STATUS INBOX (MESSAGE)
		S: e BAD $...`)
}

func TestSelect(t *testing.T) {
	play(t, "SELECT and EXAMINE", `
		C: a APPEND INBOX (\Seen $Work) "01-Feb-2026 10:00:00 +0100" {}
		L: Subject: one
		C:
		S: a OK [APPENDUID $v 1] $...
		C: b SELECT INBOX
		S: * FLAGS (\Seen \Answered \Flagged \Deleted \Draft $Work)
		S: * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft $Work \*)] $...
		S: * 1 EXISTS
		S: * 1 RECENT
		S: * OK [UIDVALIDITY $v] $...
		S: * OK [UIDNEXT 2] $...
		S: * OK [MAILBOXID ($id)] $...
		S: * OK [HIGHESTMODSEQ $m] $...
		S: b OK [READ-WRITE] SELECT completed
		C: c FETCH 1 FULL
		S: * 1 FETCH (FLAGS (\Seen $Work \Recent) INTERNALDATE " 1-Feb-2026 10:00:00 +0100" RFC822.SIZE 14 ENVELOPE (NIL "one" NIL NIL NIL NIL NIL NIL NIL NIL) BODY ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0))
		S: c OK $...
		C: d EXAMINE INBOX
		S: ...
		S: d OK [READ-ONLY] $...
		C: e STORE 1 FLAGS ()
		S: e NO $...
		C: f CLOSE
		S: f OK $...
		C: g FETCH 1 FLAGS
		S: g BAD $...`)
	play(t, "the mailbox goes away", `
		C: a CREATE x
		S: a OK $...
		C: b SELECT x
		S: ...
		S: b OK $...
		2C: a DELETE x
		2S: a OK $...
		C: c NOOP
		S: * BYE $...
		EOF:`)
}

func TestFetch(t *testing.T) {
	play(t, "sections", `
		C: a APPEND INBOX {}
		L: From: A <a@example.org>
		L: Subject: parts
		L: X-Long: one
		L:  two
		L: MIME-Version: 1.0
		L: Content-Type: multipart/mixed; boundary=b
		L:
		L: --b
		L: Content-Type: text/plain
		L:
		L: first
		L: --b
		L: Content-Type: message/rfc822
		L:
		L: Subject: inner
		L:
		L: inner text
		L: --b--
		C:
		S: a OK $...
		C: b SELECT INBOX
		S: ...
		S: b OK $...
		C: c FETCH 1 BODY.PEEK[1]
		S: * 1 FETCH (BODY[1] {5}
		S: first)
		S: c OK $...
		C: d FETCH 1 (BODY.PEEK[HEADER.FIELDS (subject X-long)] BODY.PEEK[2.HEADER] BODY.PEEK[1.MIME])
		S: * 1 FETCH (BODY[HEADER.FIELDS (subject X-long)] {37}
		S: Subject: parts
		S: X-Long: one
		S:  two
		S: 
		S:  BODY[2.HEADER] {18}
		S: Subject: inner
		S: 
		S:  BODY[1.MIME] {28}
		S: Content-Type: text/plain
		S: 
		S: )
		S: d OK $...
		C: e FETCH 1 BODY[2.TEXT]<2.4>
		S: * 1 FETCH (BODY[2.TEXT]<2> {4}
		S: ner  FLAGS (\Seen \Recent))
		S: e OK $...
		C: f FETCH 1 (BODY[9] BODY[1]<100.5>)
		S: * 1 FETCH (BODY[9] NIL BODY[1]<100> {0}
		S: )
		S: f OK $...
		C: g FETCH 1 (UID FLAGS)
		S: * 1 FETCH (UID 1 FLAGS (\Seen \Recent))
		S: g OK $...
		C: h UID FETCH 1:* (FLAGS)
		S: * 1 FETCH (UID 1 FLAGS (\Seen \Recent))
		S: h OK $...
		C: i FETCH 2 FLAGS
		S: i BAD $...
		C: j FETCH 1 (BODY[1.2.3)
		S: j BAD $...
		C: k UID FETCH 77 FLAGS
		S: k OK $...`)
}

func TestStore(t *testing.T) {
	play(t, "STORE", `
		C: a APPEND INBOX {+}
		L: Subject: one
		C:
		S: a OK $...
		C: b SELECT INBOX
		S: ...
		S: b OK $...
		C: c STORE 1 +FLAGS (\Flagged $New)
		S: * FLAGS $...
		S: * OK [PERMANENTFLAGS $...
		S: * 1 FETCH (FLAGS (\Flagged $New \Recent))
		S: c OK $...
		C: d STORE 1 -FLAGS.SILENT $New
		S: d OK $...
		C: e UID STORE 1 FLAGS \Seen \Answered
		S: * 1 FETCH (UID 1 FLAGS (\Seen \Answered \Recent))
		S: e OK $...
		C: f STORE 1 +FLAGS (\Recent)
		S: f BAD $...
		C: g STORE 1 +FLAGS (\Bogus)
		S: g BAD $...`)
	play(t, "another session's change shows itself in spite of SILENT", `
		C: a APPEND INBOX {+}
		L: Subject: one
		C:
		S: a OK $...
		C: b SELECT INBOX
		S: ...
		S: b OK $...
		2C: a SELECT INBOX
		2S: ...
		2S: a OK $...
		2C: b STORE 1 +FLAGS.SILENT (\Flagged)
		2S: b OK $...
		C: c NOOP
		S: * 1 FETCH (FLAGS (\Flagged \Recent))
		S: c OK $...
		2C: d STORE 1 +FLAGS.SILENT (\Draft)
		2S: d OK $...
		C: e STORE 1 +FLAGS.SILENT (\Seen)
		S: * 1 FETCH (FLAGS (\Flagged \Draft \Recent))
		S: e OK $...
		C: f NOOP
		S: f OK $...`)
}

func TestNumbers(t *testing.T) {
	play(t, "EXPUNGE waits while numbers are in use, RFC 9051 §7.5.1", `
		C: a APPEND INBOX {+}
		L: Subject: one
		C:
		S: a OK $...
		C: a APPEND INBOX {+}
		L: Subject: two
		C:
		S: a OK $...
		C: a APPEND INBOX {+}
		L: Subject: three
		C:
		S: a OK $...
		C: b SELECT INBOX
		S: ...
		S: b OK $...
		2C: a SELECT INBOX
		2S: ...
		2S: a OK $...
		2C: b STORE 2 +FLAGS.SILENT \Deleted
		2S: b OK $...
		2C: c EXPUNGE
		2S: * 2 EXPUNGE
		2S: c OK $...
		2C: d APPEND INBOX {+}
		L: Subject: four
		2C:
		2S: * 3 EXISTS
		2S: * 1 RECENT
		2S: d OK $...
		C: c FETCH 3 (UID)
		S: * 4 EXISTS
		S: * 2 RECENT
		S: * 3 FETCH (UID 3)
		S: c OK $...
		C: d FETCH 1:* (UID)
		S: * 2 FETCH (UID 2)
		S: * 1 FETCH (UID 1)
		S: * 3 FETCH (UID 3)
		S: * 4 FETCH (UID 4)
		S: d OK [EXPUNGEISSUED] $...
		C: d0 FETCH 2 UID
		S: * 2 FETCH (UID 2)
		S: d0 OK [EXPUNGEISSUED] $...
		C: d1 FETCH 2 (UID FLAGS)
		S: d1 NO [EXPUNGEISSUED] $...
		C: d2 STORE 1:2 (UNCHANGEDSINCE 1) +FLAGS.SILENT (\Flagged)
		S: * OK [HIGHESTMODSEQ $_] $...
		S: d2 NO [MODIFIED 1] $...
		C: d3 STORE 2:3 +FLAGS.SILENT (\Flagged)
		S: * 3 FETCH (UID 3 MODSEQ ($_))
		S: d3 OK [EXPUNGEISSUED] $...
		C: d4 STORE 2 +FLAGS (\Flagged)
		S: d4 NO [EXPUNGEISSUED] $...
		C: d5 STORE 2 +FLAGS.SILENT (\Flagged)
		S: d5 OK [EXPUNGEISSUED] $...
		C: e SEARCH SUBJECT t
		S: * SEARCH 3
		S: e OK $...
		C: f COPY 2 Sent
		S: f NO [EXPUNGEISSUED] $...
		C: g NOOP
		S: * 2 EXPUNGE
		S: g OK $...
		C: h FETCH 1:* (UID)
		S: * 1 FETCH (UID 1)
		S: * 2 FETCH (UID 3)
		S: * 3 FETCH (UID 4)
		S: h OK $...`)
	play(t, "COPY", `
		C: a APPEND INBOX (\Seen $Work) "01-Feb-2026 10:00:00 +0100" {+}
		L: Subject: one
		C:
		S: a OK [APPENDUID $v 1] $...
		C: b SELECT INBOX
		S: ...
		S: b OK $...
		C: c COPY 1 nowhere
		S: c NO [TRYCREATE] $...
		C: d COPY 1 Sent
		S: d OK [COPYUID $w 1 1] $...
		C: e COPY 1 INBOX
		S: * 2 EXISTS
		S: * 2 RECENT
		S: e OK [COPYUID $v 1 2] $...
		C: f UID COPY 77 Sent
		S: f OK $...
		C: g FETCH 2 (FLAGS INTERNALDATE)
		S: * 2 FETCH (FLAGS (\Seen $Work \Recent) INTERNALDATE " 1-Feb-2026 10:00:00 +0100")
		S: g OK $...`)
}

func TestSearch(t *testing.T) {
	play(t, "keys", `
		C: a APPEND INBOX (\Seen $Work) "01-Feb-2026 23:59:00 +0100" {+}
		L: From: =?utf-8?q?S=C3=A9nder?= <s@example.org>
		L: Subject: one
		L: Date: Sat, 31 Jan 2026 10:00:00 +0000
		L:
		L: hello body
		C:
		S: a OK $...
		C: a APPEND INBOX (\Flagged) "03-Feb-2026 10:00:00 +0100" {+}
		L: To: two@example.org
		L: Subject: two
		L: Content-Type: text/plain; charset=utf-8
		L:
		L: Grüße
		C:
		S: a OK $...
		C: b SELECT INBOX
		S: ...
		S: b OK $...
		C: 1 SEARCH ALL
		S: * SEARCH 1 2
		S: 1 OK $...
		C: 2 SEARCH UNSEEN FLAGGED
		S: * SEARCH 2
		S: 2 OK $...
		C: 3 SEARCH KEYWORD $Nothing
		S: * SEARCH
		S: 3 OK $...
		C: 4 SEARCH OR (SUBJECT on) (NOT SEEN)
		S: * SEARCH 1 2
		S: 4 OK $...
		C: 5 SEARCH ON 1-Feb-2026
		S: * SEARCH 1
		S: 5 OK $...
		C: 6 SEARCH SENTBEFORE 1-Feb-2026
		S: * SEARCH 1
		S: 6 OK $...
		C: 7 SEARCH CHARSET UTF-8 FROM "sénder"
		S: * SEARCH 1
		S: 7 OK $...
		R: 8 SEARCH CHARSET ISO-8859-1 BODY {5+}\r\ngr\xfc\xdfe\r\n
		S: * SEARCH 2
		S: 8 OK $...
		C: 9 SEARCH CHARSET X-NO ALL
		S: 9 NO [BADCHARSET (US-ASCII UTF-8)] $...
		C: 10 UID SEARCH UID 2:* NOT 1
		S: * SEARCH 2
		S: 10 OK $...
		C: 11 SEARCH HEADER Message-ID ""
		S: * SEARCH
		S: 11 OK $...
		C: 12 SEARCH LARGER 10 SMALLER 100000 TEXT hello
		S: * SEARCH 1
		S: 12 OK $...
		C: 13 SEARCH BOGUS
		S: 13 BAD $...
		C: 14 SEARCH NEW
		S: * SEARCH 2
		S: 14 OK $...`)
}
