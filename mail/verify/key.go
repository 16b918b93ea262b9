package verify

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"atrium/mail/authres"
	"atrium/mail/resolver"
)

// outcome is a failure with its word in RFC 8601.
type outcome struct{ word, reason string }

func (o *outcome) Error() string { return o.word + ": " + o.reason }

func permError(format string, args ...any) error {
	return &outcome{authres.PermError, fmt.Sprintf(format, args...)}
}

// key is a public key as the DNS has it, RFC 6376 §3.6.1.
type key struct {
	public   crypto.PublicKey
	strict   bool // t=s: i= must have the domain itself
	testing  bool // t=y
	hashes   []string
	services []string
}

// Bounds of RSA keys in bits (RFC 8301 §3.2); larger ones cost too much to check.
const (
	minRSA = 1024
	maxRSA = 8192
)

// lookupKey fetches a key.
func (v *Verifier) lookupKey(ctx context.Context, selector, domain string) (*key, error) {
	a, err := v.dns.TXT(ctx, selector+"._domainkey."+domain)
	switch {
	case resolver.Absent(err), errors.Is(err, resolver.Invalid):
		return nil, permError("no key")
	case err != nil:
		return nil, &outcome{authres.TempError, "key not available now"}
	case len(a.Records) != 1:
		return nil, permError("%d keys", len(a.Records))
	}
	return parseKey(a.Records[0])
}

// parseKey reads a key record.
func parseKey(txt string) (*key, error) {
	tags, err := parseTags(txt)
	if err != nil {
		return nil, permError("key record: %v", err)
	}
	if v, ok := tags["v"]; ok && v != "DKIM1" {
		return nil, permError("key version %.20q", v)
	}
	p, ok := tags["p"]
	if !ok {
		return nil, permError("key record without key")
	}
	if squeeze(p) == "" {
		return nil, permError("key revoked")
	}
	b, err := decode64(p)
	if err != nil {
		return nil, permError("key record: bad base64")
	}
	k := &key{}
	switch tags["k"] {
	case "", "rsa":
		k.public, err = parseRSA(b)
	case "ed25519":
		if len(b) != ed25519.PublicKeySize {
			err = permError("Ed25519 key of %d bytes", len(b))
		}
		k.public = ed25519.PublicKey(b)
	default:
		err = permError("key type %.20q", tags["k"])
	}
	if err != nil {
		return nil, err
	}
	if h, ok := tags["h"]; ok {
		k.hashes = list(h)
	}
	if s, ok := tags["s"]; ok {
		k.services = list(s)
	}
	if t, ok := tags["t"]; ok {
		k.strict, k.testing = slices.Contains(list(t), "s"), slices.Contains(list(t), "y")
	}
	return k, nil
}

func parseRSA(b []byte) (*rsa.PublicKey, error) {
	public, err := x509.ParsePKIXPublicKey(b)
	if err != nil {
		// RFC 6376 erratum 3017
		if public, err = x509.ParsePKCS1PublicKey(b); err != nil {
			return nil, permError("key cannot be read")
		}
	}
	k, ok := public.(*rsa.PublicKey)
	if !ok {
		return nil, permError("key is not RSA")
	}
	if n := k.N.BitLen(); n < minRSA || n > maxRSA {
		return nil, &outcome{authres.Policy, fmt.Sprintf("RSA key of %d bits", n)}
	}
	return k, nil
}

// use tells whether the key may be used for mail with an algorithm, RFC 6376 §3.6.1.
func (k *key) use(algorithm string) error {
	_, isRSA := k.public.(*rsa.PublicKey)
	switch {
	case algorithm == "rsa-sha256" != isRSA:
		return permError("key is not for %s", algorithm)
	case k.hashes != nil && !slices.Contains(k.hashes, "sha256"):
		return permError("key is not for sha256")
	case k.services != nil && !slices.Contains(k.services, "*") && !slices.Contains(k.services, "email"):
		return permError("key is not for mail")
	}
	return nil
}

// verify checks a signature of a SHA-256 hash. Ed25519 signs the hash itself (RFC 8463 §3).
func (k *key) verify(hash, signature []byte) bool {
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, hash, signature) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(public, hash, signature)
	}
	return false
}

// algorithm checks a=. RFC 8301 §3.1 forbids rsa-sha1.
func algorithm(a string) error {
	switch strings.ToLower(a) {
	case "rsa-sha256", "ed25519-sha256":
		return nil
	case "rsa-sha1":
		return &outcome{authres.Policy, "rsa-sha1 is too weak"}
	}
	return permError("algorithm %.20q", a)
}
