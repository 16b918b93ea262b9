package conn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Conn is one connection. It is an io.Reader, io.Writer, io.StringWriter and
// io.ByteWriter, all buffered.
type Conn struct {
	server *Server
	id     string
	nc     net.Conn // the socket, below everything
	socket *socket  // for plain reads; nil when nc is no socket
	remote netip.Addr
	local  bool

	tls   *tls.Conn
	state *tls.ConnectionState
	r     io.Reader    // the top to read from
	w     io.Writer    // the top to write to
	layer WriteFlusher // not nil: w is this, to be flushed too

	in       *[]byte // nil while nothing is buffered
	pos, end int
	tiny     [1]byte
	out      *[]byte
	n        int // bytes in out
	werr     error

	ctx    context.Context
	cancel context.CancelFunc
	user   string // guarded by server.mu
	since  uint64 // Server.ends when the command under way came
	attrs  []any
	log    *slog.Logger

	mu       sync.Mutex // guards what follows, and who sets the read deadline while waiting
	waiting  bool
	woken    bool
	stopping bool
	closed   atomic.Bool
	ended    atomic.Bool
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// ID names the connection in logs, unique in its Server.
func (c *Conn) ID() string { return c.id }

// Log returns the connection's logger, with protocol, id and remote address.
func (c *Conn) Log() *slog.Logger {
	if c.log == nil {
		c.log = c.server.log.With("conn", c.id, "remote", c.remoteString())
		if len(c.attrs) > 0 {
			c.log = c.log.With(c.attrs...)
		}
	}
	return c.log
}

func (c *Conn) remoteString() string {
	if c.remote.IsValid() {
		return c.remote.String()
	}
	return "local"
}

// AddLog adds attributes to the connection's logger (the user, after login).
func (c *Conn) AddLog(args ...any) {
	c.attrs = append(c.attrs, args...)
	c.log = nil
}

// Context ends when the connection is closed or its Serve has returned.
func (c *Conn) Context() context.Context { return c.ctx }

// Remote is the peer's address, without zone, IPv4 unmapped; the zero Addr on
// a Unix socket or pipe.
func (c *Conn) Remote() netip.Addr { return c.remote }

// RemoteAddr and LocalAddr are the socket's addresses.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }
func (c *Conn) LocalAddr() net.Addr  { return c.nc.LocalAddr() }

// Local tells whether the peer is on this machine: loopback, Unix socket, pipe.
func (c *Conn) Local() bool { return c.local }

// TLS returns the state of TLS, nil on a plain connection. It is not to be changed.
func (c *Conn) TLS() *tls.ConnectionState { return c.state }

// Certificate returns the certificate, DER, that this server shows for the name that the client asked for, nil without
// TLS.
func (c *Conn) Certificate() []byte {
	cfg := c.server.tls
	if c.state == nil || cfg == nil {
		return nil
	}
	if cfg.GetCertificate != nil {
		cert, err := cfg.GetCertificate(&tls.ClientHelloInfo{ServerName: c.state.ServerName})
		if err == nil && cert != nil && len(cert.Certificate) > 0 {
			return cert.Certificate[0]
		}
	}
	if len(cfg.Certificates) == 1 && len(cfg.Certificates[0].Certificate) > 0 {
		return cfg.Certificates[0].Certificate[0]
	}
	return nil
}

// CanStartTLS tells whether StartTLS is possible now.
func (c *Conn) CanStartTLS() bool { return c.tls == nil && c.layer == nil && c.server.tls != nil }

// StartTLS sends what is buffered (the protocol's OK), throws away plain input
// that the client sent too early, and does the handshake. The protocol forgets
// after it what the client said before.
func (c *Conn) StartTLS() error {
	if !c.CanStartTLS() {
		return NoTLS
	}
	if err := c.Flush(); err != nil {
		return err
	}
	c.pos = c.end
	c.release()
	return c.handshake()
}

// handshake does the server's side of the TLS handshake. It runs on a goroutine
// of its own, whose stack, which the handshake needs much of, goes with it.
func (c *Conn) handshake() error {
	ctx, cancel := context.WithTimeout(c.ctx, c.server.cfg.Handshake)
	defer cancel()
	t := tls.Server(c.nc, c.server.tls)
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("panic: %v", p)
			}
		}()
		done <- t.HandshakeContext(ctx)
	}()
	if err := <-done; err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	state := t.ConnectionState()
	c.tls, c.state, c.r, c.w = t, &state, t, t
	return nil
}

