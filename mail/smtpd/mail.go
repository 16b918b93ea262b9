package smtpd

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"slices"
	"strings"
	"time"

	"atrium/mail/delivery"
	"atrium/storage/account"
)

// transaction goes from MAIL to the end of the content.
type transaction struct {
	from    Address
	utf8    bool  // SMTPUTF8 was asked for
	size    int64 // declared bytes, 0 when not
	routes  []*delivery.Route
	content *content    // once it has begun
	lines   lineChecker // of what BDAT brought

	dsn        delivery.EnvelopeDSN
	rcpt       delivery.RouteDSN // of the RCPT under way
	requireTLS bool
	binary     bool      // BODY=BINARYMIME
	hold       time.Time // not to be sent before (RFC 4865); the zero Time: at once
	domains    []string  // of the recipients, each once
}

// mail handles MAIL, RFC 5321 §4.1.1.2.
func (s *session) mail(args string) reply {
	p := scanner{s: args, utf8: !isASCII(args)}
	tx := &transaction{from: p.parsePath("FROM:")}
	if p.err != nil {
		return reply{code: 501, status: "5.1.7", text: "Bad sender address: MAIL FROM:<address>"}
	}
	if tx.from.Domain == "" && !tx.from.IsZero() {
		return reply{code: 553, status: "5.1.7", text: "The sender's address needs a domain"}
	}
	params := p.params()
	if p.err != nil {
		return badArguments
	}
	if r := s.params(tx, params, s.server.registry.mail); r.code != 0 {
		return r
	}
	if p.utf8 && !tx.utf8 {
		return reply{code: 553, status: "5.6.7", text: "SMTPUTF8 is needed for that address"} // RFC 6531 §3.5
	}
	if m := s.server.cfg.MaxMails; m > 0 && s.mails >= m {
		return closing(reply{code: 421, status: "4.7.0", text: s.server.hostText("Enough messages for one connection")})
	}
	if s.server.dialect == Submission && !tx.from.IsZero() {
		if r := s.maySend(tx.from); r.code != 0 {
			return r
		}
	}
	s.tx = tx
	if r := s.admit(Sender, ""); r.code != 0 {
		s.tx = nil
		return r
	}
	s.mails++
	return reply{code: 250, status: "2.1.0", text: "Ok"}
}

// params gives each parameter to the extension that has it.
func (s *session) params(tx *transaction, params []param, known map[string]func(*session, *transaction, param) reply) reply {
	for _, p := range params {
		f := known[p.name]
		if f == nil {
			return reply{code: 555, status: "5.5.4", text: "Parameter not recognized: " + p.name}
		}
		if r := f(s, tx, p); r.code != 0 {
			return r
		}
	}
	return answered
}

// maySend tells whether who has logged in may use that address (RFC 6409 §6.1).
func (s *session) maySend(from Address) reply {
	ok, _, err := s.server.delivery.MaySend(s.c.Context(), s.login, from.String())
	switch {
	case err != nil:
		return s.failure(err)
	case !ok:
		return reply{code: 550, status: "5.7.1", text: "That sender address is not yours"}
	}
	return answered
}

// rcpt handles RCPT, RFC 5321 §4.1.1.3.
func (s *session) rcpt(args string) reply {
	if s.tx.content != nil {
		return badSequence
	}
	p := scanner{s: args, utf8: !isASCII(args)}
	to := p.parsePath("TO:")
	if p.err != nil || to.IsZero() {
		return reply{code: 501, status: "5.1.3", text: "Bad recipient address: RCPT TO:<address>"}
	}
	params := p.params()
	if p.err != nil {
		return badArguments
	}
	if !to.ASCII() && !s.tx.utf8 {
		return reply{code: 553, status: "5.6.7", text: "SMTPUTF8 is needed for that address"}
	}
	s.tx.rcpt = delivery.RouteDSN{}
	if r := s.params(s.tx, params, s.server.registry.rcpt); r.code != 0 {
		return r
	}
	if len(s.tx.routes) >= s.server.cfg.MaxRecipients {
		return reply{code: 452, status: "4.5.3", text: "Too many recipients"} // RFC 5321 §4.5.3.1.10
	}
	domain := strings.ToLower(to.Domain)
	known := slices.Contains(s.tx.domains, domain)
	if m := s.server.cfg.MaxDomains; m > 0 && !known && len(s.tx.domains) >= m {
		return reply{code: 452, status: "4.5.3", text: "Too many recipient domains"} // RFC 9422 §4.3
	}
	find := s.server.delivery.Route
	if s.server.dialect == Submission {
		find = s.server.delivery.RouteOut
	}
	route, err := find(s.c.Context(), to.String(), s.tx.size)
	if err != nil {
		return s.noRoute(to, err)
	}
	if r := s.admit(Recipient, to.String()); r.code != 0 {
		return r
	}
	route.DSN = s.tx.rcpt
	s.tx.routes = append(s.tx.routes, route)
	if !known {
		s.tx.domains = append(s.tx.domains, domain)
	}
	s.idle-- // the transaction counts, not its recipients
	return reply{code: 250, status: "2.1.5", text: "Ok"}
}

// noRoute answers a recipient that cannot be reached.
func (s *session) noRoute(to Address, err error) reply {
	r := s.failure(err)
	switch {
	case errors.Is(err, account.NotLocal) && s.server.dialect == Submission:
		r.text = "This server does not send mail to other domains"
	case r.status == "5.7.1", r.status == "5.1.1":
		s.c.Log().Info("recipient refused", "recipient", to.String(), "code", r.code, "status", r.status)
	}
	return r
}

// envelope makes what delivery wants to know.
func (s *session) envelope() *delivery.Envelope {
	e := &delivery.Envelope{
		From: s.tx.from.String(), Routes: s.tx.routes,
		ID: rand.Text()[:13], Helo: s.helo, Remote: s.c.Remote(), Protocol: s.protocol(), Time: time.Now(),
		Whole: s.server.dialect != LMTP, UTF8: s.tx.utf8, DSN: s.tx.dsn, RequireTLS: s.tx.requireTLS,
	}
	if s.login != nil {
		e.Submit = &delivery.Submission{Account: s.login.ID, Hold: s.tx.hold}
	}
	if t := s.c.TLS(); t != nil {
		e.Cipher = tls.CipherSuiteName(t.CipherSuite)
	}
	return e
}

// protocol is the word after "with" in Received: RFC 3848, RFC 6531 §4.3.
func (s *session) protocol() string {
	p := "ESMTP"
	switch {
	case s.server.dialect == LMTP:
		p = "LMTP"
	case s.tx.utf8:
		p = "SMTP"
	case s.plain:
		return "SMTP"
	}
	if s.tx.utf8 {
		p = "UTF8" + p
	}
	if s.c.TLS() != nil {
		p += "S"
	}
	if s.login != nil {
		p += "A"
	}
	return p
}
