package queue

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"atrium/internal/outbound"
	"atrium/mail/resolver"
	"atrium/storage"
)

// stsPolicy is a domain's word on its mail servers' TLS, RFC 8461 §3.2.
type stsPolicy struct {
	mode   string // enforce, testing, none
	mx     []string
	maxAge time.Duration

	id      string // of the record it was fetched for
	fetched time.Time
}

// Bounds of a policy.
const (
	maxPolicy    = 64 << 10 // bytes (§3.3)
	maxPolicyMX  = 100
	maxPolicyAge = 31557600 * time.Second // §3.2: a year
)

// errPolicy is a policy that cannot be read.
var errPolicy = errors.New("no valid MTA-STS policy")

// parsePolicy reads a policy, RFC 8461 §3.2.
func parsePolicy(text string) (*stsPolicy, error) {
	p := &stsPolicy{}
	version, age := false, false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("%w: %.80q", errPolicy, line)
		}
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "version":
			if version || value != "STSv1" {
				return nil, fmt.Errorf("%w: version %.20q", errPolicy, value)
			}
			version = true
		case "mode":
			if p.mode == "" {
				p.mode = value
			}
		case "max_age":
			n, err := strconv.ParseUint(value, 10, 40)
			if err != nil {
				return nil, fmt.Errorf("%w: max_age %.20q", errPolicy, value)
			}
			if !age {
				p.maxAge = min(time.Duration(min(n, 1<<32))*time.Second, maxPolicyAge)
			}
			age = true
		case "mx":
			if len(p.mx) == maxPolicyMX {
				return nil, fmt.Errorf("%w: too many names", errPolicy)
			}
			p.mx = append(p.mx, strings.ToLower(strings.TrimSuffix(value, ".")))
		}
	}
	switch {
	case !version || !age:
		return nil, fmt.Errorf("%w: version or max_age is missing", errPolicy)
	case p.mode != "enforce" && p.mode != "testing" && p.mode != "none":
		return nil, fmt.Errorf("%w: mode %.20q", errPolicy, p.mode)
	case p.mode != "none" && len(p.mx) == 0:
		return nil, fmt.Errorf("%w: no mx", errPolicy)
	}
	return p, nil
}

// matches tells whether the policy names a host, RFC 8461 §4.1: "*." stands for one label.
func (p *stsPolicy) matches(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, m := range p.mx {
		if m == host {
			return true
		}
		if rest, ok := strings.CutPrefix(m, "*."); ok {
			if _, parent, ok := strings.Cut(host, "."); ok && parent == rest {
				return true
			}
		}
	}
	return false
}

// parseRecord reads the TXT record of _mta-sts, RFC 8461 §3.1. There must be one alone.
func parseRecord(records []string) (id string, ok bool) {
	n := 0
	for _, r := range records {
		version, rest, _ := strings.Cut(r, ";")
		if strings.TrimSpace(version) != "v=STSv1" {
			continue
		}
		n++
		for field := range strings.SplitSeq(rest, ";") {
			if k, v, _ := strings.Cut(strings.TrimSpace(field), "="); k == "id" {
				id = v
			}
		}
	}
	if len(id) == 0 || len(id) > 32 || strings.ContainsFunc(id, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9')
	}) {
		return "", false
	}
	return id, n == 1
}

// stsCache fetches policies and keeps them, in the store too: a policy that was seen once holds
// for its time, whoever stands between us and the domain later (§5.1).
type stsCache struct {
	store  *storage.Store
	dns    resolver.Resolver
	client *http.Client
	log    *slog.Logger
	public func(netip.Addr) bool // addresses that may be asked
	port   string                // for tests; "": the URL's

	mu   sync.Mutex
	have map[string]*stsPolicy
	miss map[string]time.Time // when a fetch failed last
}

// maxPolicies bounds the cache.
const maxPolicies = 10000

func newSTS(store *storage.Store, dns resolver.Resolver, log *slog.Logger) *stsCache {
	c := &stsCache{store: store, dns: dns, log: log, public: outbound.Public, have: map[string]*stsPolicy{}, miss: map[string]time.Time{}}
	dialer := &net.Dialer{Timeout: 15 * time.Second}
	c.client = &http.Client{
		Timeout: time.Minute,
		// §3.3: no redirects; the certificate counts.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: 15 * time.Second,
			DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				name, port, err := net.SplitHostPort(addr)
				if err != nil {
					return nil, err
				}
				ips, err := dns.IP(ctx, name)
				if err != nil {
					return nil, err
				}
				if c.port != "" {
					port = c.port
				}
				err = outbound.Refused
				for _, ip := range ips.Records[:min(len(ips.Records), 4)] {
					if !c.public(ip) {
						continue
					}
					var conn net.Conn
					if conn, err = dialer.DialContext(ctx, network, net.JoinHostPort(ip.String(), port)); err == nil {
						return conn, nil
					}
				}
				return nil, err
			},
		},
	}
	return c
}

