package outbound

import (
	"net/http"
	"testing"
	"time"
)

func TestLater(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for v, want := range map[string]time.Duration{
		"": 0, "120": 2 * time.Minute, " 5 ": 5 * time.Second, "-1": 0, "1.5": 0, "soon": 0, "99999999999999999999": 0, "9223372036854775807": mostLater,
		"Sun, 01 Mar 2026 13:00:00 GMT": time.Hour, "Sun, 01 Mar 2026 11:00:00 GMT": 0, "Thu, 01 Mar 2029 11:00:00 GMT": mostLater,
	} {
		if got := Later(http.Header{"Retry-After": {v}}, now); got != want {
			t.Errorf("%q: %v, want %v", v, got, want)
		}
	}
}
