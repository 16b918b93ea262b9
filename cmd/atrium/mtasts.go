package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"strings"
)

// policyPath is where a domain's MTA-STS policy is, RFC 8461 §3.3.
const policyPath = "/.well-known/mta-sts.txt"

// policyText is the MTA-STS policy of our domains, and the id that its record has (RFC 8461 §3.1, §3.2); both are
// empty where there is none.
func (h *house) policyText() (text, id string) {
	mode := h.cfg.Inbound.MTASTS
	age := map[string]int{"testing": 86400, "enforce": 604800, "none": 86400}[mode]
	if age == 0 {
		return "", ""
	}
	text = fmt.Sprintf("version: STSv1\r\nmode: %s\r\nmx: %s\r\nmax_age: %d\r\n", mode, h.cfg.Hostname, age)
	sum := sha256.Sum256([]byte(text))
	return text, hex.EncodeToString(sum[:8])
}

// policies answers for mta-sts.DOMAIN, of each domain of ours, before the handler of a server does for the rest.
func (s *server) policies(srv *http.Server) *http.Server {
	next := srv.Handler
	srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != policyPath {
			next.ServeHTTP(w, r)
			return
		}
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		domain, ok := strings.CutPrefix(strings.ToLower(strings.TrimSuffix(host, ".")), "mta-sts.")
		text, _ := s.policyText()
		switch {
		case !ok || text == "" || !s.dir.Local(domain):
			http.NotFound(w, r)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		default:
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Content-Length", fmt.Sprint(len(text)))
			w.Write([]byte(text))
		}
	})
	return srv
}
