package pop3d

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"atrium/mail/auth"
)

const login = `
S: +OK Atrium POP3 server ready
C: USER anna
S: +OK Now the password
C: PASS pass word
`

// Three messages: plain, with dots and bare LFs, and empty.
var three = []string{
	"Subject: one\r\n\r\nfirst\r\nsecond\r\nthird\r\n",
	"Subject: two\n\n.\n..dot\r\nlast without an end",
	"",
}

func TestScripts(t *testing.T) {
	for _, tc := range []struct{ name, script string }{
		{"the commands of RFC 1939", login + `
			S: +OK 3 messages (80 octets)
			C: STAT
			S: +OK 3 80
			C: LIST
			S: +OK 3 messages (80 octets)
			S: 1 38
			S: 2 42
			S: 3 0
			S: .
			C: list 2
			S: +OK 2 42
			C: RETR 1
			S: +OK 38 octets
			S: Subject: one
			S:
			S: first
			S: second
			S: third
			S: .
			C: RETR 2
			S: +OK 42 octets
			S: Subject: two
			S:
			S: ..
			S: ...dot
			S: last without an end
			S: .
			C: RETR 3
			S: +OK 0 octets
			S: .
			C: DELE 1
			S: +OK Message will be deleted
			C: STAT
			S: +OK 2 42
			C: LIST
			S: +OK 2 messages (42 octets)
			S: 2 42
			S: 3 0
			S: .
			C: RETR 1
			S: -ERR No such message
			C: DELE 1
			S: -ERR No such message
			C: RSET
			S: +OK 3 messages
			C: STAT
			S: +OK 3 80
			C: NOOP
			S: +OK
			C: QUIT
			S: +OK Bye
			EOF:`},
		{"TOP, RFC 1939 §7", login + `
			S: +OK 3 messages (80 octets)
			C: TOP 1 0
			S: +OK Top follows
			S: Subject: one
			S:
			S: .
			C: TOP 1 2
			S: +OK Top follows
			S: Subject: one
			S:
			S: first
			S: second
			S: .
			C: TOP 2 1
			S: +OK Top follows
			S: Subject: two
			S:
			S: ..
			S: .
			C: TOP 2 99999999999
			S: +OK Top follows
			S: Subject: two
			S:
			S: ..
			S: ...dot
			S: last without an end
			S: .
			C: TOP 3 5
			S: +OK Top follows
			S: .
			C: TOP 1
			S: -ERR Wrong number of arguments
			C: TOP 1 -1
			S: -ERR Not a number of lines
			C: TOP 4 0
			S: -ERR No such message`},
		{"UIDL stays, RFC 1939 §7", login + `
			S: +OK 3 messages (80 octets)
			C: UIDL
			S: +OK Unique ids follow
			S: 1 $one
			S: 2 $two
			S: 3 $three
			S: .
			C: UIDL 2
			S: +OK 2 $two
			C: DELE 1
			S: +OK $_ $_ $_ $_
			C: UIDL
			S: +OK Unique ids follow
			S: 2 $two
			S: 3 $three
			S: .
			C: UIDL 1
			S: -ERR No such message
			C: QUIT
			S: +OK Bye
			EOF:
			2S: +OK Atrium POP3 server ready
			2C: USER anna@example.org
			2S: +OK Now the password
			2C: PASS pass word
			2S: +OK 2 messages (42 octets)
			2C: UIDL
			2S: +OK Unique ids follow
			2S: 1 $two
			2S: 2 $three
			2S: .`},
		{"capabilities without TLS, RFC 2449", `
			S: +OK Atrium POP3 server ready
			C: CAPA
			S: +OK Capabilities follow
			S: TOP
			S: UIDL
			S: RESP-CODES
			S: AUTH-RESP-CODE
			S: PIPELINING
			S: EXPIRE NEVER
			S: USER
			S: SASL SCRAM-SHA-256 PLAIN LOGIN
			S: STLS
			S: LANG
			S: .
			C: USER anna
			S: +OK Now the password
			C: PASS pass word
			S: +OK $...
			C: CAPA
			S: +OK Capabilities follow
			S: TOP
			S: UIDL
			S: RESP-CODES
			S: AUTH-RESP-CODE
			S: PIPELINING
			S: EXPIRE NEVER
			S: USER
			S: SASL SCRAM-SHA-256 PLAIN LOGIN
			S: LANG
			S: IMPLEMENTATION Atrium
			S: .`},
		{"STLS forgets what was said and what came early, RFC 2595 §4", `
			S: +OK Atrium POP3 server ready
			C: USER anna
			S: +OK Now the password
			R: STLS\r\nPASS pass word\r\n
			S: +OK Begin TLS
			TLS:
			C: PASS pass word
			S: -ERR USER comes first
			C: STLS
			S: -ERR TLS is not available
			C: CAPA
			S: +OK Capabilities follow
			S: ...
			S: SASL SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN
			S: LANG
			S: .
			C: AUTH PLAIN AGFubmEAcGFzcyB3b3Jk
			S: +OK 3 messages (80 octets)`},
		{"AUTH, RFC 5034", `
			S: +OK Atrium POP3 server ready
			C: AUTH
			S: +OK Mechanisms follow
			S: SCRAM-SHA-256
			S: PLAIN
			S: LOGIN
			S: .
			C: AUTH NTLM
			S: -ERR Mechanism is not supported
			C: AUTH PLAIN
			S: +$...
			C: *
			S: -ERR Cancelled
			C: AUTH PLAIN =
			S: -ERR Malformed response
			C: AUTH LOGIN
			S: + VXNlcm5hbWU6
			C: YW5uYQ==
			S: + UGFzc3dvcmQ6
			C: cGFzcyB3b3Jk
			S: +OK 3 messages (80 octets)`},
		{"logins that fail, RFC 3206; the connection ends after a few", `
			S: +OK Atrium POP3 server ready
			C: PASS x
			S: -ERR USER comes first
			C: USER
			S: -ERR Wrong number of arguments
			C: USER anna
			S: +OK Now the password
			C: PASS wrong
			S: -ERR [AUTH] Wrong name or password
			C: PASS pass word
			S: -ERR USER comes first
			C: USER nobody
			S: +OK Now the password
			C: PASS wrong
			S: -ERR [AUTH] Wrong name or password
			C: AUTH PLAIN AGFubmEAd3Jvbmc=
			S: -ERR [AUTH] Wrong name or password
			C: AUTH PLAIN AGFubmEAd3Jvbmc=
			S: -ERR [AUTH] Wrong name or password
			C: AUTH PLAIN AGFubmEAd3Jvbmc=
			S: -ERR [AUTH] Wrong name or password
			EOF:`},
		{"wrong states and bad commands", `
			S: +OK Atrium POP3 server ready
			C: STAT
			S: -ERR Not in this state
			C: XYZZY
			S: -ERR Unknown command
			C:
			S: -ERR Unknown command
			R: \x00\xff\x80 \r\n
			S: -ERR Unknown command
			C: USER anna
			S: +OK Now the password
			C: PASS pass word
			S: +OK 3 messages (80 octets)
			C: USER anna
			S: -ERR Not in this state
			C: STLS
			S: -ERR Not in this state
			C: RETR
			S: -ERR Wrong number of arguments
			C: RETR 0
			S: -ERR No such message
			C: RETR -1
			S: -ERR No such message
			C: RETR 4294967297
			S: -ERR No such message
			C: RETR 1 2
			S: -ERR Wrong number of arguments
			C: QUIT
			S: +OK Bye
			EOF:`},
		{"pipelining, RFC 2449 §6.6", `
			S: +OK Atrium POP3 server ready
			R: USER anna\r\nPASS pass word\r\nSTAT\r\nRETR 3\r\nDELE 3\r\nNOOP\nQUIT\r\n
			S: +OK Now the password
			S: +OK 3 messages (80 octets)
			S: +OK 3 80
			S: +OK 0 octets
			S: .
			S: +OK Message will be deleted
			S: +OK
			S: +OK Bye
			EOF:`},
		{"one session a mailbox; the lock ends with the connection", login + `
			S: +OK 3 messages (80 octets)
			C: DELE 1
			S: +OK Message will be deleted
			2S: +OK Atrium POP3 server ready
			2C: USER anna
			2S: +OK Now the password
			2C: PASS pass word
			2S: -ERR [IN-USE] Another POP3 session has the mailbox
			3S: +OK Atrium POP3 server ready
			3C: USER ben
			3S: +OK Now the password
			3C: PASS pass word
			3S: +OK 0 messages (0 octets)
			BYE:
			WAIT: 20ms
			2C: USER anna
			2S: +OK Now the password
			2C: PASS pass word
			2S: +OK 3 messages (80 octets)`},
		{"LANG, RFC 6856 §3", `
			S: +OK Atrium POP3 server ready
			C: LANG
			S: +OK Languages follow
			S: en English
			S: i-default Default language
			S: .
			C: LANG EN-gb
			S: +OK en The language is English
			C: LANG *
			S: +OK en The language is English
			C: LANG xx
			S: -ERR en No such language`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.fill(t, "anna", 1, three...)
			r.script(t, tc.script)
		})
	}
}

