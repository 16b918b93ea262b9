package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// syncBuffer is a buffer that a process writes while a test reads it.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestDemo follows what the demo prints: everything works with nothing but that text.
func TestDemo(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	tmp := t.TempDir()
	cmd := exec.Command(path, "serve", "-demo")
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	var out, errOut syncBuffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { cmd.Process.Kill() })
	for end := time.Now().Add(time.Minute); !strings.Contains(out.String(), "curl -k"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not say how to connect:\n%s%s", out.String(), errOut.String())
		}
	}
	d := readDemo(t, out.String())
	if len(d.people) != 2 {
		t.Fatalf("%d accounts in\n%s", len(d.people), out.String())
	}
	for _, p := range d.people {
		d.mail(t, p[0], p[1])
		d.web(t, p[0], p[1])
	}
	cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("after SIGTERM: %v\n%s", err, errOut.String())
		}
	case <-time.After(30 * time.Second):
		t.Fatal("still running 30 s after SIGTERM")
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if s := errOut.String(); s != "" {
		t.Errorf("the log:\n%s", s)
	}
}

// demo is what the demo printed.
type demo struct {
	people [][2]string // name and password
	ports  map[string]string
	tls    *tls.Config
}

func readDemo(t *testing.T, text string) (d demo) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^  (\S+@\S+) +password (\S+)$`).FindAllStringSubmatch(text, -1) {
		d.people = append(d.people, [2]string{m[1], m[2]})
	}
	d.ports = map[string]string{}
	for key, expr := range map[string]string{
		"imaps": `IMAP .* port (\d+)  SSL/TLS`, "pop3s": `or POP3, port (\d+)`, "submissions": `outgoing .* port (\d+)  SSL/TLS`,
		"https": `https://\S+:(\d+)/`, "imap": `without TLS: IMAP (\d+)`, "smtp": `other servers: (\d+)\.`, "sieve": `ManageSieve.* port (\d+)\.`,
	} {
		m := regexp.MustCompile(expr).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("no port of %s in\n%s", key, text)
		}
		d.ports[key] = "localhost:" + m[1]
	}
	m := regexp.MustCompile(`install\n  (\S+)`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no authority in\n%s", text)
	}
	pem, err := os.ReadFile(m[1])
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatalf("%s is no certificate", m[1])
	}
	d.tls = &tls.Config{RootCAs: pool, ServerName: "localhost"}
	return d
}

// dial opens a connection with TLS by the authority that was printed.
func (d *demo) dial(t *testing.T, key string) *lineClient {
	t.Helper()
	c, err := tls.Dial("tcp", d.ports[key], d.tls)
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	t.Cleanup(func() { c.Close() })
	l := &lineClient{Conn: c}
	l.reset()
	return l
}

func (d *demo) mail(t *testing.T, name, password string) {
	c := d.dial(t, "imaps")
	if _, err := c.expect("* OK"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.imap(fmt.Sprintf("LOGIN %q %q", name, password), nil); err != nil {
		t.Fatal(err)
	}
	if all, err := c.messages("INBOX"); err != nil || len(all) < 3 {
		t.Errorf("%s: %d messages, %v", name, len(all), err)
	}
	p := d.dial(t, "pop3s")
	for n, s := range []string{"", "USER " + name, "PASS " + password, "STAT"} {
		answer, err := "", error(nil)
		if n == 0 {
			answer, err = p.expect("+OK")
		} else {
			answer, err = p.send(s, "+OK")
		}
		if err != nil || s == "STAT" && !regexp.MustCompile(`^\+OK [1-9]`).MatchString(answer) {
			t.Errorf("%s: POP3 %s: %q, %v", name, s, answer, err)
		}
	}
}

// web looks into the collections that a new account has.
func (d *demo) web(t *testing.T, name, password string) {
	h := &http.Client{Transport: &http.Transport{TLSClientConfig: d.tls}, Timeout: 30 * time.Second}
	defer h.CloseIdleConnections()
	base := "https://" + d.ports["https"]
	for path, want := range map[string]int{
		"/calendars/" + name + "/calendar/": 3, "/calendars/" + name + "/tasks/": 2, "/calendars/" + name + "/notes/": 1,
		"/addressbooks/" + name + "/contacts/": 2,
	} {
		rq, err := http.NewRequest("PROPFIND", base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		rq.SetBasicAuth(name, password)
		rq.Header.Set("Depth", "1")
		rs, err := h.Do(rq)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(rs.Body)
		rs.Body.Close()
		if got := len(regexp.MustCompile(`\.(ics|vcf)</`).FindAll(b, -1)); err != nil || rs.StatusCode != http.StatusMultiStatus || got != want {
			t.Errorf("%s: %s, %d objects, want %d; %v\n%s", path, rs.Status, got, want, err, b)
		}
	}
}
