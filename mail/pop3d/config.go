package pop3d

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"atrium/mail"
	"atrium/mail/conn"
)

// Config has the settings of POP3.
type Config struct {
	Conn conn.Config

	Idle        time.Duration // how long a session may say nothing (RFC 1939 §3: at least 10 minutes)
	LoginTime   time.Duration // how long a session may go on without a login
	LoginTries  int           // failed logins before the connection ends
	LoginDelay  time.Duration // least time between two logins of an account; 0: none (RFC 2449 §6.5)
	LockWait    time.Duration // how long a login waits for the session before it to end
	BadCommands int           // commands in a row that are not understood, before the session ends
	Name        string        // what the greeting says the server is

	Sweep time.Duration // how often what was kept long enough is removed

	Policy mail.PopPolicy // of accounts that have none of their own
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		Conn: conn.DefaultConfig(),
		Idle: 10 * time.Minute, LoginTime: 3 * time.Minute, LoginTries: 5,
		LockWait: 500 * time.Millisecond, BadCommands: 20, Name: "Atrium",
		Sweep: time.Hour, Policy: mail.DefaultPopPolicy(),
	}
}

// Validate reports all settings that cannot be used.
func (c *Config) Validate() (err error) {
	bad := func(format string, args ...any) { err = errors.Join(err, fmt.Errorf(format, args...)) }
	if c.Idle < 10*time.Minute {
		bad("idle: %v, RFC 1939 §3 wants at least 10m", c.Idle)
	}
	if c.LoginTime <= 0 {
		bad("login_time: %v, a time above 0 is needed", c.LoginTime)
	}
	if c.LoginTries < 1 {
		bad("login_tries: %d, at least 1 is needed", c.LoginTries)
	}
	if c.LoginDelay < 0 || c.LockWait < 0 {
		bad("login_delay, lock_wait: a time below 0")
	}
	if c.BadCommands < 1 {
		bad("bad_commands: %d, at least 1 is needed", c.BadCommands)
	}
	if c.Sweep < time.Minute {
		bad("sweep: %v, at least 1m is needed", c.Sweep)
	}
	if e := c.Policy.Validate(); e != nil {
		for line := range strings.SplitSeq(e.Error(), "\n") {
			bad("policy.%s", line)
		}
	}
	return errors.Join(err, c.Conn.Validate())
}