func TestNoPlainText(t *testing.T) {
	r := newRig(t)
	r.auth = auth.New(r.dir, auth.Config{}, r.log)
	r.script(t, `
		S: +OK Atrium POP3 server ready
		C: CAPA
		S: +OK Capabilities follow
		S: ...
		S: EXPIRE NEVER
		S: SASL SCRAM-SHA-256
		S: STLS
		S: ...
		S: .
		C: USER anna
		S: -ERR Use STLS or a port with TLS first
		C: AUTH PLAIN AGFubmEAcGFzcyB3b3Jk
		S: -ERR Use STLS or a port with TLS first`)
}

func TestLoginDelay(t *testing.T) {
	r := newRig(t)
	r.script(t, login+`
		S: +OK 0 messages (0 octets)
		C: CAPA
		S: ...
		S: LOGIN-DELAY 60
		S: ...
		S: .
		C: QUIT
		S: +OK Bye
		EOF:
		2S: +OK Atrium POP3 server ready
		2C: USER anna
		2S: +OK Now the password
		2C: PASS pass word
		2S: -ERR [LOGIN-DELAY] At most one login in 60 seconds`, func(c *Config) { c.LoginDelay = time.Minute })
}

// RFC 1939 §6: only QUIT removes. What came meanwhile stays, what IMAP removed meanwhile is no error.
func TestDelete(t *testing.T) {
	r := newRig(t)
	r.fill(t, "anna", 10, "Subject: x\r\n\r\n")
	_, addr := r.serve(t, func(c *Config) { c.Policy.Seen = true })
	c := dial(t, addr)
	c.do("USER anna", "PASS pass word", "DELE 1", "RETR 2")
	c.lines()
	c.Close()
	for range 100 { // the end is noticed on the other side a little later
		if seen := r.flags(t, "anna"); len(seen) == 10 && seen[2] && !seen[1] {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if seen := fmt.Sprint(r.flags(t, "anna")); seen != "map[1:false 2:true 3:false 4:false 5:false 6:false 7:false 8:false 9:false 10:false]" {
		t.Fatal(seen)
	}
	c = dial(t, addr)
	c.do("USER anna", "PASS pass word", "DELE 1", "DELE 3", "DELE 10")
	r.fill(t, "anna", 1, "Subject: new\r\n\r\n")
	box, id := r.box(t, "anna")
	if _, err := box.Remove(t.Context(), id, appendUID(nil, 3)); err != nil {
		t.Fatal(err)
	}
	c.do("LIST 4", "QUIT")
	if seen := fmt.Sprint(r.flags(t, "anna")); seen != "map[2:true 4:false 5:false 6:false 7:false 8:false 9:false 11:false]" {
		t.Fatal(seen)
	}
}

// client is a small one; it fails the test on -ERR.
type client struct {
	net.Conn
	*bufio.Reader
	t testing.TB
}

func (c *client) Read(p []byte) (int, error) { return c.Reader.Read(p) }

func dial(t testing.TB, addr string) *client {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	must(t, err)
	t.Cleanup(func() { nc.Close() })
	c := &client{nc, bufio.NewReaderSize(nc, 64<<10), t}
	c.ok()
	return c
}

func (c *client) ok() {
	c.t.Helper()
	line, err := c.ReadSlice('\n')
	if err != nil || line[0] != '+' {
		c.t.Fatalf("%q %v", line, err)
	}
}

func (c *client) do(commands ...string) {
	c.t.Helper()
	for _, s := range commands {
		io.WriteString(c.Conn, s+"\r\n")
		c.ok()
	}
}

// lines reads to the final dot and returns how many lines and bytes there were.
func (c *client) lines() (n, size int) {
	c.t.Helper()
	for {
		line, err := c.ReadSlice('\n')
		if err != nil {
			c.t.Fatal(err)
		}
		if len(line) == 3 && line[0] == '.' {
			return n, size
		}
		n, size = n+1, size+len(line)
	}
}

// stuff is what stuffer does, plainly.
func stuff(in []byte) []byte {
	var out bytes.Buffer
	for len(in) > 0 {
		line, rest, found := bytes.Cut(in, []byte("\n"))
		if in = rest; found || len(line) > 0 {
			if bytes.HasPrefix(line, []byte(".")) {
				out.WriteByte('.')
			}
			out.Write(bytes.TrimSuffix(line, []byte("\r")))
			out.WriteString("\r\n")
		}
	}
	out.WriteString(".\r\n")
	return out.Bytes()
}

func FuzzStuffer(f *testing.F) {
	for _, s := range []string{"", ".", "..\n.", "a\r\nb\r", "\n\n\r\n.\r\n", "x\n.y\r\r\n", strings.Repeat(".\r\n", 10)} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, in []byte, step int) {
		want := stuff(in)
		var out bytes.Buffer
		w := &stuffer{w: &out, bol: true}
		for p := in; len(p) > 0; {
			n := min(max(step, 1), len(p))
			if k, err := w.Write(p[:n]); k != n || err != nil {
				t.Fatal(k, err)
			}
			p = p[n:]
		}
		must(t, w.close())
		if !bytes.Equal(out.Bytes(), want) {
			t.Errorf("%q in steps of %d: got %q, want %q", in, step, out.Bytes(), want)
		}
	})
}

