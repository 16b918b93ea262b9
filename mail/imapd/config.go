package imapd

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"atrium/mail/conn"
)

// Config has the settings of IMAP.
type Config struct {
	Conn conn.Config

	Idle          time.Duration // how long a session may say nothing (RFC 9051 §5.4: at least 30 minutes)
	LoginTime     time.Duration // how long a session may go on without logging in
	Progress      time.Duration // after how long, and then how often, a command under way says so (RFC 9585)
	LoginCommands int           // commands before a login
	BadCommands   int           // commands in a row that are not understood, before the session ends

	MaxLine    int   // bytes of a command's line
	MaxLiteral int64 // bytes of a literal that is no message
	MaxAppend  int64 // bytes of a message; APPENDLIMIT (RFC 7889)
	MaxSet     int   // ranges in a set of numbers
	MaxDepth   int   // nesting of SEARCH keys and lists
	MaxList    int   // elements of a list

	MaxContexts  int // searches of a session that are kept up to date (RFC 5267)
	MessageLimit int // messages that one command works on (RFC 9738), at least 1000; 0: no limit, and none is advertised
	SaveLimit    int // the same for COPY and APPEND alone

	QuotaAdmins []string // logins of those who may set quotas (SETQUOTA, RFC 9208)

	Disable []string // extensions to leave out, by name
	Name    string   // what ID and the greeting say the server is
	Version string   // its version, for ID; may be empty

	Sieve string `toml:"-"` // URL of the ManageSieve of what mail.Store's OnEvent runs, RFC 6785; "": nothing does
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	c := Config{
		Conn: conn.DefaultConfig(),
		Idle: 31 * time.Minute, LoginTime: 3 * time.Minute, Progress: 10 * time.Second, LoginCommands: 50, BadCommands: 30,
		MaxLine: 64 << 10, MaxLiteral: 1 << 20, MaxAppend: 50 << 20, MaxSet: 20000, MaxDepth: 50, MaxList: 20000,
		MaxContexts: 32,
		Name:        "Atrium",
	}
	return c
}

// Validate reports all settings that cannot be used.
func (c *Config) Validate() (err error) {
	bad := func(format string, args ...any) { err = errors.Join(err, fmt.Errorf(format, args...)) }
	if c.Idle < 30*time.Minute {
		bad("idle: %v, RFC 9051 §5.4 wants at least 30m", c.Idle)
	}
	if c.LoginTime <= 0 {
		bad("login_time: %v, a time above 0 is needed", c.LoginTime)
	}
	if c.Progress <= 0 {
		bad("progress: %v, a time above 0 is needed", c.Progress)
	}
	for _, n := range []struct {
		key        string
		value, low int64
	}{
		{"login_commands", int64(c.LoginCommands), 3}, {"bad_commands", int64(c.BadCommands), 1},
		{"max_line", int64(c.MaxLine), 8192}, {"max_literal", c.MaxLiteral, 8192}, {"max_append", c.MaxAppend, 1 << 16},
		{"max_set", int64(c.MaxSet), 100}, {"max_depth", int64(c.MaxDepth), 8}, {"max_list", int64(c.MaxList), 100},
		{"max_contexts", int64(c.MaxContexts), 1},
	} {
		if n.value < n.low {
			bad("%s: %d, must be at least %d", n.key, n.value, n.low)
		}
	}
	for key, n := range map[string]int{"message_limit": c.MessageLimit, "save_limit": c.SaveLimit} {
		if n < 0 || n > 0 && n < 1000 {
			bad("%s: %d, RFC 9738 §3 wants at least 1000, or 0 for none", key, n)
		}
	}
	if c.MessageLimit > 0 && c.SaveLimit > 0 {
		bad("save_limit: message_limit holds for COPY and APPEND too")
	}
	for _, name := range c.Disable {
		if !slices.ContainsFunc(extensions(), func(x *extension) bool { return strings.EqualFold(x.name, name) && x != &base }) {
			bad("disable: %q is no extension", name)
		}
	}
	return errors.Join(err, c.Conn.Validate())
}
