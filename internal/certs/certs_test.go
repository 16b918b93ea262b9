package certs

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"
)

func TestOwn(t *testing.T) {
	dir := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	f, err := Own(dir, []string{"mail.example.org", "localhost", "127.0.0.1"}, log)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(AuthorityFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	for _, host := range []string{"mail.example.org", "localhost", "127.0.0.1"} {
		a, b := net.Pipe()
		go tls.Server(a, &tls.Config{GetCertificate: f.Certificate}).Handshake()
		if err := tls.Client(b, &tls.Config{RootCAs: pool, ServerName: host}).Handshake(); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	first, _ := f.Certificate(nil)
	again, err := Own(dir, []string{"localhost"}, log)
	if err != nil {
		t.Fatal(err)
	}
	if c, _ := again.Certificate(nil); c.Leaf.SerialNumber.Cmp(first.Leaf.SerialNumber) != 0 {
		t.Error("a certificate that still serves was replaced")
	}
	more, err := Own(dir, []string{"localhost", "new.example.org"}, log)
	if err != nil {
		t.Fatal(err)
	}
	second, _ := more.Certificate(nil)
	if second.Leaf.VerifyHostname("new.example.org") != nil {
		t.Error("a new host did not get into the certificate")
	}
	f.next, f.stamp = time.Time{}, time.Time{}
	if c, _ := f.Certificate(nil); c.Leaf.SerialNumber.Cmp(second.Leaf.SerialNumber) != 0 {
		t.Error("changed files were not read again")
	}
}

func TestDamagedFileKeepsTheOldCertificate(t *testing.T) {
	dir := t.TempDir()
	f, err := Own(dir, []string{"localhost"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.cert, []byte("no"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.next, f.stamp = time.Time{}, time.Time{}
	if c, err := f.Certificate(nil); c == nil || err != nil {
		t.Errorf("got %v, %v", c, err)
	}
}