// policy returns a domain's policy, nil when there is none. One that was fetched
// holds until its age is over, whatever becomes of the record (§5.1).
func (c *stsCache) policy(ctx context.Context, domain string) *stsPolicy {
	now := time.Now()
	c.mu.Lock()
	old := c.have[domain]
	missed := c.miss[domain]
	c.mu.Unlock()
	if old == nil {
		old = c.load(ctx, domain)
	}
	if old != nil && now.After(old.fetched.Add(old.maxAge)) {
		old = nil
	}
	txt, err := c.dns.TXT(ctx, "_mta-sts."+domain)
	if err != nil {
		return old
	}
	id, ok := parseRecord(txt.Records)
	if !ok || old != nil && old.id == id || now.Sub(missed) < 5*time.Minute {
		return old
	}
	p, err := c.fetch(ctx, domain)
	if err == nil {
		p.id, p.fetched = id, now
		c.save(ctx, domain, p)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.log.Warn("MTA-STS policy could not be fetched", "domain", domain, "error", err)
		if len(c.miss) >= maxPolicies {
			clear(c.miss)
		}
		c.miss[domain] = now
		return old
	}
	c.keep(domain, p)
	delete(c.miss, domain)
	return p
}

// keep remembers a policy, with c.mu held.
func (c *stsCache) keep(domain string, p *stsPolicy) {
	if len(c.have) >= maxPolicies {
		for d := range c.have {
			delete(c.have, d)
			break
		}
	}
	c.have[domain] = p
}

// recordSTS is a policy in the store: a version byte and JSON.
const recordSTS = "mtasts/"

type stsRecord struct {
	Mode    string
	MX      []string
	MaxAge  int64 // seconds
	ID      string
	Fetched int64 // Unix seconds
}

// load reads a policy that was fetched before a restart.
func (c *stsCache) load(ctx context.Context, domain string) *stsPolicy {
	var r stsRecord
	err := c.store.View(ctx, storage.System, func(v *storage.View) error {
		b, err := v.Record(recordSTS + domain)
		if err != nil {
			return err
		}
		if len(b) == 0 || b[0] != recordVersion {
			return storage.NotFound
		}
		return json.Unmarshal(b[1:], &r)
	})
	if err != nil {
		if !errors.Is(err, storage.NotFound) && ctx.Err() == nil {
			c.log.Error("MTA-STS policy cannot be read", "domain", domain, "error", err)
		}
		return nil
	}
	p := &stsPolicy{mode: r.Mode, mx: r.MX, maxAge: time.Duration(r.MaxAge) * time.Second, id: r.ID, fetched: time.Unix(r.Fetched, 0)}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep(domain, p)
	return p
}

func (c *stsCache) save(ctx context.Context, domain string, p *stsPolicy) {
	b, err := json.Marshal(stsRecord{p.mode, p.mx, int64(p.maxAge / time.Second), p.id, p.fetched.Unix()})
	if err == nil {
		err = c.store.Update(ctx, storage.System, func(tx *storage.Tx) error {
			return tx.SetRecord(recordSTS+domain, append([]byte{recordVersion}, b...))
		})
	}
	if err != nil && ctx.Err() == nil {
		c.log.Error("MTA-STS policy cannot be written", "domain", domain, "error", err)
	}
}

// fetch gets a policy, RFC 8461 §3.3.
func (c *stsCache) fetch(ctx context.Context, domain string) (*stsPolicy, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://mta-sts."+domain+"/.well-known/mta-sts.txt", nil)
	if err != nil {
		return nil, err
	}
	r, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: HTTP status %d", errPolicy, r.StatusCode)
	}
	if ct, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); !strings.EqualFold(strings.TrimSpace(ct), "text/plain") {
		return nil, fmt.Errorf("%w: it is %q, not text/plain", errPolicy, ct)
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, maxPolicy+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxPolicy {
		return nil, fmt.Errorf("%w: too long", errPolicy)
	}
	return parsePolicy(string(b))
}
