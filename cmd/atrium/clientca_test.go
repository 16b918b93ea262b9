package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestClientCertificate logs in by a client's certificate: the listeners ask for one by tls.client_ca.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	i := newInstance(t, "")
	template := func(tmpl *x509.Certificate) *x509.Certificate {
		tmpl.SerialNumber, tmpl.Subject = big.NewInt(1), pkix.Name{CommonName: "test"}
		tmpl.NotBefore, tmpl.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		return tmpl
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := template(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	own, err := x509.CreateCertificate(rand.Reader, ca, ca, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf := template(&x509.Certificate{EmailAddresses: []string{"ann@" + testDomain}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	client, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(i.dir, "clients.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own}), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(i.config)
	if err != nil {
		t.Fatal(err)
	}
	auth := strings.Replace(string(text), "plain_local = true\n", "plain_local = true\nexternal = true\n", 1)
	if err := os.WriteFile(i.config, []byte(auth), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, out := i.admin(exitFailed, "", "check"); !strings.Contains(out, "tls.client_ca is missing") {
		t.Errorf("EXTERNAL without an authority: %s", out)
	}
	if err := os.WriteFile(i.config, fmt.Appendf(nil, "%s[tls]\nclient_ca = %q\n", auth, file), 0o600); err != nil {
		t.Fatal(err)
	}
	i.admin(exitOK, "pass\n", "account", "add", "ann")
	i.start()
	for _, tc := range []struct {
		name  string
		certs []tls.Certificate
		want  string
	}{
		{"with a certificate", []tls.Certificate{{Certificate: [][]byte{client}, PrivateKey: key}}, "c OK"},
		{"without one", nil, "c NO"},
	} {
		nc, err := net.Dial("tcp", i.ports["imap"])
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		nc.SetDeadline(time.Now().Add(time.Minute))
		r := bufio.NewReader(nc)
		until := func(tag string) string {
			for {
				line, err := r.ReadString('\n')
				if err != nil || strings.HasPrefix(line, tag) {
					return line
				}
			}
		}
		until("* OK")
		fmt.Fprint(nc, "a STARTTLS\r\n")
		until("a OK")
		secure := tls.Client(nc, &tls.Config{InsecureSkipVerify: true, Certificates: tc.certs})
		r = bufio.NewReader(secure)
		fmt.Fprintf(secure, "b CAPABILITY\r\nc AUTHENTICATE EXTERNAL %s\r\n", base64.StdEncoding.EncodeToString([]byte("ann@"+testDomain)))
		if caps := until("* CAPABILITY"); strings.Contains(caps, "AUTH=EXTERNAL") != (tc.certs != nil) {
			t.Errorf("%s: %s", tc.name, caps)
		}
		if got := until("c "); !strings.HasPrefix(got, tc.want) {
			t.Errorf("%s: %q", tc.name, got)
		}
	}
	i.terminate()
}
