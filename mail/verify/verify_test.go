package verify

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	mrand "math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"

	"atrium/mail/authres"
	"atrium/mail/resolver"
)

// keys are made once: RSA takes its time.
var (
	rsaKey, _   = rsa.GenerateKey(rand.Reader, 2048)
	_, edKey, _ = ed25519.GenerateKey(rand.Reader)
	rsaText     = record64(&rsaKey.PublicKey)
	edText      = base64.StdEncoding.EncodeToString(edKey.Public().(ed25519.PublicKey))
)

func record64(k *rsa.PublicKey) string {
	b, err := x509.MarshalPKIXPublicKey(k)
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(b)
}

// zone is the DNS of the tests: a.example sends from 192.0.2.1 and signs.
func zone(more ...string) *resolver.Zone {
	return resolver.Static(`
		a.example. TXT "v=spf1 ip4:192.0.2.1 -all"
		b.example. TXT "v=spf1 ip4:192.0.2.2 ~all"
		loop.example. TXT "v=spf1 include:loop.example -all"
		many.example. TXT "v=spf1 a:1.example a:2.example a:3.example a:4.example -all"
		_dmarc.a.example. TXT "v=DMARC1; p=reject; sp=quarantine; adkim=r; aspf=r; rua=mailto:x@a.example; fo=1:d:s; ri=86400"
		_dmarc.strict.example. TXT "v=DMARC1; p=quarantine; adkim=s; aspf=s"
		_dmarc.zero.example. TXT "v=DMARC1; p=reject; pct=0"
		_dmarc.odd.example. TXT "v=DMARC1; p=maybe; rua=mailto:x@odd.example"
		_dmarc.broken.example. TXT "v=DMARC1; sp=reject"
		_dmarc.twice.example. TXT "v=DMARC1; p=reject"
		_dmarc.twice.example. TXT "v=DMARC1; p=none"
		1.2.0.192.in-addr.arpa. PTR mail.a.example.
		mail.a.example. A 192.0.2.1
		2.2.0.192.in-addr.arpa. PTR mail.a.example.
		` + split("rsa._domainkey.a.example.", "v=DKIM1; k=rsa; p="+rsaText) + `
		` + split("rsa._domainkey.list.example.", "v=DKIM1; k=rsa; p="+rsaText) + `
		ed._domainkey.a.example. TXT "v=DKIM1; k=ed25519; p=` + edText + `"
		ed._domainkey.b.example. TXT "v=DKIM1; k=ed25519; p=` + edText + `"
		strict._domainkey.a.example. TXT "v=DKIM1; k=ed25519; t=s; p=` + edText + `"
		web._domainkey.a.example. TXT "v=DKIM1; k=ed25519; s=web; p=` + edText + `"
		sha1._domainkey.a.example. TXT "v=DKIM1; k=ed25519; h=sha1; p=` + edText + `"
		gone._domainkey.a.example. TXT "v=DKIM1; p="
		` + strings.Join(more, "\n"))
}

func split(name, txt string) string {
	return fmt.Sprintf("%s TXT %q %q", name, txt[:200], txt[200:])
}

