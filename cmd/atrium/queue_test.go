package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// newMailer is a server that takes submissions and mail from other servers.
func newMailer(t *testing.T, more string) *instance {
	t.Helper()
	i := newInstance(t, more)
	b, err := os.ReadFile(i.config)
	if err != nil {
		t.Fatal(err)
	}
	free := freeAddresses(t, 2)
	i.ports["submission"], i.ports["smtp"] = free[0], free[1]
	for _, key := range []string{"submission", "smtp"} {
		b = bytes.Replace(b, []byte("\n"+key+" = []\n"), fmt.Appendf(nil, "\n%s = [%q]\n", key, i.ports[key]), 1)
	}
	if err := os.WriteFile(i.config, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return i
}

// submit sends a message as a person's program does.
func (i *instance) submit(from, to, id, body string) error {
	c, err := smtp.Dial(i.ports["submission"])
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Auth(smtp.PlainAuth("", from, "pass", "127.0.0.1")); err != nil {
		return err
	}
	if err := errors.Join(c.Mail(from), c.Rcpt(to)); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "From: %s\r\nTo: %s\r\nSubject: test\r\nMessage-ID: <%s@test>\r\n\r\n%s\r\n", from, to, id, body)
	return w.Close()
}

// mailSink takes all mail and counts it by Message-ID.
type mailSink struct {
	l    net.Listener
	mu   sync.Mutex
	have map[string]int
}

func newMailSink(t *testing.T) *mailSink {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &mailSink{l: l, have: map[string]int{}}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(c)
		}
	}()
	return s
}

func (s *mailSink) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	say := func(text string) { io.WriteString(c, text+"\r\n") }
	say("220 sink")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch verb := strings.ToUpper(strings.TrimSpace(line[:min(4, len(line))])); verb {
		case "EHLO":
			say("250-sink\r\n250 PIPELINING")
		case "DATA":
			say("354 go on")
			id := ""
			for line != ".\r\n" {
				if line, err = r.ReadString('\n'); err != nil {
					return
				}
				if v, ok := strings.CutPrefix(line, "Message-ID: "); ok && id == "" {
					id = strings.TrimSpace(v)
				}
			}
			s.mu.Lock()
			s.have[id]++
			s.mu.Unlock()
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (s *mailSink) count(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.have["<"+id+"@test>"]
}

func (s *mailSink) route(domain string) string {
	return fmt.Sprintf("[queue]\nretry = [\"1s\"]\nroutes = [{ domain = %q, host = \"127.0.0.1\", port = %d }]\n", domain, s.l.Addr().(*net.TCPAddr).Port)
}

// TestQueueKill kills the server again and again while accounts send to another
// server: what was accepted arrives, and at most twice.
func TestQueueKill(t *testing.T) {
	sink := newMailSink(t)
	i := newMailer(t, sink.route("there.example"))
	i.start()
	i.admin(exitOK, "pass\n", "account", "add", "user1")
	var mu sync.Mutex
	var accepted []string
	rounds := 3
	if testing.Short() {
		rounds = 1
	}
	n := 0
	for round := range rounds {
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for k := 0; ; k++ {
					select {
					case <-stop:
						return
					default:
					}
					id := fmt.Sprintf("%d-%d-%d", round, w, k)
					if err := i.submit("user1@example.org", "bob@there.example", id, "hello"); err == nil {
						mu.Lock()
						accepted = append(accepted, id)
						mu.Unlock()
					} else {
						time.Sleep(10 * time.Millisecond)
					}
				}
			})
		}
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			mu.Lock()
			enough := len(accepted) > n+20
			mu.Unlock()
			if enough {
				break
			}
		}
		time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond)
		i.kill()
		close(stop)
		wg.Wait()
		if len(accepted) == n {
			t.Fatal("nothing was accepted: the round proves nothing")
		}
		n = len(accepted)
		i.start()
	}
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		missing := ""
		for _, id := range accepted {
			if sink.count(id) == 0 {
				missing = id
			}
		}
		if missing == "" {
			break
		}
		if time.Now().After(end) {
			out, _ := i.admin(exitOK, "", "queue", "list")
			t.Fatalf("%s was accepted and did not arrive; the queue:\n%s", missing, out)
		}
	}
	twice := 0
	for _, id := range accepted {
		switch c := sink.count(id); {
		case c > rounds+1: // once more for each crash at most
			t.Errorf("%s arrived %d times", id, c)
		case c > 1:
			twice++
		}
	}
	t.Logf("%d accepted, %d of them arrived twice, in %d crashes", len(accepted), twice, rounds)
	i.terminate()
	i.admin(exitOK, "", "check", "-deep")
}

