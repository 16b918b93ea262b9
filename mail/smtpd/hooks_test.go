package smtpd

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"

	"atrium/mail/delivery"
	"atrium/mail/mailtest"
)

// notes is a Notifier and a Guard that keeps what it was told.
type notes struct {
	mu    sync.Mutex
	lines []string
}

func (n *notes) add(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, line)
}

func (n *notes) Delivered(_ context.Context, m *delivery.Message, routes []*delivery.Route) error {
	for _, r := range routes {
		n.add(m.Envelope().DSN.Return + " " + m.Envelope().DSN.EnvelopeID + " " + r.Address + " " + r.DSN.Original)
	}
	return nil
}

// Admit refuses what has "bad" in it, for now where it has "later".
func (n *notes) Admit(_ context.Context, at Stage, t *Talk) error {
	what := [...]string{t.Remote.String(), t.Helo, t.From, t.To}[at]
	switch {
	case strings.Contains(what, "later"):
		return &delivery.Refusal{Reason: "Later", Code: 451, Status: "4.7.1"}
	case strings.Contains(what, "closing"):
		return &delivery.Refusal{Reason: "Go away", Code: 421, Status: "4.7.0"}
	case strings.Contains(what, "bad"):
		return &delivery.Refusal{Reason: "Not liked"}
	case strings.Contains(what, "broken"):
		return errors.New("disk on fire")
	}
	return nil
}

func (r *rig) with(t *testing.T, script string, options ...Option) {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Hostname = "mx.example.org"
	s, err := New(SMTP, cfg, r.to, nil, nil, r.log, options...)
	must(t, err)
	defer s.Shutdown(context.Background())
	addr := listen(t, s)
	mailtest.Play(t, mailtest.Server{Dial: func() (net.Conn, error) { return net.Dial("tcp", addr) }}, script)
}

func TestDSN(t *testing.T) {
	r, n := newRig(t), &notes{}
	r.with(t, `
		S: 220 mx.example.org ESMTP Atrium
		C: EHLO c.example
		S: ...
		S: 250-DSN
		S: 250 LIMITS RCPTMAX=1000
		C: MAIL FROM:<a@b.example> RET=some
		S: 501 5.5.4 RET is FULL or HDRS
		C: MAIL FROM:<a@b.example> ENVID=a+0Ab
		S: 501 5.5.4 Syntax error in parameters
		C: MAIL FROM:<a@b.example> RET=hdrs ENVID=a+2Bb
		S: 250 2.1.0 Ok
		C: RCPT TO:<user1@example.org> NOTIFY=NEVER,SUCCESS
		S: 501 5.5.4 Syntax error in parameters
		C: RCPT TO:<user1@example.org> NOTIFY=often
		S: 501 5.5.4 Syntax error in parameters
		C: RCPT TO:<user1@example.org> ORCPT=rfc822
		S: 501 5.5.4 Syntax error in parameters
		C: RCPT TO:<user1@example.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;old+2B@b.example
		S: 250 2.1.5 Ok
		C: RCPT TO:<user2@example.org> NOTIFY=FAILURE
		S: 250 2.1.5 Ok
		C: RCPT TO:<user3@example.org>
		S: 250 2.1.5 Ok
		C: DATA
		S: 354 $...
		C: a: b
		C: .
		S: 250 2.0.0 Ok: delivered as $id
		C: MAIL FROM:<>
		S: 250 2.1.0 Ok
		C: RCPT TO:<user1@example.org> NOTIFY=SUCCESS
		S: 250 2.1.5 Ok
		C: DATA
		S: 354 $...
		C: a: b
		C: .
		S: 250 2.0.0 Ok: delivered as $id2
		C: QUIT
		S: 221 $...`, WithNotifier(n))
	if len(n.lines) != 1 || n.lines[0] != "HDRS a+b user1@example.org rfc822;old+@b.example" {
		t.Errorf("%q", n.lines)
	}
}

func TestGuard(t *testing.T) {
	newRig(t).with(t, `
		S: 220 mx.example.org ESMTP Atrium
		C: EHLO bad.example
		S: 550 5.7.1 Not liked
		C: MAIL FROM:<a@b.example>
		S: 503 5.5.1 Say EHLO first
		C: EHLO c.example
		S: ...
		S: 250 LIMITS RCPTMAX=1000
		C: MAIL FROM:<bad@b.example>
		S: 550 5.7.1 Not liked
		C: MAIL FROM:<broken@b.example>
		S: 451 4.3.0 Local error, try again later
		C: MAIL FROM:<a@b.example>
		S: 250 2.1.0 Ok
		C: RCPT TO:<user1+later@example.org>
		S: 451 4.7.1 Later
		C: RCPT TO:<user1@example.org>
		S: 250 2.1.5 Ok
		C: RCPT TO:<user1+closing@example.org>
		S: 421 4.7.0 Go away
		EOF:`, WithGuard(&notes{}))
}
