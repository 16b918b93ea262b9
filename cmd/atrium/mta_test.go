package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"atrium/mail/authres"
	"atrium/mail/resolver"
	"atrium/mail/verify"
)

// exim is an Exim with a configuration of its own, on a loopback port.
type exim struct {
	dir  string
	port int
}

// newExim starts one that has carl@exim.test and gives all other mail to a server of ours.
func newExim(t *testing.T, ours string) *exim {
	path, err := exec.LookPath("exim4")
	if err != nil || os.Getuid() != 0 {
		t.Skip("no Exim, or not allowed to start one: apt-get install exim4-daemon-light, and run as root")
	}
	dir, err := os.MkdirTemp("", "exim-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	x := &exim{dir: dir}
	_, port, _ := net.SplitHostPort(freeAddresses(t, 1)[0])
	x.port, _ = strconv.Atoi(port)
	_, oursPort, _ := net.SplitHostPort(ours)
	conf := filepath.Join(dir, "conf")
	text := fmt.Sprintf(`primary_hostname = mx.exim.test
exim_path = %[1]s
exim_user = nobody
exim_group = nogroup
never_users =
deliver_drop_privilege = true
spool_directory = %[2]s/spool
log_file_path = %[2]s/spool/%%slog
pid_file_path = %[2]s/spool/pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = %[3]s
tls_advertise_hosts =
dsn_advertise_hosts = *
host_lookup =
rfc1413_hosts =
keep_environment =
domainlist ours = exim.test
acl_smtp_rcpt = acl_rcpt
acl_smtp_data = accept
begin acl
acl_rcpt:
  accept domains = +ours
    local_parts = carl
  deny domains = +ours
    message = no such user
  accept
begin routers
here:
  driver = accept
  domains = +ours
  local_parts = carl
  transport = box
there:
  driver = manualroute
  domains = ! +ours
  route_list = * 127.0.0.1
  self = send
  transport = out
begin transports
box:
  driver = appendfile
  directory = %[2]s/spool/mail
  maildir_format
  user = nobody
  group = nogroup
out:
  driver = smtp
  port = %[4]s
  allow_localhost
  hosts_avoid_tls = *
begin retry
* * F,2h,1s
`, path, dir, port, oursPort)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	os.Chmod(dir, 0o755)
	if out, err := exec.Command("install", "-d", "-o", "nobody", "-g", "nogroup", filepath.Join(dir, "spool"), filepath.Join(dir, "spool", "mail")).CombinedOutput(); err != nil {
		t.Skipf("Exim has no folders: %s", out)
	}
	daemon := exec.Command(path, "-C", conf, "-bdf", "-q5s")
	var words strings.Builder
	daemon.Stdout, daemon.Stderr = &words, &words
	if err := daemon.Start(); err != nil {
		t.Skipf("Exim does not start: %v", err)
	}
	ended := make(chan struct{})
	go func() { daemon.Wait(); close(ended) }()
	t.Cleanup(func() {
		daemon.Process.Signal(os.Interrupt)
		daemon.Process.Kill()
		<-ended
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "spool", "mainlog"))
			t.Logf("%s%s", words.String(), log)
		}
	})
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
			return x
		}
		select {
		case <-ended:
			t.Skipf("Exim does not start: %s", words.String())
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("Exim does not listen: %v", err)
		}
	}
}

// mail is what has arrived at carl's.
func (x *exim) mail() []string { return maildir(filepath.Join(x.dir, "spool", "mail")) }

// maildir has the messages of one.
func maildir(dir string) (list []string) {
	files, _ := filepath.Glob(filepath.Join(dir, "new", "*"))
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil {
			list = append(list, string(b))
		}
	}
	return list
}

