package auth

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"

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
	External   bool     // EXTERNAL: a client certificate that the listener verified names the account by its e-mail address
	Disable    []string // mechanisms not to be offered
}

// DefaultConfig returns the defaults: plain text under TLS only.
func DefaultConfig() Config { return Config{} }

// Validate reports all settings that cannot be used.
func (c *Config) Validate() (err error) {
	for _, name := range c.Disable {
		if find(name) == nil {
			err = errors.Join(err, fmt.Errorf("disable: no mechanism %q", name))
		}
	}
	return err
}

// Peer is what is known of a connection.
type Peer struct {
	Remote netip.Addr           // zero: this machine
	Local  bool                 // on this machine
	TLS    *tls.ConnectionState // nil: plain
	Shown  func() []byte        // the certificate that the server showed, DER; may be nil
}

// PeerOf tells what is known of a connection.
func PeerOf(c *conn.Conn) Peer {
	return Peer{Remote: c.Remote(), Local: c.Local(), TLS: c.TLS(), Shown: c.Certificate}
}

// Authenticator checks logins.
type Authenticator struct {
	dir *account.Directory
	cfg Config
	log *slog.Logger
}

// New returns an Authenticator over a directory.
func New(dir *account.Directory, cfg Config, log *slog.Logger) *Authenticator {
	return &Authenticator{dir: dir, cfg: cfg, log: log}
}

// Directory is the directory that logins are checked against.
func (a *Authenticator) Directory() *account.Directory { return a.dir }

// Plain tells whether passwords in plain text are taken on this connection:
// IMAP says LOGINDISABLED, POP3 hides USER when not.
func (a *Authenticator) Plain(p Peer) bool {
	return p.TLS != nil || a.cfg.PlainAny || a.cfg.PlainLocal && p.Local
}

// mechanism is one SASL mechanism.
type mechanism struct {
	name string
	rfc  string
	// plain: shows the password, so it needs TLS.
	plain bool
	// offer tells whether the mechanism makes sense on a connection; nil: always.
	offer func(*Authenticator, Peer) bool
	run   func(*exchange) (*account.Account, error)
}

// mechanisms are all that there are, in the order of preference. OAUTHBEARER
// (RFC 7628) has its place behind EXTERNAL when accounts issue tokens.
func mechanisms() []*mechanism {
	return []*mechanism{
		{name: "EXTERNAL", rfc: "4422", offer: (*Authenticator).hasCertificate, run: external},
		{name: "SCRAM-SHA-256-PLUS", rfc: "7677", offer: (*Authenticator).hasBinding, run: scramPlus},
		{name: "SCRAM-SHA-256", rfc: "7677", offer: (*Authenticator).hasScram, run: scram},
		{name: "PLAIN", rfc: "4616", plain: true, run: plain},
		{name: "LOGIN", rfc: "draft-murchison-sasl-login", plain: true, run: login},
	}
}

func find(name string) *mechanism {
	for _, m := range mechanisms() {
		if strings.EqualFold(m.name, name) {
			return m
		}
	}
	return nil
}

// allows tells whether m is offered on this connection: nil, NeedsTLS or Unknown.
func (a *Authenticator) allows(m *mechanism, p Peer) error {
	switch {
	case slices.ContainsFunc(a.cfg.Disable, func(s string) bool { return strings.EqualFold(s, m.name) }):
		return Unknown
	case m.offer != nil && !m.offer(a, p):
		return Unknown
	case m.plain && !a.Plain(p):
		return NeedsTLS
	}
	return nil
}

// Mechanisms returns the names offered on this connection, the best first.
func (a *Authenticator) Mechanisms(p Peer) []string {
	var names []string
	for _, m := range mechanisms() {
		if a.allows(m, p) == nil {
			names = append(names, m.name)
		}
	}
	return names
}

