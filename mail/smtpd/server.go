package smtpd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"

	"atrium/mail/auth"
	"atrium/mail/conn"
	"atrium/mail/delivery"
)

// Server speaks one dialect on any number of listeners.
type Server struct {
	dialect  Dialect
	cfg      Config
	delivery *delivery.Deliverer
	auth     *auth.Authenticator // nil when the dialect has no log-in
	checkers []Checker
	guard    Guard    // nil: none
	notifier Notifier // nil: none
	conns    *conn.Server
	registry *registry
	limit    int // of a command line, the longest that any command may have
}

// New returns a Server. a is needed for Submission alone; tlsConfig is for
// STARTTLS and implicit TLS, nil when there is none; options say who else has a
// word in it.
func New(d Dialect, cfg Config, to *delivery.Deliverer, a *auth.Authenticator, tlsConfig *tls.Config, log *slog.Logger, options ...Option) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", d, err)
	}
	s := &Server{dialect: d, cfg: cfg, delivery: to, registry: newRegistry(d, cfg.Disable), limit: cfg.MaxLine}
	switch d {
	case Submission:
		if a == nil {
			return nil, errors.New("submission: no one can log in without an authenticator")
		}
		s.auth = a
		s.limit = max(s.limit, auth.MaxResponse+64)
	case SMTP, LMTP:
	default:
		return nil, fmt.Errorf("smtpd: there is no dialect %q", d)
	}
	for _, o := range options {
		o(s)
	}
	cfg.Conn.StrictLines = true
	s.conns = conn.NewServer(conn.Protocol{
		Name:   string(d),
		Serve:  s.serve,
		Refuse: "421 4.7.0 " + cfg.Hostname + " Too many connections, try again later\r\n",
	}, cfg.Conn, tlsConfig, log)
	return s, nil
}

// Serve accepts connections on l until Shutdown; it closes l. With implicit the
// client begins with TLS (RFC 8314 §3.3).
func (s *Server) Serve(l net.Listener, implicit bool) error { return s.conns.Serve(l, implicit) }

// ServeConn serves one connection and returns when it is over.
func (s *Server) ServeConn(c net.Conn, implicit bool) { s.conns.ServeConn(c, implicit) }

// Shutdown ends the server: content under way is taken to its end and
// answered, then every client is told 421.
func (s *Server) Shutdown(ctx context.Context) error { return s.conns.Shutdown(ctx) }

// End ends the connections of a user, named as the account is, with 421; see conn.Server. It tells
// how many they are.
func (s *Server) End(user string) int { return s.conns.End(user) }

// Stats returns the counters of connections.
func (s *Server) Stats() conn.Stats { return s.conns.Stats() }

// Standard is an RFC that the package implements.
type Standard struct {
	RFC     string
	Keyword string // of EHLO, "" for the protocols themselves
}

// Standards returns them in the order of the extensions.
func Standards() []Standard {
	out := make([]Standard, 0, len(extensions))
	for _, e := range extensions {
		out = append(out, Standard{e.rfc, e.name})
	}
	return out
}

// hostText is a reply's text that begins with the host's name, as greeting and farewell do.
func (s *Server) hostText(words ...string) string {
	return strings.Join(append([]string{s.cfg.Hostname}, words...), " ")
}
