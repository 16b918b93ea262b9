package queue

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"io"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"atrium/mail/resolver"
)

// authority makes certificates.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	a := &authority{pool: x509.NewCertPool()}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, c, c, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pool.AddCert(a.cert)
	return a
}

func (a *authority) config(t testing.TB, name string) (*tls.Config, *x509.Certificate) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key}}}, leaf
}

// outcome of one message to there.example: whether it was sent, by TLS, or the report's status.
func (r *rig) outcome(s *sink, m Message) (sent, secure bool, report string) {
	before := len(s.have())
	m.From, m.To = "ann@here.example", to("bob@there.example")
	r.cfg.Retry, r.cfg.GiveUp = []time.Duration{time.Second}, 100*time.Millisecond
	r.send(m, letter)
	if r.cancel == nil {
		r.run()
	}
	wait(r.t, "the message is over", r.empty)
	if got := s.have(); len(got) > before {
		return true, got[before].tls, ""
	}
	all := r.house.have()
	if len(all) == 0 {
		return false, false, "nothing at all"
	}
	return false, false, all[len(all)-1].body
}

func TestTLS(t *testing.T) {
	a := newAuthority(t)
	good, leaf := a.config(t, "mx.there.example")
	wrong, _ := a.config(t, "other.example")
	sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	ee := "_25._tcp.mx.there.example. TLSA 3 1 1 " + hex.EncodeToString(sum[:])
	sum = sha256.Sum256(a.cert.Raw)
	ta := "_25._tcp.mx.there.example. TLSA 2 0 1 " + hex.EncodeToString(sum[:])
	const bad = "_25._tcp.mx.there.example. TLSA 3 1 1 0000000000000000000000000000000000000000000000000000000000000000"
	sts := func(mode, mx string) func(*rig) {
		return func(r *rig) {
			r.cfg.MTASTS = true
			r.zone.Add(`_mta-sts.there.example. TXT "v=STSv1; id=a1"`)
			r.sts.have["there.example"] = &stsPolicy{mode: mode, mx: []string{mx}, maxAge: time.Hour, id: "a1", fetched: time.Now()}
		}
	}
	signed := func(records ...string) func(*rig) {
		return func(r *rig) { r.zone.Authentic(true).Add(strings.Join(records, "\n")) }
	}
	for _, tc := range []struct {
		name   string
		server *tls.Config
		ext    []string
		setup  func(*rig)
		m      Message
		secure bool
		report string // "": it is sent
	}{
		{"none", nil, nil, nil, Message{}, false, ""},
		{"opportunistic, wrong certificate", wrong, []string{"STARTTLS"}, nil, Message{}, true, ""},
		{"opportunistic, broken", &tls.Config{}, []string{"STARTTLS"}, nil, Message{}, false, ""},
		{"verify", good, []string{"STARTTLS"}, func(r *rig) { r.cfg.TLS = "verify" }, Message{}, true, ""},
		{"verify, wrong certificate", wrong, []string{"STARTTLS"}, func(r *rig) { r.cfg.TLS = "verify" }, Message{}, false, "TLS failed"},
		{"verify, none", nil, nil, func(r *rig) { r.cfg.TLS = "verify" }, Message{}, false, "offers no TLS"},
		{"never", good, []string{"STARTTLS"}, func(r *rig) { r.cfg.TLS = "never" }, Message{}, false, ""},
		{"MTA-STS", good, []string{"STARTTLS"}, sts("enforce", "*.there.example"), Message{}, true, ""},
		{"MTA-STS, wrong certificate", wrong, []string{"STARTTLS"}, sts("enforce", "*.there.example"), Message{}, false, "TLS failed"},
		{"MTA-STS, wrong host", good, []string{"STARTTLS"}, sts("enforce", "mx.other.example"), Message{}, false, "MTA-STS"},
		{"MTA-STS testing", wrong, []string{"STARTTLS"}, sts("testing", "mx.other.example"), Message{}, true, ""},
		{"DANE-EE", wrong, []string{"STARTTLS"}, signed(bad), Message{}, false, "no TLSA record matches"},
		{"DANE-EE matches", good, []string{"STARTTLS"}, signed(ee), Message{}, true, ""},
		{"DANE-TA", good, []string{"STARTTLS"}, signed(ta), Message{}, true, ""},
		{"DANE-TA, other name", wrong, []string{"STARTTLS"}, signed(ta), Message{}, false, "TLS failed"},
		{"DANE, no TLS", nil, nil, signed(ee), Message{}, false, "offers no TLS"},
		{"DANE, records that cannot be used", wrong, []string{"STARTTLS"}, signed("_25._tcp.mx.there.example. TLSA 1 1 1 00"), Message{}, true, ""},
		{"DANE, no answer", good, []string{"STARTTLS"}, func(r *rig) { r.zone.Authentic(true).Fail("_25._tcp.mx.there.example") }, Message{}, false, "cannot be found now"},
		{"TLSA that is not authentic", good, []string{"STARTTLS"}, func(r *rig) { r.zone.Add(bad) }, Message{}, true, ""},
		{"REQUIRETLS", good, []string{"STARTTLS", "REQUIRETLS"}, sts("enforce", "mx.there.example"), Message{RequireTLS: true}, true, ""},
		{"REQUIRETLS, unknown host", good, []string{"STARTTLS", "REQUIRETLS"}, nil, Message{RequireTLS: true}, false, "not proven"},
		{"REQUIRETLS, not offered", good, []string{"STARTTLS"}, sts("enforce", "mx.there.example"), Message{RequireTLS: true}, false, "does not promise"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r, s := newRig(t), newSink(t, tc.ext...)
			r.roots = a.pool
			s.tls = tc.server
			r.domain("there.example", s)
			if tc.setup != nil {
				tc.setup(r)
			}
			sent, secure, report := r.outcome(s, tc.m)
			if sent != (tc.report == "") || secure != tc.secure || !strings.Contains(report, tc.report) {
				t.Errorf("sent %v, by TLS %v, report:\n%s", sent, secure, report)
			}
			if sent && tc.m.RequireTLS && !strings.Contains(s.have()[0].from, "REQUIRETLS") {
				t.Errorf("%q", s.have()[0].from)
			}
		})
	}
}

