package sieved

import (
	"errors"
	"fmt"
	"time"

	"atrium/mail/conn"
)

// Config has the settings of ManageSieve.
type Config struct {
	Conn conn.Config

	Idle        time.Duration // how long a session may say nothing (RFC 5804 §1.2: at least 30 minutes)
	LoginTime   time.Duration // how long a session may go on without a login
	LoginTries  int           // failed logins before the connection ends
	BadCommands int           // commands in a row that are not understood, before the session ends
	Name        string        // what IMPLEMENTATION says
	Disable     []string      // extensions not to be offered, such as "UNAUTHENTICATE"
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{Conn: conn.DefaultConfig(), Idle: 31 * time.Minute, LoginTime: 3 * time.Minute, LoginTries: 5, BadCommands: 20, Name: "Atrium"}
}

// Validate reports all settings that cannot be used.
func (c *Config) Validate() (err error) {
	bad := func(format string, args ...any) { err = errors.Join(err, fmt.Errorf(format, args...)) }
	if c.Idle < 30*time.Minute {
		bad("idle: %v, RFC 5804 §1.2 wants at least 30m", c.Idle)
	}
	if c.LoginTime <= 0 {
		bad("login_time: %v, a time above 0 is needed", c.LoginTime)
	}
	if c.LoginTries < 1 {
		bad("login_tries: %d, at least 1 is needed", c.LoginTries)
	}
	if c.BadCommands < 1 {
		bad("bad_commands: %d, at least 1 is needed", c.BadCommands)
	}
	for _, name := range c.Disable {
		known := false
		for _, x := range extensions() {
			known = known || x.name == name && !x.needed
		}
		if !known {
			bad("disable: no extension %q", name)
		}
	}
	return errors.Join(err, c.Conn.Validate())
}
