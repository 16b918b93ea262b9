package verify

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"

	"blitiri.com.ar/go/spf"

	"atrium/mail/authres"
	"atrium/mail/resolver"
)

// checkSPF is RFC 7208 for the reverse-path, or for the client's name when that is null (§2.4).
func (v *Verifier) checkSPF(ctx context.Context, in *Input) (r authres.Result, domain string) {
	r = authres.Result{Method: "spf"}
	prop := authres.Prop{Type: "smtp", Name: "mailfrom", Value: in.From}
	if _, d, ok := cutLast(in.From); ok {
		domain = d
	} else {
		domain = in.Helo
		prop = authres.Prop{Type: "smtp", Name: "helo", Value: in.Helo}
	}
	r.Props = []authres.Prop{prop}
	if !in.Remote.IsValid() || !isHost(domain) {
		r.Outcome = authres.None // RFC 7208 §4.3
		return r, ""
	}
	sender := "postmaster@" + domain
	if local, _, ok := cutLast(in.From); ok && isLocalPart(local) {
		sender = local + "@" + domain
	}
	got, err := spf.CheckHostWithSender(net.IP(in.Remote.Unmap().AsSlice()), in.Helo, sender,
		spf.WithContext(ctx), spf.WithResolver(spfResolver{v.dns}))
	r.Outcome = string(got)
	if err != nil && (got == spf.PermError || got == spf.TempError) {
		r.Reason = err.Error()
	}
	switch r.Outcome {
	case authres.Pass, authres.Fail, authres.SoftFail, authres.Neutral, authres.None, authres.TempError, authres.PermError:
	default:
		r.Outcome = authres.PermError
	}
	return r, strings.ToLower(domain)
}

// isLocalPart tells a local part that may stand in a macro: others count as postmaster.
func isLocalPart(s string) bool {
	return s != "" && len(s) <= 255 && !strings.ContainsAny(s, "@\"\\ \t\r\n%")
}

// isHost tells whether a name is one of a host in the DNS: at least two labels, no literal.
func isHost(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if len(s) > 253 || !strings.Contains(s, ".") || strings.ContainsAny(s, "[]:@/\\\" \t%") {
		return false
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return false
	}
	for l := range strings.SplitSeq(s, ".") {
		if l == "" || len(l) > 63 {
			return false
		}
	}
	return true
}

func cutLast(address string) (local, domain string, ok bool) {
	i := strings.LastIndexByte(address, '@')
	if i < 0 {
		return "", "", false
	}
	return address[:i], address[i+1:], true
}

// spfResolver asks our DNS in the words of package net, which the library speaks.
type spfResolver struct{ r resolver.Resolver }

// asNet turns an error into one of package net.
func asNet(name string, err error) error {
	if err == nil {
		return nil
	}
	return &net.DNSError{
		Err: err.Error(), Name: name,
		IsNotFound:  resolver.Absent(err) || errors.Is(err, resolver.Invalid),
		IsTemporary: !resolver.Absent(err) && !errors.Is(err, resolver.Invalid),
	}
}

func (s spfResolver) LookupTXT(ctx context.Context, name string) ([]string, error) {
	a, err := s.r.TXT(ctx, name)
	return a.Records, asNet(name, err)
}

func (s spfResolver) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	a, err := s.r.MX(ctx, name)
	var out []*net.MX
	for _, m := range a.Records {
		out = append(out, &net.MX{Host: m.Host, Pref: m.Preference})
	}
	return out, asNet(name, err)
}

func (s spfResolver) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	a, err := s.r.IP(ctx, host)
	var out []net.IPAddr
	for _, ip := range a.Records {
		out = append(out, net.IPAddr{IP: net.IP(ip.Unmap().AsSlice())})
	}
	return out, asNet(host, err)
}

func (s spfResolver) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return nil, asNet(addr, resolver.Invalid)
	}
	a, err := s.r.PTR(ctx, ip)
	return a.Records, asNet(addr, err)
}

// maxPTR bounds the names of an address that are looked at (as RFC 7208 §4.6.4 does).
const maxPTR = 10

// checkReverse is iprev, RFC 8601 §3: a name of the address leads back to it.
func (v *Verifier) checkReverse(ctx context.Context, ip netip.Addr) (r authres.Result, name string) {
	ip = ip.Unmap().WithZone("")
	r = authres.Result{Method: "iprev", Outcome: authres.Fail, Props: []authres.Prop{{Type: "policy", Name: "iprev", Value: ip.String()}}}
	a, err := v.dns.PTR(ctx, ip)
	switch {
	case resolver.Absent(err), errors.Is(err, resolver.Invalid):
		r.Reason = "no name"
		return r, ""
	case err != nil:
		r.Outcome = authres.TempError
		return r, ""
	}
	for _, host := range a.Records[:min(len(a.Records), maxPTR)] {
		back, err := v.dns.IP(ctx, host)
		if err != nil && !resolver.Absent(err) && !errors.Is(err, resolver.Invalid) {
			r.Outcome = authres.TempError
		}
		for _, b := range back.Records {
			if b.Unmap() == ip {
				r.Outcome = authres.Pass
				return r, host
			}
		}
	}
	return r, ""
}
