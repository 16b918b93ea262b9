package account

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"time"
)

// Config has the directory's settings.
type Config struct {
	Domain     string // default domain: bare names log in under it; always local
	Separators string // each of these characters begins the detail of a local part; "": none
	Postmaster string // who gets mail to postmaster when no one has that address; "": the oldest account

	Memory          int           // argon2id memory, KiB
	Passes          int           // argon2id passes over it
	Lanes           int           // argon2id lanes, computed side by side: the same work, done sooner where there are cores
	ScramIterations int           // PBKDF2 iterations of SCRAM keys, see below; 0: none are kept, SCRAM is not offered
	Hashes          int           // password hashes computed at once; each takes Memory
	HashWait        time.Duration // how long a login waits for its turn at most
	Remember        time.Duration // how long a verified password is remembered in memory; 0: not at all

	Delay     time.Duration  // first delay of a failed login, doubled by each further one
	MaxDelay  time.Duration  // the longest delay
	LockAfter int            // failures from one address after which it is locked out; 0: never
	LockFor   time.Duration  // for how long; failures are half forgotten after the same time
	Trusted   []netip.Prefix // addresses that are never delayed or locked out
}

// DefaultConfig returns settings by OWASP's advice (argon2id, 7 MiB, 5
// passes) in two lanes. SCRAM keys have 60,000 iterations: Cyrus' library, which mbsync and
// others use, refuses more than 65,536.
func DefaultConfig() Config {
	return Config{
		Domain: "localhost", Separators: "+",
		Memory: 7 * 1024, Passes: 5, Lanes: 2, ScramIterations: 60_000,
		Hashes: min(4, runtime.NumCPU()), HashWait: 10 * time.Second,
		Remember: time.Hour,
		Delay:    250 * time.Millisecond, MaxDelay: 8 * time.Second, LockAfter: 20, LockFor: 10 * time.Minute,
		Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
	}
}

// Validate reports all settings that cannot be used.
func (c *Config) Validate() (err error) {
	bad := func(format string, args ...any) { err = errors.Join(err, fmt.Errorf(format, args...)) }
	if _, e := canonicalDomain(c.Domain); e != nil {
		bad("domain: %w", e)
	}
	if strings.ContainsAny(c.Separators, "@.\"\\") {
		bad("separators: %q, neither at-sign, dot, quote nor backslash can be one", c.Separators)
	}
	if c.Memory < 8 || c.Memory > 4<<20 {
		bad("memory: %d KiB, must be 8 to 4194304", c.Memory)
	}
	if c.Passes < 1 || c.Passes > 100 {
		bad("passes: %d, must be 1 to 100", c.Passes)
	}
	if c.Lanes < 1 || c.Lanes > maxThreads {
		bad("lanes: %d, must be 1 to %d", c.Lanes, maxThreads)
	}
	if c.ScramIterations != 0 && (c.ScramIterations < 4096 || c.ScramIterations > 10_000_000) {
		bad("scram_iterations: %d, must be 0 or 4096 (RFC 7677 §4) to 10000000", c.ScramIterations)
	}
	if c.Hashes < 1 {
		bad("hashes: %d, at least 1 is needed", c.Hashes)
	}
	for _, d := range []struct {
		key   string
		value time.Duration
		least time.Duration
	}{
		{"hash_wait", c.HashWait, time.Millisecond}, {"remember", c.Remember, 0}, {"delay", c.Delay, 0},
		{"max_delay", c.MaxDelay, c.Delay}, {"lock_for", c.LockFor, time.Second},
	} {
		if d.value < d.least {
			bad("%s: %v, at least %v is needed", d.key, d.value, d.least)
		}
	}
	if c.LockAfter < 0 {
		bad("lock_after: %d is negative", c.LockAfter)
	}
	return err
}
