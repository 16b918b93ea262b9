package conn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Protocol is the dialog that a Server holds on each connection.
type Protocol struct {
	Name string // "imap": in logs and metrics
	// Serve holds the dialog from greeting to farewell. The connection is
	// flushed and closed when it returns. With implicit TLS the handshake is
	// done before.
	Serve func(c *Conn)
	// Refuse is what a connection over a limit is told before it is closed,
	// with its line end: "* BYE Too many connections\r\n".
	Refuse string
}

// Server serves one protocol on any number of listeners.
type Server struct {
	protocol  Protocol
	cfg       Config
	tls       *tls.Config
	log       *slog.Logger
	buffers   buffers
	deflaters sync.Pool // *compressor
	serial    atomic.Uint64

	accepted, refused, panics, in, out atomic.Int64

	mu        sync.Mutex
	stopping  bool
	listeners map[net.Listener]struct{}
	conns     map[*Conn]struct{}
	addresses map[netip.Prefix]int
	users     map[string]int
	ends      atomic.Uint64     // calls of End
	ended     map[string]uint64 // the last of them for each user
	running   sync.WaitGroup
}

// NewServer returns a Server. tlsConfig is used for implicit TLS and StartTLS;
// nil: there is none.
func NewServer(p Protocol, cfg Config, tlsConfig *tls.Config, log *slog.Logger) *Server {
	return &Server{
		protocol: p, cfg: cfg, tls: tlsConfig, log: log.With("protocol", p.Name),
		listeners: map[net.Listener]struct{}{},
		conns:     map[*Conn]struct{}{},
		addresses: map[netip.Prefix]int{},
		users:     map[string]int{},
		ended:     map[string]uint64{},
	}
}

// Serve accepts connections on l until Shutdown (it then returns nil) or until
// l fails. It closes l. With implicit the client begins with TLS.
func (s *Server) Serve(l net.Listener, implicit bool) error {
	defer l.Close()
	if implicit && s.tls == nil {
		return fmt.Errorf("%s on %v: %w", s.protocol.Name, l.Addr(), NoTLS)
	}
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		return nil
	}
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	pause := 5 * time.Millisecond
	for {
		nc, err := l.Accept()
		if err == nil {
			pause = 5 * time.Millisecond
			s.accept(nc, implicit)
			continue
		}
		if s.isStopping() {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		// Out of descriptors, or a connection that broke while it waited: what
		// is open must go on.
		s.log.Warn("accept failed", "listener", l.Addr().String(), "error", err, "pause", pause)
		time.Sleep(pause)
		pause = min(2*pause, time.Second)
	}
}

func (s *Server) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

// accept serves a new connection on a goroutine of its own, or refuses it.
func (s *Server) accept(nc net.Conn, implicit bool) {
	c, err := s.admit(nc)
	if err != nil {
		s.refuse(nc, implicit, err)
		return
	}
	go s.run(c, implicit)
}

// ServeConn serves one connection that is already there (a pipe in a test) and
// returns when it is over.
func (s *Server) ServeConn(nc net.Conn, implicit bool) {
	c, err := s.admit(nc)
	if err != nil {
		s.refuse(nc, implicit, err)
		return
	}
	s.run(c, implicit)
}

// admit makes the Conn, if the limits allow one more.
func (s *Server) admit(nc net.Conn) (*Conn, error) {
	c := &Conn{server: s, nc: nc, r: nc, w: nc, socket: newSocket(nc, &s.buffers)}
	c.remote, c.local = peer(nc.RemoteAddr())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return nil, Stopping
	}
	if s.cfg.MaxConns > 0 && len(s.conns) >= s.cfg.MaxConns {
		return nil, fmt.Errorf("%d connections: %w", len(s.conns), Busy)
	}
	if !c.local {
		network := Network(c.remote)
		if n := s.addresses[network]; s.cfg.MaxPerAddress > 0 && n >= s.cfg.MaxPerAddress {
			return nil, fmt.Errorf("%d connections from %v: %w", n, network, Busy)
		}
		s.addresses[network]++
	}
	s.conns[c] = struct{}{}
	s.running.Add(1)
	s.accepted.Add(1)
	c.id = s.protocol.Name + "-" + strconv.FormatUint(s.serial.Add(1), 36)
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

