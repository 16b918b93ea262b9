package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The tests of this package drive the real program, built once, over its protocols and its
// command line.

// binary is the program; TestMain builds it when the first test asks for it.
var binary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(scratch, "atrium")
	out, err := exec.Command("go", append(append([]string{"build", "-o", path}, buildFlags...), ".")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// buildFlags are the binary's, see race_test.go.
var buildFlags []string

// scratch is the folder of the binary, removed at the end.
var scratch string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "atrium-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		scratch = dir
		return m.Run()
	}())
}

// program runs a subcommand to its end.
func program(t testing.TB, stdin string, args ...string) (code int, out, errOut string) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("atrium %s: %v", strings.Join(args, " "), err)
	}
	return cmd.ProcessState.ExitCode(), o.String(), e.String()
}

// instance is a server on ports and a data folder of its own.
type instance struct {
	t      testing.TB
	dir    string // of the configuration
	config string
	data   string
	ports  map[string]string // by listener
	cmd    *exec.Cmd
	log    *bytes.Buffer
	ended  chan error
}

const testDomain = "example.org"

// cheap are passwords that cost next to nothing: the tests are not about them.
const cheap = "[passwords]\nmemory = 64\npasses = 1\nscram_iterations = 0\n"

// newInstance writes a configuration; the server is not started. more is added to the file.
func newInstance(t testing.TB, more string) *instance {
	t.Helper()
	i := &instance{t: t, dir: t.TempDir(), ports: map[string]string{}}
	i.config, i.data = filepath.Join(i.dir, "atrium.toml"), filepath.Join(i.dir, "data")
	keys := []string{"lmtp", "imap", "pop3", "http", "sieve"}
	for n, a := range freeAddresses(t, len(keys)) {
		i.ports[keys[n]] = a
	}
	text := fmt.Sprintf("domain = %q\nhostname = \"localhost\"\ndata = %q\nshutdown = \"10s\"\n[log]\nlevel = \"warn\"\n[auth]\nplain_local = true\n[listen]\n", testDomain, i.data)
	for _, k := range []string{"smtp", "submission", "submissions", "imaps", "pop3s", "https"} {
		text += k + " = []\n"
	}
	for _, k := range keys {
		text += fmt.Sprintf("%s = [%q]\n", k, i.ports[k])
	}
	if err := os.WriteFile(i.config, []byte(text+cheap+more), 0o600); err != nil {
		t.Fatal(err)
	}
	return i
}

// freeAddresses are loopback addresses that nobody listens on. Their ports are below those that systems give to
// connections, one of which could take a port before the server has it.
func freeAddresses(t testing.TB, n int) (list []string) {
	t.Helper()
	for tries := 0; len(list) < n; tries++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 15000+rand.IntN(17000)))
		if err == nil {
			defer l.Close()
			list = append(list, l.Addr().String())
		} else if tries > 100 {
			t.Fatal(err)
		}
	}
	return list
}

// start starts the server and waits until it listens.
func (i *instance) start() {
	i.t.Helper()
	path, err := binary()
	if err != nil {
		i.t.Fatal(err)
	}
	pid := filepath.Join(i.dir, "pid")
	os.Remove(pid)
	i.cmd, i.log, i.ended = exec.Command(path, "serve", "-config", i.config, "-pid", pid), &bytes.Buffer{}, make(chan error, 1)
	i.cmd.Stderr = i.log
	if err := i.cmd.Start(); err != nil {
		i.t.Fatal(err)
	}
	go func() { i.ended <- i.cmd.Wait() }()
	i.t.Cleanup(i.kill)
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(pid); err == nil {
			return
		}
		select {
		case err := <-i.ended:
			i.ended <- err
			i.t.Fatalf("the server ended at its start: %v\n%s", err, i.log)
		default:
		}
		if time.Now().After(end) {
			i.t.Fatalf("the server does not listen after a minute\n%s", i.log)
		}
	}
}

// kill is kill -9.
func (i *instance) kill() {
	if i.cmd == nil {
		return
	}
	i.cmd.Process.Kill()
	<-i.ended
	i.cmd = nil
	if s := i.log.String(); strings.Contains(s, "panic") || strings.Contains(s, "DATA RACE") {
		i.t.Errorf("the server's log:\n%s", s)
	}
}

// terminate is SIGTERM; the server must end by itself with 0.
func (i *instance) terminate() {
	i.t.Helper()
	i.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-i.ended:
		if err != nil {
			i.t.Errorf("after SIGTERM: %v\n%s", err, i.log)
		}
	case <-time.After(30 * time.Second):
		i.cmd.Process.Kill()
		i.t.Fatalf("still running 30 s after SIGTERM\n%s", i.log)
	}
	if s := i.log.String(); strings.Contains(s, "panic") || strings.Contains(s, "level=ERROR") || strings.Contains(s, "DATA RACE") {
		i.t.Errorf("the server's log:\n%s", s)
	}
	i.cmd = nil
}

