package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"

	"atrium/mail/auth"
	"atrium/mail/conn"
	"atrium/mail/delivery"
	"atrium/mail/imapd"
	"atrium/mail/pop3d"
	"atrium/mail/sieved"
	"atrium/mail/smtpd"
)

// lineServer is what the servers of the line protocols have in common.
type lineServer interface {
	Serve(l net.Listener, implicitTLS bool) error
	Shutdown(ctx context.Context) error
	Stats() conn.Stats
	End(user string) int
}

// line is one of them with its name.
type line struct {
	name string
	lineServer
}

// open opens every listener that the configuration names.
func (s *server) open() error {
	cert, err := s.certificate()
	if err != nil {
		return err
	}
	lineTLS := conn.TLS(cert.Certificate)
	if err := askCertificates(lineTLS, s.cfg.TLS.ClientCA); err != nil {
		return err
	}
	if err := s.openMail(lineTLS); err != nil {
		return err
	}
	return s.openWeb(conn.TLS(cert.Certificate))
}

// door is a server with the keys of its listeners.
type door struct {
	name  string
	plain []string // addresses that begin in plain text
	tls   []string // addresses that begin with TLS
	new   func() (lineServer, error)
}

func (s *server) openMail(t *tls.Config) error {
	filter := s.ruleFilter()
	deliverer, err := delivery.New(s.mail, s.dir, s.cfg.Delivery, s.log, filter)
	if err != nil {
		return err
	}
	deliverer.SetJudge(s.junk)
	s.openEvents(filter)
	filter.SetLists(s.listsOf)
	if err := s.startOutgoing(deliverer); err != nil {
		return err
	}
	filter.SetMailer(s.out.queue)
	who := auth.New(s.dir, s.cfg.Auth, s.log)
	in, err := s.inbound()
	if err != nil {
		return err
	}
	l := &s.cfg.Listen
	smtp := func(d smtpd.Dialect, c smtpd.Config) func() (lineServer, error) {
		return func() (lineServer, error) {
			return smtpd.New(d, c, deliverer, who, t, s.log, append(in.Options(d), s.outgoingOptions(d, deliverer)...)...)
		}
	}
	for _, d := range []door{
		{"smtp", l.SMTP, nil, smtp(smtpd.SMTP, s.cfg.SMTP)},
		{"submission", l.Submission, l.Submissions, smtp(smtpd.Submission, s.cfg.SMTP)},
		{"lmtp", l.LMTP, nil, smtp(smtpd.LMTP, s.cfg.LMTP)},
		{"imap", l.IMAP, l.IMAPS, func() (lineServer, error) { return imapd.New(s.mail, who, s.cfg.IMAP, t, s.log) }},
		{"pop3", l.POP3, l.POP3S, func() (lineServer, error) { return pop3d.New(s.mail, who, s.cfg.POP3, t, s.log) }},
		{"sieve", l.Sieve, nil, func() (lineServer, error) { return sieved.New(s.scripts, who, s.cfg.ManageSieve, t, s.log) }},
	} {
		closed := len(d.plain)+len(d.tls) == 0
		if closed && d.name != "pop3" {
			continue
		}
		srv, err := d.new()
		if err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
		if pop, ok := srv.(*pop3d.Server); ok && closed {
			pop.Begin() // what was fetched while it was open is still to be removed in its time
		}
		s.lines = append(s.lines, line{d.name, srv})
		if err := s.listen(d.name, d.plain, func(l net.Listener) error { return srv.Serve(l, false) }); err != nil {
			return err
		}
		if err := s.listen(d.name+"s", d.tls, func(l net.Listener) error { return srv.Serve(l, true) }); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) openWeb(t *tls.Config) error {
	l := &s.cfg.Listen
	if len(l.HTTP)+len(l.HTTPS) > 0 {
		face, err := s.newDAV()
		if err != nil {
			return err
		}
		if err := s.http("http", l.HTTP, s.policies(face.HTTP(nil)), false); err != nil {
			return err
		}
		if err := s.http("https", l.HTTPS, s.policies(face.HTTP(t)), true); err != nil {
			return err
		}
	}
	return s.http("metrics", l.Metrics, s.metrics(), false)
}
