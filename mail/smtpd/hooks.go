package smtpd

import (
	"context"
	"errors"
	"net/netip"

	"atrium/mail/delivery"
)

// Option adds to a Server what other packages have to say.
type Option func(*Server)

// WithChecker shows every message to c before it is delivered. Checkers are asked in
// their order.
func WithChecker(c Checker) Option { return func(s *Server) { s.checkers = append(s.checkers, c) } }

// WithGuard asks g before connections, commands and recipients are taken.
func WithGuard(g Guard) Option { return func(s *Server) { s.guard = g } }

// WithNotifier lets n tell senders of deliveries that they want to know of;
// without one DSN (RFC 3461) is not offered.
func WithNotifier(n Notifier) Option { return func(s *Server) { s.notifier = n } }

// Checker looks at messages before they are delivered: who sent them (SPF, DKIM,
// DMARC), what is in them.
type Checker interface {
	// Check returns whole header fields with their CR LF to be put on top of the
	// message (authres.AppendField makes one). An error refuses the message, a
	// *delivery.Refusal with its words, others for now. The message's
	// Envelope has the client's address and name, and the sender's.
	Check(ctx context.Context, m *delivery.Message) (fields []byte, err error)
}

// Stage is the point of the dialog at which a Guard is asked.
type Stage byte

const (
	Connecting Stage = iota // before the greeting
	Greeting                // at EHLO and HELO
	Sender                  // at MAIL
	Recipient               // at RCPT, of an address that leads to someone
)

// Talk is what the client has said so far.
type Talk struct {
	Dialect Dialect
	Remote  netip.Addr // the zero Addr: this machine, through a socket
	Local   bool       // this machine
	TLS     bool
	Helo    string
	Account string // who logged in, "" when no one did
	From    string // reverse-path without brackets, from Sender on
	Size    int64  // that MAIL declares, 0 when it does not
	To      string // at Recipient
}

// Guard decides before there is content whether the dialog goes on: lists of
// bad hosts, rates, greylisting.
type Guard interface {
	// Admit refuses with an error, a *delivery.Refusal with its words and code (421
	// ends the connection), others for now.
	Admit(ctx context.Context, at Stage, t *Talk) error
}

// Notifier tells the sender of a message that it was delivered.
type Notifier interface {
	// Delivered is given the routes that were delivered to and whose sender asked for
	// NOTIFY=SUCCESS. An error is logged.
	Delivered(ctx context.Context, m *delivery.Message, routes []*delivery.Route) error
}

// admit asks the guard. The reply's code is 0 when the dialog goes on.
func (s *session) admit(at Stage, to string) reply {
	if s.server.guard == nil {
		return answered
	}
	t := Talk{Dialect: s.server.dialect, Remote: s.c.Remote(), Local: s.c.Local(), TLS: s.c.TLS() != nil, Helo: s.helo, To: to}
	if s.login != nil {
		t.Account = s.login.Name
	}
	if s.tx != nil {
		t.From, t.Size = s.tx.from.String(), s.tx.size
	}
	err := s.server.guard.Admit(s.c.Context(), at, &t)
	if err == nil {
		return answered
	}
	r := s.failure(err)
	r.hangup = r.code == 421
	s.c.Log().Info("refused by the guard", "stage", at, "helo", t.Helo, "from", t.From, "to", to, "code", r.code, "status", r.status, "reason", r.text)
	return r
}

// String is the stage's command.
func (at Stage) String() string { return [...]string{"connect", "EHLO", "MAIL", "RCPT"}[at] }

// tell lets the notifier tell of deliveries, RFC 3461 §6.2.3.
func (s *session) tell(results []delivery.Result) {
	if s.server.notifier == nil {
		return
	}
	m := s.tx.content.message
	var good []*delivery.Route
	for _, r := range results {
		if r.Err == nil && r.Route.DSN.Notify.Has(delivery.NotifySuccess) {
			good = append(good, r.Route)
		}
	}
	if len(good) == 0 || m.Envelope().From == "" { // RFC 3461 §6.1: none for the null path
		return
	}
	if err := s.server.notifier.Delivered(s.c.Context(), m, good); err != nil && !errors.Is(err, context.Canceled) {
		s.c.Log().Error("sender could not be told of the delivery", "message", m.Envelope().ID, "error", err)
	}
}
