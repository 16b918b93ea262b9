package sieved

import (
	"bufio"
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
	"strings"
	"testing"
	"time"

	"atrium/mail"
	"atrium/mail/auth"
	"atrium/mail/conn"
	"atrium/mail/mailtest"
	"atrium/mail/rules"
	"atrium/storage"
	"atrium/storage/account"
	"atrium/storage/embedded"
)

// rig is a server with the accounts anna and ben at example.org, password "pass word".
type rig struct {
	scripts *rules.Scripts
	auth    *auth.Authenticator
	log     *slog.Logger
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
	cfg := rules.DefaultConfig()
	cfg.MaxScripts, cfg.MaxScript = 3, 4096
	r.scripts, err = rules.NewScripts(st, cfg, r.log)
	must(t, err)
	ac := account.DefaultConfig()
	ac.Domain, ac.Memory, ac.Passes, ac.ScramIterations = "example.org", 8, 1, 4096
	dir, err := account.Open(folder.Engine, ac, r.log)
	must(t, err)
	for _, name := range []string{"anna", "ben"} {
		_, err := dir.Add(context.Background(), account.New{Name: name, Password: "pass word"})
		must(t, err)
	}
	r.auth = auth.New(dir, auth.Config{PlainLocal: true}, r.log)
	return r
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

func (r *rig) serve(t testing.TB, change ...func(*Config)) (*Server, string) {
	t.Helper()
	cfg := DefaultConfig()
	for _, f := range change {
		f(&cfg)
	}
	s, err := New(r.scripts, r.auth, cfg, certificate(t), r.log)
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

func play(t *testing.T, addr, script string) {
	t.Helper()
	mailtest.Play(t, mailtest.Server{Dial: func() (net.Conn, error) { return net.Dial("tcp", addr) }}, script)
}

const greeting = `
S: "IMPLEMENTATION" "Atrium"
S: "SIEVE" "$..."
S: "SASL" "PLAIN SCRAM-SHA-256"
S: "STARTTLS"
S: "MAXREDIRECTS" "8"
S: "NOTIFY" "mailto"
S: "EXTLISTS" "urn:ietf:params:sieve:addrbook"
S: "VERSION" "1.0"
S: "UNAUTHENTICATE"
S: OK "Atrium ManageSieve ready"
`

const login = greeting + `
C: AUTHENTICATE "PLAIN" "AGFubmEAcGFzcyB3b3Jk"
S: OK "Logged in"
`

func TestScripts(t *testing.T) {
	for _, tc := range []struct{ name, script string }{
		{"the commands of RFC 5804", login + `
			C: LISTSCRIPTS
			S: OK "Listscripts completed"
			C: HAVESPACE "one" 100
			S: OK "There is room"
			C: PUTSCRIPT "one" {5+}
			C: keep;
			S: OK "Script is kept"
			C: putscript "zwei
			S: NO "A string is not closed, too long, or no UTF-8"
			C: PUTSCRIPT "zwei ä" "discard;"
			S: OK "Script is kept"
			C: SETACTIVE "one"
			S: OK "Setactive completed"
			C: LISTSCRIPTS
			S: "one" ACTIVE
			S: "zwei ä"
			S: OK "Listscripts completed"
			C: GETSCRIPT "one"
			S: {5}
			S: keep;
			S: OK "Getscript completed"
			C: RENAMESCRIPT "one" "zwei ä"
			S: NO (ALREADYEXISTS) "A script with that name exists"
			C: RENAMESCRIPT "one" "drei"
			S: OK "Renamescript completed"
			C: DELETESCRIPT "drei"
			S: NO (ACTIVE) "The active script cannot be deleted"
			C: SETACTIVE ""
			S: OK "Setactive completed"
			C: DELETESCRIPT "drei"
			S: OK "Deletescript completed"
			C: DELETESCRIPT "drei"
			S: NO (NONEXISTENT) "There is no script by that name"
			C: GETSCRIPT "drei"
			S: NO (NONEXISTENT) "There is no script by that name"
			C: SETACTIVE "drei"
			S: NO (NONEXISTENT) "There is no script by that name"
			C: NOOP
			S: OK "Done"
			C: NOOP "a\"b"
			S: OK (TAG "a\"b") "Done"
			C: LOGOUT
			S: OK "Logout completed"`},
		{"mistakes and warnings", login + `
			C: CHECKSCRIPT "keep"
			S: NO "line 1:5: expected \";\" after the command \"keep\", found end of the script"
			C: PUTSCRIPT "x" {24+}
			C: nonsense;
			C: nonsense too;
			S: NO {74}
			S: line 1:1: unknown command "nonsense"
			S: line 2:1: unknown command "nonsense"
			C: CHECKSCRIPT "require \"include\"; include \"more\";"
			S: OK (WARNINGS) "line 1:1: the included script \"more\" is not there yet"
			C: CHECKSCRIPT "keep;"
			S: OK "Script is correct"`},
		{"quotas", login + `
			C: HAVESPACE "x" 5000
			S: NO (QUOTA/MAXSIZE) "Script is too large"
			C: PUTSCRIPT "1" ""
			S: OK "Script is kept"
			C: PUTSCRIPT "2" ""
			S: OK "Script is kept"
			C: PUTSCRIPT "3" ""
			S: OK "Script is kept"
			C: PUTSCRIPT "4" ""
			S: NO (QUOTA/MAXSCRIPTS) "Too many scripts"
			C: HAVESPACE "4" 10
			S: NO (QUOTA/MAXSCRIPTS) "Too many scripts"
			C: PUTSCRIPT "3" "keep;"
			S: OK "Script is kept"`},
		{"before the login", greeting + `
			C: LISTSCRIPTS
			S: NO "Not in this state: AUTHENTICATE first"
			C: AUTHENTICATE "NONSENSE"
			S: NO "Mechanism is not supported"
			C: AUTHENTICATE "PLAIN" "!"
			S: NO "Malformed response"
			C: AUTHENTICATE "PLAIN"
			S: ""
			C: "*"
			S: NO "Authentication cancelled"
			C: AUTHENTICATE "PLAIN"
			S: ""
			C: {20+}
			C: AGFubmEAcGFzcyB3b3Jk
			S: OK "Logged in"
			C: AUTHENTICATE "PLAIN"
			S: NO "Not in this state: you are authenticated"
			C: UNAUTHENTICATE
			S: OK "Unauthenticated"
			C: LISTSCRIPTS
			S: NO "Not in this state: AUTHENTICATE first"
			C: AUTHENTICATE "PLAIN" "AGFubmEAd3Jvbmc="
			S: NO "Wrong name or password"`},
		{"what is no command", greeting + `
			C: NONSENSE
			S: NO "Unknown command"
			C: "CAPABILITY"
			S: NO "Unknown command"
			C: NOOP "a" "b"
			S: NO "Wrong arguments for NOOP"
			C: NOOP 1
			S: NO "Wrong arguments for NOOP"
			C: 
			S: NO "A command is missing"
			C: NOOP "x
			S: NO "A string is not closed, too long, or no UTF-8"
			C: NOOP a b c d e f g h {3+}
			C: xyz
			S: NO "Too many arguments"
			C: LOGOUT
			S: OK "Logout completed"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, addr := newRig(t).serve(t)
			play(t, addr, tc.script)
		})
	}
}

// client speaks to a server line by line.
type client struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func (c *client) say(s string) { io.WriteString(c.Conn, s) }

// until reads up to a line that begins with OK, NO or BYE.
func (c *client) until() (all string) {
	c.t.Helper()
	for {
		line, err := c.r.ReadString('\n')
		must(c.t, err)
		all += line
		if strings.HasPrefix(line, "OK") || strings.HasPrefix(line, "NO") || strings.HasPrefix(line, "BYE") {
			return all
		}
	}
}

func dial(t testing.TB, addr string) *client {
	nc, err := net.Dial("tcp", addr)
	must(t, err)
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(30 * time.Second))
	return &client{t, nc, bufio.NewReader(nc)}
}

// TestTLS checks that STARTTLS tells the capabilities anew, with what TLS allows, and
// forgets what was said before it.
func TestTLS(t *testing.T) {
	r := newRig(t)
	_, addr := r.serve(t)
	c := dial(t, addr)
	c.until()
	c.say("STARTTLS\r\nNOOP \"early\"\r\n")
	c.until()
	tc := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true})
	c.Conn, c.r = tc, bufio.NewReader(tc)
	got := c.until()
	if !strings.Contains(got, `"SASL" "PLAIN SCRAM-SHA-256-PLUS SCRAM-SHA-256"`) || strings.Contains(got, "STARTTLS") || strings.Contains(got, "early") {
		t.Error(got)
	}
	c.say("STARTTLS\r\n")
	if got := c.until(); !strings.HasPrefix(got, "NO") {
		t.Error(got)
	}
	c.say("NOOP\r\n")
	if got := c.until(); got != "OK \"Done\"\r\n" {
		t.Error(got)
	}
}

// TestPlainNeedsTLS checks that passwords are not taken in plain text where they may not be.
func TestPlainNeedsTLS(t *testing.T) {
	r := newRig(t)
	r.auth = auth.New(r.auth.Directory(), auth.Config{}, r.log)
	_, addr := r.serve(t)
	c := dial(t, addr)
	if got := c.until(); !strings.Contains(got, "\"SASL\" \"SCRAM-SHA-256\"\r\n") {
		t.Error(got)
	}
	c.say("AUTHENTICATE \"PLAIN\" \"AGFubmEAcGFzcyB3b3Jk\"\r\n")
	if got := c.until(); got != "NO (ENCRYPT-NEEDED) \"Use STARTTLS first\"\r\n" {
		t.Error(got)
	}
}

// TestLarge checks that a literal that is too large does not break the dialog.
func TestLarge(t *testing.T) {
	_, addr := newRig(t).serve(t)
	c := dial(t, addr)
	c.until()
	c.say("AUTHENTICATE \"PLAIN\" \"AGFubmEAcGFzcyB3b3Jk\"\r\n")
	c.until()
	c.say("PUTSCRIPT \"a\" {100000+}\r\n" + strings.Repeat("#", 100000) + "\r\nNOOP \"next\"\r\n")
	if got := c.until() + c.until(); !strings.HasPrefix(got, "NO (QUOTA/MAXSIZE) ") || !strings.HasSuffix(got, "OK (TAG \"next\") \"Done\"\r\n") {
		t.Error(got)
	}
	c.say("PUTSCRIPT \"a\" {9999999999+}\r\n")
	if got := c.until(); !strings.HasPrefix(got, "BYE (QUOTA/MAXSIZE)") {
		t.Error(got)
	}
}

// TestOff checks each extension switched off.
func TestOff(t *testing.T) {
	r := newRig(t)
	for _, x := range extensions() {
		if x.needed {
			continue
		}
		_, addr := r.serve(t, func(c *Config) { c.Disable = []string{x.name} })
		c := dial(t, addr)
		if got := c.until(); strings.Contains(got, `"`+x.name+`"`) {
			t.Errorf("%s: %s", x.name, got)
		}
		for _, cmd := range x.commands {
			c.say(cmd.name + "\r\n")
			if got := c.until(); got != "NO \"Unknown command\"\r\n" {
				t.Errorf("%s: %s", cmd.name, got)
			}
		}
	}
}

// FuzzSession feeds bytes to a session, logged in or not.
func FuzzSession(f *testing.F) {
	for _, s := range []string{"CAPABILITY\r\n", "PUTSCRIPT \"a\" {5+}\r\nkeep;\r\nLISTSCRIPTS\r\n", "AUTHENTICATE \"PLAIN\" \"AGFubmEAcGFzcyB3b3Jk\"\r\n", "HAVESPACE \"x\" 99\r\n",
		"NOOP {3+}\r\nabc {1}\r\n", "SETACTIVE \"\"\r\nGETSCRIPT {1+}\r\na\r\n", "UNAUTHENTICATE\r\nAUTHENTICATE \"SCRAM-SHA-256\" \"biwsbj1hbm5hLHI9MTIzNDU2Nzg=\"\r\n\"\"\r\n", "CHECKSCRIPT {10+}\r\nif true {}\r\n"} {
		f.Add(s, true)
		f.Add(s, false)
	}
	r := newRig(f)
	s, err := New(r.scripts, r.auth, DefaultConfig(), nil, r.log)
	must(f, err)
	f.Fuzz(func(t *testing.T, in string, loggedIn bool) {
		if len(in) > 1<<16 {
			t.Skip()
		}
		client, server := net.Pipe()
		done := make(chan struct{})
		go func() {
			s.ServeConn(server, false)
			close(done)
		}()
		go func() {
			if loggedIn {
				io.WriteString(client, "AUTHENTICATE \"PLAIN\" \"AGFubmEAcGFzcyB3b3Jk\"\r\n")
			}
			io.WriteString(client, in)
			io.WriteString(client, "\r\nLOGOUT\r\n")
			client.Close()
		}()
		io.Copy(io.Discard, client)
		client.Close()
		<-done
		if s.Stats().Panics > 0 {
			t.Fatal("panic")
		}
	})
}
