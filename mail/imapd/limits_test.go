package imapd

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"atrium/mail/mailtest"
)

// TestLimits proves for each bound of the input what a client hears that goes over it.
func TestLimits(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Config)
		bare   bool
		script string
	}{
		{"line before the login", nil, true, `
			S: * OK $...
			R: a NOOP ` + strings.Repeat("x", 9000) + `\r\n
			S: * BAD [TOOBIG] $...
			C: b NOOP
			S: b OK $...`},
		{"line", func(c *Config) { c.MaxLine = 8192 }, false, `
			R: a NOOP ` + strings.Repeat("x", 9000) + `\r\n
			S: * BAD [TOOBIG] $...
			C: b NOOP
			S: b OK $...`},
		{"literal before the login", nil, true, `
			S: * OK $...
			C: a LOGIN {5000}
			S: a NO [TOOBIG] $...
			C: b NOOP
			S: b OK $...`},
		{"literal", func(c *Config) { c.MaxLiteral = 8192 }, false, `
			C: a CREATE {9000}
			S: a NO [TOOBIG] $...
			C: b NOOP
			S: b OK $...`},
		{"message", func(c *Config) { c.MaxAppend = 1 << 16 }, false, `
			C: a APPEND INBOX {70000}
			S: a NO [TOOBIG] $...
			C: b NOOP
			S: b OK $...`},
		{"set of numbers", func(c *Config) { c.MaxSet = 100 }, false, `
			C: a SELECT INBOX
			S: ...
			S: a OK $...
			C: b UID FETCH ` + strings.Repeat("1,", 100) + `1 FLAGS
			S: b NO [LIMIT] $...
			C: c UID FETCH ` + strings.Repeat("1,", 99) + `1 FLAGS
			S: c OK $...`},
		{"nesting of SEARCH", func(c *Config) { c.MaxDepth = 8 }, false, `
			C: a SELECT INBOX
			S: ...
			S: a OK $...
			C: b SEARCH ` + strings.Repeat("NOT ", 20) + `SEEN
			S: b NO [LIMIT] $...
			C: c SEARCH ` + strings.Repeat("(", 20) + `SEEN` + strings.Repeat(")", 20) + `
			S: c NO [LIMIT] $...
			C: d SEARCH ` + strings.Repeat("FUZZY ", 20) + `SEEN
			S: d NO [LIMIT] $...
			C: e SEARCH ` + strings.Repeat("NOT ", 5) + `SEEN
			S: * SEARCH
			S: e OK $...`},
		{"keys of SEARCH", func(c *Config) { c.MaxList = 100 }, false, `
			C: a SELECT INBOX
			S: ...
			S: a OK $...
			C: b SEARCH` + strings.Repeat(" SEEN", 102) + `
			S: b NO [LIMIT] $...`},
		{"commands before the login", func(c *Config) { c.LoginCommands = 3 }, true, `
			S: * OK $...
			C: a NOOP
			S: a OK $...
			C: b CAPABILITY
			S: ...
			S: b OK $...
			C: c NOOP
			S: c OK $...
			C: d NOOP
			S: * BYE $...
			EOF:`},
		{"commands that are not understood", func(c *Config) { c.BadCommands = 2 }, false, `
			C: a BOGUS
			S: a BAD $...
			C: b NOOP
			S: b OK $...
			C: c BOGUS
			S: c BAD $...
			C: d BOGUS
			S: d BAD $...
			S: * BYE $...
			EOF:`},
		{"connections of a user", func(c *Config) { c.Conn.MaxPerUser = 1 }, true, `
			S: * OK $...
			C: a LOGIN user1 pass
			S: a OK $...
			2S: * OK $...
			2C: a LOGIN user1 pass
			2S: a NO [LIMIT] $...
			2C: b LOGIN user2 pass
			2S: b OK $...
			C: c LOGOUT
			S: * BYE $...
			S: c OK $...`},
		{"many commands in one packet are answered one after another", nil, false, `
			R: ` + strings.Repeat(`a NOOP\r\n`, 300) + `
			` + strings.Repeat("S: a OK $...\n", 300)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, func(c *rigConfig) {
				if tc.change != nil {
					tc.change(&c.imap)
				}
			})
			s := r.player()
			if tc.bare {
				s = r.bare()
			}
			mailtest.Play(t, s, tc.script)
		})
	}
}

// TestLoginTime: who does not log in is told to go when the time is over, whatever is said meanwhile.
func TestLoginTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *rigConfig) { c.imap.LoginTime = time.Minute })
		mailtest.Play(t, mailtest.Server{Dial: r.dial, Timeout: time.Hour}, `
			S: * OK $...
			WAIT: 40s
			C: a NOOP
			S: a OK $...
			WAIT: 25s
			S: * BYE Nothing was said for too long
			EOF:`)
	})
}

// TestOldModseq: what came and went since the client looked is told as gone too, for it may have seen it in
// between; and a mod-sequence from the future gets nothing (RFC 7162 §3.2.5).
func TestOldModseq(t *testing.T) {
	r := newRig(t, nil)
	r.fill(t, 1, "INBOX", 5, nil)
	mailtest.Play(t, r.player(), `
		C: a ENABLE QRESYNC
		S: * ENABLED QRESYNC
		S: a OK $...
		C: b SELECT INBOX
		S: ...
		S: * OK [UIDVALIDITY $v] $...
		S: ...
		S: b OK $...
		C: c UID STORE 2,4 +FLAGS.SILENT \Deleted
		S: ...
		S: c OK $...
		C: d EXPUNGE
		S: * VANISHED 2,4
		S: d OK $...
		C: e SELECT INBOX (QRESYNC ($v 2))
		S: ...
		S: * VANISHED (EARLIER) 2,4
		S: e OK $...
		C: e2 SELECT INBOX (QRESYNC ($v 1))
		S: ...
		S: * VANISHED (EARLIER) 2,4
		S: * 1 FETCH (UID 1 FLAGS ($...) MODSEQ ($_))
		S: * 2 FETCH (UID 3 FLAGS ($...) MODSEQ ($_))
		S: * 3 FETCH (UID 5 FLAGS ($...) MODSEQ ($_))
		S: e2 OK $...
		C: f SELECT INBOX (QRESYNC ($v 999999))
		!S: $...VANISHED$...
		!S: $...FETCH$...
		S: ...
		S: f OK $...`)
}