// admin runs a subcommand on the server's configuration and wants an exit code.
func (i *instance) admin(want int, stdin string, args ...string) (out, errOut string) {
	i.t.Helper()
	n := 1 // behind the subcommand's name
	for n < len(args) && n < 2 && args[0] != "check" {
		n++
	}
	full := append(append([]string{}, args[:n]...), "-config", i.config)
	code, out, errOut := program(i.t, stdin, append(full, args[n:]...)...)
	if code != want {
		i.t.Errorf("atrium %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), code, want, out, errOut)
	}
	return out, errOut
}

// lineClient is a connection of a line protocol.
type lineClient struct {
	net.Conn
	r   *bufio.Reader
	tag int
}

func dialLine(ctx context.Context, addr string) (*lineClient, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	l := &lineClient{Conn: c}
	l.reset()
	return l, nil
}

// reset begins to read the connection anew.
func (c *lineClient) reset() { c.r = bufio.NewReader(c.Conn) }

// errRefused is an answer that says no.
var errRefused = errors.New("refused")

// read returns a line without its end.
func (c *lineClient) read() (string, error) {
	c.SetReadDeadline(time.Now().Add(30 * time.Second))
	s, err := c.r.ReadString('\n')
	return strings.TrimRight(s, "\r\n"), err
}

// expect reads a line, or the lines of an SMTP reply, that must begin so.
func (c *lineClient) expect(prefix string) (string, error) {
	for {
		s, err := c.read()
		if err != nil {
			return s, err
		}
		if len(s) > 3 && s[3] == '-' && strings.HasPrefix(s, prefix[:1]) {
			continue
		}
		if !strings.HasPrefix(s, prefix) {
			return s, fmt.Errorf("%w: %q, want %q", errRefused, s, prefix)
		}
		return s, nil
	}
}

// send sends a line and expects the answer to begin so.
func (c *lineClient) send(line, prefix string) (string, error) {
	if _, err := io.WriteString(c, line+"\r\n"); err != nil {
		return "", err
	}
	return c.expect(prefix)
}

// imap sends a command, with a literal at its end when lit is not nil, and returns the untagged
// responses, each with its literals, and the tagged OK.
func (c *lineClient) imap(command string, lit []byte) (untagged []string, ok string, err error) {
	c.tag++
	tag := fmt.Sprintf("t%d", c.tag)
	if lit != nil {
		command += fmt.Sprintf("{%d+}\r\n%s", len(lit), lit)
	}
	if _, err := io.WriteString(c, tag+" "+command+"\r\n"); err != nil {
		return nil, "", err
	}
	for {
		s, err := c.response()
		if err != nil {
			return untagged, "", err
		}
		if rest, mine := strings.CutPrefix(s, tag+" "); mine {
			if !strings.HasPrefix(rest, "OK") {
				return untagged, rest, fmt.Errorf("%w: %.200s: %q", errRefused, command, rest)
			}
			return untagged, rest, nil
		}
		untagged = append(untagged, s)
	}
}

// response reads a line with the literals in it.
func (c *lineClient) response() (string, error) {
	var all strings.Builder
	for {
		c.SetReadDeadline(time.Now().Add(30 * time.Second))
		s, err := c.r.ReadString('\n')
		if err != nil {
			return all.String(), err
		}
		all.WriteString(s)
		var n int
		if at := strings.LastIndexByte(s, '{'); at < 0 || !strings.HasSuffix(s, "}\r\n") {
			return strings.TrimSuffix(all.String(), "\r\n"), nil
		} else if _, err := fmt.Sscanf(s[at:], "{%d}", &n); err != nil {
			return all.String(), err
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(c.r, b); err != nil {
			return all.String(), err
		}
		all.Write(b)
	}
}

// dialIMAP logs in.
func (i *instance) dialIMAP(ctx context.Context, user, password string) (*lineClient, error) {
	c, err := dialLine(ctx, i.ports["imap"])
	if err != nil {
		return nil, err
	}
	if _, err = c.expect("* OK"); err == nil {
		_, _, err = c.imap(fmt.Sprintf("LOGIN %q %q", user, password), nil)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// dialLMTP says LHLO.
func (i *instance) dialLMTP(ctx context.Context) (*lineClient, error) {
	c, err := dialLine(ctx, i.ports["lmtp"])
	if err != nil {
		return nil, err
	}
	if _, err = c.expect("220"); err == nil {
		_, err = c.send("LHLO test.example", "250")
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// request does one HTTP request as a user.
func (i *instance) request(ctx context.Context, h *http.Client, method, path, user, body string) (status int, answer string, err error) {
	rq, err := http.NewRequestWithContext(ctx, method, "http://"+i.ports["http"]+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	rq.SetBasicAuth(user, "pass")
	if strings.HasSuffix(path, ".ics") {
		rq.Header.Set("Content-Type", "text/calendar; charset=utf-8")
	}
	rs, err := h.Do(rq)
	if err != nil {
		return 0, "", err
	}
	defer rs.Body.Close()
	b, err := io.ReadAll(rs.Body)
	return rs.StatusCode, string(b), err
}
