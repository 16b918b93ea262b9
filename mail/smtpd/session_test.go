package smtpd

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

var replyLine = regexp.MustCompile(`^[2345][0-9][0-9][ -]([ -~]*)\r\n$`)

// FuzzSession feeds bytes to a session in each dialect and state: it answers
// with lawful replies, or not at all, and ends when the client does.
func FuzzSession(f *testing.F) {
	for _, s := range []string{
		"EHLO x\r\nMAIL FROM:<a@b.example> SIZE=10 BODY=8BITMIME\r\nRCPT TO:<user1@example.org>\r\nDATA\r\na: b\r\n\r\n..\r\n.\r\nQUIT\r\n",
		"LHLO x\r\nMAIL FROM:<> SMTPUTF8\r\nRCPT TO:<user1+ä@example.org>\r\nRCPT TO:<user2@example.org>\r\nBDAT 5\r\nabc\r\nBDAT 3 LAST\r\nx\r\n",
		"EHLO x\r\nAUTH PLAIN AHVzZXIxAHBhc3M=\r\nMAIL FROM:<user1@example.org>\r\nRCPT TO:<user1@example.org>\r\nDATA\r\nx\n.\n\r\n.\r\n",
		"EHLO x\r\nAUTH LOGIN\r\ndXNlcjE=\r\ncGFzcw==\r\nRSET\r\nNOOP\r\nHELP\r\nVRFY x\r\nEXPN y\r\n",
		"BDAT 99999999999999999999\r\nBDAT 4 LAST\r\nQUIT\r\n\x00\xff\r\r\n\n",
		"EHLO x\r\nSTARTTLS\r\n\x16\x03\x01\x00\x05hello",
		"GET / HTTP/1.1\r\n\r\n",
	} {
		for d := range byte(3) {
			f.Add(d, []byte(s))
		}
	}
	r := newRig(f)
	servers := []*Server{r.serve(f, SMTP), r.serve(f, Submission), r.serve(f, LMTP)}
	f.Fuzz(func(t *testing.T, dialect byte, in []byte) {
		here, there := net.Pipe()
		done := make(chan struct{})
		go func() {
			servers[dialect%3].ServeConn(there, false)
			close(done)
		}()
		go func() {
			here.SetWriteDeadline(time.Now().Add(5 * time.Second))
			here.Write(in)
			here.Write([]byte("\r\n.\r\nQUIT\r\n"))
			time.Sleep(time.Millisecond)
			here.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		}()
		br := bufio.NewReader(here)
		for {
			l, err := br.ReadString('\n')
			if err != nil {
				break
			}
			if strings.HasPrefix(l, "220 2.0.0 Go") {
				break // what comes is TLS
			}
			if !replyLine.MatchString(l) {
				t.Errorf("%q", l)
			}
		}
		here.Close()
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			t.Fatal("the session goes on without a client")
		}
	})
}

// TestBigMessage sends nearly 50 MiB by each way in: what is allocated on the way to the mailbox does not follow
// the size.
func TestBigMessage(t *testing.T) {
	if testing.Short() {
		t.Skip()
	}
	chunk := []byte(strings.Repeat(strings.Repeat("A", 76)+"\r\n", 840))
	const chunks = 780
	for _, tc := range []struct {
		name  string
		d     Dialect
		hello string
		bdat  bool
	}{{"SMTP", SMTP, "EHLO x", false}, {"SMTP in chunks", SMTP, "EHLO x", true}, {"submission", Submission, "EHLO x", false}, {"LMTP", LMTP, "LHLO x", false}} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			c := dial(t, listen(t, r.serve(t, tc.d)))
			c.SetDeadline(time.Now().Add(5 * time.Minute))
			c.cmd(tc.hello, "250")
			if tc.d == Submission {
				c.cmd("AUTH PLAIN AHVzZXIxAHBhc3M=", "235")
			}
			c.cmd("MAIL FROM:<user1@example.org>", "250")
			c.cmd("RCPT TO:<user1@example.org>", "250")
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			head := "From: user1@example.org\r\nSubject: big\r\n\r\n"
			if tc.bdat {
				c.cmd(fmt.Sprintf("BDAT %d\r\n%s", len(head), strings.TrimSuffix(head, "\r\n")), "250")
			} else {
				c.cmd("DATA", "354")
				c.write(head)
			}
			for range chunks {
				if tc.bdat {
					c.write(fmt.Sprintf("BDAT %d\r\n", len(chunk)))
				}
				if _, err := c.Conn.Write(chunk); err != nil {
					t.Fatal(err)
				}
				if tc.bdat {
					if l := c.reply(); !strings.HasPrefix(l, "250") {
						t.Fatal(l)
					}
				}
			}
			if tc.bdat {
				c.cmd("BDAT 0 LAST", "250")
			} else {
				c.cmd(".", "250")
			}
			runtime.ReadMemStats(&after)
			grown := int64(after.TotalAlloc - before.TotalAlloc)
			t.Logf("%d KiB allocated for a message of %d MiB", grown>>10, chunks*len(chunk)>>20)
			// the race detector drops a part of what is pooled
			if grown > int64(chunks*len(chunk)) {
				t.Errorf("%d bytes allocated for a message of %d", grown, chunks*len(chunk))
			}
		})
	}
}

