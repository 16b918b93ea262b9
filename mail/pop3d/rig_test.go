package pop3d

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/auth"
	"atrium/mail/conn"
	"atrium/mail/mailtest"
	"atrium/storage"
	"atrium/storage/account"
	"atrium/storage/embedded"
)

// rig is a store with two accounts, anna and ben at example.org, both with the
// password "pass word".
type rig struct {
	mail *mail.Store
	dir  *account.Directory
	auth *auth.Authenticator
	log  *slog.Logger
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{log: slog.New(slog.DiscardHandler)}
	folder, err := embedded.Open(t.TempDir(), embedded.Small(), r.log)
	must(t, err)
	st, err := storage.Open(folder.Engine, folder.Blobs, []storage.Schema{mail.Schema}, storage.DefaultConfig(), r.log)
	must(t, err)
	t.Cleanup(func() {
		st.Close()
		folder.Close()
	})
	r.mail, err = mail.New(st, mail.DefaultConfig(), r.log)
	must(t, err)
	ac := account.DefaultConfig()
	ac.Domain, ac.Memory, ac.Passes, ac.ScramIterations = "example.org", 8, 1, 4096
	r.dir, err = account.Open(folder.Engine, ac, r.log)
	must(t, err)
	for _, name := range []string{"anna", "ben"} {
		_, err := r.dir.Add(t.Context(), account.New{Name: name, Password: "pass word"})
		must(t, err)
	}
	r.auth = auth.New(r.dir, auth.Config{PlainLocal: true}, r.log)
	return r
}

// box returns the mailboxes of an account and its INBOX.
func (r *rig) box(t testing.TB, name string) (*mail.Account, mail.ID) {
	t.Helper()
	ctx := context.Background()
	acc, err := r.dir.Find(ctx, name)
	must(t, err)
	box := r.mail.Open(acc.ID, acc.ID)
	must(t, box.Ensure(ctx))
	m, err := box.Mailbox(ctx, mail.Inbox)
	must(t, err)
	return box, m.ID
}

// fill appends messages to an account's INBOX, each so many times.
func (r *rig) fill(t testing.TB, name string, times int, texts ...string) {
	t.Helper()
	ctx := context.Background()
	box, id := r.box(t, name)
	for _, text := range texts {
		spool, err := r.mail.Storage().Blobs().Spool(ctx, 0)
		must(t, err)
		io.WriteString(spool, text)
		p, err := r.mail.Prepare(ctx, spool)
		must(t, err)
		for left := times; left > 0; {
			batch := make([]mail.NewMessage, min(left, 500))
			for i := range batch {
				batch[i].Prepared = p
			}
			_, err = box.Append(ctx, id, batch...)
			must(t, err)
			left -= len(batch)
		}
		p.Release()
	}
}

// flags returns UIDs and whether they are \Seen, of an account's INBOX.
func (r *rig) flags(t testing.TB, name string) map[imap.UID]bool {
	t.Helper()
	box, id := r.box(t, name)
	snap, err := box.Snapshot(context.Background(), id)
	must(t, err)
	all := map[imap.UID]bool{}
	for _, m := range snap.Messages(0, snap.Len()) {
		all[m.UID] = m.Flags.Has(mail.Seen)
	}
	return all
}

func certificate(t testing.TB) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	must(t, err)
	cert := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return conn.TLS(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert, nil })
}

// serve starts a server and returns its address.
func (r *rig) serve(t testing.TB, change ...func(*Config)) (*Server, string) {
	t.Helper()
	cfg := DefaultConfig()
	cfg.LockWait = 20 * time.Millisecond
	for _, f := range change {
		f(&cfg)
	}
	s, err := New(r.mail, r.auth, cfg, certificate(t), r.log)
	must(t, err)
	l, err := conn.Listen("127.0.0.1:0")
	must(t, err)
	go s.Serve(l, false)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		s.Shutdown(ctx)
	})
	return s, l.Addr().String()
}

// script plays a transcript.
func (r *rig) script(t *testing.T, text string, change ...func(*Config)) {
	t.Helper()
	_, addr := r.serve(t, change...)
	mailtest.Play(t, mailtest.Server{Dial: func() (net.Conn, error) { return net.Dial("tcp", addr) }}, text)
}
