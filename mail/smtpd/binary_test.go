package smtpd

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"

	"atrium/mail/delivery"
	"atrium/mail/message"
)

// sendBinary sends a message in two chunks and returns the answer to the last.
func sendBinary(t *testing.T, addr, body string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	must(t, err)
	defer c.Close()
	half := len(body) / 2
	fmt.Fprintf(c, "EHLO x\r\nMAIL FROM:<a@b.example> BODY=BINARYMIME\r\nRCPT TO:<user1@example.org>\r\nBDAT %d\r\n%sBDAT %d LAST\r\n%sQUIT\r\n", half, body[:half], len(body)-half, body[half:])
	all, err := io.ReadAll(c)
	must(t, err)
	lines := strings.Split(strings.TrimSpace(string(all)), "\r\n")
	return lines[len(lines)-2]
}

// TestBinary sends what is no text, and reads it as IMAP's BINARY would.
func TestBinary(t *testing.T) {
	r := newRig(t)
	addr := listen(t, r.serve(t, SMTP))
	rng := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 100_001)
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	body := "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: binary\r\n\r\n" +
		"--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n\r\nplain\r\n" +
		"--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding:\r\n binary\r\n\r\n" + string(data) + "\r\n" +
		"--b\r\n\r\na\nb\r\n--b--\r\n"
	if got := sendBinary(t, addr, body); !strings.HasPrefix(got, "250 2.0.0 Ok") {
		t.Fatal(got)
	}
	_, got := r.only(t, "user1")
	if strings.ContainsRune(got, 0) || strings.Contains(strings.ReplaceAll(got, "\r\n", ""), "\n") || strings.Contains(got, "binary") {
		t.Errorf("%.600q", got)
	}
	rd := strings.NewReader(got)
	m, err := message.Parse(rd, int64(len(got)))
	must(t, err)
	if len(m.Root.Children) != 3 {
		t.Fatalf("%d parts: %.600q", len(m.Root.Children), got)
	}
	for i, want := range []string{"plain", string(data), "a\nb"} {
		b, err := io.ReadAll(m.Root.Children[i].Reader(rd))
		must(t, err)
		if string(b) != want {
			t.Errorf("part %d: %d bytes, want %d: %.80q", i, len(b), len(want), b)
		}
	}
	for _, bad := range []string{"Subject: x\ny\r\n\r\nz\r\n", "Subject: x\x00\r\n\r\nz\r\n", "A: b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nx\ny\r\n"} {
		if got := sendBinary(t, addr, bad); got != "550 5.6.11 Message has a CR or LF that is not part of a CR LF" {
			t.Errorf("%q: %s", bad, got)
		}
	}
	r.script(t, SMTP, head+`
		C: MAIL FROM:<a@b.example> BODY=BINARYMIME
		S: 250 2.1.0 Ok
		C: RCPT TO:<user1@example.org>
		S: 250 2.1.5 Ok
		C: DATA
		S: 503 5.5.1 BDAT is needed for BINARYMIME`)
	r.script(t, SMTP, head+`
		C: MAIL FROM:<a@b.example> BODY=BINARYMIME
		S: 501 5.5.4 BODY is 7BIT or 8BITMIME`, func(c *Config) { c.Disable = []string{"CHUNKING"} })
}

// signChecker keeps what it is shown, and says that it did.
type signChecker struct{ seen string }

func (s *signChecker) Check(_ context.Context, m *delivery.Message) ([]byte, error) {
	b, err := io.ReadAll(io.NewSectionReader(m, m.Start(), m.Size()-m.Start()))
	s.seen = string(b)
	return []byte("Signed: yes\r\n"), err
}

// TestBinarySubmission: what is no text becomes base64 before the message is signed, and so goes out as it was signed.
func TestBinarySubmission(t *testing.T) {
	r := newRig(t)
	q := r.withQueue(t)
	sign := &signChecker{}
	cfg := DefaultConfig()
	cfg.Hostname = "mx.example.org"
	s, err := New(Submission, cfg, r.to, r.auth, r.tls, r.log, WithChecker(sign))
	must(t, err)
	defer s.Shutdown(context.Background())
	addr := listen(t, s)
	c, err := net.Dial("tcp", addr)
	must(t, err)
	defer c.Close()
	body := "From: user1@example.org\r\nDate: Mon, 02 Jan 2006 15:04:05 +0000\r\nMessage-ID: <1@x>\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\na\x00b\nc"
	fmt.Fprintf(c, "EHLO x\r\nAUTH PLAIN AHVzZXIxAHBhc3M=\r\nMAIL FROM:<user1@example.org> BODY=BINARYMIME\r\nRCPT TO:<bob@there.example>\r\nBDAT %d LAST\r\n%sQUIT\r\n", len(body), body)
	all, err := io.ReadAll(c)
	must(t, err)
	list := waiting(t, q)
	if len(list) != 1 {
		t.Fatalf("%s", all)
	}
	b, err := r.store.Blobs().Open(t.Context(), list[0].Body)
	must(t, err)
	defer b.Close()
	sent, err := io.ReadAll(io.NewSectionReader(b, list[0].Skip, list[0].Size))
	must(t, err)
	if !strings.HasPrefix(string(sent), "Signed: yes\r\n") || !strings.HasSuffix(string(sent), sign.seen) || !strings.HasSuffix(sign.seen, "Content-Transfer-Encoding: base64\r\n\r\nYQBiCmM=\r\n") {
		t.Errorf("signed %q, sent %q", sign.seen, sent)
	}
}

// TestSpamField checks that no one outside says what this server thinks.
func TestSpamField(t *testing.T) {
	r := newRig(t)
	r.script(t, SMTP, head+`
		C: MAIL FROM:<a@b.example>
		S: 250 2.1.0 Ok
		C: RCPT TO:<user1@example.org>
		S: 250 2.1.5 Ok
		C: DATA
		S: 354 $...
		C: x-atrium-spam: No, score=0.000
		C: a: b
		C:
		C: text
		C: .
		S: 250 2.0.0 Ok: delivered as $id
		C: QUIT
		S: 221 $...`)
	if _, got := r.only(t, "user1"); got != "a: b\r\n\r\ntext\r\n" {
		t.Errorf("%q", got)
	}
}
