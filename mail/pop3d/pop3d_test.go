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

	"github.com/emersion/go-imap/v2"
)

// RFC 1939 §6: only QUIT removes. What came meanwhile stays, what IMAP removed
// meanwhile is no error.
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
	f.Add([]byte("USER anna\r\nPASS pass word\r\nLIST\r\nRETR 2\r\nTOP 1 1\r\nDELE 1\r\nRSET\r\nQUIT\r\n"), true, false)
	f.Add([]byte("AUTH SCRAM-SHA-256 biws\r\n\x00\r\nSTLS\r\nCAPA\r\nLANG x\r\nLANG de-\r\nUTF8\r\n"), false, true)
	f.Add([]byte("UIDL 1\r\nuidl\r\nstat 1\r\nLIST 99999999999999999999\r\nRETR +1\r\nTOP 1 0x1\r\n"), true, true)
	f.Add([]byte("LANG de\r\nUIDL\r\nLIST\r\nLIST 3\r\nRETR 1\r\nCAPA\r\n"), true, true)
	r := newRig(f)
	r.fill(f, "anna", 1, three...)
	cfg := DefaultConfig()
	cfg.LockWait = time.Second
	classic, err := New(r.mail, r.auth, cfg, nil, r.log)
	must(f, err)
	// With a message that is hidden, one that has another server's id, and a time.
	box, id := r.box(f, "anna")
	must(f, box.PopNote(f.Context(), id, nil, imap.UIDSet{{Start: 2, Stop: 2}}, time.Now()))
	must(f, box.SetUIDLs(f.Context(), id, map[imap.UID]string{3: "old"}))
	cfg.Policy.Keep, cfg.Policy.Seen = "30d", true
	timed, err := New(r.mail, r.auth, cfg, nil, r.log)
	must(f, err)
	f.Fuzz(func(t *testing.T, in []byte, loggedIn, keep bool) {
		s := classic
		if keep {
			s = timed
		}
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