// text is a body in memory.
type text struct{ *bytes.Reader }

func (text) Close() error { return nil }

func FuzzTop(f *testing.F) {
	f.Add([]byte("a: b\r\n\r\none\r\ntwo"), 1)
	f.Add([]byte("\nx\n\ny"), 2)
	f.Add(bytes.Repeat([]byte("header: x\r\n"), 2000), 0)
	f.Fuzz(func(t *testing.T, in []byte, n int) {
		if n < 0 {
			t.Skip()
		}
		var out bytes.Buffer
		must(t, copyTop(&out, text{bytes.NewReader(in)}, int64(n)))
		var want []byte
		body, left := false, n
		for _, line := range bytes.SplitAfter(in, []byte("\n")) {
			if body {
				if left == 0 {
					break
				}
				left--
			} else if len(bytes.Trim(line, "\r\n")) == 0 && bytes.HasSuffix(line, []byte("\n")) {
				body = true
			}
			want = append(want, line...)
		}
		if !bytes.Equal(out.Bytes(), want) {
			t.Errorf("%q, %d: got %q, want %q", in, n, out.Bytes(), want)
		}
	})
}

// A body that cannot be read to its end must not look whole.
func TestBrokenBody(t *testing.T) {
	var out bytes.Buffer
	err := copyTop(&out, broken{}, 5)
	if !errors.Is(err, iotest.ErrTimeout) {
		t.Error(err)
	}
}

