package smtpd

import (
	"context"
	"strings"
	"testing"
	"time"

	"atrium/mail/delivery"
)

// TestQuota checks full mailboxes at RCPT and after the content.
func TestQuota(t *testing.T) {
	ctx := context.Background()
	r := newRig(t)
	who, err := r.dir.Find(ctx, "user1")
	must(t, err)
	must(t, r.store.SetLimits(ctx, who.ID, 1000, 0))
	must(t, r.dir.SetQuota(ctx, who.ID, 1000, 0))
	big := strings.Repeat("C: 0123456789012345678901234567890123456789\n", 30)
	r.script(t, LMTP, head2+`
		C: MAIL FROM:<> SIZE=2000
		S: 250 2.1.0 Ok
		C: RCPT TO:<user1@example.org>
		S: 452 4.2.2 Mailbox is full, try again later
		C: RSET
		S: 250 2.0.0 Ok
		C: MAIL FROM:<>
		S: 250 2.1.0 Ok
		C: RCPT TO:<user1@example.org>
		S: 250 2.1.5 Ok
		C: RCPT TO:<user2@example.org>
		S: 250 2.1.5 Ok
		C: DATA
		S: 354 $...
		`+big+`
		C: .
		S: 452 4.2.2 Mailbox is full, try again later
		S: 250 2.0.0 Ok: delivered as $id`)
	if n := len(r.messages(t, "user1", "INBOX")); n != 0 {
		t.Errorf("%d messages over quota", n)
	}
	r.script(t, SMTP, head+`
		C: MAIL FROM:<> SIZE=2000
		S: 250 2.1.0 Ok
		C: RCPT TO:<user1@example.org>
		S: 552 5.2.2 Mailbox is full`, func(c *Config) { c.QuotaPermanent = true })
}

// TestSplit checks that what an SMTP client must send again comes once to those who have it.
func TestSplit(t *testing.T) {
	ctx := context.Background()
	r := newRig(t)
	who, err := r.dir.Find(ctx, "user1")
	must(t, err)
	must(t, r.store.SetLimits(ctx, who.ID, 600, 0))
	send := func(answer string) string {
		return `
		C: MAIL FROM:<a@b.example>
		S: 250 2.1.0 Ok
		C: RCPT TO:<user1@example.org>
		S: 250 2.1.5 Ok
		C: RCPT TO:<user2@example.org>
		S: 250 2.1.5 Ok
		C: DATA
		S: 354 $...
		` + strings.Repeat("C: 0123456789012345678901234567890123456789\n", 20) + `
		C: .
		S: ` + answer + "\n"
	}
	full := "452 4.2.2 Mailbox is full, try again later"
	r.script(t, SMTP, head+send(full)+send(full))
	if n := len(r.messages(t, "user2", "INBOX")); n != 1 {
		t.Errorf("user2 has %d messages", n)
	}
	must(t, r.store.SetLimits(ctx, who.ID, 0, 0))
	r.script(t, SMTP, head+send("250 $..."))
	for _, u := range []string{"user1", "user2"} {
		if n := len(r.messages(t, u, "INBOX")); n != 1 {
			t.Errorf("%s has %d messages", u, n)
		}
	}
	r.script(t, SMTP, head+send("250 $..."))
	if n := len(r.messages(t, "user2", "INBOX")); n != 2 {
		t.Errorf("user2 has %d messages: it was sent anew", n)
	}
}

// TestLimits checks sizes: the largest message fits, one byte more does not.
func TestLimits(t *testing.T) {
	r := newRig(t, func(c *delivery.Config) { c.MaxMessage = 64 << 10 })
	fits := strings.Repeat("x", 64<<10-2) + `\r\n`
	r.script(t, SMTP, head+`
		R: MAIL FROM:<>\r\nRCPT TO:<user1@example.org>\r\nDATA\r\n
		S: 250 2.1.0 Ok
		S: 250 2.1.5 Ok
		S: 354 $...
		R: `+fits+`.\r\n
		S: 250 2.0.0 Ok: delivered as $id
		R: MAIL FROM:<>\r\nRCPT TO:<user1@example.org>\r\nDATA\r\n
		S: 250 2.1.0 Ok
		S: 250 2.1.5 Ok
		S: 354 $...
		R: x`+fits+`.\r\nNOOP\r\n
		S: 552 5.3.4 Message is larger than the limit
		S: 250 2.0.0 Ok
		R: MAIL FROM:<>\r\nRCPT TO:<user1@example.org>\r\nBDAT 65538\r\n\r\n`+fits+`BDAT 0 LAST\r\n
		S: 250 2.1.0 Ok
		S: 250 2.1.5 Ok
		S: 552 5.3.4 Message is larger than the limit
		S: 552 5.3.4 Message is larger than the limit
		R: MAIL FROM:<>\r\nRCPT TO:<user1@example.org>\r\nBDAT 999999999999\r\nx
		S: 250 2.1.0 Ok
		S: 250 2.1.5 Ok
		S: 552 5.3.4 Message is larger than the limit
		EOF:`)
	if n := len(r.messages(t, "user1", "INBOX")); n != 1 {
		t.Errorf("%d messages", n)
	}
}

// TestShutdown checks that content under way is taken and answered.
func TestShutdown(t *testing.T) {
	r := newRig(t)
	s := r.serve(t, SMTP)
	c := dial(t, listen(t, s))
	c.cmd("EHLO x", "250")
	c.cmd("MAIL FROM:<>", "250")
	c.cmd("RCPT TO:<user1@example.org>", "250")
	c.cmd("DATA", "354")
	c.write("a: b\r\n\r\n")
	done := make(chan error)
	go func() { done <- s.Shutdown(context.Background()) }()
	time.Sleep(50 * time.Millisecond)
	c.cmd("text\r\n.", "250")
	if l := c.reply(); !strings.HasPrefix(l, "421 4.3.2 ") {
		t.Errorf("%q", l)
	}
	must(t, <-done)
	r.only(t, "user1")
}
