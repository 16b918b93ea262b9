package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// askCertificates lets listeners ask clients for a certificate by one of the authorities in a PEM file, which the
// mechanism EXTERNAL looks at. Who has none logs in otherwise.
func askCertificates(t *tls.Config, file string) error {
	if file == "" {
		return nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("tls.client_ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return fmt.Errorf("tls.client_ca: no certificate in %s", file)
	}
	t.ClientCAs, t.ClientAuth = pool, tls.VerifyClientCertIfGiven
	return nil
}
