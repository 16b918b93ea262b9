package imapd

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/auth"
	"atrium/mail/conn"
	"atrium/storage"
)

// Server serves IMAP.
type Server struct {
	store *mail.Store
	auth  *auth.Authenticator
	cfg   Config
	log   *slog.Logger
	reg   *registry
	conns *conn.Server
	bufs  sync.Pool // *[]byte of bufSize: output of FETCH

	mu      sync.Mutex
	started time.Time
	recent  map[boxKey]imap.UID // UIDs from here on were in no session's SELECT yet: \Recent
}

type boxKey struct {
	owner storage.AccountID
	id    mail.ID
}

// New returns a Server. tlsConfig is for implicit TLS and STARTTLS; nil: there is none.
func New(store *mail.Store, authenticator *auth.Authenticator, cfg Config, tlsConfig *tls.Config, log *slog.Logger) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{
		store: store, auth: authenticator, cfg: cfg, log: log,
		reg: newRegistry(extensions(), cfg.Disable), recent: map[boxKey]imap.UID{}, started: time.Now(),
	}
	s.bufs.New = func() any {
		b := make([]byte, 0, bufSize)
		return &b
	}
	s.conns = conn.NewServer(conn.Protocol{
		Name:   "imap",
		Serve:  func(c *conn.Conn) { newSession(s, c).serve() },
		Refuse: "* BYE [UNAVAILABLE] Too many connections\r\n",
	}, cfg.Conn, tlsConfig, log)
	return s, nil
}

// Serve accepts connections on l until Shutdown, see conn.Server.
func (s *Server) Serve(l net.Listener, implicitTLS bool) error { return s.conns.Serve(l, implicitTLS) }

// ServeConn serves one connection and returns when it is over.
func (s *Server) ServeConn(nc net.Conn, implicitTLS bool) { s.conns.ServeConn(nc, implicitTLS) }

// Shutdown lets every session finish its command and say BYE, see conn.Server.
func (s *Server) Shutdown(ctx context.Context) error { return s.conns.Shutdown(ctx) }

// End ends the connections of a user, named as the account is, with BYE; see conn.Server. It tells
// how many they are.
func (s *Server) End(user string) int { return s.conns.End(user) }

// Stats returns the counters of connections.
func (s *Server) Stats() conn.Stats { return s.conns.Stats() }

// claimRecent gives the messages from the first UID that no session has seen yet up to next
// to the caller: they are \Recent in its session alone (RFC 3501 §2.3.2). What came before
// the server started is not recent. With look alone nothing is claimed.
func (s *Server) claimRecent(ctx context.Context, owner storage.AccountID, id mail.ID, next imap.UID, look bool) (from imap.UID) {
	k := boxKey{owner, id}
	s.mu.Lock()
	defer s.mu.Unlock()
	from, ok := s.recent[k]
	if !ok {
		s.mu.Unlock()
		first, err := s.store.Open(owner, owner).SavedSince(ctx, id, s.started)
		s.mu.Lock()
		if from, ok = s.recent[k]; !ok {
			if from = first; err != nil {
				from = next
			}
			s.recent[k] = from
		}
	}
	if !look && next > from {
		s.recent[k] = next
	}
	return min(from, next)
}
