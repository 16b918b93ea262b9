package pop3d

import (
	"testing"
	"time"

	"atrium/mail/auth"
)

const login = `
S: +OK Atrium POP3 server ready
C: USER anna
S: +OK Now the password
C: PASS pass word
`

// Three messages: plain, with dots and bare LFs, and empty.
var three = []string{
	"Subject: one\r\n\r\nfirst\r\nsecond\r\nthird\r\n",
	"Subject: two\n\n.\n..dot\r\nlast without an end",
	"",
}

func TestScripts(t *testing.T) {
	for _, tc := range []struct{ name, script string }{
		{"the commands of RFC 1939", login + `
			S: +OK 3 messages (80 octets)
			C: STAT
			S: +OK 3 80
			C: LIST
			S: +OK 3 messages (80 octets)
			S: 1 38
			S: 2 42
			S: 3 0
			S: .
			C: list 2
			S: +OK 2 42
			C: RETR 1
			S: +OK 38 octets
			S: Subject: one
			S:
			S: first
			S: second
			S: third
			S: .
			C: RETR 2
			S: +OK 42 octets
			S: Subject: two
			S:
			S: ..
			S: ...dot
			S: last without an end
			S: .
			C: RETR 3
			S: +OK 0 octets
			S: .
			C: DELE 1
			S: +OK Message will be deleted
			C: STAT
			S: +OK 2 42
			C: LIST
			S: +OK 2 messages (42 octets)
			S: 2 42
			S: 3 0
			S: .
			C: RETR 1
			S: -ERR No such message
			C: DELE 1
			S: -ERR No such message
			C: RSET
			S: +OK 3 messages
			C: STAT
			S: +OK 3 80
			C: NOOP
			S: +OK
			C: QUIT
			S: +OK Bye
			EOF:`},
		{"TOP, RFC 1939 §7", login + `
			S: +OK 3 messages (80 octets)
			C: TOP 1 0
			S: +OK Top follows
			S: Subject: one
			S:
			S: .
			C: TOP 1 2
			S: +OK Top follows
			S: Subject: one
			S:
			S: first
			S: second
			S: .
			C: TOP 2 1
			S: +OK Top follows
			S: Subject: two
			S:
			S: ..
			S: .
			C: TOP 2 99999999999
			S: +OK Top follows
			S: Subject: two
			S:
			S: ..
			S: ...dot
			S: last without an end
			S: .
			C: TOP 3 5
			S: +OK Top follows
			S: .
			C: TOP 1
			S: -ERR Wrong number of arguments
			C: TOP 1 -1
			S: -ERR Not a number of lines
			C: TOP 4 0
			S: -ERR No such message`},
		{"UIDL stays, RFC 1939 §7", login + `
			S: +OK 3 messages (80 octets)
			C: UIDL
			S: +OK Unique ids follow
			S: 1 $one
			S: 2 $two
			S: 3 $three
			S: .
			C: UIDL 2
			S: +OK 2 $two
			C: DELE 1
			S: +OK $_ $_ $_ $_
			C: UIDL
			S: +OK Unique ids follow
			S: 2 $two
			S: 3 $three
			S: .
			C: UIDL 1
			S: -ERR No such message
			C: QUIT
			S: +OK Bye
			EOF:
			2S: +OK Atrium POP3 server ready
			2C: USER anna@example.org
			2S: +OK Now the password
			2C: PASS pass word
			2S: +OK 2 messages (42 octets)
			2C: UIDL
			2S: +OK Unique ids follow
			2S: 1 $two
			2S: 2 $three
			2S: .`},
		{"capabilities without TLS, RFC 2449", `
			S: +OK Atrium POP3 server ready
			C: CAPA
			S: +OK Capabilities follow
			S: TOP
			S: UIDL
			S: RESP-CODES
			S: AUTH-RESP-CODE
			S: PIPELINING
			S: EXPIRE NEVER USER
			S: USER
			S: SASL SCRAM-SHA-256 PLAIN LOGIN
			S: STLS
			S: UTF8 USER
			S: LANG
			S: .
			C: USER anna
			S: +OK Now the password
			C: PASS pass word
			S: +OK $...
			C: CAPA
			S: +OK Capabilities follow
			S: TOP
			S: UIDL
			S: RESP-CODES
			S: AUTH-RESP-CODE
			S: PIPELINING
			S: EXPIRE NEVER
			S: USER
			S: SASL SCRAM-SHA-256 PLAIN LOGIN
			S: UTF8 USER
			S: LANG
			S: IMPLEMENTATION Atrium
			S: .`},
		{"STLS forgets what was said and what came early, RFC 2595 §4", `
			S: +OK Atrium POP3 server ready
			C: USER anna
			S: +OK Now the password
			R: STLS\r\nPASS pass word\r\n
			S: +OK Begin TLS
			TLS:
			C: PASS pass word
			S: -ERR USER comes first
			C: STLS
			S: -ERR TLS is not available
			C: CAPA
			S: +OK Capabilities follow
			S: ...
			S: SASL SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN
			S: UTF8 USER
			S: LANG
			S: .
			C: AUTH PLAIN AGFubmEAcGFzcyB3b3Jk
			S: +OK 3 messages (80 octets)`},
		{"AUTH, RFC 5034", `
			S: +OK Atrium POP3 server ready
			C: AUTH
			S: +OK Mechanisms follow
			S: SCRAM-SHA-256
			S: PLAIN
			S: LOGIN
			S: .
			C: AUTH NTLM
			S: -ERR Mechanism is not supported
			C: AUTH PLAIN
			S: +$...
			C: *
			S: -ERR Cancelled
			C: AUTH PLAIN =
			S: -ERR Malformed response
			C: AUTH LOGIN
			S: + VXNlcm5hbWU6
			C: YW5uYQ==
			S: + UGFzc3dvcmQ6
			C: cGFzcyB3b3Jk
			S: +OK 3 messages (80 octets)`},
		{"logins that fail, RFC 3206; the connection ends after a few", `
			S: +OK Atrium POP3 server ready
			C: PASS x
			S: -ERR USER comes first
			C: USER
			S: -ERR Wrong number of arguments
			C: USER anna
			S: +OK Now the password
			C: PASS wrong
			S: -ERR [AUTH] Wrong name or password
			C: PASS pass word
			S: -ERR USER comes first
			C: USER nobody
			S: +OK Now the password
			C: PASS wrong
			S: -ERR [AUTH] Wrong name or password
			C: AUTH PLAIN AGFubmEAd3Jvbmc=
			S: -ERR [AUTH] Wrong name or password
			C: AUTH PLAIN AGFubmEAd3Jvbmc=
			S: -ERR [AUTH] Wrong name or password
			C: AUTH PLAIN AGFubmEAd3Jvbmc=
			S: -ERR [AUTH] Wrong name or password
			EOF:`},
		{"wrong states and bad commands", `
			S: +OK Atrium POP3 server ready
			C: STAT
			S: -ERR Not in this state
			C: XYZZY
			S: -ERR Unknown command
			C:
			S: -ERR Unknown command
			R: \x00\xff\x80 \r\n
			S: -ERR Unknown command
			C: USER anna
			S: +OK Now the password
			C: PASS pass word
			S: +OK 3 messages (80 octets)
			C: USER anna
			S: -ERR Not in this state
			C: STLS
			S: -ERR Not in this state
			C: RETR
			S: -ERR Wrong number of arguments
			C: RETR 0
			S: -ERR No such message
			C: RETR -1
			S: -ERR No such message
			C: RETR 4294967297
			S: -ERR No such message
			C: RETR 1 2
			S: -ERR Wrong number of arguments
			C: QUIT
			S: +OK Bye
			EOF:`},
		{"pipelining, RFC 2449 §6.6", `
			S: +OK Atrium POP3 server ready
			R: USER anna\r\nPASS pass word\r\nSTAT\r\nRETR 3\r\nDELE 3\r\nNOOP\nQUIT\r\n
			S: +OK Now the password
			S: +OK 3 messages (80 octets)
			S: +OK 3 80
			S: +OK 0 octets
			S: .
			S: +OK Message will be deleted
			S: +OK
			S: +OK Bye
			EOF:`},
		{"one session a mailbox; the lock ends with the connection", login + `
			S: +OK 3 messages (80 octets)
			C: DELE 1
			S: +OK Message will be deleted
			2S: +OK Atrium POP3 server ready
			2C: USER anna
			2S: +OK Now the password
			2C: PASS pass word
			2S: -ERR [IN-USE] Another POP3 session has the mailbox
			3S: +OK Atrium POP3 server ready
			3C: USER ben
			3S: +OK Now the password
			3C: PASS pass word
			3S: +OK 2 messages (68 octets)
			BYE:
			WAIT: 20ms
			2C: USER anna
			2S: +OK Now the password
			2C: PASS pass word
			2S: +OK 3 messages (80 octets)`},
		{"LANG, RFC 6856 §3", `
			S: +OK Atrium POP3 server ready
			C: LANG
			S: +OK Languages follow
			S: en English
			S: de Deutsch
			S: i-default Default language
			S: .
			C: LANG xx
			S: -ERR en No such language
			C: LANG de-AT
			S: +OK de Die Sprache ist Deutsch
			C: LANG xx
			S: -ERR de Diese Sprache gibt es nicht
			C: USER anna
			S: +OK Nun das Passwort
			C: PASS pass word
			S: +OK 3 Nachrichten (80 Oktette)
			C: RETR 9
			S: -ERR Diese Nachricht gibt es nicht
			C: LIST
			S: +OK 3 Nachrichten (80 Oktette)
			S: 1 38
			S: 2 42
			S: 3 0
			S: .
			C: LANG i-default
			S: +OK i-default The language is English
			C: LANG *
			S: +OK en The language is English
			C: NOOP
			S: +OK`},
		{"UTF8, RFC 6856 §2", `
			S: +OK Atrium POP3 server ready
			C: UTF8 now
			S: -ERR Wrong number of arguments
			C: UTF8
			S: +OK UTF-8 from now on
			C: STLS
			S: -ERR STLS comes before UTF8
			C: USER änna
			S: +OK Now the password
			C: PASS schön
			S: -ERR [AUTH] Wrong name or password
			C: USER anna
			S: +OK Now the password
			C: PASS pass word
			S: +OK 3 messages (80 octets)
			C: UTF8
			S: -ERR Not in this state`},
		{"messages with UTF-8 in headers go out as they are in the mode, RFC 6856 §2.1", `
			S: +OK Atrium POP3 server ready
			C: UTF8
			S: +OK UTF-8 from now on
			C: USER ben
			S: +OK Now the password
			C: PASS pass word
			S: +OK 2 messages (68 octets)
			C: LIST
			S: +OK 2 messages (68 octets)
			S: 1 39
			S: 2 29
			S: .
			C: RETR 1
			S: +OK 39 octets
			S: Subject: é
			S: From: é@é.é
			S:
			S: é
			S: é
			S: .
			C: TOP 1 0
			S: +OK Top follows
			S: Subject: é
			S: From: é@é.é
			S:
			S: .`},
		{"and as surrogates without it, RFC 6858", `
			S: +OK Atrium POP3 server ready
			C: USER ben
			S: +OK Now the password
			C: PASS pass word
			S: +OK 2 messages (68 octets)
			C: STAT
			S: +OK 2 68
			C: LIST
			S: +OK 2 messages (68 octets)
			S: 1 115
			S: 2 29
			S: .
			C: LIST 1
			S: +OK 1 115
			C: RETR 1
			S: +OK 115 octets
			S: Subject: =?utf-8?B?w6k=?=
			S: From: =?utf-8?B?w6lAw6kuw6k=?=
			S:  <invalid@internationalized-address.invalid>
			S:
			S: é
			S: é
			S: .
			C: TOP 1 1
			S: +OK Top follows
			S: Subject: =?utf-8?B?w6k=?=
			S: From: =?utf-8?B?w6lAw6kuw6k=?=
			S:  <invalid@internationalized-address.invalid>
			S:
			S: é
			S: .
			C: RETR 2
			S: +OK 29 octets
			S: Subject: plain
			S:
			S: é
			S: é
			S: bare
			S: .`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.fill(t, "anna", 1, three...)
			r.fill(t, "ben", 1, "Subject: é\r\nFrom: é@é.é\r\n\r\né\r\né\r\n", "Subject: plain\r\n\r\né\r\né\nbare")
			r.script(t, tc.script)
		})
	}
}

func TestNoPlainText(t *testing.T) {
	r := newRig(t)
	r.auth = auth.New(r.dir, auth.Config{}, r.log)
	r.script(t, `
		S: +OK Atrium POP3 server ready
		C: CAPA
		S: +OK Capabilities follow
		S: ...
		S: EXPIRE NEVER USER
		S: SASL SCRAM-SHA-256
		S: STLS
		S: ...
		S: .
		C: USER anna
		S: -ERR Use STLS or a port with TLS first
		C: AUTH PLAIN AGFubmEAcGFzcyB3b3Jk
		S: -ERR Use STLS or a port with TLS first`)
}

func TestLoginDelay(t *testing.T) {
	r := newRig(t)
	r.script(t, login+`
		S: +OK 0 messages (0 octets)
		C: CAPA
		S: ...
		S: LOGIN-DELAY 60
		S: ...
		S: .
		C: QUIT
		S: +OK Bye
		EOF:
		2S: +OK Atrium POP3 server ready
		2C: USER anna
		2S: +OK Now the password
		2C: PASS pass word
		2S: -ERR [LOGIN-DELAY] At most one login in 60 seconds`, func(c *Config) { c.LoginDelay = time.Minute })
}
