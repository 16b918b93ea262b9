package queue

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"atrium/mail/resolver"
)

// dane looks for TLSA records of a host (RFC 7672 §2.2). The Outcome tells that
// the host must not be used for now.
func (q *Queue) dane(ctx context.Context, h *host, alias, domain string) *Outcome {
	// §2.2.3: at the end of the host's aliases first, then at its own name.
	names := []string{alias, h.name}
	if alias == h.name {
		names = names[:1]
	}
	for _, name := range names {
		a, err := q.dns.TLSA(ctx, fmt.Sprintf("_%d._tcp.%s", q.tlsaPort, name))
		switch {
		case resolver.Absent(err):
			continue
		case err != nil: // §2.1: no answer is no leave to go on without
			q.tlsrpt.note(domain, "tlsa", h.name, "dnssec-invalid")
			return &Outcome{Status: "4.7.5", Text: "what certificate " + h.name + " must have cannot be found now: " + err.Error(), Words: true}
		case !a.Authentic:
			continue
		}
		h.report, h.trusted = "tlsa", true
		for _, r := range a.Records {
			if usable(r) {
				h.tlsa = append(h.tlsa, r)
			}
		}
		h.security = max(h.security, encrypt) // §2.2: records none of which can be used still ask for TLS
		if len(h.tlsa) > 0 {
			h.security = dane
			h.names = []string{name, domain}
		}
		return nil
	}
	return nil
}

// usable tells whether a record says something for SMTP, RFC 7672 §3.1.
func usable(r resolver.TLSA) bool {
	return (r.Usage == 2 || r.Usage == 3) && r.Selector <= 1 && len(r.Data) <= 16<<10 &&
		(r.Matching == 0 || r.Matching == 1 && len(r.Data) == sha256.Size || r.Matching == 2 && len(r.Data) == sha512.Size)
}

// errCertificate means that a server's certificate is not the one it must have.
var errCertificate = errors.New("the server's certificate is not trusted")

// certificate checks the certificate of a host.
func (q *Queue) certificate(h *host, s *tls.ConnectionState) error {
	if h.security == dane {
		return checkTLSA(h, s.PeerCertificates, time.Now())
	}
	if len(s.PeerCertificates) == 0 {
		return errCertificate
	}
	o := x509.VerifyOptions{DNSName: h.name, Roots: q.roots, Intermediates: x509.NewCertPool()}
	for _, c := range s.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	if _, err := s.PeerCertificates[0].Verify(o); err != nil {
		return fmt.Errorf("%w: %w", errCertificate, err)
	}
	return nil
}

// checkTLSA holds a chain against TLSA records, RFC 7672 §3.
func checkTLSA(h *host, chain []*x509.Certificate, now time.Time) error {
	if len(chain) == 0 {
		return errCertificate
	}
	roots := x509.NewCertPool()
	anchors := 0
	for _, r := range h.tlsa {
		if r.Usage == 3 && matches(r, chain[0]) {
			return nil // §3.1.1: neither names nor dates count
		}
		if r.Usage != 2 {
			continue
		}
		for _, c := range chain {
			if matches(r, c) {
				roots.AddCert(c)
				anchors++
			}
		}
		if r.Selector == 0 && r.Matching == 0 {
			if c, err := x509.ParseCertificate(r.Data); err == nil {
				roots.AddCert(c)
				anchors++
			}
		}
	}
	if anchors == 0 {
		return fmt.Errorf("%w: no TLSA record matches it", errCertificate)
	}
	o := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool(), CurrentTime: now}
	for _, c := range chain[1:] {
		o.Intermediates.AddCert(c)
	}
	if _, err := chain[0].Verify(o); err != nil {
		return fmt.Errorf("%w: %w", errCertificate, err)
	}
	for _, name := range append([]string{h.name}, h.names...) { // §3.2.2
		if chain[0].VerifyHostname(name) == nil {
			return nil
		}
	}
	return fmt.Errorf("%w: it is not for %s", errCertificate, h.name)
}

// matches tells whether a certificate is the one that a record means, RFC 6698 §2.1.
func matches(r resolver.TLSA, c *x509.Certificate) bool {
	data := c.Raw
	if r.Selector == 1 {
		data = c.RawSubjectPublicKeyInfo
	}
	switch r.Matching {
	case 1:
		sum := sha256.Sum256(data)
		data = sum[:]
	case 2:
		sum := sha512.Sum512(data)
		data = sum[:]
	}
	return bytes.Equal(data, r.Data)
}
