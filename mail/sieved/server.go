package sieved

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"slices"

	"atrium/mail/auth"
	"atrium/mail/conn"
	"atrium/mail/rules"
)

// Server serves ManageSieve.
type Server struct {
	scripts  *rules.Scripts
	auth     *auth.Authenticator
	cfg      Config
	exts     []*extension
	commands map[string]*command
	conns    *conn.Server
}

// New returns a Server. tlsConfig is for implicit TLS and STARTTLS; nil: there is none.
func New(scripts *rules.Scripts, authenticator *auth.Authenticator, cfg Config, tlsConfig *tls.Config, log *slog.Logger) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{scripts: scripts, auth: authenticator, cfg: cfg, commands: map[string]*command{}}
	for _, x := range extensions() {
		if slices.Contains(cfg.Disable, x.name) {
			continue
		}
		s.exts = append(s.exts, x)
		for i := range x.commands {
			c := &x.commands[i]
			if s.commands[c.name] != nil {
				panic("sieved: two extensions claim " + c.name)
			}
			s.commands[c.name] = c
		}
	}
	s.conns = conn.NewServer(conn.Protocol{
		Name:   "sieve",
		Serve:  func(c *conn.Conn) { (&session{Server: s, c: c}).serve() },
		Refuse: "BYE (TRYLATER) \"Too many connections\"\r\n",
	}, cfg.Conn, tlsConfig, log)
	return s, nil
}

// Serve accepts connections on l until Shutdown, see conn.Server.
func (s *Server) Serve(l net.Listener, implicitTLS bool) error { return s.conns.Serve(l, implicitTLS) }

// ServeConn serves one connection and returns when it is over.
func (s *Server) ServeConn(nc net.Conn, implicitTLS bool) { s.conns.ServeConn(nc, implicitTLS) }

// Shutdown lets every session finish its command, see conn.Server.
func (s *Server) Shutdown(ctx context.Context) error { return s.conns.Shutdown(ctx) }

// End ends the connections of an account, see conn.Server.
func (s *Server) End(user string) int { return s.conns.End(user) }

// Stats returns the counters of connections.
func (s *Server) Stats() conn.Stats { return s.conns.Stats() }
