package account

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"sync"
	"time"

	"atrium/storage"
)

// Bounds of the guard.
const (
	maxSuspects    = 50_000 // networks and accounts with failures that are remembered
	maxFriends     = 50_000 // pairs of network and account with a success that are remembered
	friendFor      = 30 * 24 * time.Hour
	maxInFlight    = 64              // logins under way from one network
	maxAccountWait = 2 * time.Second // the longest wait that failures from elsewhere cause
)

// guard slows guessing down. It counts failures by network (an IPv4 address,
// an IPv6 /64) and by account. A network with too many is locked out
// for a time; an account never is: logins to one under attack wait up to
// two seconds, and not even that from where its owner logged in before. Failures
// are half forgotten every LockFor.
type guard struct {
	cfg *Config

	mu       *sync.Mutex
	networks map[netip.Prefix]*suspect
	accounts map[string]*suspect // by what was typed as login, canonical
	friends  map[friend]time.Time
}

// suspect is one that failures are counted of.
type suspect struct {
	failures float64   // as of last
	last     time.Time // of the last failure
	inFlight int       // logins under way
}

// friend is an account and a network from which it has logged in.
type friend struct {
	network netip.Prefix
	account storage.AccountID
}

func newGuard(cfg Config) guard {
	return guard{
		cfg: &cfg, mu: &sync.Mutex{},
		networks: map[netip.Prefix]*suspect{}, accounts: map[string]*suspect{}, friends: map[friend]time.Time{},
	}
}

// network is what counts as one address; invalid for the machine itself.
func network(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}

func (g *guard) trusts(a netip.Addr) bool {
	if !a.IsValid() {
		return true
	}
	a = a.Unmap().WithZone("")
	for _, p := range g.cfg.Trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// now returns the failures that count now.
func (s *suspect) now(half time.Duration) float64 {
	if s == nil || s.failures == 0 {
		return 0
	}
	return s.failures * math.Exp2(-float64(time.Since(s.last))/float64(half))
}

// admit lets a login begin, after a wait when its account is being guessed at.
// Locked when its network is. The caller calls the function it returns at the end.
func (g *guard) admit(ctx context.Context, remote netip.Addr, e *entry, login string) (func(), error) {
	if g.trusts(remote) {
		return func() {}, nil
	}
	net := network(remote)
	g.mu.Lock()
	known := g.isFriend(net, e)
	s := g.networks[net]
	if s == nil {
		s = &suspect{last: time.Now()}
		makeRoom(g.networks, g.cfg.LockFor)
		g.networks[net] = s
	}
	switch {
	case !known && g.cfg.LockAfter > 0 && s.now(g.cfg.LockFor) >= float64(g.cfg.LockAfter):
		g.mu.Unlock()
		return nil, fmt.Errorf("address %v: %w", net, Locked)
	case s.inFlight >= maxInFlight:
		g.mu.Unlock()
		return nil, fmt.Errorf("address %v: %w", net, Busy)
	}
	var wait time.Duration
	if !known {
		wait = min(g.delay(g.accounts[login].now(g.cfg.LockFor)-2), maxAccountWait)
	}
	s.inFlight++
	g.mu.Unlock()
	done := func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if s.inFlight--; s.inFlight == 0 && s.failures == 0 && g.networks[net] == s {
			delete(g.networks, net)
		}
	}
	if err := sleep(ctx, wait); err != nil {
		done()
		return nil, err
	}
	return done, nil
}

func (g *guard) isFriend(net netip.Prefix, e *entry) bool {
	if e == nil {
		return false
	}
	last, ok := g.friends[friend{net, e.ID}]
	return ok && time.Since(last) < friendFor
}

// delay is what so many failures cost.
func (g *guard) delay(failures float64) time.Duration {
	if failures <= 0 || g.cfg.Delay == 0 {
		return 0
	}
	return time.Duration(min(float64(g.cfg.Delay)*math.Exp2(min(failures, 40)-1), float64(g.cfg.MaxDelay)))
}

// failed counts a failure and waits. repeated is the same wrong password as
// before: it slows down but does not count, a phone with an old password is no attack.
func (g *guard) failed(ctx context.Context, remote netip.Addr, login string, repeated bool) error {
	if g.trusts(remote) {
		return nil
	}
	net := network(remote)
	g.mu.Lock()
	n := count(g.networks, net, g.cfg.LockFor, repeated)
	count(g.accounts, login, g.cfg.LockFor, repeated)
	g.mu.Unlock()
	return sleep(ctx, g.delay(max(n, 1)))
}

// count adds a failure and returns how many there are.
func count[K comparable](m map[K]*suspect, key K, half time.Duration, repeated bool) float64 {
	s := m[key]
	if s == nil {
		s = &suspect{}
		makeRoom(m, half)
		m[key] = s
	}
	n := s.now(half)
	if !repeated {
		n++
		s.failures, s.last = n, time.Now()
	}
	return n
}

// makeRoom takes the least suspicious of a few at random out of a map that is full.
func makeRoom[K comparable](m map[K]*suspect, half time.Duration) {
	if len(m) < maxSuspects {
		return
	}
	var least K
	fewest, n := math.Inf(1), 0
	for key, s := range m {
		if f := s.now(half); s.inFlight == 0 && f < fewest {
			least, fewest = key, f
		}
		if n++; n == 8 {
			break
		}
	}
	if !math.IsInf(fewest, 1) {
		delete(m, least)
	}
}

// succeeded remembers where an account logs in from.
func (g *guard) succeeded(remote netip.Addr, id storage.AccountID) {
	if g.trusts(remote) {
		return
	}
	f := friend{network(remote), id}
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.friends[f]; !ok && len(g.friends) >= maxFriends {
		var oldest friend
		var first time.Time
		n := 0
		for k, t := range g.friends {
			if n == 0 || t.Before(first) {
				oldest, first = k, t
			}
			if n++; n == 8 {
				break
			}
		}
		delete(g.friends, oldest)
	}
	g.friends[f] = time.Now()
}

// sleep waits, or ends with ctx.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
