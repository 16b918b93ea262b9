package verify

import (
	"net/netip"
	"strings"
	"testing"
)

// TestSeal seals what others then verify: alone, on a chain, with either kind of key.
func TestSeal(t *testing.T) {
	z := zone(`ed._domainkey.list.example. TXT "v=DKIM1; k=ed25519; p=` + edText + `"`)
	v := newVerifier(t, z, "a.example", "list.example")
	ar := func(host, results string) string {
		return "Authentication-Results: " + host + ";\r\n\t" + results + "\r\n"
	}
	one := seal(t, plain, "list.example", "none", 1, "dmarc=pass header.from=a.example")
	for _, c := range []struct {
		name, selector, message string
		sets                    int // afterwards
		change                  func(string) string
		want                    string
	}{
		{"the first", "rsa", ar("mx.example.org", "spf=pass; dmarc=pass") + plain, 1, nil, "pass"},
		{"the first, Ed25519", "ed", ar("mx.example.org", "dmarc=pass") + plain, 1, nil, "pass"},
		{"without results", "rsa", plain, 1, nil, "pass"},
		{"results of another", "rsa", ar("evil.example", "arc=pass") + one, 1, nil, "pass"},
		{"the second", "rsa", ar("mx.example.org", "arc=pass; dmarc=fail") + one, 2, nil, "pass"},
		{"a chain that failed", "rsa", ar("mx.example.org", "arc=fail") + one, 1, nil, "pass"},
		{"a chain that is broken", "rsa", ar("mx.example.org", "arc=pass") + one[strings.Index(one, "\r\n")+2:], 0, nil, "fail"},
		{"no body", "rsa", "From: ann@a.example\r\n\r\n", 1, nil, "pass"},
		{"changed body", "rsa", plain, 1, func(m string) string { return m + "x\r\n" }, "fail"},
		{"changed subject", "rsa", plain, 1, func(m string) string { return strings.Replace(m, "words", "word", 1) }, "fail"},
		{"changed results", "rsa", ar("mx.example.org", "dmarc=fail") + plain, 1, func(m string) string { return strings.Replace(m, "dmarc=fail", "dmarc=pass", 1) }, "fail"},
	} {
		s := &Sealer{Host: "mx.example.org", Domain: "a.example", Selector: c.selector, Key: signer(c.selector)}
		fields, err := s.Seal(strings.NewReader(c.message), 0, int64(len(c.message)))
		if err != nil {
			t.Fatal(err)
		}
		m := string(fields) + c.message
		for line := range strings.SplitSeq(string(fields), "\r\n") {
			if len(line) > 200 {
				t.Errorf("%s: line %q", c.name, line)
			}
		}
		if c.change != nil {
			m = c.change(m)
		}
		if n := strings.Count(strings.ToLower(m), "arc-seal:"); n != c.sets {
			t.Errorf("%s: %d sets", c.name, n)
		}
		r := check(t, v, Input{Remote: netip.MustParseAddr("192.0.2.9"), Helo: "x", From: "x@list.example"}, m)
		if r.ARC.Outcome != c.want {
			t.Errorf("%s: arc=%s (%s)\n%s", c.name, r.ARC.Outcome, r.ARC.Reason, m)
		}
	}
}

// FuzzSeal: what a sealer makes of any message is a header that can be read, and is not believed less than before.
func FuzzSeal(f *testing.F) {
	f.Add(plain)
	f.Add("Authentication-Results: mx.example.org; arc=pass\r\nARC-Seal: i=1; cv=none\r\n\r\nx")
	f.Fuzz(func(t *testing.T, m string) {
		s := &Sealer{Host: "mx.example.org", Domain: "a.example", Selector: "ed", Key: edKey}
		fields, err := s.Seal(strings.NewReader(m), 0, int64(len(m)))
		if err != nil || len(fields) == 0 {
			return
		}
		if n := strings.Count(strings.ToLower(string(fields)), "arc-"); n < 3 || !strings.HasSuffix(string(fields), "\r\n") {
			t.Errorf("%q", fields)
		}
	})
}
