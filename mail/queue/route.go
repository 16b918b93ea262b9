package queue

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/idna"

	"atrium/mail/resolver"
)

// Security says what TLS a host must have.
type security byte

const (
	plainOnly security = iota // never TLS
	may                       // TLS where it is offered, whatever the certificate
	encrypt                   // TLS, whatever the certificate
	verify                    // TLS with a certificate that the system's authorities vouch for
	dane                      // TLS with a certificate that the DNS vouches for
)

func (s security) String() string {
	return [...]string{"none", "may", "encrypt", "verify", "dane"}[s]
}

// host is one server that mail for a destination may be given to.
type host struct {
	name     string // as the certificate must have it
	port     int
	addrs    []netip.Addr // none: name is dialled as it is
	security security
	implicit bool // TLS from the start
	tlsa     []resolver.TLSA
	names    []string // that a certificate by DANE-TA may have, beside name
	trusted  bool     // its name is known for certain: by DNSSEC, MTA-STS or the configuration (RFC 8689 §4.2.1)
	report   string   // policy type for TLS-RPT: tlsa, sts, no-policy-found
	route    *Route
}

// Bounds of what the DNS may send us to.
const (
	maxHosts = 10
	maxAddrs = 8
)

// routeFor finds the route that the configuration has for a domain; nil: by MX.
func (q *Queue) routeFor(domain string) *Route {
	for pass := range 2 {
		for i := range q.cfg.Routes {
			r := &q.cfg.Routes[i]
			d := strings.ToLower(r.Domain)
			if pass == 0 && d == domain || pass == 1 && strings.HasPrefix(d, ".") && strings.HasSuffix(domain, d) {
				if r.Host == "-" {
					return nil
				}
				return r
			}
		}
	}
	if q.cfg.Smarthost.Host != "" {
		return &q.cfg.Smarthost
	}
	return nil
}

// destination names what mail for a domain is collected under.
func (q *Queue) destination(domain string) (name string, r *Route) {
	if q.cfg.Capture != "" || q.local.Local(domain) {
		return "", nil
	}
	if r = q.routeFor(domain); r != nil {
		return fmt.Sprintf("%s:%d", r.Host, r.port()), r
	}
	return domain, nil
}

func (r *Route) port() int {
	switch {
	case r.Port != 0:
		return r.Port
	case r.TLS == "implicit":
		return 465
	case r.Login != "":
		return 587
	}
	return 25
}

// host is the one that a route names.
func (r *Route) host() host {
	h := host{name: r.Host, port: r.port(), trusted: true, route: r, implicit: r.TLS == "implicit"}
	switch {
	case r.TLS == "never":
		h.security = plainOnly
	case r.TLS == "verify", r.TLS == "implicit", r.TLS == "" && r.Login != "":
		h.security = verify
	default:
		h.security = may
	}
	return h
}

// hosts finds the servers for a domain, the best first, with the TLS that its policy asks for unless that is to be disregarded. The
// Outcome tells why there are none.
func (q *Queue) hosts(ctx context.Context, domain string, policy bool) ([]host, *Outcome) {
	if r := q.routeFor(domain); r != nil {
		return []host{r.host()}, nil
	}
	if strings.HasPrefix(domain, "[") {
		return q.literal(domain)
	}
	mx, err := q.dns.MX(ctx, domain)
	var list []resolver.MX
	switch {
	case err == nil:
		list = mx.Records
	case resolver.Absent(err): // RFC 5321 §5.1: the address is the exchange
		list = []resolver.MX{{Host: domain}}
	case errors.Is(err, resolver.Invalid):
		return nil, &Outcome{Status: "5.1.2", Text: "the domain " + domain + " is no valid name", Words: true}
	default:
		return nil, &Outcome{Status: "4.4.3", Text: "the mail servers of " + domain + " cannot be found now: " + err.Error(), Words: true}
	}
	if len(list) == 1 && list[0].Host == "" { // RFC 7505
		return nil, &Outcome{Code: 556, Status: "5.1.10", Text: "the domain " + domain + " takes no mail", Words: true}
	}
	implicit := err != nil
	list, looped := q.order(list)
	if len(list) == 0 && looped {
		return nil, selfLoop(domain)
	}
	var sts *stsPolicy
	if q.cfg.MTASTS && !implicit && policy {
		sts = q.sts.policy(ctx, domain)
	}
	return q.lookUp(ctx, domain, list, sts, implicit, err == nil && mx.Authentic, policy && q.cfg.DANE && q.cfg.TLS != "never")
}

func selfLoop(domain string) *Outcome {
	return &Outcome{Status: "5.4.6", Text: "the mail servers of " + domain + " lead back to this server, which does not know the domain", Words: true}
}

// order sorts exchanges, at random among equals (RFC 5321 §5.1), and cuts off
// those that are no better than this server.
func (q *Queue) order(list []resolver.MX) (out []resolver.MX, looped bool) {
	out = slices.Clone(list)
	rand.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	slices.SortStableFunc(out, func(a, b resolver.MX) int { return cmp.Compare(a.Preference, b.Preference) })
	for i, mx := range out {
		if strings.EqualFold(mx.Host, q.cfg.Hostname) {
			first := slices.IndexFunc(out, func(x resolver.MX) bool { return x.Preference == out[i].Preference })
			return out[:first], true
		}
	}
	out = slices.DeleteFunc(out, func(mx resolver.MX) bool { return mx.Host == "" })
	if len(out) > maxHosts {
		out = out[:maxHosts]
	}
	return out, false
}

