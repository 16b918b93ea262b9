package account

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Config has the directory's settings.
type Config struct {
	Domain     string         // default domain: bare names log in under it; always local
	Separators string         // each of these characters begins the detail of a local part; "": none
	Memory     int            // argon2id memory, KiB
	Passes     int            // argon2id passes over it
	Hashes     int            // password hashes computed at once
	HashWait   time.Duration  // how long a login waits for its turn at most
	Remember   time.Duration  // how long a verified password is remembered in memory; 0: not at all
	Delay      time.Duration  // first delay of a failed login, doubled by each further one
	MaxDelay   time.Duration  // the longest delay
	LockAfter  int            // failures from one address after which it is locked out
	LockFor    time.Duration  // for how long
	Trusted    []netip.Prefix // addresses that are never delayed or locked out
}

// DefaultConfig returns settings by OWASP's advice (argon2id, 19 MiB, 2
// passes).
func DefaultConfig() Config {
	return Config{
		Domain: "localhost", Separators: "+",
		Memory: 19 * 1024, Passes: 2, Hashes: 4, HashWait: 10 * time.Second,
		Remember: 10 * time.Minute,
		Delay:    250 * time.Millisecond, MaxDelay: 8 * time.Second, LockAfter: 20, LockFor: 10 * time.Minute,
		Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
	}
}

// Validate reports all settings that cannot be used.
func (c *Config) Validate() (err error) {
	bad := func(format string, args ...any) { err = errors.Join(err, fmt.Errorf(format, args...)) }
	if c.Domain == "" {
		bad("domain: missing")
	}
	if c.Memory < 8 || c.Memory > 4<<20 {
		bad("password_memory: %d KiB, must be 8 to 4194304", c.Memory)
	}
	if c.Passes < 1 || c.Passes > 100 {
		bad("password_passes: %d, must be 1 to 100", c.Passes)
	}
	if c.Hashes < 1 {
		bad("password_hashes: %d, at least 1 is needed", c.Hashes)
	}
	return err
}