// Login checks a name and password that came in the clear (IMAP LOGIN, POP3
// USER and PASS). NeedsTLS, or account's failures.
func (a *Authenticator) Login(ctx context.Context, p Peer, login, password string) (*account.Account, error) {
	if !a.Plain(p) {
		return nil, NeedsTLS
	}
	acc, err := a.dir.Authenticate(ctx, login, password, p.Remote)
	a.report("cleartext", login, p, err)
	return acc, err
}

// Run holds an exchange as line protocols do: in base64. initial is the initial
// response as it came ("=" is an empty one), nil when there was none. prompt
// sends a challenge (base64, may be empty) and returns the client's line
// without its end; a failure of prompt ends the exchange and is returned as it
// is. "*" from the client is Cancelled.
func (a *Authenticator) Run(ctx context.Context, p Peer, mechanism string, initial []byte, prompt func(challenge string) ([]byte, error)) (*account.Account, error) {
	m := find(mechanism)
	if m == nil {
		return nil, fmt.Errorf("%.40q: %w", mechanism, Unknown)
	}
	if err := a.allows(m, p); err != nil {
		return nil, fmt.Errorf("%s: %w", m.name, err)
	}
	x := &exchange{ctx: ctx, auth: a, peer: p, prompt: prompt}
	if initial != nil {
		first := []byte{}
		if string(initial) != "=" {
			var err error
			if first, err = decode(initial); err != nil {
				return nil, err
			}
		}
		x.initial = &first
	}
	acc, err := m.run(x)
	a.report(m.name, x.login, p, err)
	return acc, err
}

// report logs the outcome.
func (a *Authenticator) report(mechanism, login string, p Peer, err error) {
	switch {
	case err == nil:
		a.log.Debug("login", "mechanism", mechanism, "login", login, "remote", p.Remote, "tls", p.TLS != nil)
	case errors.Is(err, account.Denied), errors.Is(err, account.Locked), errors.Is(err, account.Disabled), errors.Is(err, account.Busy):
		a.log.Info("login failed", "mechanism", mechanism, "login", fmt.Sprintf("%.100s", login), "remote", p.Remote, "error", err)
	}
}

// exchange is one run of a mechanism.
type exchange struct {
	ctx     context.Context
	auth    *Authenticator
	peer    Peer
	initial *[]byte
	prompt  func(string) ([]byte, error)
	login   string // as the client gave it, for the log
}

// first returns the client's first message, which it may have sent with the command.
func (x *exchange) first() ([]byte, error) {
	if x.initial != nil {
		return *x.initial, nil
	}
	return x.ask(nil)
}

// ask sends a challenge and returns the response.
func (x *exchange) ask(challenge []byte) ([]byte, error) {
	line, err := x.prompt(base64.StdEncoding.EncodeToString(challenge))
	if err != nil {
		return nil, err
	}
	if string(line) == "*" {
		return nil, Cancelled
	}
	return decode(line)
}

func decode(line []byte) ([]byte, error) {
	if len(line) > MaxResponse {
		return nil, fmt.Errorf("%d bytes: %w", len(line), Malformed)
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(len(line)))
	n, err := base64.StdEncoding.Strict().Decode(out, line)
	if err != nil || strings.ContainsAny(string(line), "\r\n") {
		return nil, fmt.Errorf("base64: %w", Malformed)
	}
	return out[:n], nil
}

// as checks that who logged in may act as authzid: as himself alone, so far.
func (x *exchange) as(acc *account.Account, authzid string) (*account.Account, error) {
	if authzid == "" {
		return acc, nil
	}
	other, err := x.auth.dir.Find(x.ctx, authzid)
	if err != nil || other.ID != acc.ID {
		return nil, fmt.Errorf("%q may not act as %.100q: %w", acc.Name, authzid, account.Denied)
	}
	return acc, nil
}

// Standard is one line of the table of standards.
type Standard struct {
	Name string // of the mechanism
	RFC  string
}

// Standards lists the mechanisms, for the README.
func Standards() []Standard {
	var out []Standard
	for _, m := range mechanisms() {
		out = append(out, Standard{m.name, m.rfc})
	}
	return out
}
