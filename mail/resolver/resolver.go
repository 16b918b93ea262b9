package resolver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/idna"
)

// Resolver answers questions about names. Names may be in U-labels; those in
// answers are in lower-case A-labels without the dot at the end. Errors wrap a
// Kind or the context's.
type Resolver interface {
	TXT(ctx context.Context, name string) (Answer[string], error)      // each record with its strings joined
	MX(ctx context.Context, name string) (Answer[MX], error)           // as they come; see RFC 7505 for a Host of ""
	IP(ctx context.Context, name string) (Answer[netip.Addr], error)   // AAAA and A, in that order
	PTR(ctx context.Context, ip netip.Addr) (Answer[string], error)    // names of an address
	TLSA(ctx context.Context, name string) (Answer[TLSA], error)       // name with its labels for port and protocol
	CNAME(ctx context.Context, name string) (Answer[string], error)    // the one target
	A(ctx context.Context, name string) (Answer[netip.Addr], error)    // IPv4 alone
	AAAA(ctx context.Context, name string) (Answer[netip.Addr], error) // IPv6 alone
}

// Answer is what was found: at least one record.
type Answer[T any] struct {
	Records   []T           // not to be changed
	Name      string        // that has them, at the end of aliases
	Authentic bool          // by DNSSEC, all the way from the question
	TTL       time.Duration // of the shortest-lived record
}

// MX is a mail exchange, RFC 5321 §5.1. Host is "" for the null MX (RFC 7505).
type MX struct {
	Preference uint16
	Host       string
}

// TLSA is a certificate association, RFC 6698 §2.1.
type TLSA struct {
	Usage, Selector, Matching uint8
	Data                      []byte
}

// Kind is a class of failure.
type Kind string

func (k Kind) Error() string { return string(k) }

const (
	// NXDomain means that there is no such name, nor any below it.
	NXDomain Kind = "no such domain"
	// NoData means that the name has no record of the type.
	NoData Kind = "no such record"
	// Temporary means that no server gave an answer that can be used: a later attempt may.
	Temporary Kind = "DNS failure"
	// Invalid means that the name cannot be asked for.
	Invalid Kind = "no domain name"
)

// Absent tells whether an error says for certain that there is no such record.
func Absent(err error) bool { return errors.Is(err, NXDomain) || errors.Is(err, NoData) }

// canonical is a name as it goes on the wire: lower-case A-labels with the dot.
func canonical(name string) (string, error) {
	plain := strings.TrimSuffix(name, ".")
	if a, err := idna.Lookup.ToASCII(plain); err == nil {
		plain = a
	} else if strings.ContainsFunc(plain, func(r rune) bool { return r >= 0x80 }) {
		return "", fmt.Errorf("%q: %w", name, Invalid) // names with "_" and their like are no host names, and asked as they are
	}
	out := dns.Fqdn(strings.ToLower(plain))
	if _, ok := dns.IsDomainName(out); !ok || plain == "" || len(plain) > 253 {
		return "", fmt.Errorf("%q: %w", name, Invalid)
	}
	return out, nil
}

