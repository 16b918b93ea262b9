package conn

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"
)

// Kind is a class of failure of a connection. It is itself an error.
type Kind string

func (k Kind) Error() string { return string(k) }

const (
	// TooLong means that a line was longer than the limit; it has been read to
	// its end and thrown away, the next read begins after it.
	TooLong Kind = "line too long"
	// TimedOut means that the peer sent or took nothing for the time allowed.
	TimedOut Kind = "timed out"
	// Stopping means that the server shuts down: say farewell and return.
	Stopping Kind = "server shuts down"
	// Woken means that the channel given to Wait had a value before any input came.
	Woken Kind = "woken"
	// Busy means that a limit on connections is reached.
	Busy Kind = "too many connections"
	// Closed means that the peer or Close ended the connection.
	Closed Kind = "connection closed"
	// NoTLS means that StartTLS is not possible: none configured, or begun already.
	NoTLS Kind = "TLS not available"
)

// Config has the settings of one Server. Zero values of limits mean no limit.
type Config struct {
	MaxConns      int           // connections at once
	MaxPerAddress int           // of them from one address (IPv6: one /64); loopback and Unix sockets are not counted
	MaxPerUser    int           // of them of one user, see Conn.Claim
	Handshake     time.Duration // time for a TLS handshake
	Line          time.Duration // time for the rest of a line once its first byte is there
	Read          time.Duration // time for each further read inside a command (literals, DATA)
	Write         time.Duration // time for the peer to take each chunk of output
	StrictLines   bool          // only CRLF ends a line; otherwise a bare LF does too
}

// DefaultConfig returns settings that fit any protocol.
func DefaultConfig() Config {
	return Config{
		MaxConns:      20000,
		MaxPerAddress: 1000,
		MaxPerUser:    100,
		Handshake:     30 * time.Second,
		Line:          2 * time.Minute,
		Read:          5 * time.Minute,
		Write:         2 * time.Minute,
	}
}

// Validate reports all settings that cannot be used.
func (c *Config) Validate() (err error) {
	for _, n := range []struct {
		key   string
		value int
	}{{"max_conns", c.MaxConns}, {"max_per_address", c.MaxPerAddress}, {"max_per_user", c.MaxPerUser}} {
		if n.value < 0 {
			err = errors.Join(err, fmt.Errorf("%s: %d is negative", n.key, n.value))
		}
	}
	for _, d := range []struct {
		key   string
		value time.Duration
	}{{"handshake", c.Handshake}, {"line", c.Line}, {"read", c.Read}, {"write", c.Write}} {
		if d.value <= 0 {
			err = errors.Join(err, fmt.Errorf("%s: %v, a time above 0 is needed", d.key, d.value))
		}
	}
	return err
}

// TLS returns a TLS configuration with Go's defaults, at least TLS 1.2 and a
// certificate that is asked for at each handshake, so that it can be replaced
// while the server runs.
func TLS(certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certificate}
}
