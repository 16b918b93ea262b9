package smtpd

import (
	"errors"
	"fmt"
	"time"

	"atrium/mail/conn"
)

// Dialect is one of the three protocols.
type Dialect string

const (
	SMTP       Dialect = "smtp"       // RFC 5321: from other servers, without log-in
	Submission Dialect = "submission" // RFC 6409, RFC 8314: from accounts, after log-in
	LMTP       Dialect = "lmtp"       // RFC 2033: from a mail transfer agent that is trusted
)

// Config has the settings of one Server. The size of a message is delivery's.
type Config struct {
	Hostname       string        `toml:"hostname"`        // of this host, in greeting and replies
	Conn           conn.Config   `toml:"conn"`            // limits of connections
	MaxRecipients  int           `toml:"max_recipients"`  // of one transaction
	MaxDomains     int           `toml:"max_domains"`     // of the recipients of one transaction, 0: no limit
	MaxMails       int           `toml:"max_mails"`       // transactions of one connection, 0: no limit
	MaxLine        int           `toml:"max_line"`        // bytes of a command line, CR LF not counted
	MaxErrors      int           `toml:"max_errors"`      // refused commands after which the connection is closed
	MaxIdle        int           `toml:"max_idle"`        // commands without any mail, likewise
	Timeout        time.Duration `toml:"timeout"`         // for the next command (RFC 5321 §4.5.3.2.7: 5 minutes at least)
	QuotaPermanent bool          `toml:"quota_permanent"` // mail for a full account is refused for good (552), not for now (452)
	Disable        []string      `toml:"disable"`         // extensions that are not offered, by their EHLO keyword
}

// DefaultConfig returns settings by RFC 5321.
func DefaultConfig() Config {
	c := conn.DefaultConfig()
	c.StrictLines = true
	return Config{
		Hostname: "localhost", Conn: c,
		MaxRecipients: 1000, MaxLine: 4096, MaxErrors: 20, MaxIdle: 200, Timeout: 5 * time.Minute,
	}
}

// Validate reports all mistakes at once.
func (c *Config) Validate() (err error) {
	bad := func(format string, args ...any) { err = errors.Join(err, fmt.Errorf(format, args...)) }
	if c.Hostname == "" || !isDomain(c.Hostname) && !isLiteral(c.Hostname) {
		bad("hostname: %q is no domain name", c.Hostname)
	}
	if c.MaxRecipients < 100 {
		bad("max_recipients: %d, RFC 5321 §4.5.3.1.8 wants at least 100", c.MaxRecipients)
	}
	if c.MaxDomains < 0 {
		bad("max_domains: %d is negative", c.MaxDomains)
	}
	if c.MaxMails < 0 {
		bad("max_mails: %d is negative", c.MaxMails)
	}
	if c.MaxLine < 1024 || c.MaxLine > 1<<20 {
		bad("max_line: %d, must be 1024 to 1048576", c.MaxLine)
	}
	if c.MaxErrors < 1 || c.MaxIdle < 10 {
		bad("max_errors: %d and max_idle: %d, must be at least 1 and 10", c.MaxErrors, c.MaxIdle)
	}
	if c.Timeout <= 0 {
		bad("timeout: %v, a time above 0 is needed", c.Timeout)
	}
	for _, name := range c.Disable {
		if !isExtension(name) {
			bad("disable: there is no extension %q", name)
		}
	}
	return errors.Join(err, c.Conn.Validate())
}