// transact sends a message with parameters; login is who logs in, "": nobody. The error has the reply of the
// server that refused.
func transact(address, login, mail, rcpt, content string) error {
	conn, err := net.DialTimeout("tcp", address, time.Minute)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * time.Minute))
	c := textproto.NewConn(conn)
	if _, _, err := c.ReadResponse(220); err != nil {
		return err
	}
	steps := []struct {
		say  string
		want int
	}{{"EHLO client.test", 250}, {"AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+login+"\x00pass")), 235},
		{"MAIL FROM:" + mail, 250}, {"RCPT TO:" + rcpt, 250}, {"DATA", 354}}
	for _, s := range steps {
		if s.want == 235 && login == "" {
			continue
		}
		if err := c.PrintfLine("%s", s.say); err != nil {
			return err
		}
		if _, _, err := c.ReadResponse(s.want); err != nil {
			return fmt.Errorf("%s: %w", s.say, err)
		}
	}
	w := c.DotWriter()
	io.WriteString(w, strings.ReplaceAll(content, "\n", "\r\n"))
	if err := w.Close(); err != nil {
		return err
	}
	_, _, err = c.ReadResponse(250)
	return err
}

// inbox is what an account has in INBOX.
func (i *instance) inbox(name string) string {
	i.t.Helper()
	c, err := i.dialIMAP(i.t.Context(), name, "pass")
	if err != nil {
		i.t.Fatal(err)
	}
	defer c.Close()
	if _, _, err := c.imap("SELECT INBOX", nil); err != nil {
		i.t.Fatal(err)
	}
	list, _, err := c.imap("FETCH 1:* BODY.PEEK[]", nil)
	if err != nil {
		return ""
	}
	return strings.Join(list, "\n")
}

// until waits for something that has to come.
func (i *instance) until(what string, holds func() bool) {
	i.t.Helper()
	for end := time.Now().Add(2 * time.Minute); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			out, _ := i.admin(exitOK, "", "queue", "list")
			i.t.Fatalf("in vain: %s\n%s", what, out)
		}
	}
}

// reportOn finds the report on a transaction among messages, by its ENVID.
func reportOn(messages []string, id string) string {
	field := regexp.MustCompile(`(?mi)^Original-Envelope-Id: ` + regexp.QuoteMeta(id) + `\r?$`)
	for _, m := range messages {
		if field.MatchString(m) {
			return m
		}
	}
	return ""
}

