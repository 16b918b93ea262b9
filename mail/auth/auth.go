package auth

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/netip"

	"atrium/mail/conn"
	"atrium/storage/account"
)

// Kind is a class of failure of an exchange, beside those of package account.
type Kind string

func (k Kind) Error() string { return string(k) }

const (
	// Unknown means that there is no such mechanism, or not on this connection.
	Unknown Kind = "mechanism not available"
	// NeedsTLS means that the mechanism would show the password on a plain connection.
	NeedsTLS Kind = "TLS is needed first"
	// Malformed means that a response was no base64 or broke the mechanism's syntax.
	Malformed Kind = "malformed response"
	// Cancelled means that the client ended the exchange with "*".
	Cancelled Kind = "cancelled by the client"
)

// MaxResponse is the longest line of an exchange that is taken, in base64.
const MaxResponse = 16 << 10

// Config has the settings of authentication.
type Config struct {
	PlainLocal bool     // passwords in plain text from this machine (loopback) are taken without TLS
	PlainAny   bool     // and from everywhere; for tests and private networks alone
	Disable    []string // mechanisms not to be offered
}

// DefaultConfig returns the defaults: plain text under TLS only.
func DefaultConfig() Config { return Config{} }

// Validate reports all settings that cannot be used.
func (c *Config) Validate() error { return nil }

// Peer is what is known of a connection.
type Peer struct {
	Remote netip.Addr           // zero: this machine
	Local  bool                 // on this machine
	TLS    *tls.ConnectionState // nil: plain
}

// PeerOf tells what is known of a connection.
func PeerOf(c *conn.Conn) Peer {
	return Peer{Remote: c.Remote(), Local: c.Local(), TLS: c.TLS()}
}

// Authenticator checks logins.
type Authenticator struct{}

// New returns an Authenticator over a directory.
func New(dir *account.Directory, cfg Config, log *slog.Logger) *Authenticator { panic("stub") }

// Plain tells whether passwords in plain text are taken on this connection:
// IMAP says LOGINDISABLED, POP3 hides USER when not.
func (a *Authenticator) Plain(p Peer) bool { panic("stub") }

// Mechanisms returns the names offered on this connection, the best first.
func (a *Authenticator) Mechanisms(p Peer) []string { panic("stub") }

// Login checks a name and password that came in the clear (IMAP LOGIN, POP3 USER and PASS).
func (a *Authenticator) Login(ctx context.Context, p Peer, login, password string) (*account.Account, error) {
	panic("stub")
}

// Run holds an exchange as line protocols do: in base64. initial is the initial
// response as it came ("=" is an empty one), nil when there was none. prompt
// sends a challenge (base64, may be empty) and returns the client's line
// without its end; a failure of prompt ends the exchange and is returned as it is.
// "*" from the client is Cancelled.
func (a *Authenticator) Run(ctx context.Context, p Peer, mechanism string, initial []byte, prompt func(challenge string) ([]byte, error)) (*account.Account, error) {
	panic("stub")
}