// TestQueueCommands looks at what waits, with the server running and without.
func TestQueueCommands(t *testing.T) {
	i := newMailer(t, "[queue]\nroutes = [{ domain = \"there.example\", host = \"127.0.0.1\", port = 1 }]\n")
	i.start()
	i.admin(exitOK, "pass\n", "account", "add", "user1")
	if err := i.submit("user1@example.org", "bob@there.example", "1", "hello"); err != nil {
		t.Fatal(err)
	}
	if err := i.submit("user2@example.org", "bob@there.example", "1", "hello"); err == nil {
		t.Error("a stranger may submit")
	}
	id := ""
	for end := time.Now().Add(time.Minute); !strings.Contains(id, "no connection"); time.Sleep(20 * time.Millisecond) {
		id, _ = i.admin(exitOK, "", "queue", "list")
		if time.Now().After(end) {
			t.Fatal(id)
		}
	}
	id = strings.Fields(strings.Split(id, "\n")[1])[0]
	for _, running := range []bool{true, false} {
		if out, _ := i.admin(exitOK, "", "queue", "show", id); !strings.Contains(out, "bob@there.example  pending") {
			t.Error(out)
		}
		i.admin(exitOK, "", "queue", "hold", id)
		if out, _ := i.admin(exitOK, "", "queue", "list", "-match", "bob"); !strings.Contains(out, "held") {
			t.Error(out)
		}
		i.admin(exitOK, "", "queue", "release", "all")
		i.admin(exitOK, "", "queue", "retry", id)
		i.admin(exitFailed, "", "queue", "drop", "nothing")
		if running {
			i.terminate()
		}
	}
	i.admin(exitOK, "", "queue", "drop", id)
	if out, _ := i.admin(exitOK, "", "queue", "list"); strings.Contains(out, id) {
		t.Error(out)
	}
	i.admin(exitOK, "", "account", "sendas", "user1", "info@example.org")
	if out, _ := i.admin(exitOK, "", "domain", "dns", "example.org"); !strings.Contains(out, "v=DKIM1; k=ed25519; p=") || !strings.Contains(out, "_submissions._tcp.example.org.") {
		t.Error(out)
	}
	i.admin(exitOK, "", "domain", "rotate", "example.org")
	i.admin(exitOK, "", "domain", "rotate", "-activate", "example.org")
	i.admin(exitOK, "", "check")
}

// postfix is a Postfix with a configuration of its own, on a loopback port.
type postfix struct {
	dir  string
	port int
}

