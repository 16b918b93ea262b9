package outbound

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// mostLater bounds what another server may say.
const mostLater = 7 * 24 * time.Hour

// Later is how long a server that refuses asks to be left alone (Retry-After, RFC 9110 §10.2.3), at most a week; 0 when it
// does not say.
func Later(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if n, err := strconv.ParseUint(v, 10, 63); err == nil {
		return time.Duration(min(n, uint64(mostLater/time.Second))) * time.Second
	}
	t, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	return min(max(t.Sub(now), 0), mostLater)
}
