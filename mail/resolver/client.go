package resolver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Config says whom to ask.
type Config struct {
	Servers []string      `toml:"servers"`  // "address" or "address:port", asked in this order; none: those of /etc/resolv.conf
	TrustAD bool          `toml:"trust_ad"` // these servers validate DNSSEC, and the way to them is safe: DANE needs it; one on this machine is always believed
	Timeout time.Duration `toml:"timeout"`  // for one server's answer
	Tries   int           `toml:"tries"`    // rounds over all servers
	Cache   int           `toml:"cache"`    // answers kept, 0: none
}

// DefaultConfig returns settings that serve everyone.
func DefaultConfig() Config { return Config{Timeout: 5 * time.Second, Tries: 2, Cache: 10000} }

// Validate reports all mistakes at once.
func (c *Config) Validate() (err error) {
	for _, s := range c.Servers {
		if _, e := serverAddress(s); e != nil {
			err = errors.Join(err, fmt.Errorf(`dns.servers: %q, must be "address" or "address:port"`, s))
		}
	}
	if c.Timeout <= 0 || c.Timeout > time.Minute {
		err = errors.Join(err, fmt.Errorf("dns.timeout: %v, must be above 0 and at most 1m", c.Timeout))
	}
	if c.Tries < 1 || c.Tries > 10 {
		err = errors.Join(err, fmt.Errorf("dns.tries: %d, must be 1 to 10", c.Tries))
	}
	if c.Cache < 0 {
		err = errors.Join(err, fmt.Errorf("dns.cache: %d is negative", c.Cache))
	}
	return err
}

// serverAddress reads "address" or "address:port".
func serverAddress(s string) (netip.AddrPort, error) {
	if ip, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return netip.AddrPortFrom(ip, 53), nil
	}
	return netip.ParseAddrPort(s)
}

// resolvConf is where the system says whom to ask.
const resolvConf = "/etc/resolv.conf"

// Client is a Resolver that asks servers. It may be used by many goroutines.
type Client struct {
	questions
	cfg     Config
	servers []netip.AddrPort // none: asked for anew from the system's file
	cache   cache
}

// New returns a Client.
func New(cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, cache: cache{max: cfg.Cache}}
	c.questions = questions{c}
	for _, s := range cfg.Servers {
		a, err := serverAddress(s)
		if err != nil {
			return nil, err
		}
		c.servers = append(c.servers, a)
	}
	return c, nil
}

// whom returns the servers to ask, and whether their word on DNSSEC counts.
func (c *Client) whom() ([]netip.AddrPort, bool) {
	if len(c.servers) > 0 {
		return c.servers, c.cfg.TrustAD
	}
	text, err := os.ReadFile(resolvConf)
	if err != nil {
		return []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:53")}, c.cfg.TrustAD // resolv.conf(5)
	}
	servers, trust := readResolvConf(string(text))
	return servers, trust || c.cfg.TrustAD
}

// readResolvConf takes the servers out of resolv.conf(5), at most three as the system does.
func readResolvConf(text string) (servers []netip.AddrPort, trust bool) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		switch f[0] {
		case "nameserver":
			if a, err := serverAddress(f[1]); err == nil && len(servers) < 3 {
				servers = append(servers, a)
			}
		case "options":
			for _, o := range f[1:] {
				trust = trust || o == "trust-ad"
			}
		}
	}
	if len(servers) == 0 {
		servers = append(servers, netip.MustParseAddrPort("127.0.0.1:53"))
	}
	return servers, trust
}

// lookup answers from what is kept, else asks each server in turn.
func (c *Client) lookup(ctx context.Context, name string, qtype uint16) (found, error) {
	q := question{name, qtype}
	if k, ok := c.cache.get(q, time.Now()); ok {
		return k.found, k.err
	}
	servers, trust := c.whom()
	var last error
	for range c.cfg.Tries {
		for _, s := range servers {
			m, err := c.exchange(ctx, s, name, qtype)
			if err != nil {
				if ctx.Err() != nil {
					return found{}, fmt.Errorf("%w: %w", Temporary, ctx.Err())
				}
				last = err
				continue
			}
			f, ttl, err := read(m, name, qtype)
			if errors.Is(err, Temporary) {
				last = err
				continue
			}
			f.authentic = m.AuthenticatedData && (trust || s.Addr().IsLoopback())
			c.cache.put(q, kept{found: f, err: err}, ttl, time.Now())
			return f, err
		}
	}
	if errors.Is(last, Temporary) {
		return found{}, last
	}
	return found{}, fmt.Errorf("%w: %w", Temporary, last)
}

// exchange asks one server, by TCP when the answer does not fit a datagram (RFC 7766 §5).
func (c *Client) exchange(ctx context.Context, s netip.AddrPort, name string, qtype uint16) (*dns.Msg, error) {
	m := new(dns.Msg)
	m.SetQuestion(name, qtype)
	m.SetEdns0(1232, false)
	m.AuthenticatedData = true // RFC 6840 §5.7: tell whether it is authentic
	for _, network := range []string{"udp", "tcp"} {
		client := dns.Client{Net: network, Timeout: c.cfg.Timeout}
		r, _, err := client.ExchangeContext(ctx, m, s.String())
		if network == "udp" && (err == nil && r.Truncated || errors.As(err, new(*dns.Error))) {
			continue
		}
		if err == nil && (len(r.Question) != 1 || !strings.EqualFold(r.Question[0].Name, name) || r.Question[0].Qtype != qtype) {
			err = errors.New("answer to another question")
		}
		if err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				err = errors.New("timed out")
			}
			return nil, fmt.Errorf("server %v: %w", s, err)
		}
		return r, nil
	}
	return nil, fmt.Errorf("server %v: no answer", s)
}

// read takes the records out of an answer, and tells how long it may be kept.
func read(m *dns.Msg, name string, qtype uint16) (found, time.Duration, error) {
	switch m.Rcode {
	case dns.RcodeSuccess, dns.RcodeNameError:
	default:
		code := dns.RcodeToString[m.Rcode]
		if code == "" {
			code = fmt.Sprintf("RCODE%d", m.Rcode)
		}
		return found{}, 0, fmt.Errorf("%w: %s", Temporary, code)
	}
	f := collect(m.Answer, name, qtype)
	if len(f.rrs) > 0 {
		return f, f.ttl, nil
	}
	var keep time.Duration
	for _, rr := range m.Ns {
		if soa, ok := rr.(*dns.SOA); ok { // RFC 2308 §5
			keep = min(time.Duration(min(soa.Minttl, soa.Hdr.Ttl))*time.Second, maxAbsent, f.ttl)
		}
	}
	if m.Rcode == dns.RcodeNameError {
		return f, keep, NXDomain
	}
	return f, keep, NoData
}