type broken struct{ text }

func (broken) Size() int64                       { return 100 }
func (broken) ReadAt([]byte, int64) (int, error) { return 0, iotest.ErrTimeout }

// FuzzSession feeds bytes to a session in each state.
func FuzzSession(f *testing.F) {
	f.Add([]byte("USER anna\r\nPASS pass word\r\nLIST\r\nRETR 2\r\nTOP 1 1\r\nDELE 1\r\nRSET\r\nQUIT\r\n"), true)
	f.Add([]byte("AUTH SCRAM-SHA-256 biws\r\n\x00\r\nSTLS\r\nCAPA\r\nLANG x"), false)
	f.Add([]byte("UIDL 1\r\nuidl\r\nstat 1\r\nLIST 99999999999999999999\r\nRETR +1\r\nTOP 1 0x1\r\n"), true)
	r := newRig(f)
	r.fill(f, "anna", 1, three...)
	cfg := DefaultConfig()
	cfg.LockWait = time.Second
	s, err := New(r.mail, r.auth, cfg, nil, r.log)
	must(f, err)
	f.Fuzz(func(t *testing.T, in []byte, loggedIn bool) {
		if bytes.Contains(bytes.ToUpper(in), []byte("QUIT")) {
			in = bytes.ReplaceAll(bytes.ToUpper(in), []byte("DELE"), []byte("RETR")) // the next run needs the messages
		}
		a, b := net.Pipe()
		go func() {
			if loggedIn {
				io.WriteString(b, "USER anna\r\nPASS pass word\r\n")
			}
			b.Write(in)
			b.Close()
		}()
		go io.Copy(io.Discard, b)
		s.ServeConn(a, false)
		if len(s.locks) != 0 {
			t.Error("the lock stays")
		}
		if s.Stats().Panics != 0 {
			t.Error("panic")
		}
	})
}