func TestPolicy(t *testing.T) {
	p, err := parsePolicy("version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nother: x\r\nmax_age: 604800\r\n")
	if err != nil || p.mode != "enforce" || p.maxAge != 604800*time.Second {
		t.Fatalf("%+v, %v", p, err)
	}
	for host, want := range map[string]bool{"mail.example.com": true, "MAIL.example.com.": true, "a.example.net": true, "a.b.example.net": false, "example.net": false, "x.example.com": false} {
		if p.matches(host) != want {
			t.Errorf("%s: %v", host, !want)
		}
	}
	for _, bad := range []string{"", "version: STSv1\nmode: enforce\nmax_age: 1\n", "mode: none\nmax_age: 1", "version: STSv2\nmode: none\nmax_age: 1", "version: STSv1\nmode: maybe\nmx: a\nmax_age: 1", "version: STSv1\nmode: none\nmax_age: -1", "no"} {
		if p, err := parsePolicy(bad); err == nil {
			t.Errorf("%q: %+v", bad, p)
		}
	}
	for record, want := range map[string]string{"v=STSv1; id=20160831085700Z;": "20160831085700Z", "v=STSv1;id=a": "a", "v=STSv1": "", "v=spf1": "", "v=STSv1; id=a b": ""} {
		if id, ok := parseRecord([]string{"other", record}); id != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", record, id, ok)
		}
	}
	if _, ok := parseRecord([]string{"v=STSv1; id=a", "v=STSv1; id=b"}); ok {
		t.Error("two records")
	}
	if got := parseRUA([]string{"v=TLSRPTv1; rua=mailto:a@b.example,https://c.example/x, ftp://d"}); !slices.Equal(got, []string{"mailto:a@b.example", "https://c.example/x"}) {
		t.Errorf("%q", got)
	}
}

func FuzzPolicy(f *testing.F) {
	f.Add("version: STSv1\nmode: enforce\nmx: *.a\nmax_age: 1\n", "a.a")
	f.Fuzz(func(t *testing.T, text, host string) {
		if p, err := parsePolicy(text); err == nil {
			p.matches(host)
			if len(p.mx) > maxPolicyMX || p.maxAge < 0 || p.maxAge > maxPolicyAge {
				t.Errorf("%+v", p)
			}
		}
		parseRecord([]string{text, host})
		parseRUA([]string{text})
	})
}

func FuzzTLSA(f *testing.F) {
	a := newAuthority(f)
	_, leaf := a.config(f, "mx.there.example")
	f.Add(byte(3), byte(1), byte(1), []byte("x"))
	f.Add(byte(2), byte(0), byte(0), a.cert.Raw)
	f.Fuzz(func(t *testing.T, usage, selector, matching byte, data []byte) {
		r := resolver.TLSA{Usage: usage, Selector: selector, Matching: matching, Data: data}
		if !usable(r) {
			return
		}
		err := checkTLSA(&host{name: "mx.there.example", tlsa: []resolver.TLSA{r}}, []*x509.Certificate{leaf, a.cert}, time.Now())
		if err == nil && !matches(r, leaf) && !matches(r, a.cert) {
			t.Error("accepted by a record that matches nothing")
		}
	})
}

func FuzzDowngrade(f *testing.F) {
	f.Add("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa4 \r\n--b--\r\n")
	f.Add("A: b\r\n\r\n" + strings.Repeat("Привет", 100) + "\r\n")
	f.Add("Content-Type: message/rfc822\r\n\r\nA: b\r\n\r\n\xc3")
	f.Fuzz(func(t *testing.T, text string) {
		d := &downgrade{}
		if d.plan(strings.NewReader(text)) != nil {
			return
		}
		var b strings.Builder
		buf := make([]byte, 100)
		for r := d.reader(strings.NewReader(text)); ; {
			n, err := r.Read(buf)
			b.Write(buf[:n])
			if err != nil {
				break
			}
		}
		if hasEight([]byte(b.String())) {
			t.Errorf("%q became %q", text, b.String())
		}
		d = &downgrade{eightBit: true, lines: true}
		if d.plan(strings.NewReader(text)) != nil {
			return
		}
		if n, err := io.Copy(io.Discard, d.reader(strings.NewReader(text))); err != nil || n < 0 {
			t.Errorf("%q: %d, %v", text, n, err)
		}
	})
}