// newPostfix starts one that has carl@postfix.test and gives mail for example.org to a server of ours.
// more are further settings.
func newPostfix(t *testing.T, ours string, more ...string) *postfix {
	path, err := exec.LookPath("postfix")
	if err != nil || os.Getuid() != 0 {
		t.Skip("no Postfix, or not allowed to start one: apt-get install postfix, and run as root")
	}
	dir, err := os.MkdirTemp("", "postfix-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &postfix{dir: dir}
	_, port, _ := net.SplitHostPort(freeAddresses(t, 1)[0])
	p.port, _ = strconv.Atoi(port)
	_, oursPort, _ := net.SplitHostPort(ours)
	main := fmt.Sprintf(`compatibility_level = 3.6
queue_directory = %[1]s/spool
data_directory = %[1]s/data
maillog_file = %[1]s/log
maillog_file_prefixes = %[1]s
myhostname = mx.postfix.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
virtual_mailbox_domains = postfix.test
virtual_mailbox_base = %[1]s/mail
virtual_mailbox_maps = inline:{carl@postfix.test=carl/}
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
transport_maps = inline:{example.org=smtp:[127.0.0.1]:%[2]s}
smtp_tls_security_level = may
smtp_host_lookup = native
disable_dns_lookups = yes
message_size_limit = 100000000
virtual_mailbox_limit = 0
`, dir, oursPort) + strings.Join(more, "\n") + "\n"
	master := "127.0.0.1:" + port + " inet n - n - - smtpd\n"
	for _, s := range []string{"pickup unix n - n 60 1 pickup", "cleanup unix n - n - 0 cleanup", "qmgr unix n - n 300 1 qmgr", "tlsmgr unix - - n 1000? 1 tlsmgr",
		"rewrite unix - - n - - trivial-rewrite", "bounce unix - - n - 0 bounce", "defer unix - - n - 0 bounce", "trace unix - - n - 0 bounce",
		"verify unix - - n - 1 verify", "flush unix n - n 1000? 0 flush", "proxymap unix - - n - - proxymap", "proxywrite unix - - n - 1 proxymap",
		"smtp unix - - n - - smtp", "relay unix - - n - - smtp", "showq unix n - n - - showq", "error unix - - n - - error", "retry unix - - n - - error",
		"discard unix - - n - - discard", "virtual unix - n n - - virtual", "anvil unix - - n - 1 anvil", "scache unix - - n - 1 scache", "postlog unix-dgram n - n - 1 postlogd"} {
		master += s + "\n"
	}
	for _, sub := range []string{"", "etc", "spool", "data", "mail"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
		os.Chmod(filepath.Join(dir, sub), 0o755)
	}
	os.Chown(filepath.Join(dir, "mail"), 65534, 65534)
	if out, err := exec.Command("chown", "postfix", filepath.Join(dir, "data")).CombinedOutput(); err != nil {
		t.Skipf("Postfix has no user: %s", out)
	}
	for name, text := range map[string]string{"main.cf": main, "master.cf": master} {
		if err := os.WriteFile(filepath.Join(dir, "etc", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command(path, "-c", filepath.Join(dir, "etc"), "start").CombinedOutput(); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		t.Skipf("Postfix does not start: %v\n%s%s", err, out, log)
	}
	t.Cleanup(func() {
		exec.Command(path, "-c", filepath.Join(dir, "etc"), "stop").Run()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Logf("%s", log)
		}
	})
	return p
}

// mail is what has arrived at carl's.
func (p *postfix) mail() []string {
	return maildir(filepath.Join(p.dir, "mail", "carl"))
}

// TestPostfix sends mail to a real server and takes mail from it, with reports.
func TestPostfix(t *testing.T) {
	i := newMailer(t, "")
	p := newPostfix(t, i.ports["smtp"])
	b, err := os.ReadFile(i.config)
	if err != nil {
		t.Fatal(err)
	}
	route := fmt.Sprintf("[queue]\nroutes = [{ domain = \"postfix.test\", host = \"127.0.0.1\", port = %d }]\n", p.port)
	if err := os.WriteFile(i.config, append(b, route...), 0o600); err != nil {
		t.Fatal(err)
	}
	i.start()
	i.admin(exitOK, "pass\n", "account", "add", "user1")
	big := strings.Repeat(strings.Repeat("x", 70)+"\r\n", 40<<10)
	for id, to := range map[string]string{"small": "carl@postfix.test", "gone": "gone@postfix.test"} {
		if err := i.submit("user1@example.org", to, id, "hello"); err != nil {
			t.Fatal(err)
		}
	}
	if err := i.submit("user1@example.org", "carl@postfix.test", "big", big); err != nil {
		t.Fatal(err)
	}
	until := func(what string, holds func() bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				out, _ := i.admin(exitOK, "", "queue", "list")
				t.Fatalf("in vain: %s\n%s", what, out)
			}
		}
	}
	until("both arrive", func() bool { return len(p.mail()) == 2 })
	for _, m := range p.mail() {
		if !strings.Contains(m, "DKIM-Signature: a=ed25519-sha256;") || strings.Contains(m, "<big@") && len(m) < len(big)/72*71 {
			t.Errorf("%d bytes: %.2000s", len(m), m)
		}
	}
	inbox := func() (all []string) {
		c, err := i.dialIMAP(t.Context(), "user1", "pass")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.imap("SELECT INBOX", nil)
		list, _, err := c.imap("FETCH 1:* BODY[]", nil)
		if err != nil {
			return nil
		}
		return list
	}
	until("the failure is reported", func() bool {
		return strings.Contains(strings.Join(inbox(), ""), "gone@postfix.test could not be delivered.")
	})
	if err := smtp.SendMail(fmt.Sprintf("127.0.0.1:%d", p.port), nil, "carl@postfix.test", []string{"user1@example.org", "nobody@example.org"},
		[]byte("From: carl@postfix.test\r\nSubject: back\r\nMessage-ID: <back@test>\r\n\r\nhello back\r\n")); err != nil {
		t.Fatal(err)
	}
	until("mail comes in", func() bool { return strings.Contains(strings.Join(inbox(), ""), "hello back") })
	until("Postfix tells of the one who is not here", func() bool {
		return strings.Contains(strings.Join(p.mail(), ""), "No such user here")
	})
	i.terminate()
}