// TestReportsBetweenServers sends mail to real servers and takes mail from them, with all that senders can want to hear of it (RFC 3461).
func TestReportsBetweenServers(t *testing.T) {
	for _, domain := range []string{"postfix.test", "exim.test"} {
		t.Run(domain, func(t *testing.T) {
			i := newMailer(t, "")
			var port int
			var mail func() []string
			if domain == "postfix.test" {
				p := newPostfix(t, i.ports["smtp"])
				port, mail = p.port, p.mail
			} else {
				x := newExim(t, i.ports["smtp"])
				port, mail = x.port, x.mail
			}
			i.add(fmt.Sprintf("[queue]\nroutes = [{ domain = %q, host = \"127.0.0.1\", port = %d }]\n", domain, port))
			i.start()
			defer i.terminate()
			for n := range 3 {
				i.admin(exitOK, "pass\n", "account", "add", fmt.Sprintf("user%d", n+1))
			}
			i.admin(exitOK, "", "alias", "add", "both@example.org", "user1", "user2")
			script := filepath.Join(t.TempDir(), "redirect.sieve")
			if err := os.WriteFile(script, fmt.Appendf(nil, "redirect \"carl@%s\";\n", domain), 0o600); err != nil {
				t.Fatal(err)
			}
			i.admin(exitOK, "", "sieve", "put", "user3", "main", script, "-activate")
			out := func(mail, rcpt string) {
				t.Helper()
				if err := transact(i.ports["submission"], "user1@example.org", "<user1@example.org> "+mail, rcpt, "From: user1@example.org\nSubject: out\n\ntext\n"); err != nil {
					t.Fatal(err)
				}
			}
			in := func(id, to string) {
				t.Helper()
				if err := transact(fmt.Sprintf("127.0.0.1:%d", port), "", "<carl@"+domain+"> RET=HDRS ENVID="+id, "<"+to+"> NOTIFY=SUCCESS,FAILURE", "From: carl@"+domain+"\nSubject: in\nMessage-ID: <"+id+"@test>\n\ntext\n"); err != nil {
					t.Fatal(err)
				}
			}
			heard := func(id string) string { return reportOn([]string{i.inbox("user1")}, id) }
			out("RET=HDRS ENVID=silent", "<gone@"+domain+"> NOTIFY=NEVER")
			out("RET=HDRS ENVID=out-1", "<carl@"+domain+"> NOTIFY=SUCCESS ORCPT=rfc822;first@example.net")
			i.until("the other server tells of the delivery", func() bool { return heard("out-1") != "" })
			if r := heard("out-1"); !strings.Contains(r, "Action: delivered") || !strings.Contains(r, "first@example.net") {
				t.Error(r)
			}
			out("RET=HDRS ENVID=out-2", "<gone@"+domain+"> NOTIFY=FAILURE")
			i.until("the failure is told", func() bool { return heard("out-2") != "" })
			if r := heard("out-2"); !strings.Contains(r, "Action: failed") || !strings.Contains(r, "text/rfc822-headers") {
				t.Error(r)
			}
			if r := heard("silent"); r != "" {
				t.Error(r)
			}
			in("in-1", "user2@example.org")
			in("in-2", "both@example.org")
			in("in-3", "user3@example.org")
			for id, want := range map[string]string{"in-1": "Action: delivered", "in-2": "Action: expanded", "in-3": "Action: delivered"} {
				i.until("the outcome of "+id+" is told", func() bool { return reportOn(mail(), id) != "" })
				r := reportOn(mail(), id)
				if !strings.Contains(r, want) {
					t.Errorf("%s: %s", id, r)
				}
				if id == "in-3" && (!strings.Contains(r, "Reporting-MTA: dns; mx."+domain) && !strings.Contains(r, "Reporting-MTA: dns;mx."+domain) || !strings.Contains(r, "user3@example.org")) {
					t.Errorf("what was redirected is told of by another: %s", r)
				}
			}
			i.until("the redirected message is there", func() bool { return forwarded(mail()) != "" })
			i.sealed(forwarded(mail()))
		})
	}
}

// TestPlainServer sends mail to a real server that knows of nothing new.
func TestPlainServer(t *testing.T) {
	i := newMailer(t, "")
	p := newPostfix(t, i.ports["smtp"], "smtpd_discard_ehlo_keywords = 8bitmime, dsn, smtputf8, chunking, size, pipelining", "strict_7bit_headers = yes", "strict_8bitmime_body = yes")
	i.add(fmt.Sprintf("[queue]\nroutes = [{ domain = \"postfix.test\", host = \"127.0.0.1\", port = %d }]\n", p.port))
	i.start()
	defer i.terminate()
	i.admin(exitOK, "pass\n", "account", "add", "user1")
	send := func(mail, rcpt, content string) {
		t.Helper()
		if err := transact(i.ports["submission"], "user1@example.org", "<user1@example.org> "+mail, rcpt, content); err != nil {
			t.Fatal(err)
		}
	}
	send("BODY=8BITMIME SMTPUTF8 ENVID=plain-1", "<carl@postfix.test> NOTIFY=SUCCESS",
		"From: user1@example.org\nMIME-Version: 1.0\nSubject: plain\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nWith many greetings from the \"Grüne Straße\"\n")
	send("BODY=8BITMIME SMTPUTF8 ENVID=plain-2", "<carl@postfix.test> NOTIFY=FAILURE", "From: user1@example.org\nSubject: Grüße\n\ntext\n")
	for id, want := range map[string][]string{"plain-1": {"Action: relayed\r\n", "Whether it arrived is not known here."}, "plain-2": {"Action: failed\r\nStatus: 5.6.7\r\n", "Content-Type: message/global\r\n"}} {
		i.until(id+" is told of", func() bool { return reportOn([]string{i.inbox("user1")}, id) != "" })
		for _, w := range want {
			if r := i.inbox("user1"); !strings.Contains(r, w) {
				t.Errorf("%s: no %q in %s", id, w, r)
			}
		}
	}
	i.until("one arrives", func() bool { return len(p.mail()) == 1 })
	if m := p.mail()[0]; !strings.Contains(m, "Content-Transfer-Encoding: quoted-printable\n") || !strings.Contains(m, "from the \"Gr=C3=BCne Stra=C3=9Fe\"\n") || strings.Count(m, "DKIM-Signature: ") != 4 {
		t.Errorf("got %s", m)
	}
}

