package conn

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
)

// Protocol is the dialog that a Server holds on each connection.
type Protocol struct {
	Name string // "imap": in logs and metrics
	// Serve holds the dialog from greeting to farewell. The connection is
	// flushed and closed when it returns. With implicit TLS the handshake is done before.
	Serve func(c *Conn)
	// Refuse is what a connection over a limit is told before it is closed,
	// with its line end: "* BYE Too many connections\r\n".
	Refuse string
}

// Server serves one protocol on any number of listeners.
type Server struct{}

// NewServer returns a Server. tlsConfig is used for implicit TLS and StartTLS;
// nil: there is none.
func NewServer(p Protocol, cfg Config, tlsConfig *tls.Config, log *slog.Logger) *Server {
	panic("stub")
}

// Listen opens a listener: "host:port", ":port" or "unix:/path/to/socket". A
// stale Unix socket is replaced, one that answers is not.
func Listen(address string) (net.Listener, error) { panic("stub") }

// Serve accepts connections on l until Shutdown (it then returns nil) or until
// l fails. It closes l. With implicit the client begins with TLS.
func (s *Server) Serve(l net.Listener, implicit bool) error { panic("stub") }

// ServeConn serves one connection that is already there (a pipe in a test) and
// returns when it is over.
func (s *Server) ServeConn(nc net.Conn, implicit bool) { panic("stub") }

// Shutdown stops accepting, lets every connection finish the command under way
// and say its farewell, and closes by force those that are left when ctx ends
// (it then returns ctx's error).
func (s *Server) Shutdown(ctx context.Context) error { panic("stub") }

// Stats are counters of a Server since its start.
type Stats struct {
	Open     int64 // connections now
	Accepted int64
	Refused  int64 // over a limit
	Panics   int64
	In, Out  int64 // bytes, as seen above TLS
}

// Stats returns the counters.
func (s *Server) Stats() Stats { panic("stub") }