// Alive tells whether the connection is still whole, without reading: for
// commands that work in batches. A peer that has only ended its own sending is
// still there; one that is gone shows itself when something is sent.
func (c *Conn) Alive() bool {
	if c.werr != nil || c.closed.Load() {
		return false
	}
	if c.socket == nil {
		return true
	}
	_, broken := c.socket.state()
	return !broken
}

// Claim counts the connection as one of user's until it ends; Busy when user
// has Config.MaxPerUser already. A further Claim replaces the one before.
func (c *Conn) Claim(user string) error {
	return c.server.claim(c, user)
}

// Ended tells whether Server.End stopped the connection, not the server's own end.
func (c *Conn) Ended() bool { return c.ended.Load() }

// WriteFlusher is a writer that buffers.
type WriteFlusher interface {
	io.Writer
	Flush() error
}

// Layer puts a transformation (COMPRESS, RFC 4978) between the connection and
// TLS: wrap gets what is below and returns what goes on top. Output so far is
// sent before, input that is buffered goes through the new layer.
func (c *Conn) Layer(wrap func(io.Reader, io.Writer) (io.Reader, WriteFlusher)) error {
	if err := c.Flush(); err != nil {
		return err
	}
	below := c.r
	if c.pos < c.end {
		head := append([]byte(nil), (*c.in)[c.pos:c.end]...)
		c.pos = c.end
		c.release()
		below = &headReader{head: head, rest: c.r}
	}
	c.r, c.layer = wrap(below, c.w)
	c.w = c.layer
	return nil
}

// headReader reads head, then rest.
type headReader struct {
	head []byte
	rest io.Reader
}

func (h *headReader) Read(p []byte) (int, error) {
	if len(h.head) == 0 {
		return h.rest.Read(p)
	}
	n := copy(p, h.head)
	h.head = h.head[n:]
	return n, nil
}

// Close ends the connection at once. It may be called by any goroutine, more
// than once.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	c.cancel()
	return c.nc.Close()
}

// stop makes the Wait under way, and every later one, return Stopping, and so what
// a command reads or writes when the peer stands still.
func (c *Conn) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	if c.waiting {
		c.nc.SetReadDeadline(past)
		return
	}
	c.nc.SetDeadline(time.Now().Add(grace))
}

// finish sends what is left and closes in good order: a peer whose last input
// was not read must not lose the farewell to a reset.
func (c *Conn) finish() {
	if c.closed.Load() {
		return
	}
	flushed := c.Flush() == nil
	if flushed && c.tls != nil {
		c.nc.SetWriteDeadline(time.Now().Add(time.Second))
		c.tls.CloseWrite()
	}
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok && flushed && c.socket != nil {
		if pending, broken := c.socket.state(); pending && !broken && half.CloseWrite() == nil {
			c.drain()
		}
	}
	c.Close()
}

// drain reads for a short time what the peer still sends.
func (c *Conn) drain() {
	buf := c.server.buffers.take(smallSize)
	defer c.server.buffers.give(buf)
	c.nc.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	for range 64 {
		if _, err := c.nc.Read(*buf); err != nil {
			return
		}
	}
}

// late tells whether the server shuts down and this is no Wait.
func (c *Conn) late() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopping && !c.waiting
}

// failure gives an error of the socket its class.
func (c *Conn) failure(err error) error {
	var ne net.Error
	switch {
	case errors.Is(err, io.EOF):
		return io.EOF
	case errors.As(err, &ne) && ne.Timeout() && c.late():
		return fmt.Errorf("%w: %w", Stopping, err)
	case errors.As(err, &ne) && ne.Timeout():
		return fmt.Errorf("%w: %w", TimedOut, err)
	case errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe):
		return fmt.Errorf("%w: %w", Closed, err)
	}
	return err
}
