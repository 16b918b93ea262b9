package smtpd

import (
	"regexp"
	"strings"
	"testing"
)

func TestTranscripts(t *testing.T) {
	for _, tc := range []struct {
		name    string
		dialect Dialect
		change  func(*Config)
		script  string
	}{
		{"EHLO lists the extensions", SMTP, nil, `
			S: 220 mx.example.org ESMTP Atrium
			C: EHLO client.example
			S: 250-mx.example.org
			S: 250-PIPELINING
			S: 250-SIZE 52428800
			S: 250-8BITMIME
			S: 250-SMTPUTF8
			S: 250-ENHANCEDSTATUSCODES
			S: 250-CHUNKING
			S: 250-BINARYMIME
			S: 250-STARTTLS
			S: 250 LIMITS RCPTMAX=1000
			C: QUIT
			S: 221 2.0.0 mx.example.org Bye
			EOF:`},
		{"extensions switched off", SMTP, func(c *Config) {
			c.Disable = []string{"pipelining", "SIZE", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING", "STARTTLS", "LIMITS"}
		}, `
			S: 220 mx.example.org ESMTP Atrium
			C: EHLO client.example
			S: 250 mx.example.org
			C: MAIL FROM:<a@b.example> SIZE=1
			S: 555 Parameter not recognized: SIZE
			C: MAIL FROM:<a@b.example> BODY=8BITMIME
			S: 555 Parameter not recognized: BODY
			C: BDAT 3 LAST
			S: 500 Command not recognized
			C: STARTTLS
			S: 500 Command not recognized
			C: MAIL FROM:<ä@b.example>
			S: 553 SMTPUTF8 is needed for that address
			C: NOOP
			S: 250 Ok`},
		{"HELO", SMTP, nil, `
			S: 220 mx.example.org ESMTP Atrium
			C: HELO client.example
			S: 250 mx.example.org
			C: MAIL FROM:<a@b.example>
			S: 250 2.1.0 Ok`},
		{"order of commands, RFC 5321 §4.1.4", SMTP, nil, `
			S: 220 mx.example.org ESMTP Atrium
			C: MAIL FROM:<a@b.example>
			S: 503 5.5.1 Say EHLO first
			C: EHLO
			S: 501 5.5.4 A name of the client is needed
			C: HELO client.example
			S: 250 mx.example.org
			C: RCPT TO:<user1@example.org>
			S: 503 5.5.1 Say MAIL first
			C: DATA
			S: 503 5.5.1 Say MAIL first
			C: MAIL FROM:<>
			S: 250 2.1.0 Ok
			C: MAIL FROM:<>
			S: 503 5.5.1 There is a transaction already
			C: DATA
			S: 503 5.5.1 No valid recipients
			C: RCPT TO:<>
			S: 501 5.1.3 Bad recipient address: RCPT TO:<address>
			C: RSET now
			S: 501 5.5.4 No parameters are allowed
			C: RSET
			S: 250 2.0.0 Ok
			C: RCPT TO:<user1@example.org>
			S: 503 5.5.1 Say MAIL first
			C: MAIL FROM:<>
			S: 250 2.1.0 Ok
			C: HELO again.example
			S: 250 mx.example.org
			C: RCPT TO:<user1@example.org>
			S: 503 5.5.1 Say MAIL first
			C: QUIT now
			S: 501 5.5.4 No parameters are allowed`},
		{"small commands", SMTP, nil, `
			S: 220 mx.example.org ESMTP Atrium
			C: noop whatever
			S: 250 2.0.0 Ok
			C: HELP
			S: 214 2.0.0 Commands: BDAT DATA EHLO EXPN HELO HELP MAIL NOOP QUIT RCPT RSET STARTTLS VRFY
			C: VRFY user1
			S: 503 5.5.1 Say EHLO first
			C: helo client.example
			S: 250 mx.example.org
			C: VRFY user1
			S: 252 2.5.2 Cannot tell, send mail and see
			C: VRFY
			S: 501 5.5.4 Syntax error in parameters
			C: EXPN staff
			S: 502 5.5.1 Lists are not shown
			C: LHLO x
			S: 500 5.5.1 Command not recognized
			C: AUTH PLAIN
			S: 500 5.5.1 Command not recognized
			C: XYZZY
			S: 500 5.5.1 Command not recognized
			C:
			S: 500 5.5.1 Command not recognized
			R: NOOP a\nNOOP b\r\n
			S: 500 5.5.2 Control characters in a command
			R: NOOP a\x00\r\n
			S: 500 5.5.2 Control characters in a command`},
		{"recipients", SMTP, nil, `
			S: 220 mx.example.org ESMTP Atrium
			C: HELO client.example
			S: 250 mx.example.org
			C: MAIL FROM:<a@b.example>
			S: 250 2.1.0 Ok
			C: RCPT TO:<user1@example.org>
			S: 250 2.1.5 Ok
			C: RCPT TO:<USER1@Example.ORG>
			S: 250 2.1.5 Ok
			C: RCPT TO:<user1+folder@example.org>
			S: 250 2.1.5 Ok
			C: RCPT TO:<alias@example.org>
			S: 250 2.1.5 Ok
			C: RCPT TO:<sales@example.org>
			S: 250 2.1.5 Ok
			C: RCPT TO:<whoever@catch.example>
			S: 250 2.1.5 Ok
			C: RCPT TO:<user9@example.org>
			S: 550 5.1.1 No such user here
			C: RCPT TO:<user4@example.org>
			S: 550 5.2.1 Mailbox disabled, it takes no mail
			C: RCPT TO:<user@elsewhere.example>
			S: 550 5.7.1 Relaying denied, that domain is not here
			C: RCPT TO:<away@example.org>
			S: 550 5.7.1 Relaying denied, that address leads elsewhere
			C: RCPT TO:<user%elsewhere.example@example.org>
			S: 550 5.1.1 No such user here
			C: RCPT TO:<elsewhere.example!user@example.org>
			S: 550 5.1.1 No such user here
			C: RCPT TO:<"user@elsewhere.example"@example.org>
			S: 550 5.1.1 No such user here
			C: RCPT TO:<user1@example.org.>
			S: 501 5.1.3 Bad recipient address: RCPT TO:<address>
			C: RCPT TO:<@example.org:user@elsewhere.example>
			S: 550 5.7.1 Relaying denied, that domain is not here
			C: RCPT TO:<user@[127.0.0.1]>
			S: 550 5.7.1 Relaying denied, that domain is not here
			C: RCPT TO:<user1@example.org> NOTIFY=NEVER
			S: 555 5.5.4 Parameter not recognized: NOTIFY
			C: RCPT TO:user1@example.org
			S: 501 5.1.3 Bad recipient address: RCPT TO:<address>`},
		{"senders", SMTP, nil, `
			S: 220 mx.example.org ESMTP Atrium
			C: HELO client.example
			S: 250 mx.example.org
			C: MAIL FROM:<postmaster>
			S: 553 5.1.7 The sender's address needs a domain
			C: MAIL FROM:a@b.example
			S: 501 5.1.7 Bad sender address: MAIL FROM:<address>
			C: MAIL FROM:<a@b.example> SIZE=x
			S: 501 5.5.4 Syntax error in parameters
			C: MAIL FROM:<a@b.example> SIZE=99999999999999999999
			S: 552 5.3.4 Message is larger than the limit
			C: MAIL FROM:<a@b.example> SIZE=52428801
			S: 552 5.3.4 Message is larger than the limit
			C: MAIL FROM:<a@b.example> BODY=9BIT
			S: 501 5.5.4 BODY is 7BIT or 8BITMIME
			C: MAIL FROM:<a@b.example> SIZE=1 SIZE=2
			S: 501 5.5.4 Syntax error in parameters
			C: MAIL FROM:<a@b.example> XYZZY=1
			S: 555 5.5.4 Parameter not recognized: XYZZY
			C: MAIL FROM:<a@b.example> AUTH=<>
			S: 555 5.5.4 Parameter not recognized: AUTH
			C: MAIL FROM:<ä@b.example>
			S: 553 5.6.7 SMTPUTF8 is needed for that address
			C: MAIL FROM:<ä@b.example> SMTPUTF8=1
			S: 501 5.5.4 Syntax error in parameters
			C: MAIL FROM:<ä@b.example> SMTPUTF8 BODY=8BITMIME SIZE=52428800
			S: 250 2.1.0 Ok`},
		{"pipelined, RFC 2920", SMTP, nil, `
			S: 220 mx.example.org ESMTP Atrium
			R: EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<user9@example.org>\r\nRCPT TO:<user1@example.org>\r\nDATA\r\n
			S: 250-mx.example.org
			S: ...
			S: 250 LIMITS RCPTMAX=1000
			S: 250 2.1.0 Ok
			S: 550 5.1.1 No such user here
			S: 250 2.1.5 Ok
			S: 354 Send the message, end with a dot on a line by itself
			R: Subject: x\r\n\r\nhello\r\n.\r\nRSET\r\nQUIT\r\n
			S: 250 2.0.0 Ok: delivered as $id
			S: 250 2.0.0 Ok
			S: 221 2.0.0 mx.example.org Bye
			EOF:`},
		{"too many recipients", SMTP, func(c *Config) { c.MaxRecipients = 100 }, `
			S: 220 mx.example.org ESMTP Atrium
			C: HELO c.example
			S: 250 mx.example.org
			C: MAIL FROM:<a@b.example>
			S: 250 2.1.0 Ok
			` + strings.Repeat("C: RCPT TO:<user1@example.org>\nS: 250 2.1.5 Ok\n", 100) + `
			C: RCPT TO:<user2@example.org>
			S: 452 4.5.3 Too many recipients`},
		{"too many errors", SMTP, func(c *Config) { c.MaxErrors = 3 }, `
			S: 220 mx.example.org ESMTP Atrium
			C: x
			S: 500 5.5.1 Command not recognized
			C: x
			S: 500 5.5.1 Command not recognized
			C: x
			S: 500 5.5.1 Command not recognized
			S: 421 4.7.0 mx.example.org Too many errors
			EOF:`},
		{"too much talk", SMTP, func(c *Config) { c.MaxIdle = 10 }, `
			S: 220 mx.example.org ESMTP Atrium
			` + strings.Repeat("C: NOOP\nS: 250 2.0.0 Ok\n", 10) + `
			S: 421 4.7.0 mx.example.org Too many commands without mail
			EOF:`},
		{"too many mails, RFC 9422", SMTP, func(c *Config) { c.MaxMails = 1 }, `
			S: 220 mx.example.org ESMTP Atrium
			C: EHLO c.example
			S: ...
			S: 250 LIMITS MAILMAX=1 RCPTMAX=1000
			C: MAIL FROM:<a@b.example>
			S: 250 2.1.0 Ok
			C: RSET
			S: 250 2.0.0 Ok
			C: MAIL FROM:<a@b.example>
			S: 421 4.7.0 mx.example.org Enough messages for one connection
			EOF:`},
		{"a browser", SMTP, nil, `
			S: 220 mx.example.org ESMTP Atrium
			R: POST / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<>\r\n
			S: 421 4.7.0 mx.example.org This is not a web server
			EOF:`},
		{"a command line too long", SMTP, nil, `
			S: 220 mx.example.org ESMTP Atrium
			C: NOOP ` + strings.Repeat("x", 5000) + `
			S: 500 5.5.6 Line too long
			C: NOOP ` + strings.Repeat("x", 4000) + `
			S: 250 2.0.0 Ok`},
		{"time out", SMTP, func(c *Config) { c.Timeout = 30e6 }, `
			S: 220 mx.example.org ESMTP Atrium
			S: 421 4.4.2 mx.example.org Timed out
			EOF:`},
		{"STARTTLS forgets, RFC 3207", SMTP, nil, `
			S: 220 mx.example.org ESMTP Atrium
			C: STARTTLS
			S: 503 5.5.1 Say EHLO first
			C: EHLO c.example
			S: ...
			S: 250-STARTTLS
			S: ...
			S: 250 LIMITS RCPTMAX=1000
			C: STARTTLS now
			S: 501 5.5.4 No parameters are allowed
			R: STARTTLS\r\nNOOP injected\r\n
			S: 220 2.0.0 Go ahead
			TLS:
			C: MAIL FROM:<a@b.example>
			S: 503 5.5.1 Say EHLO first
			C: EHLO c.example
			S: 250-mx.example.org
			S: 250-PIPELINING
			S: 250-SIZE 52428800
			S: 250-8BITMIME
			S: 250-SMTPUTF8
			S: 250-ENHANCEDSTATUSCODES
			S: 250-CHUNKING
			S: 250-BINARYMIME
			S: 250-REQUIRETLS
			S: 250 LIMITS RCPTMAX=1000
			C: STARTTLS
			S: 503 5.5.1 TLS is on already
			C: MAIL FROM:<a@b.example> REQUIRETLS
			S: 250 2.1.0 Ok`},
		{"REQUIRETLS without TLS, RFC 8689; DSN without one who tells; RCPTDOMAINMAX, RFC 9422", SMTP, func(c *Config) { c.MaxDomains, c.MaxMails = 1, 2 }, `
			S: 220 mx.example.org ESMTP Atrium
			C: EHLO c.example
			S: ...
			S: 250 LIMITS MAILMAX=2 RCPTMAX=1000 RCPTDOMAINMAX=1
			C: MAIL FROM:<a@b.example> REQUIRETLS
			S: 530 5.7.10 REQUIRETLS needs TLS
			C: MAIL FROM:<a@b.example> RET=FULL
			S: 555 5.5.4 Parameter not recognized: RET
			C: MAIL FROM:<a@b.example>
			S: 250 2.1.0 Ok
			C: RCPT TO:<user1@example.org>
			S: 250 2.1.5 Ok
			C: RCPT TO:<any@catch.example>
			S: 452 4.5.3 Too many recipient domains
			C: RCPT TO:<user2@EXAMPLE.org>
			S: 250 2.1.5 Ok`},
		{"BDAT, RFC 3030", SMTP, nil, `
			S: 220 mx.example.org ESMTP Atrium
			C: EHLO c.example
			S: ...
			S: 250 LIMITS RCPTMAX=1000
			R: MAIL FROM:<a@b.example>\r\nRCPT TO:<user1@example.org>\r\nBDAT 14\r\nSubject: x\r\n\r\nBDAT 3 LAST\r\nh\r\n
			S: 250 2.1.0 Ok
			S: 250 2.1.5 Ok
			S: 250 2.0.0 14 octets
			S: 250 2.0.0 Ok: delivered as $id
			R: MAIL FROM:<a@b.example>\r\nBDAT 5\r\nQUIT\nBDAT 6 last\r\nRSET\r\n
			S: 250 2.1.0 Ok
			S: 503 5.5.1 No valid recipients
			S: 503 5.5.1 No valid recipients
			R: BDAT 6 LAST\r\nQUIT\r\n
			S: 503 5.5.1 Say MAIL first
			R: MAIL FROM:<a@b.example>\r\nRCPT TO:<user1@example.org>\r\nBDAT 2\r\na\n
			S: 250 2.1.0 Ok
			S: 250 2.1.5 Ok
			S: 250 2.0.0 2 octets
			C: DATA
			S: 503 5.5.1 Bad sequence of commands
			C: RCPT TO:<user2@example.org>
			S: 503 5.5.1 Bad sequence of commands
			C: MAIL FROM:<>
			S: 503 5.5.1 There is a transaction already
			C: BDAT 0 LAST
			S: 550 5.6.11 Message has a CR or LF that is not part of a CR LF
			C: BDAT x
			S: 501 5.5.4 Syntax error in parameters
			EOF:`},
		{"LMTP, RFC 2033", LMTP, nil, `
			S: 220 mx.example.org LMTP Atrium
			C: EHLO c.example
			S: 500 5.5.1 This is LMTP, say LHLO
			C: HELO c.example
			S: 500 5.5.1 This is LMTP, say LHLO
			C: MAIL FROM:<>
			S: 503 5.5.1 Say LHLO first
			C: LHLO c.example
			S: 250-mx.example.org
			S: 250-PIPELINING
			S: ...
			S: 250 LIMITS RCPTMAX=1000
			R: MAIL FROM:<>\r\nRCPT TO:<user1@example.org>\r\nRCPT TO:<user9@example.org>\r\nRCPT TO:<user2@example.org>\r\nDATA\r\n
			S: 250 2.1.0 Ok
			S: 250 2.1.5 Ok
			S: 550 5.1.1 No such user here
			S: 250 2.1.5 Ok
			S: 354 Send the message, end with a dot on a line by itself
			R: a: b\r\n\r\nc\r\n.\r\nNOOP\r\n
			S: 250 2.0.0 Ok: delivered as $id
			S: 250 2.0.0 Ok: delivered as $id
			S: 250 2.0.0 Ok
			R: MAIL FROM:<>\r\nRCPT TO:<user1@example.org>\r\nRCPT TO:<user2@example.org>\r\nDATA\r\n
			S: 250 2.1.0 Ok
			S: 250 2.1.5 Ok
			S: 250 2.1.5 Ok
			S: 354 Send the message, end with a dot on a line by itself
			R: a: b\n.\r\n\r\n.\r\nNOOP\r\n
			S: 550 5.6.11 Message has a CR or LF that is not part of a CR LF
			S: 550 5.6.11 Message has a CR or LF that is not part of a CR LF
			S: 250 2.0.0 Ok
			R: MAIL FROM:<>\r\nRCPT TO:<user1@example.org>\r\nRCPT TO:<user2@example.org>\r\nBDAT 3\r\na\r\nBDAT 0 LAST\r\n
			S: 250 2.1.0 Ok
			S: 250 2.1.5 Ok
			S: 250 2.1.5 Ok
			S: 250 2.0.0 3 octets
			S: 250 2.0.0 Ok: delivered as $id2
			S: 250 2.0.0 Ok: delivered as $id2
			R: MAIL FROM:<>\r\nRCPT TO:<user9@example.org>\r\nDATA\r\n
			S: 250 2.1.0 Ok
			S: 550 5.1.1 No such user here
			S: 503 5.5.1 No valid recipients`},
		{"submission wants log-in", Submission, nil, `
			S: 220 mx.example.org ESMTP Atrium
			C: EHLO c.example
			S: ...
			~S: 250-AUTH $...
			~S: 250 LIMITS RCPTMAX=1000
			C: MAIL FROM:<user1@example.org>
			S: 530 5.7.0 Authentication required
			C: BDAT 3 LAST
			R: abc
			S: 530 5.7.0 Authentication required
			C: AUTH
			S: 501 5.5.4 Syntax error in parameters
			C: AUTH XYZZY
			S: 504 5.5.4 Mechanism not available
			C: AUTH PLAIN !!!
			S: 501 5.5.2 Malformed response
			C: AUTH PLAIN
			S: 334 $...
			C: *
			S: 501 5.7.0 Authentication cancelled
			C: AUTH PLAIN AHVzZXIxAHdyb25n
			S: 535 5.7.8 Authentication credentials invalid
			C: AUTH PLAIN AHVzZXIxAHBhc3M=
			S: 235 2.7.0 Welcome
			C: AUTH PLAIN AHVzZXIxAHBhc3M=
			S: 503 5.5.1 You have logged in already
			C: MAIL FROM:<user2@example.org>
			S: 550 5.7.1 That sender address is not yours
			C: MAIL FROM:<sales@example.org>
			S: 550 5.7.1 That sender address is not yours
			C: MAIL FROM:<user@elsewhere.example>
			S: 550 5.7.1 That sender address is not yours
			C: MAIL FROM:<alias@example.org>
			S: 250 2.1.0 Ok
			C: RSET
			S: 250 2.0.0 Ok
			C: MAIL FROM:<user1+lists@example.org> AUTH=user1@example.org
			S: 250 2.1.0 Ok
			C: RCPT TO:<user@elsewhere.example>
			S: 550 5.7.1 This server does not send mail to other domains
			C: RCPT TO:<user2@example.org>
			S: 250 2.1.5 Ok`},
		{"AUTH LOGIN", Submission, nil, `
			S: 220 mx.example.org ESMTP Atrium
			C: EHLO c.example
			S: ...
			S: 250 LIMITS RCPTMAX=1000
			C: AUTH LOGIN
			S: 334 VXNlcm5hbWU6
			C: dXNlcjFAZXhhbXBsZS5vcmc=
			S: 334 UGFzc3dvcmQ6
			C: cGFzcw==
			S: 235 2.7.0 Welcome
			C: MAIL FROM:<>
			S: 250 2.1.0 Ok`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.change == nil {
				tc.change = func(*Config) {}
			}
			newRig(t).script(t, tc.dialect, tc.script, tc.change)
		})
	}
}

