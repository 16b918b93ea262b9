// Package certs gives the listeners their certificate: the files that the
// configuration names, read again when they change, or one that is signed by an
// authority of the server's own, made at the first start.
//
// An authority and a certificate signed by it, not one certificate that signs itself: some clients
// refuse an authority's certificate as a server's own.
package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	leafLife      = 397 * 24 * time.Hour // what Apple's clients accept at most
	renewBefore   = 30 * 24 * time.Hour
	lookAgain     = time.Minute
)

// Files is a certificate in two PEM files.
type Files struct {
	cert, key string
	log       *slog.Logger

	mu    sync.Mutex
	now   *tls.Certificate
	stamp time.Time // of the newer file when now was read
	next  time.Time // when to look at the files again
}

// Open reads a certificate with its chain, and its key.
func Open(cert, key string, log *slog.Logger) (*Files, error) {
	f := &Files{cert: cert, key: key, log: log}
	if err := f.read(); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *Files) stat() (newest time.Time, err error) {
	for _, name := range []string{f.cert, f.key} {
		st, err := os.Stat(name)
		if err != nil {
			return time.Time{}, err
		}
		if st.ModTime().After(newest) {
			newest = st.ModTime()
		}
	}
	return newest, nil
}

func (f *Files) read() error {
	stamp, err := f.stat()
	if err != nil {
		return err
	}
	c, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", f.cert, f.key, err)
	}
	f.now, f.stamp = &c, stamp
	return nil
}

// Certificate is for tls.Config.GetCertificate. It reads the files again, at
// most once a minute, when they have changed; what cannot be read leaves the old one in use.
func (f *Files) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t := time.Now(); t.After(f.next) {
		f.next = t.Add(lookAgain)
		if stamp, err := f.stat(); err != nil || !stamp.Equal(f.stamp) {
			if err = f.read(); err != nil {
				f.log.Error("certificate not renewed", "err", err)
			} else {
				f.log.Info("certificate renewed", "file", f.cert)
			}
		}
	}
	return f.now, nil
}

// Own returns a certificate for hosts (names and addresses), signed by the
// authority in dir; both are made when they are missing, and the certificate anew
// when it ends soon or lacks a host. AuthorityFile tells where clients find the authority.
func Own(dir string, hosts []string, log *slog.Logger) (*Files, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	ca, caKey, err := authority(dir)
	if err != nil {
		return nil, err
	}
	cert, key := filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key")
	if !serves(cert, hosts, ca) {
		if err := issue(cert, key, hosts, ca, caKey); err != nil {
			return nil, err
		}
		log.Info("certificate made", "hosts", hosts, "authority", AuthorityFile(dir))
	}
	return Open(cert, key, log)
}

// AuthorityFile is the PEM file of the authority in dir, to be trusted by clients.
func AuthorityFile(dir string) string { return filepath.Join(dir, "authority.pem") }

func authority(dir string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	certFile, keyFile := AuthorityFile(dir), filepath.Join(dir, "authority.key")
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err == nil {
		key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
		if !ok || pair.Leaf == nil {
			return nil, nil, fmt.Errorf("%s: not an authority made by this program; remove both files to get a new one", certFile)
		}
		return pair.Leaf, key, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	host, _ := os.Hostname()
	t := template("Atrium on "+host, authorityLife)
	t.IsCA, t.BasicConstraintsValid, t.MaxPathLenZero = true, true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, nil, err
	}
	if err := write(keyFile, certFile, key, der); err != nil {
		return nil, nil, err
	}
	ca, err := x509.ParseCertificate(der)
	return ca, key, err
}

func template(name string, life time.Duration) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(life),
	}
}

// serves tells whether the certificate is signed by ca, good for some time, and for all hosts.
func serves(file string, hosts []string, ca *x509.Certificate) bool {
	b, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return false
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil || c.CheckSignatureFrom(ca) != nil || time.Until(c.NotAfter) < renewBefore {
		return false
	}
	return !slices.ContainsFunc(hosts, func(h string) bool { return c.VerifyHostname(h) != nil })
}

func issue(certFile, keyFile string, hosts []string, ca *x509.Certificate, caKey *ecdsa.PrivateKey) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	t := template(hosts[0], leafLife)
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, ca, &key.PublicKey, caKey)
	if err != nil {
		return err
	}
	return write(keyFile, certFile, key, der, ca.Raw)
}

// write writes the key first, so that a certificate never stands without it.
func write(keyFile, certFile string, key *ecdsa.PrivateKey, ders ...[]byte) error {
	b, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: b}), 0o600); err != nil {
		return err
	}
	var out []byte
	for _, der := range ders {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return os.WriteFile(certFile, out, 0o644)
}
