package smtpd

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"atrium/mail"
	"atrium/mail/auth"
	"atrium/mail/conn"
	"atrium/mail/delivery"
	"atrium/mail/mailtest"
	"atrium/mail/queue"
	"atrium/storage"
	"atrium/storage/account"
	"atrium/storage/embedded"
)

// rig is a store with accounts that servers of all dialects deliver to.
type rig struct {
	store *storage.Store
	mail  *mail.Store
	dir   *account.Directory
	to    *delivery.Deliverer
	auth  *auth.Authenticator
	tls   *tls.Config
	log   *slog.Logger
}

// newRig makes user1 to user4@example.org with password "pass"; user4 is disabled.
// sales@ leads to user1 and user2, alias@ to user1, away@ elsewhere; anything
// at catch.example goes to user3.
func newRig(t testing.TB, change ...func(*delivery.Config)) *rig {
	t.Helper()
	ctx := context.Background()
	r := &rig{log: slog.New(slog.DiscardHandler), tls: certificate(t)}
	folder, err := embedded.Open(t.TempDir(), embedded.Small(), r.log)
	must(t, err)
	r.store, err = storage.Open(folder.Engine, folder.Blobs, []storage.Schema{mail.Schema, queue.Schema}, storage.DefaultConfig(), r.log)
	must(t, err)
	t.Cleanup(func() {
		r.store.Close()
		folder.Close()
	})
	r.mail, err = mail.New(r.store, mail.DefaultConfig(), r.log)
	must(t, err)
	ac := account.DefaultConfig()
	ac.Domain, ac.Memory, ac.Passes = "example.org", 8, 1
	ac.Delay, ac.MaxDelay = time.Millisecond, time.Millisecond
	r.dir, err = account.Open(folder.Engine, ac, r.log)
	must(t, err)
	for _, name := range []string{"user1", "user2", "user3", "user4"} {
		a, err := r.dir.Add(ctx, account.New{Name: name + "@example.org", Password: "pass"})
		must(t, err)
		must(t, r.mail.Open(a.ID, a.ID).Ensure(ctx))
	}
	a, err := r.dir.Find(ctx, "user4")
	must(t, err)
	must(t, r.dir.SetDisabled(ctx, a.ID, true))
	must(t, r.dir.SetAlias(ctx, "alias@example.org", []string{"user1@example.org"}))
	must(t, r.dir.SetAlias(ctx, "sales@example.org", []string{"user1@example.org", "user2@example.org"}))
	must(t, r.dir.SetAlias(ctx, "away@example.org", []string{"user@elsewhere.example"}))
	must(t, r.dir.SetDomain(ctx, account.Domain{Name: "catch.example", CatchAll: "user3@example.org"}))
	dc := delivery.DefaultConfig()
	dc.RefuseDisabled = true
	dc.Hostname = "mx.example.org"
	for _, f := range change {
		f(&dc)
	}
	r.to, err = delivery.New(r.mail, r.dir, dc, r.log)
	must(t, err)
	r.auth = auth.New(r.dir, auth.Config{PlainLocal: true}, r.log)
	return r
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// certificate makes a self-signed one.
func certificate(t testing.TB) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"mx.example.org"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	must(t, err)
	cert := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return conn.TLS(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert, nil })
}

// serve starts a server of a dialect.
func (r *rig) serve(t testing.TB, d Dialect, change ...func(*Config)) *Server {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Hostname = "mx.example.org"
	for _, f := range change {
		f(&cfg)
	}
	s, err := New(d, cfg, r.to, r.auth, r.tls, r.log)
	must(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		s.Shutdown(ctx)
	})
	return s
}

// listen makes a server listen and returns its address.
func listen(t testing.TB, s *Server) string {
	t.Helper()
	l, err := conn.Listen("127.0.0.1:0")
	must(t, err)
	go s.Serve(l, false)
	return l.Addr().String()
}

// script plays a transcript against a server of a dialect.
func (r *rig) script(t *testing.T, d Dialect, text string, change ...func(*Config)) {
	t.Helper()
	addr := listen(t, r.serve(t, d, change...))
	mailtest.Play(t, mailtest.Server{Dial: func() (net.Conn, error) { return net.Dial("tcp", addr) }}, text)
}

// messages returns what a mailbox holds, the oldest first.
func (r *rig) messages(t testing.TB, user, mailbox string) []string {
	t.Helper()
	ctx := context.Background()
	who, err := r.dir.Find(ctx, user)
	must(t, err)
	a := r.mail.Open(who.ID, who.ID)
	box, err := a.Mailbox(ctx, mailbox)
	must(t, err)
	snap, err := a.Snapshot(ctx, box.ID)
	must(t, err)
	var out []string
	for _, m := range snap.Messages(0, snap.Len()) {
		b, err := a.Body(ctx, box.ID, m)
		must(t, err)
		var buf bytes.Buffer
		b.WriteTo(&buf)
		b.Close()
		out = append(out, buf.String())
	}
	return out
}

// only returns the one message of an INBOX without its trace lines.
func (r *rig) only(t testing.TB, user string) (trace, content string) {
	t.Helper()
	all := r.messages(t, user, "INBOX")
	if len(all) != 1 {
		t.Fatalf("%s has %d messages", user, len(all))
	}
	return cutTrace(all[0])
}

// cutTrace cuts a message after its Received line.
func cutTrace(m string) (trace, content string) {
	trace, content, _ = strings.Cut(m, " +0000\r\n")
	return trace + " +0000\r\n", content
}
