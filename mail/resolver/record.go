package resolver

import (
	"encoding/hex"
	"time"

	"github.com/miekg/dns"
)

// readTLSA reads a TLSA record; one whose data is no hexadecimal text is passed over.
func readTLSA(rr dns.RR) (TLSA, bool) {
	t, ok := rr.(*dns.TLSA)
	if !ok {
		return TLSA{}, false
	}
	data, err := hex.DecodeString(t.Certificate)
	if err != nil || len(data) == 0 {
		return TLSA{}, false
	}
	return TLSA{t.Usage, t.Selector, t.MatchingType, data}, true
}

// unescape undoes the presentation format of a character-string, RFC 1035 §5.1.
func unescape(s string) string {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			out = append(out, s[i])
			continue
		}
		if n, ok := decimal(s[i+1:]); ok {
			out = append(out, n)
			i += 3
			continue
		}
		i++
		out = append(out, s[i])
	}
	return string(out)
}

// decimal reads the three digits of an escaped octet.
func decimal(s string) (byte, bool) {
	if len(s) < 3 {
		return 0, false
	}
	n := 0
	for i := range 3 {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return byte(n), n < 256
}

// Bounds of an answer: aliases that lead to each other, and records.
const (
	maxAliases = 16
	maxRecords = 1000
)

// collect takes the records of a type out of an answer section, following
// aliases (RFC 1034 §3.6.2); ttl is that of the shortest-lived record on the way.
func collect(section []dns.RR, name string, qtype uint16) (f found) {
	if len(section) > maxRecords {
		section = section[:maxRecords]
	}
	f.name, f.ttl = name, maxTTL
	note := func(h *dns.RR_Header) { f.ttl = min(f.ttl, time.Duration(h.Ttl)*time.Second) }
	for range maxAliases {
		next := ""
		for _, rr := range section {
			h := rr.Header()
			if plain(h.Name) != plain(f.name) {
				continue
			}
			if h.Rrtype == qtype {
				f.rrs = append(f.rrs, rr)
				note(h)
			} else if c, ok := rr.(*dns.CNAME); ok && qtype != dns.TypeCNAME {
				next = c.Target
				note(h)
			}
		}
		if len(f.rrs) > 0 || next == "" {
			return f
		}
		f.name = next
	}
	return f
}