// TestPython sends by Python's smtplib in all its ways.
func TestPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	r := newRig(t)
	smtp, submission, lmtp := listen(t, r.serve(t, SMTP)), listen(t, r.serve(t, Submission)), listen(t, r.serve(t, LMTP))
	_, p1, _ := net.SplitHostPort(smtp)
	_, p2, _ := net.SplitHostPort(submission)
	_, p3, _ := net.SplitHostPort(lmtp)
	cmd := exec.Command(python, "-c", `
import smtplib, ssl, sys
from email.message import EmailMessage
tls = ssl._create_unverified_context()
def message(subject):
    m = EmailMessage()
    m["From"], m["To"], m["Subject"] = "user1@example.org", "user1@example.org", subject
    m.set_content("Grüße\n.dot\n..dots\n")
    return m
with smtplib.SMTP("127.0.0.1", int(sys.argv[1])) as s:
    assert s.send_message(message("smtp"), "a@b.example", ["user1@example.org", "nobody@example.org"]) == {"nobody@example.org": (550, b"5.1.1 No such user here")}
    s.starttls(context=tls)
    s.ehlo("c.example")
    assert s.has_extn("size") and not s.has_extn("starttls") and not s.has_extn("auth")
    assert s.send_message(message("smtp tls")) == {}
    m = message("utf8"); m["X-Text"] = "ä"
    s.sendmail("ä@b.example", ["user1@example.org"], m.as_bytes(policy=m.policy.clone(utf8=True, linesep="\r\n")), mail_options=["SMTPUTF8", "BODY=8BITMIME"])
with smtplib.SMTP("127.0.0.1", int(sys.argv[2])) as s:
    s.starttls(context=tls)
    try:
        s.login("user1", "wrong")
        raise Exception("logged in")
    except smtplib.SMTPAuthenticationError as e:
        assert e.smtp_code == 535, e
    s.login("user1@example.org", "pass")
    assert s.send_message(message("submission")) == {}
    try:
        s.send_message(message("x"), "user1@example.org", ["a@elsewhere.example"])
        raise Exception("relayed")
    except smtplib.SMTPRecipientsRefused as e:
        pass
with smtplib.LMTP("127.0.0.1", int(sys.argv[3])) as s:
    s.ehlo("c.example")
    assert s.send_message(message("lmtp")) == {}
`, p1, p2, p3)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	all := strings.Join(r.messages(t, "user1", "INBOX"), "\n")
	for _, s := range []string{"smtp", "smtp tls", "utf8", "submission", "lmtp"} {
		if !strings.Contains(all, "Subject: "+s+"\r\n") {
			t.Errorf("%q did not arrive", s)
		}
	}
}

// TestSwaks sends by swaks.
func TestSwaks(t *testing.T) {
	swaks, err := exec.LookPath("swaks")
	if err != nil {
		t.Skip("no swaks")
	}
	r := newRig(t)
	for _, tc := range []struct {
		dialect Dialect
		args    []string
		code    int // of its exit
	}{
		{SMTP, nil, 0},
		{SMTP, []string{"--tls", "--pipeline"}, 0},
		{SMTP, []string{"--to", "nobody@example.org"}, 24},
		{LMTP, []string{"--protocol", "LMTP"}, 0},
		{Submission, []string{"--auth", "LOGIN", "--auth-user", "user1", "--auth-password", "pass", "--from", "user1@example.org"}, 0},
		{Submission, []string{"--tls", "--auth", "PLAIN", "--auth-user", "user1", "--auth-password", "wrong", "--from", "user1@example.org"}, 28},
		{Submission, []string{"--from", "user1@example.org"}, 23},
	} {
		args := append([]string{"--server", listen(t, r.serve(t, tc.dialect)), "--from", "a@b.example", "--to", "user1@example.org", "--ehlo", "c.example"}, tc.args...)
		out, err := exec.Command(swaks, args...).CombinedOutput()
		code := 0
		if e, ok := err.(*exec.ExitError); ok {
			code = e.ExitCode()
		}
		if code != tc.code {
			t.Errorf("%s %v: exit %d\n%s", tc.dialect, tc.args, code, out)
		}
	}
	if n := len(r.messages(t, "user1", "INBOX")); n != 4 {
		t.Errorf("%d messages", n)
	}
}

func BenchmarkLMTP(b *testing.B) {
	r := newRig(b)
	addr := listen(b, r.serve(b, LMTP))
	body := bytes.Repeat([]byte(strings.Repeat("x", 74)+"\r\n"), 270) // 20 KiB
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	b.RunParallel(func(pb *testing.PB) {
		c := dial(b, addr)
		c.SetDeadline(time.Time{})
		c.cmd("LHLO x", "250")
		for pb.Next() {
			c.write("MAIL FROM:<a@b.example>\r\nRCPT TO:<user1@example.org>\r\nDATA\r\n")
			for range 3 {
				c.reply()
			}
			io.WriteString(c.Conn, "Subject: x\r\n\r\n")
			c.Conn.Write(body)
			c.cmd(".", "250")
		}
	})
}
