package account

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"atrium/storage"
)

// Limits of RFC 5321 §4.5.3.1, in bytes of UTF-8 (RFC 6531 §3.3 leaves them as they are).
const (
	maxLocal   = 64
	maxDomain  = 255
	maxAddress = maxLocal + 1 + maxDomain
)

// address is a parsed address. key is what is compared.
type address struct {
	local  string // as typed, NFC, without quotes
	domain string // canonical
	key    string // canonical local part and domain
}

// parseAddress splits and canonicalizes an address; a bare local part gets
// domain def. Invalid when it is none.
func parseAddress(s, def string) (address, error) {
	if len(s) > maxAddress+2 {
		return address{}, fmt.Errorf("address of %d bytes: %w", len(s), storage.Invalid)
	}
	local, domain := s, def
	at := strings.LastIndexByte(s, '@')
	if at >= 0 {
		var err error
		local = s[:at]
		if domain, err = canonicalDomain(s[at+1:]); err != nil {
			return address{}, fmt.Errorf("address %q: %w", s, err)
		}
	}
	local, err := parseLocal(local)
	if err != nil {
		return address{}, fmt.Errorf("address %q: %w", s, err)
	}
	folded := foldLocal(local)
	if at >= 0 && folded == s[:at] && domain == s[at+1:] {
		return address{local, domain, s}, nil
	}
	return address{local, domain, folded + "@" + domain}, nil
}

// parseLocal checks a local part, takes quotes off (RFC 5321 §4.1.2) and brings it into
// NFC (RFC 6532 §3.1).
func parseLocal(s string) (string, error) {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		var b strings.Builder
		for in := s[1 : len(s)-1]; in != ""; in = in[1:] {
			switch {
			case in[0] == '"', in[0] == '\\' && len(in) == 1:
				return "", fmt.Errorf("quotes in local part: %w", storage.Invalid)
			case in[0] == '\\':
				in = in[1:]
			}
			b.WriteByte(in[0])
		}
		s = b.String()
	}
	if s == "" || len(s) > maxLocal {
		return "", fmt.Errorf("local part of %d bytes: %w", len(s), storage.Invalid)
	}
	if isPlain(s) {
		return s, nil
	}
	if !utf8.ValidString(s) {
		return "", fmt.Errorf("local part is no UTF-8: %w", storage.Invalid)
	}
	for _, r := range s {
		if unicode.IsControl(r) || r == utf8.RuneError || r == '\u2028' || r == '\u2029' {
			return "", fmt.Errorf("control character in local part: %w", storage.Invalid)
		}
	}
	return norm.NFC.String(s), nil
}

// isPlain tells whether s is printable ASCII.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// foldLocal makes a local part comparable: we do not tell apart addresses that
// differ in case (RFC 5321 §2.4 leaves it to the host).
func foldLocal(s string) string {
	if isPlain(s) {
		return strings.ToLower(s)
	}
	return norm.NFC.String(cases.Fold().String(s))
}

// canonicalDomain returns a domain in lower-case A-labels, an address literal
// in lower case.
func canonicalDomain(s string) (string, error) {
	s = strings.TrimSuffix(s, ".")
	if s == "" || len(s) > maxDomain {
		return "", fmt.Errorf("domain of %d bytes: %w", len(s), storage.Invalid)
	}
	if s[0] == '[' {
		if s[len(s)-1] != ']' || !isPlain(s) {
			return "", fmt.Errorf("domain %q: %w", s, storage.Invalid)
		}
		return strings.ToLower(s), nil
	}
	if isHostname(s) && !strings.Contains(s, "xn--") {
		return s, nil
	}
	a, err := idna.Lookup.ToASCII(s)
	if err != nil || !utf8.ValidString(s) || !isHostname(strings.ToLower(a)) {
		return "", fmt.Errorf("domain %q: %w", s, storage.Invalid)
	}
	return strings.ToLower(a), nil
}

// isHostname tells whether s consists of lower-case labels of letters, digits,
// hyphens and underscores. The underscore is no host name's, but it is in use.
func isHostname(s string) bool {
	label := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.':
			if label == 0 {
				return false
			}
			label = 0
			continue
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
		if label++; label > 63 {
			return false
		}
	}
	return label > 0
}

// show returns a canonical domain as people write it.
func show(domain string) string {
	if !strings.Contains(domain, "xn--") {
		return domain
	}
	u, err := idna.Lookup.ToUnicode(domain)
	if back, e := canonicalDomain(u); err != nil || e != nil || back != domain {
		return domain
	}
	return u
}

// String returns the address as people write it: quoted where it must be.
func (a address) String() string {
	local := a.local
	if a.quoted() {
		local = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(local) + `"`
	}
	return local + "@" + show(a.domain)
}

// quoted tells whether the local part can be written in quotes only (RFC 5322 §3.4.1).
func (a address) quoted() bool {
	local := a.local
	return strings.ContainsAny(local, " \"(),:;<>@[\\]") || local[0] == '.' || local[len(local)-1] == '.' || strings.Contains(local, "..")
}

// bare returns the address without detail, and the detail: what follows the
// first of the separators that has something before it.
func (a address) bare(separators string) (address, string, bool) {
	i := strings.IndexAny(a.local, separators)
	if separators == "" || i <= 0 {
		return a, "", false
	}
	b := address{local: a.local[:i], domain: a.domain}
	b.key = foldLocal(b.local) + "@" + b.domain
	_, size := utf8.DecodeRuneInString(a.local[i:])
	return b, a.local[i+size:], true
}