func newVerifier(t testing.TB, z resolver.Resolver, trusted ...string) *Verifier {
	t.Helper()
	cfg := DefaultConfig()
	cfg.TrustedSealers = trusted
	v, err := New(cfg, z)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func check(t testing.TB, v *Verifier, in Input, message string) *Report {
	t.Helper()
	in.Message, in.Size = strings.NewReader(message), int64(len(message))
	r, err := v.Check(context.Background(), &in)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sign(t testing.TB, message string, o dkim.SignOptions) string {
	t.Helper()
	var b bytes.Buffer
	if err := dkim.Sign(&b, strings.NewReader(message), &o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func signer(selector string) crypto.Signer {
	if selector == "rsa" {
		return rsaKey
	}
	return edKey
}

const plain = "From: Ann <ann@a.example>\r\nTo: bob@example.org\r\nSubject:  two\r\n words \r\nX-Long:\r\n\tfolded\r\n\r\nHello  there \t\r\n\r\n.\r\n\r\n\r\n"

// TestSignatures checks signatures that the library made, in every canonicalization.
func TestSignatures(t *testing.T) {
	v := newVerifier(t, zone())
	for _, head := range []dkim.Canonicalization{dkim.CanonicalizationSimple, dkim.CanonicalizationRelaxed} {
		for _, body := range []dkim.Canonicalization{dkim.CanonicalizationSimple, dkim.CanonicalizationRelaxed} {
			for _, selector := range []string{"rsa", "ed"} {
				for _, m := range []string{plain, "From: ann@a.example\r\n\r\n", "From: ann@a.example\r\n\r\n\r\n\r\n", "From: ann@a.example\r\n\r\n \r\n", "From: ann@a.example\r\n\r\nno end"} {
					signed := sign(t, m, dkim.SignOptions{Domain: "a.example", Selector: selector, Signer: signer(selector), HeaderCanonicalization: head, BodyCanonicalization: body})
					if got := check(t, v, Input{}, signed).DKIM; len(got) != 1 || got[0].Outcome != authres.Pass {
						t.Errorf("%s/%s %s %q: %v", head, body, selector, m, got)
					}
					changed := strings.Replace(signed, "ann@", "eve@", 1)
					if got := check(t, v, Input{}, changed).DKIM; got[0].Outcome != authres.Fail {
						t.Errorf("%s/%s %s %q, From changed: %v", head, body, selector, m, got)
					}
					if got := check(t, v, Input{}, signed+"x\r\n").DKIM; got[0].Outcome != authres.Fail {
						t.Errorf("%s/%s %s %q, body changed: %v", head, body, selector, m, got)
					}
				}
			}
		}
	}
}

// TestBodyModel holds the hashes of random bodies against the library's.
func TestBodyModel(t *testing.T) {
	v := newVerifier(t, zone())
	rng := mrand.New(mrand.NewPCG(1, 2))
	words := []string{"\r\n", "\r\n", " ", "\t", "a", "bc", "  ", ".\r\n", "\r\n\r\n"}
	for range 300 {
		var m strings.Builder
		m.WriteString("From: ann@a.example\r\n\r\n")
		for range rng.IntN(30) {
			m.WriteString(words[rng.IntN(len(words))])
		}
		m.WriteString("\r\n")
		for _, c := range []dkim.Canonicalization{dkim.CanonicalizationSimple, dkim.CanonicalizationRelaxed} {
			signed := sign(t, m.String(), dkim.SignOptions{Domain: "a.example", Selector: "ed", Signer: edKey, BodyCanonicalization: c})
			if got := check(t, v, Input{}, signed).DKIM; got[0].Outcome != authres.Pass {
				t.Fatalf("%s %q: %v", c, m.String(), got)
			}
		}
	}
}

func TestBadSignatures(t *testing.T) {
	v := newVerifier(t, zone().Fail("slow._domainkey.a.example"))
	good := sign(t, plain, dkim.SignOptions{Domain: "a.example", Selector: "ed", Signer: edKey, Identifier: "ann@sub.a.example"})
	for _, c := range []struct{ from, to, want string }{
		{"", "", authres.Pass},
		{"v=1", "v=2", authres.PermError},
		{"a=ed25519-sha256", "a=rsa-sha256", authres.PermError},
		{"a=ed25519-sha256", "a=rsa-sha1", authres.Policy},
		{"a=ed25519-sha256", "a=rot13", authres.PermError},
		{"s=ed;", "s=none;", authres.PermError},
		{"s=ed;", "s=gone;", authres.PermError},
		{"s=ed;", "s=slow;", authres.TempError},
		{"s=ed;", "s=strict;", authres.PermError},
		{"s=ed;", "s=web;", authres.PermError},
		{"s=ed;", "s=sha1;", authres.PermError},
		{"s=ed;", "s=ed; s=ed;", authres.PermError},
		{"d=a.example", "d=b.example", authres.PermError},
		{"i=ann@sub.a.example", "i=ann@xa.example", authres.PermError},
		{"s=ed;", "s=ed; x=1;", authres.PermError},
		{"s=ed;", "s=ed; l=3;", authres.Fail},
		{"s=ed;", "s=ed; q=smtp;", authres.PermError},
	} {
		m := strings.Replace(good, c.from, c.to, 1)
		if got := check(t, v, Input{}, m).DKIM; got[0].Outcome != c.want {
			t.Errorf("%s -> %s: %v, want %s", c.from, c.to, got, c.want)
		}
	}
	many := strings.Repeat(good[:strings.Index(good, "From: Ann")], 9) + plain
	if got := check(t, v, Input{}, many).DKIM; len(got) != 8 {
		t.Errorf("%d signatures looked at", len(got))
	}
}

func TestSPFAndReverse(t *testing.T) {
	v := newVerifier(t, zone().Fail("slow.example"))
	for _, c := range []struct{ ip, helo, from, spf, reverse string }{
		{"192.0.2.1", "x", "ann@a.example", "pass", "pass"},
		{"192.0.2.2", "x", "ann@a.example", "fail", "fail"},
		{"192.0.2.3", "x", "ann@b.example", "softfail", "fail"},
		{"192.0.2.1", "a.example", "", "pass", "pass"},
		{"192.0.2.1", "[192.0.2.1]", "", "none", "pass"},
		{"192.0.2.1", "x", "ann@none.example", "none", "pass"},
		{"192.0.2.1", "x", "ann@loop.example", "permerror", "pass"},
		{"192.0.2.1", "x", "ann@many.example", "permerror", "pass"},
		{"192.0.2.1", "x", "ann@slow.example", "temperror", "pass"},
		{"2001:db8::1", "x", "ann@a.example", "fail", "fail"},
	} {
		r := check(t, v, Input{Remote: netip.MustParseAddr(c.ip), Helo: c.helo, From: c.from}, plain)
		if r.SPF.Outcome != c.spf || r.Reverse.Outcome != c.reverse {
			t.Errorf("%+v: spf=%s (%s) iprev=%s", c, r.SPF.Outcome, r.SPF.Reason, r.Reverse.Outcome)
		}
	}
}

func TestDMARC(t *testing.T) {
	v := newVerifier(t, zone().Fail("_dmarc.slow.example"))
	ip := netip.MustParseAddr("192.0.2.1")
	msg := func(from string) string { return "From: " + from + "\r\n\r\nx\r\n" }
	for _, c := range []struct {
		name, message, envelope string
		want                    string
		policy                  Policy
	}{
		{"SPF aligned", msg("ann@a.example"), "x@a.example", "pass", NoPolicy},
		{"SPF of another domain", msg("ann@a.example"), "x@b.example", "fail", Reject},
		{"a subdomain has sp=", msg("ann@sub.a.example"), "x@b.example", "fail", Quarantine},
		{"a subdomain is aligned", msg("ann@sub.a.example"), "x@a.example", "pass", NoPolicy},
		{"DKIM aligned", sign(t, msg("ann@a.example"), dkim.SignOptions{Domain: "a.example", Selector: "ed", Signer: edKey}), "x@b.example", "pass", NoPolicy},
		{"DKIM of another", sign(t, msg("ann@a.example"), dkim.SignOptions{Domain: "b.example", Selector: "ed", Signer: edKey}), "x@b.example", "fail", Reject},
		{"strict", msg("ann@strict.example"), "x@sub.strict.example", "fail", Quarantine},
		{"pct=0", msg("ann@zero.example"), "", "fail", Quarantine},
		{"unknown policy with reports", msg("ann@odd.example"), "", "fail", Monitor},
		{"no policy", msg("ann@broken.example"), "", "permerror", NoPolicy},
		{"two records", msg("ann@twice.example"), "", "none", NoPolicy},
		{"no record", msg("ann@none.example"), "", "none", NoPolicy},
		{"DNS is down", msg("ann@slow.example"), "", "temperror", NoPolicy},
		{"two authors", msg("ann@none.example, eve@a.example"), "", "fail", Reject},
		{"From twice", "From: ann@a.example\r\n" + msg("eve@none.example"), "x@a.example", "none", NoPolicy},
		{"no From", "To: x\r\n\r\n", "", "permerror", NoPolicy},
		{"a literal", msg("ann@[192.0.2.1]"), "", "permerror", NoPolicy},
	} {
		r := check(t, v, Input{Remote: ip, Helo: "x", From: c.envelope}, c.message)
		if r.DMARC.Result.Outcome != c.want || r.DMARC.Policy != c.policy {
			t.Errorf("%s: %s (%s) policy %q", c.name, r.DMARC.Result.Outcome, r.DMARC.Result.Reason, r.DMARC.Policy)
		}
	}
}

// seal adds an ARC set to a message, built here from RFC 8617 §5.1 alone: the
// message signature is the library's, with its fields renamed and signed anew.
func seal(t *testing.T, message, domain, cv string, n int, results string) string {
	t.Helper()
	body := message[strings.Index(message, "\r\n\r\n")+4:]
	bh := newBodyHash(bodyKind{relaxed: true, limit: -1})
	bh.Write([]byte(body))
	sum, _ := bh.sum()
	h, err := readHeader(strings.NewReader(message), 0, int64(len(message)))
	if err != nil {
		t.Fatal(err)
	}
	from := h.all("from")[0]
	aar := fmt.Sprintf(" i=%d; %s; %s", n, domain, results)
	ams := fmt.Sprintf(" i=%d; a=ed25519-sha256; c=relaxed/relaxed; d=%s; s=ed; h=from; bh=%s; b=", n, domain, base64.StdEncoding.EncodeToString(sum))
	ams += sig64(string(relaxed(nil, &from, from.value)) + "\r\narc-message-signature:" + strings.TrimLeft(ams, " "))
	as := fmt.Sprintf(" i=%d; a=ed25519-sha256; cv=%s; d=%s; s=ed; b=", n, cv, domain)
	var chain strings.Builder
	for i := 1; i < n; i++ {
		for _, name := range []string{aarField, amsField, asField} {
			for _, f := range h.all(name) {
				if instance(&f) == i {
					chain.Write(relaxed(nil, &f, f.value))
					chain.WriteString("\r\n")
				}
			}
		}
	}
	chain.WriteString(aarField + ":" + aar[1:] + "\r\n" + amsField + ":" + ams[1:] + "\r\n" + asField + ":" + as[1:])
	as += sig64(chain.String())
	return "ARC-Seal:" + as + "\r\nARC-Message-Signature:" + ams + "\r\nARC-Authentication-Results:" + aar + "\r\n" + message
}

func sig64(signed string) string {
	sum := sha(signed)
	return base64.StdEncoding.EncodeToString(ed25519.Sign(edKey, sum))
}

func TestARC(t *testing.T) {
	z := zone(`ed._domainkey.list.example. TXT "v=DKIM1; k=ed25519; p=` + edText + `"`)
	v := newVerifier(t, z, "list.example")
	one := seal(t, plain, "list.example", "none", 1, "dmarc=pass header.from=a.example")
	two := seal(t, one, "b.example", "pass", 2, "arc=pass")
	three := seal(t, two, "list.example", "pass", 3, "arc=pass; dmarc=fail")
	for _, c := range []struct {
		name, message, want string
		policy              Policy
	}{
		{"none", plain, "", Reject},
		{"one, trusted", one, "pass", Monitor},
		{"two, the last not trusted", two, "pass", Reject},
		{"three", three, "pass", Reject},
		{"body changed", one + "x\r\n", "fail", Reject},
		{"results changed", strings.Replace(three, "arc=pass", "arc=none", 1), "fail", Reject},
		{"a set is missing", strings.Replace(two, "i=1;", "i=3;", 3), "fail", Reject},
		{"cv=fail", seal(t, one, "b.example", "fail", 2, "x"), "fail", Reject},
		{"cv=none twice", seal(t, one, "b.example", "none", 2, "x"), "fail", Reject},
		{"a field is missing", one[strings.Index(one, "\r\n")+2:], "fail", Reject},
		{"instance 51", strings.Replace(one, "i=1;", "i=51;", 3), "fail", Reject},
	} {
		r := check(t, v, Input{Remote: netip.MustParseAddr("192.0.2.9"), Helo: "x", From: "x@list.example"}, c.message)
		if r.ARC.Outcome != c.want || r.DMARC.Policy != c.policy {
			t.Errorf("%s: arc=%s (%s), policy %q (%s)", c.name, r.ARC.Outcome, r.ARC.Reason, r.DMARC.Policy, r.DMARC.Result.Reason)
		}
	}
}