// plain is a name as answers have it.
func plain(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// source answers one question with all records of a type.
type source interface {
	lookup(ctx context.Context, name string, qtype uint16) (found, error)
}

// found is an answer before it is given its type.
type found struct {
	rrs       []dns.RR
	name      string
	authentic bool
	ttl       time.Duration
}

// questions makes a Resolver of a source.
type questions struct{ source }

func ask[T any](ctx context.Context, s source, name string, qtype uint16, read func(dns.RR) (T, bool)) (a Answer[T], err error) {
	q, err := canonical(name)
	if err != nil {
		return a, err
	}
	f, err := s.lookup(ctx, q, qtype)
	if err != nil {
		return a, fmt.Errorf("%s %s: %w", dns.TypeToString[qtype], plain(q), err)
	}
	a = Answer[T]{Name: plain(f.name), Authentic: f.authentic, TTL: f.ttl}
	for _, rr := range f.rrs {
		if v, ok := read(rr); ok {
			a.Records = append(a.Records, v)
		}
	}
	if len(a.Records) == 0 {
		return a, fmt.Errorf("%s %s: %w", dns.TypeToString[qtype], plain(q), NoData)
	}
	return a, nil
}

// TXT is Resolver's.
func (q questions) TXT(ctx context.Context, name string) (Answer[string], error) {
	return ask(ctx, q.source, name, dns.TypeTXT, func(rr dns.RR) (string, bool) {
		t, ok := rr.(*dns.TXT)
		if !ok {
			return "", false
		}
		var b strings.Builder
		for _, s := range t.Txt {
			b.WriteString(unescape(s))
		}
		return b.String(), true
	})
}

// MX is Resolver's.
func (q questions) MX(ctx context.Context, name string) (Answer[MX], error) {
	return ask(ctx, q.source, name, dns.TypeMX, func(rr dns.RR) (MX, bool) {
		m, ok := rr.(*dns.MX)
		if !ok {
			return MX{}, false
		}
		return MX{m.Preference, plain(m.Mx)}, true
	})
}

// A is Resolver's.
func (q questions) A(ctx context.Context, name string) (Answer[netip.Addr], error) {
	return ask(ctx, q.source, name, dns.TypeA, func(rr dns.RR) (netip.Addr, bool) {
		a, ok := rr.(*dns.A)
		if !ok {
			return netip.Addr{}, false
		}
		ip, ok := netip.AddrFromSlice(a.A.To4())
		return ip, ok
	})
}

// AAAA is Resolver's.
func (q questions) AAAA(ctx context.Context, name string) (Answer[netip.Addr], error) {
	return ask(ctx, q.source, name, dns.TypeAAAA, func(rr dns.RR) (netip.Addr, bool) {
		a, ok := rr.(*dns.AAAA)
		if !ok {
			return netip.Addr{}, false
		}
		return netip.AddrFromSlice(a.AAAA.To16())
	})
}

// IP is Resolver's. One family that fails for a time does not hide the other.
func (q questions) IP(ctx context.Context, name string) (Answer[netip.Addr], error) {
	six, err6 := q.AAAA(ctx, name)
	four, err4 := q.A(ctx, name)
	switch {
	case err6 != nil && err4 != nil:
		if Absent(err6) {
			return four, err4 // the worse of the two: temporary before absent
		}
		return six, err6
	case err6 != nil:
		return four, nil
	case err4 != nil:
		return six, nil
	}
	return Answer[netip.Addr]{
		Records: append(append([]netip.Addr(nil), six.Records...), four.Records...), Name: four.Name,
		Authentic: four.Authentic && six.Authentic, TTL: min(four.TTL, six.TTL),
	}, nil
}

// PTR is Resolver's.
func (q questions) PTR(ctx context.Context, ip netip.Addr) (Answer[string], error) {
	name, err := dns.ReverseAddr(ip.Unmap().WithZone("").String())
	if err != nil {
		return Answer[string]{}, fmt.Errorf("%v: %w", ip, Invalid)
	}
	return ask(ctx, q.source, name, dns.TypePTR, func(rr dns.RR) (string, bool) {
		p, ok := rr.(*dns.PTR)
		if !ok {
			return "", false
		}
		return plain(p.Ptr), true
	})
}

// TLSA is Resolver's.
func (q questions) TLSA(ctx context.Context, name string) (Answer[TLSA], error) {
	return ask(ctx, q.source, name, dns.TypeTLSA, readTLSA)
}

// CNAME is Resolver's.
func (q questions) CNAME(ctx context.Context, name string) (Answer[string], error) {
	return ask(ctx, q.source, name, dns.TypeCNAME, func(rr dns.RR) (string, bool) {
		c, ok := rr.(*dns.CNAME)
		if !ok {
			return "", false
		}
		return plain(c.Target), true
	})
}
