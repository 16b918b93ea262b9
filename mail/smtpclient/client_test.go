package smtpclient

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// play runs f against a server that answers as lines say: "C: " what it must get,
// "S: " what it says.
func play(t *testing.T, script string, f func(c *Client) error) {
	t.Helper()
	ours, theirs := net.Pipe()
	done := make(chan string, 1)
	go func() {
		defer theirs.Close()
		theirs.SetDeadline(time.Now().Add(time.Minute))
		r := bufio.NewReader(theirs)
		for line := range strings.Lines(script) {
			line = strings.TrimSpace(line)
			switch {
			case strings.HasPrefix(line, "S: "):
				io.WriteString(theirs, line[3:]+"\r\n")
			case strings.HasPrefix(line, "C: "):
				got, err := r.ReadString('\n')
				if err != nil || strings.TrimRight(got, "\r\n") != line[3:] {
					done <- "got " + got + ", want " + line[3:]
					return
				}
			}
		}
		done <- ""
	}()
	c, r, err := New(context.Background(), ours, Options{Hello: "me", Timeout: time.Minute})
	if err != nil || c == nil {
		t.Fatalf("%v, %v", r, err)
	}
	if err := f(c); err != nil {
		t.Error(err)
	}
	c.Close()
	if bad := <-done; bad != "" {
		t.Error(bad)
	}
}

func TestSend(t *testing.T) {
	ctx := context.Background()
	for _, tc := range []struct{ name, script, want string }{
		{"one by one", `
			S: 220 hi
			C: EHLO me
			S: 250 hi
			C: MAIL FROM:<a@b> X=1
			S: 250 ok
			C: RCPT TO:<c@d>
			S: 250 ok
			C: RCPT TO:<e@f> NOTIFY=NEVER
			S: 550 5.1.1 no
			C: DATA
			S: 354 go
			C: ..dot
			C: end
			C: .
			S: 250 2.0.0 done`, "250 2.0.0 done|550 5.1.1 no|"},
		{"pipelined", `
			S: 220 hi
			C: EHLO me
			S: 250-hi
			S: 250 PIPELINING
			C: MAIL FROM:<a@b> X=1
			C: RCPT TO:<c@d>
			C: RCPT TO:<e@f> NOTIFY=NEVER
			C: DATA
			S: 250 ok
			S: 450 4.2.0 later
			S: 550 no
			S: 354 go
			C: .
			S: 554 5.5.1 nobody`, "450 4.2.0 later|550 no|"},
		{"HELO", `
			S: 220-hi
			S: 220 there
			C: EHLO me
			S: 502 what
			C: HELO me
			S: 250 hi
			C: MAIL FROM:<a@b> X=1
			S: 451 4.7.0 not now`, "451 4.7.0 not now|451 4.7.0 not now|"},
		{"lost before the answer", `
			S: 220 hi
			C: EHLO me
			S: 250 hi
			C: MAIL FROM:<a@b> X=1
			S: 250 ok
			C: RCPT TO:<c@d>
			S: 250 ok
			C: RCPT TO:<e@f> NOTIFY=NEVER
			S: 250 ok
			C: DATA
			S: 354 go
			C: ..dot
			C: end
			C: .`, "250 ok|250 ok|unsure"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			play(t, tc.script, func(c *Client) error {
				if _, err := c.Hello(ctx); err != nil {
					return err
				}
				res, err := c.Send(ctx, &Transaction{From: "a@b", Params: []string{"X=1"}, Body: strings.NewReader(".dot\nend"),
					To: []Target{{Address: "c@d"}, {Address: "e@f", Params: []string{"NOTIFY=NEVER"}}}})
				got := ""
				for _, r := range res.Recipients {
					got += r.String() + "|"
				}
				if res.Unsure {
					got += "unsure"
					err = nil
				}
				if got != tc.want {
					t.Errorf("%q, want %q", got, tc.want)
				}
				return err
			})
		})
	}
}

// TestScram has the example of RFC 7677 §3.
func TestScram(t *testing.T) {
	s := scram{login: "user", password: "pencil", nonce: "rOprNGfwEbeRWgbNEkqO"}
	got, err := s.proof("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
	if err != nil || got != "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=" {
		t.Errorf("%q, %v", got, err)
	}
	if err := s.check("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="); err != nil || !s.proven {
		t.Error(err)
	}
	if err := s.check("v=" + base64.StdEncoding.EncodeToString(make([]byte, 32))); !errors.Is(err, errAuth) {
		t.Error(err)
	}
	for _, bad := range []string{"", "r=x,s=AA==,i=1", "r=rOprNGfwEbeRWgbNEkqO,s=AA==,i=1", "r=rOprNGfwEbeRWgbNEkqOx,s=,i=1", "r=rOprNGfwEbeRWgbNEkqOx,s=AA==,i=999999999", "m=x"} {
		if _, err := s.proof(bad); err == nil {
			t.Errorf("%q", bad)
		}
	}
}

func TestNoPasswordInPlainText(t *testing.T) {
	play(t, "S: 220 hi\nC: EHLO me\nS: 250-hi\nS: 250 AUTH PLAIN LOGIN", func(c *Client) error {
		if _, err := c.Hello(context.Background()); err != nil {
			return err
		}
		if r, err := c.Auth(context.Background(), "", "a", "b", false); err != nil || r.Ok() {
			t.Errorf("%v, %v", r, err)
		}
		r, err := c.Auth(context.Background(), "PLAIN", "a", "b", false)
		if r.Code != 538 {
			t.Errorf("%v", r)
		}
		return err
	})
}

func FuzzReply(f *testing.F) {
	f.Add([]byte("250-a\r\n250 2.0.0 b\r\n"))
	f.Add([]byte("250\r\n"))
	f.Add([]byte("220-x\r\n221 y\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bufio.NewReaderSize(bytes.NewReader(in), 64)
		for {
			reply, err := readReply(r)
			if err != nil {
				return
			}
			if reply.Code < 200 || reply.Code > 599 || len(reply.Lines) == 0 || len(reply.Lines) > maxLines || strings.ContainsFunc(reply.Text, isControl) {
				t.Fatalf("%q: %+v", in, reply)
			}
			extensionsOf(reply)
		}
	})
}

func FuzzDot(f *testing.F) {
	f.Add([]byte(".\r\n..\nx\r.\r\n"), 2)
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		write := func(n int) string {
			var b bytes.Buffer
			w := &dotWriter{w: &b}
			for p := in; len(p) > 0; {
				k := min(n, len(p))
				w.Write(p[:k])
				p = p[k:]
			}
			w.close()
			return b.String()
		}
		whole := write(len(in) + 1)
		if got := write(max(size&15, 1)); got != whole {
			t.Fatalf("%q in pieces: %q, whole: %q", in, got, whole)
		}
		if strings.Contains("\r\n"+whole, "\r\n.\r\n") || strings.Count(whole, "\r") != strings.Count(whole, "\r\n") || strings.Count(whole, "\n") != strings.Count(whole, "\r\n") {
			t.Fatalf("%q: %q", in, whole)
		}
	})
}
