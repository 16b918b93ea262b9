package smtpd

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"atrium/mail/authres"
	"atrium/mail/delivery"
	"atrium/mail/mailtest"
)

// wordChecker refuses what has a word in it.
type wordChecker struct{ word string }

func (w wordChecker) Check(_ context.Context, m *delivery.Message) ([]byte, error) {
	text, err := io.ReadAll(io.NewSectionReader(m, 0, m.Size()))
	if err != nil {
		return nil, err
	}
	if strings.Contains(string(text), w.word) {
		return nil, &delivery.Refusal{Reason: "That word is not liked here"}
	}
	return authres.AppendField(nil, "mx.example.org", []authres.Result{
		{Method: "spf", Outcome: authres.Pass, Props: []authres.Prop{{Type: "smtp", Name: "mailfrom", Value: m.Envelope().From}}},
	}), nil
}

// TestChecker checks what a checker finds out, and that no one outside can say it.
func TestChecker(t *testing.T) {
	r := newRig(t)
	cfg := DefaultConfig()
	cfg.Hostname = "mx.example.org"
	s, err := New(SMTP, cfg, r.to, nil, nil, r.log, WithChecker(wordChecker{"viagra"}))
	must(t, err)
	defer s.Shutdown(context.Background())
	addr := listen(t, s)
	send := func(lines, answer string) {
		mailtest.Play(t, mailtest.Server{Dial: func() (net.Conn, error) { return net.Dial("tcp", addr) }}, head+`
			C: MAIL FROM:<a@b.example>
			S: 250 2.1.0 Ok
			C: RCPT TO:<user1@example.org>
			S: 250 2.1.5 Ok
			C: DATA
			S: 354 $...
			`+lines+`
			C: .
			S: `+answer)
	}
	send("C: a: b\nC:\nC: viagra", "550 5.7.1 That word is not liked here")
	send("C: Authentication-Results: mx.example.org; spf=pass\nC: Authentication-Results: b.example; spf=pass\nC: a: b\nC:\nC: text", "250 2.0.0 Ok: delivered as $id")
	all := r.messages(t, "user1", "INBOX")
	if len(all) != 1 || !strings.HasPrefix(all[0], "Return-Path: <a@b.example>\r\nAuthentication-Results: mx.example.org;\r\n\tspf=pass\r\n\t\tsmtp.mailfrom=a@b.example\r\nReceived: ") ||
		!strings.HasSuffix(all[0], " +0000\r\nAuthentication-Results: b.example; spf=pass\r\na: b\r\n\r\ntext\r\n") {
		t.Errorf("%q", all)
	}
}

// TestOwnFields: what this server says of messages no one else may, by whatever way a message comes.
func TestOwnFields(t *testing.T) {
	for _, tc := range []struct {
		dialect Dialect
		hello   string
	}{{SMTP, "EHLO"}, {LMTP, "LHLO"}} {
		r := newRig(t)
		r.script(t, tc.dialect, `
			S: 220 $...
			C: `+tc.hello+` c.example
			S: ...
			S: 250 $...
			C: MAIL FROM:<a@b.example>
			S: 250 2.1.0 Ok
			C: RCPT TO:<user1@example.org>
			S: 250 2.1.5 Ok
			C: DATA
			S: 354 $...
			C: X-Atrium-Spam: No, score=0.000
			C: a: b
			C:
			C: text
			C: .
			S: 250 2.0.0 Ok: delivered as $id`)
		all := r.messages(t, "user1", "INBOX")
		if len(all) != 1 || strings.Contains(all[0], "X-Atrium") || !strings.HasSuffix(all[0], "a: b\r\n\r\ntext\r\n") {
			t.Errorf("%s: %q", tc.hello, all)
		}
	}
}
