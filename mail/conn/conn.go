package conn

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"time"
)

// Conn is one connection. It is an io.Reader, io.Writer, io.StringWriter and
// io.ByteWriter, all buffered.
type Conn struct{}

// ID names the connection in logs, unique in this process.
func (c *Conn) ID() string { panic("stub") }

// Log returns the connection's logger, with protocol, id and remote address.
func (c *Conn) Log() *slog.Logger { panic("stub") }

// AddLog adds attributes to the connection's logger (the user, after login).
func (c *Conn) AddLog(args ...any) { panic("stub") }

// Context ends when the connection is closed or its Serve has returned.
func (c *Conn) Context() context.Context { panic("stub") }

// Remote is the peer's address, without zone, IPv4 unmapped; the zero Addr on a Unix socket.
func (c *Conn) Remote() netip.Addr { panic("stub") }

// RemoteAddr and LocalAddr are the socket's addresses.
func (c *Conn) RemoteAddr() net.Addr { panic("stub") }
func (c *Conn) LocalAddr() net.Addr  { panic("stub") }

// Local tells whether the peer is on this machine: loopback, Unix socket, pipe.
func (c *Conn) Local() bool { panic("stub") }

// TLS returns the state of TLS, nil on a plain connection.
func (c *Conn) TLS() *tls.ConnectionState { panic("stub") }

// CanStartTLS tells whether StartTLS is possible now.
func (c *Conn) CanStartTLS() bool { panic("stub") }

// StartTLS sends what is buffered (the protocol's OK), throws away plain input that
// the client sent too early, and does the handshake. The protocol forgets after it what the
// client said before.
func (c *Conn) StartTLS() error { panic("stub") }

// Wait waits until input is there. It is the point between two commands:
// nothing is held in memory while it waits, output is sent before it waits.
// It returns nil when there is input, Woken when wake had a value (nil: never),
// TimedOut after d, Stopping when the server shuts down (at once, even
// with input buffered), io.EOF when the client has gone, or what broke the connection.
// After Woken and TimedOut the connection goes on.
func (c *Conn) Wait(wake <-chan struct{}, d time.Duration) error { panic("stub") }

// Buffered returns how many bytes of input are already here.
func (c *Conn) Buffered() int { panic("stub") }

// ReadLine reads a line and returns it without its CRLF (or LF, see
// Config.StrictLines), of at most limit bytes; else TooLong. The slice is valid until
// the next read. io.ErrUnexpectedEOF when the input ends inside a line, io.EOF
// when it ends before.
func (c *Conn) ReadLine(limit int) ([]byte, error) { panic("stub") }

// Read reads what is there, at least one byte.
func (c *Conn) Read(p []byte) (int, error) { panic("stub") }

// Peek returns the input that is buffered, at least one byte, for which it
// waits; the slice is valid until the next read. Discard drops n bytes of it.
func (c *Conn) Peek() ([]byte, error) { panic("stub") }
func (c *Conn) Discard(n int)         { panic("stub") }

// CopyN copies n bytes of input to w. When w fails it goes on reading, so that the
// dialog stays in step, and returns w's failure as a *WriteError.
func (c *Conn) CopyN(w io.Writer, n int64) error { panic("stub") }

// WriteError is a failure of CopyN's writer; the connection itself is fine.
type WriteError struct{ Err error }

func (e *WriteError) Error() string { return e.Err.Error() }
func (e *WriteError) Unwrap() error { return e.Err }

// Write, WriteString and WriteByte buffer output. After a failure they do
// nothing but return it again.
func (c *Conn) Write(p []byte) (int, error)       { panic("stub") }
func (c *Conn) WriteString(s string) (int, error) { panic("stub") }
func (c *Conn) WriteByte(b byte) error            { panic("stub") }

// Flush sends the output.
func (c *Conn) Flush() error { panic("stub") }

// Alive tells whether the peer is still there, without reading: for commands
// that work in batches.
func (c *Conn) Alive() bool { panic("stub") }

// Claim counts the connection as one of user's until it ends; Busy when
// user has Config.MaxPerUser already. A second Claim replaces the first.
func (c *Conn) Claim(user string) error { panic("stub") }

// Layer puts a transformation (COMPRESS, RFC 4978) between the connection and
// TLS: wrap gets what is below and returns what goes on top. Output so far is sent before, input
// that is buffered goes through the new layer.
func (c *Conn) Layer(wrap func(io.Reader, io.Writer) (io.Reader, WriteFlusher)) error { panic("stub") }

// WriteFlusher is a writer that buffers.
type WriteFlusher interface {
	io.Writer
	Flush() error
}

// Close ends the connection at once. It may be called by any goroutine, more than once.
func (c *Conn) Close() error { panic("stub") }
