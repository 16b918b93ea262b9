package imapd

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/auth"
	"atrium/mail/mailtest"
	"atrium/storage"
	"atrium/storage/account"
	"atrium/storage/blob"
	"atrium/storage/embedded"
)

// rig is a server over a store in a folder, with users user1 to user3, password "pass".
type rig struct {
	*Server
	store *mail.Store
	dir   *account.Directory
	users []*account.Account
	wg    sync.WaitGroup
}

type rigConfig struct {
	imap  Config
	auth  auth.Config
	log   *slog.Logger
	blobs func(blob.Store) blob.Store // what stands before the bodies; may be nil
}

func newRig(t testing.TB, change func(*rigConfig)) *rig {
	t.Helper()
	log := slog.New(slog.NewTextHandler(logWriter{t}, &slog.HandlerOptions{Level: slog.LevelError}))
	cfg := rigConfig{imap: DefaultConfig(), auth: auth.DefaultConfig(), log: log}
	cfg.auth.PlainLocal = true
	if change != nil {
		change(&cfg)
	}
	store := embedded.Small()
	if _, ok := t.(*testing.B); ok {
		store = embedded.DefaultConfig()
	}
	e, err := embedded.Open(t.TempDir(), store, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var blobs blob.Store = e.Blobs
	if cfg.blobs != nil {
		blobs = cfg.blobs(blobs)
	}
	st, err := storage.Open(e.Engine, blobs, []storage.Schema{mail.Schema}, storage.DefaultConfig(), cfg.log)
	if err != nil {
		t.Fatal(err)
	}
	ac := account.DefaultConfig()
	ac.Domain, ac.Memory, ac.Passes = "example.org", 64, 1
	ac.Delay, ac.MaxDelay, ac.LockAfter = 0, 0, 0
	dir, err := account.Open(e.Engine, ac, cfg.log)
	if err != nil {
		t.Fatal(err)
	}
	st.SetMemberships(dir.Memberships)
	r := &rig{dir: dir}
	for i := range 3 {
		u, err := dir.Add(context.Background(), account.New{Name: fmt.Sprintf("user%d", i+1), Password: "pass"})
		if err != nil {
			t.Fatal(err)
		}
		r.users = append(r.users, u)
	}
	if r.store, err = mail.New(st, mail.DefaultConfig(), cfg.log); err != nil {
		t.Fatal(err)
	}
	if r.Server, err = New(r.store, auth.New(dir, cfg.auth, cfg.log), cfg.imap, testTLS(), cfg.log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		r.Shutdown(ctx)
		r.wg.Wait()
		if n := r.Stats().Panics; n > 0 {
			t.Errorf("%d panics", n)
		}
		st.Close()
		e.Close()
	})
	return r
}

type logWriter struct{ t testing.TB }

func (w logWriter) Write(p []byte) (int, error) {
	fmt.Print(string(p))
	return len(p), nil
}

var testTLS = sync.OnceValue(func() *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	tpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
})

// dial opens a connection to the server by a pipe.
func (r *rig) dial() (net.Conn, error) {
	client, server := net.Pipe()
	r.wg.Go(func() { r.ServeConn(server, false) })
	return client, nil
}

// listen serves on loopback and returns the address.
func (r *rig) listen(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.wg.Go(func() { r.Serve(l, false) })
	return l.Addr().String()
}

// bare plays from the greeting on; player logs in first.
func (r *rig) bare() mailtest.Server { return mailtest.Server{Dial: r.dial} }

func (r *rig) player() mailtest.Server {
	return mailtest.Server{Dial: r.dial, Prelude: `
		S: * OK [CAPABILITY $...] $...
		C: p0 LOGIN user1 pass
		S: p0 OK [CAPABILITY $...] Logged in`}
}

// box returns a user's mailbox, made when it is not there.
func (r *rig) box(t testing.TB, user int, name string) (*mail.Account, mail.ID) {
	t.Helper()
	a := r.store.Open(r.users[user-1].ID, r.users[user-1].ID)
	if err := a.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	m, err := a.Mailbox(t.Context(), name)
	if err != nil {
		if m, err = a.Create(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	return a, m.ID
}

// fill puts n messages into a mailbox, all alike but for their flags.
func (r *rig) fill(t testing.TB, user int, name string, n int, flags func(i int) []imap.Flag) {
	t.Helper()
	a, id := r.box(t, user, name)
	spool, err := r.store.Storage().Blobs().Spool(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	spool.Write([]byte(strings.ReplaceAll(sample, "\n", "\r\n")))
	p, err := r.store.Prepare(t.Context(), spool)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Release()
	for i := 0; i < n; {
		var msgs []mail.NewMessage
		for ; len(msgs) < 300 && i < n; i++ {
			m := mail.NewMessage{Prepared: p, Date: time.Unix(1700000000+int64(i), 0)}
			if flags != nil {
				m.Flags = flags(i)
			}
			msgs = append(msgs, m)
		}
		if _, err := a.Append(t.Context(), id, msgs...); err != nil {
			t.Fatal(err)
		}
	}
}

const sample = `From: Alice Example <alice@example.com>
To: Bob <bob@example.org>, carol@example.net
Cc: Dave <dave@example.org>
Subject: A message like any other
Date: Mon, 2 Mar 2026 10:00:00 +0100
Message-ID: <sample.1@example.com>
References: <a@example.com> <b@example.com>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

Hello Bob,

this is the body of the message.
`
