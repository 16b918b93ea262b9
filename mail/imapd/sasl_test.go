package imapd

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"atrium/mail/auth"
)

// TestGsasl is GNU SASL as a client: SCRAM bound to the TLS connection and not, EXTERNAL by a client certificate, and
// what is to fail.
func TestGsasl(t *testing.T) {
	gsasl, err := exec.LookPath("gsasl")
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	ca := newCertificate(t, dir, "ca", nil, &x509.Certificate{IsCA: true, BasicConstraintsValid: true})
	server := newCertificate(t, dir, "server", ca, &x509.Certificate{DNSNames: []string{"localhost"}})
	newCertificate(t, dir, "user2", ca, &x509.Certificate{EmailAddresses: []string{"user2@example.org"}})
	newCertificate(t, dir, "nobody", ca, &x509.Certificate{EmailAddresses: []string{"nobody@example.org"}})
	pool := x509.NewCertPool()
	pool.AddCert(ca.leaf)
	r := newRig(t, nil)
	log := slog.New(slog.DiscardHandler)
	s, err := New(r.store, auth.New(r.dir, auth.Config{External: true}, log), DefaultConfig(), &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{server.leaf.Raw}, PrivateKey: server.key}},
		ClientCAs:    pool, ClientAuth: tls.VerifyClientCertIfGiven,
	}, log)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.wg.Go(func() { s.Serve(l, false) })
	t.Cleanup(func() { s.Shutdown(t.Context()) })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	file := func(name string) string { return filepath.Join(dir, name) }
	for _, tc := range []struct {
		name string
		ok   bool
		args []string
	}{
		{"SCRAM-SHA-256-PLUS, tls-exporter", true, []string{"-m", "SCRAM-SHA-256-PLUS", "-a", "user1", "-p", "pass", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.3"}},
		{"SCRAM-SHA-256-PLUS, TLS 1.2", true, []string{"-m", "SCRAM-SHA-256-PLUS", "-a", "user1", "-p", "pass", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2"}},
		{"SCRAM-SHA-256-PLUS, wrong password", false, []string{"-m", "SCRAM-SHA-256-PLUS", "-a", "user1", "-p", "wrong"}},
		{"SCRAM-SHA-256, unbound", true, []string{"-m", "SCRAM-SHA-256", "-a", "user1", "-p", "pass", "--no-cb"}},
		{"SCRAM-SHA-256, TLS missing", true, []string{"-m", "SCRAM-SHA-256", "-a", "user1", "-p", "pass", "--no-starttls"}},
		{"PLAIN", true, []string{"-m", "PLAIN", "-a", "user1", "-p", "pass"}},
		{"PLAIN, TLS missing", false, []string{"-m", "PLAIN", "-a", "user1", "-p", "pass", "--no-starttls"}},
		{"LOGIN", true, []string{"-m", "LOGIN", "-a", "user1", "-p", "pass"}},
		{"EXTERNAL", true, []string{"-m", "EXTERNAL", "-z", "user2@example.org", "--x509-cert-file", file("user2.pem"), "--x509-key-file", file("user2.key")}},
		{"EXTERNAL for another", false, []string{"-m", "EXTERNAL", "-z", "user1@example.org", "--x509-cert-file", file("user2.pem"), "--x509-key-file", file("user2.key")}},
		{"EXTERNAL of nobody", false, []string{"-m", "EXTERNAL", "-z", "", "--x509-cert-file", file("nobody.pem"), "--x509-key-file", file("nobody.key")}},
		{"EXTERNAL without a certificate", false, []string{"-m", "EXTERNAL", "-z", "user1@example.org"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			args := append([]string{"--imap", "--connect", "localhost:" + port, "--x509-ca-file", file("ca.pem"), "--verbose"}, tc.args...)
			cmd := exec.CommandContext(t.Context(), gsasl, args...)
			cmd.Stdin = strings.NewReader("")
			out, err := cmd.CombinedOutput()
			if ok := err == nil && strings.Contains(string(out), "Logged in"); ok != tc.ok {
				t.Errorf("logged in: %v, want %v; %v\n%s", ok, tc.ok, err, out)
			}
		})
	}
}

// issued is a certificate with its key.
type issued struct {
	leaf *x509.Certificate
	key  *ecdsa.PrivateKey
}

// newCertificate makes a certificate, by itself or by another, and writes NAME.pem and NAME.key.
func newCertificate(t *testing.T, dir, name string, by *issued, tmpl *x509.Certificate) *issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl.SerialNumber, tmpl.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	tmpl.NotBefore, tmpl.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	tmpl.KeyUsage = x509.KeyUsageDigitalSignature
	if tmpl.IsCA {
		tmpl.KeyUsage |= x509.KeyUsageCertSign
	}
	c := &issued{tmpl, key}
	if by == nil {
		by = c
	} else {
		tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, by.leaf, &key.PublicKey, by.key)
	if err != nil {
		t.Fatal(err)
	}
	if c.leaf, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{"pem": {Type: "CERTIFICATE", Bytes: der}, "key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name+"."+file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}