// Python's poplib, which is what many scripts are made of.
func TestPoplib(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	r := newRig(t)
	r.fill(t, "anna", 1, three...)
	_, addr := r.serve(t)
	host, port, _ := net.SplitHostPort(addr)
	script := `
import poplib, ssl, sys
ctx = ssl._create_unverified_context()
c = poplib.POP3(sys.argv[1], int(sys.argv[2]), timeout=5)
assert 'STLS' in c.capa()
c.stls(context=ctx)
assert c.capa()['SASL'][-1] == 'LOGIN', c.capa()
c.user('anna'); c.pass_('pass word')
assert c.stat() == (3, 80), c.stat()
assert c.list()[1] == [b'1 38', b'2 42', b'3 0']
assert c.retr(2)[1] == [b'Subject: two', b'', b'.', b'..dot', b'last without an end'], c.retr(2)
assert c.top(1, 1)[1] == [b'Subject: one', b'', b'first']
u = [x.split()[1] for x in c.uidl()[1]]
assert len(set(u)) == 3
c.dele(1); c.rset(); c.dele(3); c.quit()
c = poplib.POP3(sys.argv[1], int(sys.argv[2]), timeout=5)
c.user('anna'); c.pass_('pass word')
assert [x.split()[1] for x in c.uidl()[1]] == u[:2]
c.quit()
`
	if out, err := exec.Command(python, "-c", script, host, port).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("no curl")
	}
	r := newRig(t)
	r.fill(t, "anna", 1, three...)
	_, addr := r.serve(t)
	for _, tc := range []struct{ path, options, want string }{
		{"/1", "", three[0]},
		{"/1", "--ssl-reqd -k", three[0]},
		{"/2", "--login-options AUTH=PLAIN", "Subject: two\r\n\r\n.\r\n..dot\r\nlast without an end\r\n"},
		{"/", "--login-options AUTH=LOGIN", "1 38\r\n2 42\r\n3 0\r\n"},
	} {
		args := append(strings.Fields(tc.options), "-sS", "-m", "5", "-u", "anna:pass word", "pop3://"+addr+tc.path)
		out, err := exec.Command(curl, args...).CombinedOutput()
		if err != nil || string(out) != tc.want {
			t.Errorf("%s %s: %v\n%q", tc.path, tc.options, err, out)
		}
	}
}

func TestShutdown(t *testing.T) {
	r := newRig(t)
	s, addr := r.serve(t)
	c := dial(t, addr)
	c.do("USER anna", "PASS pass word")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	must(t, s.Shutdown(ctx))
	if line, err := c.ReadString('\n'); line != "-ERR [SYS/TEMP] Server shuts down\r\n" {
		t.Error(line, err)
	}
}

// What a client does that looks for new mail: login, STAT, UIDL, QUIT, with 100,000 messages.
func BenchmarkCheck(b *testing.B) {
	const n = 100_000
	r := newRig(b)
	r.fill(b, "anna", n, "Subject: x\r\n\r\nshort\r\n")
	_, addr := r.serve(b)
	b.ResetTimer()
	for b.Loop() {
		c := dial(b, addr)
		c.do("USER anna", "PASS pass word", "STAT", "UIDL")
		if k, _ := c.lines(); k != n {
			b.Fatal(k)
		}
		c.do("QUIT")
		c.Close()
	}
}

// 1,000 messages of 20 KB each, one after another and pipelined.
func BenchmarkRetr(b *testing.B) {
	const n, size = 1000, 20 << 10
	r := newRig(b)
	line := strings.Repeat("x", 76) + "\r\n"
	for i := range n {
		r.fill(b, "anna", 1, fmt.Sprintf("Subject: %d\r\n\r\n", i)+strings.Repeat(line, size/len(line)))
	}
	_, addr := r.serve(b)
	for _, window := range []int{1, 32} {
		b.Run(fmt.Sprint("window=", window), func(b *testing.B) {
			c := dial(b, addr)
			c.do("USER anna", "PASS pass word")
			b.SetBytes(n * size)
			for b.Loop() {
				asked := 0
				for i := range n {
					if asked == i {
						var q bytes.Buffer
						for asked < n && asked < i+window {
							asked++
							fmt.Fprintf(&q, "RETR %d\r\n", asked)
						}
						c.Write(q.Bytes())
					}
					c.ok()
					c.lines()
				}
			}
			c.do("QUIT")
			c.Close()
		})
	}
}

func BenchmarkStuffer(b *testing.B) {
	p := []byte(strings.Repeat(strings.Repeat("x", 76)+"\r\n", 400))
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		w := stuffer{w: io.Discard, bol: true}
		w.Write(p)
		w.close()
	}
}