// lookUp finds the addresses of exchanges and what TLS they must have.
func (q *Queue) lookUp(ctx context.Context, domain string, list []resolver.MX, sts *stsPolicy, implicit, authentic, dane bool) ([]host, *Outcome) {
	var out []host
	var last *Outcome
	looped, refused := false, 0
	for _, mx := range list {
		h := host{name: mx.Host, port: q.port, security: q.base(), trusted: authentic, report: "no-policy-found"}
		if sts != nil && sts.mode != "none" {
			h.report = "sts"
			switch {
			case !sts.matches(mx.Host):
				q.tlsrpt.note(domain, "sts", mx.Host, "validation-failure")
				if sts.mode == "enforce" {
					refused++
					continue
				}
			case sts.mode == "enforce":
				h.security, h.trusted = max(h.security, verify), true
			}
		}
		ip, err := q.dns.IP(ctx, mx.Host)
		if err != nil {
			if !resolver.Absent(err) {
				last = &Outcome{Status: "4.4.3", Text: "the address of " + mx.Host + " cannot be found now: " + err.Error(), Words: true}
			} else if last == nil {
				last = q.nowhere(domain, mx.Host, implicit, err)
			}
			continue
		}
		h.addrs = q.addresses(ip.Records)
		if len(h.addrs) < len(ip.Records) && slices.ContainsFunc(ip.Records, q.own) {
			looped = true
			break // what comes after is no better than this server
		}
		if len(h.addrs) == 0 {
			continue
		}
		if dane && ip.Authentic && (authentic || implicit) {
			if o := q.dane(ctx, &h, ip.Name, domain); o != nil {
				last = o
				continue
			}
		}
		out = append(out, h)
	}
	switch {
	case len(out) > 0:
		return out, nil
	case looped:
		return nil, selfLoop(domain)
	case last != nil:
		return nil, last
	case refused > 0:
		return nil, &Outcome{Status: "4.7.5", Text: "none of the mail servers of " + domain + " is one that the domain's own policy (MTA-STS) names", Words: true}
	}
	return nil, &Outcome{Status: "4.4.4", Text: "no mail server of " + domain + " has an address that can be reached", Words: true}
}

// nowhere is the outcome for an exchange that has no address at all.
func (q *Queue) nowhere(domain, name string, implicit bool, err error) *Outcome {
	if !implicit {
		return &Outcome{Status: "4.4.4", Text: "the mail server " + name + " of " + domain + " has no address", Words: true}
	}
	if errors.Is(err, resolver.NXDomain) {
		return &Outcome{Status: "5.1.2", Text: "there is no domain " + domain, Words: true}
	}
	return &Outcome{Status: "5.1.2", Text: "the domain " + domain + " has no mail server", Words: true}
}

// base is the security that the configuration asks for.
func (q *Queue) base() security {
	switch q.cfg.TLS {
	case "never":
		return plainOnly
	case "verify":
		return verify
	}
	return may
}

// addresses takes those that may be used, IPv6 and IPv4 in turn.
func (q *Queue) addresses(all []netip.Addr) []netip.Addr {
	var six, four, out []netip.Addr
	for _, a := range all {
		switch {
		case q.own(a):
		case a.Is4() || a.Is4In6():
			four = append(four, a.Unmap())
		case q.cfg.IPv6:
			six = append(six, a)
		}
	}
	for i := 0; i < max(len(six), len(four)) && len(out) < maxAddrs; i++ {
		if i < len(six) {
			out = append(out, six[i])
		}
		if i < len(four) {
			out = append(out, four[i])
		}
	}
	return out
}

// isOwn tells whether an address is this machine's.
func isOwn(a netip.Addr) bool {
	if a.IsLoopback() || a.IsUnspecified() {
		return true
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, x := range all {
		if n, ok := x.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok && ip.Unmap() == a.Unmap() {
				return true
			}
		}
	}
	return false
}

// literal is a domain such as [192.0.2.1] or [IPv6:2001:db8::1], RFC 5321 §4.1.3.
func (q *Queue) literal(domain string) ([]host, *Outcome) {
	text := strings.TrimSuffix(strings.TrimPrefix(domain, "["), "]")
	a, err := netip.ParseAddr(strings.TrimPrefix(text, "ipv6:"))
	if err != nil {
		return nil, &Outcome{Status: "5.1.2", Text: domain + " is no address of a server", Words: true}
	}
	if q.own(a) {
		return nil, selfLoop(domain)
	}
	return []host{{name: a.String(), port: q.port, addrs: []netip.Addr{a}, security: q.base(), report: "no-policy-found"}}, nil
}

// ascii writes the domain of an address in A-labels; ok is false when that cannot be done.
func ascii(address string) (string, bool) {
	at := strings.LastIndexByte(address, '@')
	if isASCII(address) {
		return address, true
	}
	d, err := idna.Lookup.ToASCII(address[at+1:])
	return address[:at+1] + d, err == nil && isASCII(address[:at])
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// clientTLS is the configuration for a host; checked is told how the certificate did.
func (q *Queue) clientTLS(h *host, checked func(error)) *tls.Config {
	name := h.name
	return &tls.Config{
		ServerName: name, MinVersion: tls.VersionTLS12, RootCAs: q.roots,
		// The check is ours: which one it is depends on the host, and where none
		// is asked for its result is of interest all the same.
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			err := q.certificate(h, &s)
			checked(err)
			if h.security < verify {
				return nil
			}
			return err
		},
	}
}
