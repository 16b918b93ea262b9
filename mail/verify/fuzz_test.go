package verify

import (
	"context"
	"crypto/sha256"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"atrium/mail/authres"
)

func sha(s string) []byte { sum := sha256.Sum256([]byte(s)); return sum[:] }

// FuzzCheck verifies whatever comes: no panic, every outcome a word of RFC 8601.
func FuzzCheck(f *testing.F) {
	f.Add(plain, "ann@a.example", "mail.a.example")
	f.Add(sign(f, plain, dkim.SignOptions{Domain: "a.example", Selector: "ed", Signer: edKey}), "", "x")
	f.Add("ARC-Seal: i=1; a=ed25519-sha256; cv=none; d=a.example; s=ed; b=AA==\r\nARC-Message-Signature: i=1; b=\r\nARC-Authentication-Results: i=1; x\r\n"+plain, "a@b", "[1.2.3.4]")
	f.Add("From: a@a.example, b@b.example\r\nFrom:\r\n\r\n", `"a b"@b.example`, "%{i}")
	v := newVerifier(f, zone())
	words := map[string]bool{"": true}
	for _, w := range []string{authres.None, authres.Pass, authres.Fail, authres.SoftFail, authres.Policy, authres.Neutral, authres.TempError, authres.PermError} {
		words[w] = true
	}
	f.Fuzz(func(t *testing.T, message, from, helo string) {
		r := check(t, v, Input{Remote: netip.MustParseAddr("192.0.2.1"), Helo: helo, From: from}, message)
		for _, x := range append(r.Results(), r.DMARC.Result) {
			if !words[x.Outcome] {
				t.Errorf("%+v", x)
			}
		}
		authres.AppendField(nil, "mx.example.org", r.Results())
	})
}

// FuzzRecords reads whatever the DNS has.
func FuzzRecords(f *testing.F) {
	for _, s := range []string{"v=DKIM1; k=rsa; p=" + rsaText, "v=DKIM1; k=ed25519; p=" + edText, "v=DMARC1; p=reject; pct=50; sp=none", "v=spf1 a:%{d}/24//64 mx ptr exists:%{ir}.x include:b.example redirect=a.example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, txt string) {
		parseKey(txt)
		if r, err := parseDMARC(txt); err == nil {
			if p := (&record{r, "a.example"}).policyOf("a.example", func(int) int { return 0 }); p.strength() < 0 {
				t.Errorf("%q: policy %q", txt, p)
			}
		}
		if strings.ContainsAny(txt, "\"\\\n\r") || len(txt) > 250 || strings.ContainsFunc(txt, func(r rune) bool { return r < ' ' || r > '~' }) {
			return
		}
		z := zone()
		z.Add(`fuzz.example. TXT "` + txt + `"`)
		v := newVerifier(t, z)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		v.checkSPF(ctx, &Input{Remote: netip.MustParseAddr("192.0.2.1"), Helo: "x", From: "a@fuzz.example"})
		if n := z.Asked(); n > 60 {
			t.Errorf("%q: %d questions", txt, n)
		}
	})
}

// TestHostileHeaders checks that work grows with the size of what came only.
func TestHostileHeaders(t *testing.T) {
	v := newVerifier(t, zone())
	for name, m := range map[string]string{
		"folds":       "From: a@a.example\r\nX: " + strings.Repeat("\r\n x", 100_000) + "\r\n\r\nx",
		"fields":      "From: a@a.example\r\n" + strings.Repeat("a:\r\n", 100_000) + "\r\nx",
		"names":       "From: a@a.example\r\nDKIM-Signature: v=1; a=ed25519-sha256; d=a.example; s=ed; bh=AA==; b=AA==; h=from" + strings.Repeat(":a", 100_000) + "\r\n" + strings.Repeat("a:\r\n", 3000) + "\r\nx",
		"empty lines": sign(t, "From: a@a.example\r\n\r\nx", dkim.SignOptions{Domain: "a.example", Selector: "ed", Signer: edKey}) + strings.Repeat("\r\n", 2_000_000),
		"one line":    strings.Repeat("x", 2<<20),
	} {
		check(t, v, Input{}, m)
		_ = name
	}
}