// TestHeldMail: what is to be sent later is shown as that, outlives a restart, and goes when it is let go (RFC 4865).
func TestHeldMail(t *testing.T) {
	sink := newMailSink(t)
	i := newMailer(t, sink.route("there.example"))
	i.start()
	i.admin(exitOK, "pass\n", "account", "add", "user1")
	at := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second).Format(time.RFC3339)
	send := func(hold, to, id string) {
		t.Helper()
		if err := transact(i.ports["submission"], "user1@example.org", "<user1@example.org> "+hold, "<"+to+">", "From: user1@example.org\nMessage-ID: <"+id+"@test>\n\ntext\n"); err != nil {
			t.Fatal(err)
		}
	}
	send("HOLDUNTIL="+at, "bob@there.example", "later")
	send("HOLDUNTIL="+at, "user1@example.org", "own")
	send("HOLDFOR=1", "bob@there.example", "soon")
	i.until("what was held for a second is sent", func() bool { return sink.count("soon") == 1 })
	for range 2 {
		if out, _ := i.admin(exitOK, "", "queue", "list"); strings.Count(out, "waits until "+at) != 2 {
			t.Errorf("no two wait until %s:\n%s", at, out)
		}
		i.terminate()
		i.start()
	}
	if n := sink.count("later"); n != 0 {
		t.Errorf("sent %d times before its time", n)
	}
	i.admin(exitOK, "", "queue", "retry", "all")
	i.until("what was let go is sent", func() bool { return sink.count("later") == 1 && strings.Contains(i.inbox("user1"), "<own@test>") })
	i.until("nothing waits", func() bool {
		out, _ := i.admin(exitOK, "", "queue", "list")
		return !strings.Contains(out, "there.example")
	})
	i.terminate()
}

// add adds to the configuration.
func (i *instance) add(text string) {
	i.t.Helper()
	b, err := os.ReadFile(i.config)
	if err == nil {
		err = os.WriteFile(i.config, append(b, text...), 0o600)
	}
	if err != nil {
		i.t.Fatal(err)
	}
}

// forwarded finds what was redirected.
func forwarded(messages []string) string {
	for _, m := range messages {
		if strings.Contains(m, "X-Sieve-Redirected-From: user3@example.org\n") && !strings.Contains(m, "multipart/report") {
			return m
		}
	}
	return ""
}

// sealed checks the seal of a message by the records that the server says are to be published (RFC 8617).
func (i *instance) sealed(message string) {
	i.t.Helper()
	out, _ := i.admin(exitOK, "", "domain", "dns", "example.org")
	zone := resolver.Static("")
	for line := range strings.Lines(out) {
		if f := strings.SplitN(strings.TrimSpace(line), "\t", 5); len(f) == 5 && strings.Contains(f[0], "_domainkey") {
			zone.Add(f[0] + " TXT " + f[4])
		}
	}
	v, err := verify.New(verify.DefaultConfig(), zone)
	if err != nil {
		i.t.Fatal(err)
	}
	m := strings.NewReader(strings.ReplaceAll(message, "\n", "\r\n"))
	r, err := v.Check(i.t.Context(), &verify.Input{Message: m, Size: m.Size()})
	if err != nil || r.ARC.Outcome != authres.Pass || !strings.Contains(message, "ARC-Authentication-Results: i=1; localhost;") {
		i.t.Errorf("arc=%s (%s), %v\n%s\n%s", r.ARC.Outcome, r.ARC.Reason, err, message, out)
	}
}
