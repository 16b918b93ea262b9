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
		S: * ENABLED QRESYNC
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
	"NAMESPACE": {on: `
		C: a NAMESPACE
		S: * NAMESPACE (("" "/")) NIL NIL
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
		S: * LIST (\NonExistent \Subscribed) "/" a/b
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
		S: * 1 FETCH (FLAGS (\Seen \Recent) MODSEQ ($n))
		S: b OK $...
		C: c FETCH 1:* (FLAGS) (CHANGEDSINCE $m)
		S: * 1 FETCH (FLAGS (\Seen \Recent) MODSEQ ($n))
		S: c OK $...
		C: d STORE 1:2 (UNCHANGEDSINCE $m) +FLAGS.SILENT (\Flagged)
		S: * 2 FETCH (MODSEQ ($o))
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