// refuse says why and closes. The text is far smaller than a fresh
// socket's buffer, so it does not keep the listener waiting.
func (s *Server) refuse(nc net.Conn, implicit bool, why error) {
	s.refused.Add(1)
	s.log.Info("connection refused", "remote", nc.RemoteAddr().String(), "error", why)
	if !implicit && s.protocol.Refuse != "" {
		nc.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		nc.Write([]byte(s.protocol.Refuse))
	}
	nc.Close()
}

// run holds the dialog of one connection from its start to its end.
func (s *Server) run(c *Conn, implicit bool) {
	defer s.running.Done()
	defer s.forget(c)
	defer func() {
		if p := recover(); p != nil {
			s.panics.Add(1)
			c.Log().Error("panic", "value", p, "stack", string(debug.Stack()))
			c.Close()
		}
	}()
	if implicit {
		if err := c.handshake(); err != nil {
			c.Log().Debug("connection ended", "error", err)
			c.Close()
			return
		}
	}
	s.protocol.Serve(c)
	c.finish()
}

// forget takes a connection that has ended out of all counts.
func (s *Server) forget(c *Conn) {
	c.cancel()
	c.nc.Close()
	c.pos = c.end
	c.release()
	if c.out != nil {
		s.buffers.give(c.out)
		c.out = nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if !c.local {
		network := Network(c.remote)
		if s.addresses[network]--; s.addresses[network] <= 0 {
			delete(s.addresses, network)
		}
	}
	s.unclaim(c.user)
}

// claim counts one more connection of user and one less of who it was before.
func (s *Server) claim(c *Conn, user string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := c.user
	if before == user {
		return nil
	}
	if n := s.users[user]; user != "" && s.cfg.MaxPerUser > 0 && n >= s.cfg.MaxPerUser {
		return fmt.Errorf("%d connections of %s: %w", n, user, Busy)
	}
	if user != "" {
		s.users[user]++
	}
	s.unclaim(before)
	c.user = user
	if s.ended[user] > c.since { // the credentials were checked before End
		c.ended.Store(true)
		c.stop()
	}
	return nil
}

const maxEnded = 10_000

// End ends all connections that are claimed as user's, each after the command
// under way: what its Wait, or a command whose peer stands still, returns is Stopping,
// and Conn.Ended tells why. A login under way does not escape. It does not wait for them, and tells
// how many they are.
func (s *Server) End(user string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if user == "" {
		return 0
	}
	if len(s.ended) >= maxEnded {
		clear(s.ended) // all of those logins came to an end long ago
	}
	s.ended[user] = s.ends.Add(1)
	for c := range s.conns {
		if c.user == user {
			c.ended.Store(true)
			c.stop()
			n++
		}
	}
	return n
}

func (s *Server) unclaim(user string) {
	if user == "" {
		return
	}
	if s.users[user]--; s.users[user] <= 0 {
		delete(s.users, user)
	}
}

// Shutdown stops accepting, lets every connection finish the command under way
// and say its farewell, and closes by force those that are left when ctx ends
// (it then returns ctx's error, at the latest 5 seconds later).
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stopping = true
	for l := range s.listeners {
		l.Close()
	}
	for c := range s.conns {
		c.stop()
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
	}
	return ctx.Err()
}

// Stats are counters of a Server since its start.
type Stats struct {
	Open     int64 // connections now
	Accepted int64
	Refused  int64 // over a limit
	Panics   int64
	In, Out  int64 // bytes, as seen above TLS
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	open := len(s.conns)
	s.mu.Unlock()
	return Stats{
		Open: int64(open), Accepted: s.accepted.Load(), Refused: s.refused.Load(),
		Panics: s.panics.Load(), In: s.in.Load(), Out: s.out.Load(),
	}
}

// Protocol returns the protocol's name.
func (s *Server) Protocol() string { return s.protocol.Name }