const head = `
	S: 220 mx.example.org $...
	C: EHLO client.example
	S: ...
	S: 250 LIMITS RCPTMAX=1000
	`

// TestTrace checks the lines on top, RFC 5321 §4.4.
func TestTrace(t *testing.T) {
	for _, tc := range []struct {
		name, script, want string
		dialect            Dialect
	}{
		{"SMTP", head + `
			C: MAIL FROM:<"a b"@c.example>
			S: 250 2.1.0 Ok
			C: RCPT TO:<user1+x@example.org>
			S: 250 2.1.5 Ok
			C: DATA
			S: 354 $...
			C: a: b
			C: .
			S: 250 $...
			`, `^Return-Path: <"a b"@c\.example>\r\nReceived: from client\.example \(\[127\.0\.0\.1\]\)\r\n\tby mx\.example\.org with ESMTP id [A-Z2-7]{13}\r\n\tfor <user1\+x@example\.org>;\r\n\t\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000\r\n$`, SMTP},
		{"LMTP, two recipients, SMTPUTF8", head2 + `
			C: MAIL FROM:<> SMTPUTF8
			S: 250 2.1.0 Ok
			C: RCPT TO:<user1@example.org>
			S: 250 2.1.5 Ok
			C: RCPT TO:<user2@example.org>
			S: 250 2.1.5 Ok
			C: DATA
			S: 354 $...
			C: a: b
			C: .
			S: 250 $...
			S: 250 $...
			`, `^Return-Path: <>\r\nReceived: from client\.example \(\[127\.0\.0\.1\]\)\r\n\tby mx\.example\.org with UTF8LMTP id [A-Z2-7]{13};\r\n\t.*\r\n$`, LMTP},
		{"submission under TLS", head + `
			C: STARTTLS
			S: 220 2.0.0 Go ahead
			TLS:
			C: EHLO client.example
			S: ...
			S: 250 LIMITS RCPTMAX=1000
			C: AUTH PLAIN AHVzZXIxAHBhc3M=
			S: 235 2.7.0 Welcome
			C: MAIL FROM:<user1@example.org>
			S: 250 2.1.0 Ok
			C: RCPT TO:<user1@example.org>
			S: 250 2.1.5 Ok
			C: DATA
			S: 354 $...
			C: a: b
			C: .
			S: 250 $...
			`, `^Return-Path: <user1@example\.org>\r\nReceived: from localhost\r\n\tby mx\.example\.org with ESMTPSA id \w+\r\n\tfor <user1@example\.org> tls TLS_[A-Z0-9_]+;\r\n\t.*\r\n$`, Submission},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			r.script(t, tc.dialect, tc.script)
			trace, _ := r.only(t, "user1")
			if !regexp.MustCompile(tc.want).MatchString(trace) {
				t.Errorf("%q", trace)
			}
		})
	}
}

var head2 = strings.Replace(head, "EHLO", "LHLO", 1)
