package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestMTASTS asks for the policy of our domains as other servers do, and looks at the records.
func TestMTASTS(t *testing.T) {
	i := newInstance(t, "[inbound]\nmta_sts = \"enforce\"\n")
	i.start()
	get := func(method, host string) (int, string, string) {
		t.Helper()
		r, err := http.NewRequest(method, "http://"+i.ports["http"]+policyPath, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		b, err := io.ReadAll(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		return a.StatusCode, a.Header.Get("Content-Type"), string(b)
	}
	code, kind, text := get("GET", "mta-sts.example.org")
	if code != 200 || kind != "text/plain" || !strings.HasPrefix(text, "version: STSv1\r\nmode: enforce\r\nmx: ") {
		t.Errorf("%d %s %q", code, kind, text)
	}
	for host, want := range map[string]int{"mta-sts.example.org:443": 200, "MTA-STS.EXAMPLE.ORG": 200, "mta-sts.other.example": 404, "example.org": 404} {
		if code, _, _ := get("GET", host); code != want {
			t.Errorf("%s: %d, want %d", host, code, want)
		}
	}
	if code, _, _ := get("POST", "mta-sts.example.org"); code != 405 {
		t.Errorf("POST: %d", code)
	}
	out, _ := i.admin(exitOK, "", "domain", "dns", "example.org")
	for _, want := range []string{"_mta-sts.example.org.\t3600\tIN\tTXT\t\"v=STSv1; id=", "mta-sts.example.org.\t3600\tIN\tCNAME\t"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}
