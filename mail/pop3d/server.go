package pop3d

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"atrium/mail"
	"atrium/mail/auth"
	"atrium/mail/conn"
	"atrium/storage"
)

// Server serves POP3.
type Server struct {
	store    *mail.Store
	auth     *auth.Authenticator
	cfg      Config
	log      *slog.Logger
	conns    *conn.Server
	exts     []*extension
	commands map[string]*command

	ctx    context.Context // ends with Shutdown
	cancel context.CancelFunc
	begin  sync.Once

	running sync.WaitGroup
	aheads  atomic.Int64 // messages that are ready

	mu     sync.Mutex
	locks  map[dropKey]chan struct{} // closed when the lock is free again
	logins map[storage.AccountID]time.Time
}

// dropKey names a mailbox.
type dropKey struct {
	owner storage.AccountID
	id    mail.ID
}

// New returns a Server. tlsConfig is for implicit TLS and STLS; nil: there is
// none.
func New(store *mail.Store, authenticator *auth.Authenticator, cfg Config, tlsConfig *tls.Config, log *slog.Logger) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{
		store: store, auth: authenticator, cfg: cfg, log: log, exts: extensions(), commands: map[string]*command{},
		locks: map[dropKey]chan struct{}{}, logins: map[storage.AccountID]time.Time{},
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for _, x := range s.exts {
		for i := range x.commands {
			cmd := &x.commands[i]
			if s.commands[cmd.name] != nil {
				panic("pop3d: two extensions claim " + cmd.name)
			}
			s.commands[cmd.name] = cmd
		}
	}
	s.conns = conn.NewServer(conn.Protocol{
		Name:   "pop3",
		Serve:  func(c *conn.Conn) { (&session{Server: s, c: c}).serve() },
		Refuse: "-ERR [SYS/TEMP] Too many connections\r\n",
	}, cfg.Conn, tlsConfig, log)
	return s, nil
}

// Serve accepts connections on l until Shutdown, see conn.Server. While any goes on, what accounts kept
// long enough is removed.
func (s *Server) Serve(l net.Listener, implicitTLS bool) error {
	s.Begin()
	return s.conns.Serve(l, implicitTLS)
}

// Begin begins to remove what accounts kept long enough, from time to time until Shutdown. A server that
// has no listener, any more, calls it.
func (s *Server) Begin() { s.begin.Do(func() { s.running.Go(s.sweep) }) }

// ServeConn serves one connection and returns when it is over.
func (s *Server) ServeConn(nc net.Conn, implicitTLS bool) { s.conns.ServeConn(nc, implicitTLS) }

// Shutdown lets every session finish its command, see conn.Server. What was
// marked as deleted without a QUIT stays.
func (s *Server) Shutdown(ctx context.Context) error {
	s.cancel()
	err := s.conns.Shutdown(ctx)
	s.running.Wait()
	return err
}

// End ends the sessions of a user, named as the account is, see conn.Server. It tells
// how many they are.
func (s *Server) End(user string) int { return s.conns.End(user) }

// Stats returns the counters of connections.
func (s *Server) Stats() conn.Stats { return s.conns.Stats() }

// lock takes the lock of a drop, for which it waits a little: a client that
// comes back at once must not meet its own last session. False when another has it.
func (s *Server) lock(ctx context.Context, key dropKey) bool {
	timer := time.NewTimer(s.cfg.LockWait)
	defer timer.Stop()
	for {
		s.mu.Lock()
		held := s.locks[key]
		if held == nil {
			s.locks[key] = make(chan struct{})
			s.mu.Unlock()
			return true
		}
		s.mu.Unlock()
		select {
		case <-held:
		case <-timer.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// unlock gives the lock of a drop back, which the caller has.
func (s *Server) unlock(key dropKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.locks[key])
	delete(s.locks, key)
}

// tooSoon tells whether an account logged in less than LoginDelay ago; if not,
// this login counts.
func (s *Server) tooSoon(id storage.AccountID) bool {
	delay := s.cfg.LoginDelay
	if delay == 0 {
		return false
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.logins[id]) < delay {
		return true
	}
	if len(s.logins) >= 10000 {
		for k, t := range s.logins {
			if now.Sub(t) >= delay {
				delete(s.logins, k)
			}
		}
	}
	s.logins[id] = now
	return false
}
