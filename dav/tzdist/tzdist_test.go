package tzdist

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func ask(method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	serve(w, r)
	return w
}

func TestActions(t *testing.T) {
	for _, tc := range []struct {
		name, path string
		status     int
		want       string
	}{
		{"capabilities, RFC 7808 §5.1", "/timezones/capabilities", 200, `"name":"expand"`},
		{"list, §5.2", "/timezones/zones", 200, `"aliases":["US/Eastern"]`},
		{"list of changes", "/timezones/zones?changedsince=" + token, 200, `"timezones":[]`},
		{"unknown token", "/timezones/zones?changedsince=1", 400, "error:invalid-changedsince"},
		{"get, §5.3", "/timezones/zones/Europe%2FBerlin", 200, "TZID:Europe/Berlin\r\n"},
		{"get with a slash", "/timezones/zones/Europe/Berlin", 200, "BYDAY=-1SU"},
		{"get an alias", "/timezones/zones/US%2FEastern", 200, "TZID-ALIAS-OF:America/New_York\r\n"},
		{"truncation is not offered", "/timezones/zones/Europe%2FBerlin?start=2020-01-01T00:00:00Z", 400, "error:invalid-start"},
		{"no such zone", "/timezones/zones/Nowhere", 404, "error:tzid-not-found"},
		{"expand, §5.4", "/timezones/zones/America%2FNew_York/observances?start=2008-01-01T00:00:00Z&end=2009-01-01T00:00:00Z", 200,
			`{"name":"Daylight","onset":"2008-03-09T07:00:00Z","utc-offset-from":-18000,"utc-offset-to":-14400},{"name":"Standard","onset":"2008-11-02T06:00:00Z","utc-offset-from":-14400,"utc-offset-to":-18000}`},
		{"expand without an end", "/timezones/zones/America%2FNew_York/observances?start=2008-01-01T00:00:00Z", 400, "error:invalid-end"},
		{"find, §5.5", "/timezones/zones?pattern=*york", 200, "America/New_York"},
		{"find by an alias", "/timezones/zones?pattern=us/eastern", 200, "America/New_York"},
		{"find nothing", "/timezones/zones?pattern=", 400, "error:invalid-pattern"},
		{"leap seconds, §5.6", "/timezones/leapseconds", 200, `{"onset":"2017-01-01","utc-offset":37}`},
		{"no such action", "/timezones/dance", 404, "error:invalid-action"},
	} {
		w := ask("GET", tc.path)
		if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.want) {
			t.Errorf("%s: %d, want %d and %s\n%.300s", tc.name, w.Code, tc.status, tc.want, w.Body)
		}
		if strings.Contains(w.Header().Get("Content-Type"), "json") && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: no JSON", tc.name)
		}
	}
	if w := ask("GET", "/timezones/zones/Europe%2FBerlin", "If-None-Match", `"`+token+`"`); w.Code != http.StatusNotModified {
		t.Errorf("with its ETag: %d", w.Code)
	}
	if w := ask("POST", "/timezones/zones"); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"capabilities", "zones?pattern=*a*", "zones/Europe%2FBerlin/observances?start=2008-01-01T00:00:00Z&end=2009-01-01T00:00:00Z", "zones/%2f", "zones?pattern=\\*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := http.NewRequest("GET", "http://x/timezones/"+s, nil)
		if err != nil {
			return
		}
		w := httptest.NewRecorder()
		serve(w, r)
		if strings.Contains(w.Header().Get("Content-Type"), "json") && w.Code != 304 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%q: no JSON: %s", s, w.Body)
		}
	})
}
