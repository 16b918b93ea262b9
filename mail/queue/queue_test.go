package queue

import (
	"context"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const letter = "From: ann@here.example\nTo: bob@there.example\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\nMessage-ID: <1@here.example>\n\nHello\n.dot\n"

func TestSend(t *testing.T) {
	r, s := newRig(t), newSink(t, "PIPELINING", "SIZE 1000000", "8BITMIME")
	r.domain("there.example", s)
	for range 5 {
		r.send(Message{From: "ann@here.example", To: to("bob@there.example", "eve@there.example", "own@here.example")}, letter)
	}
	r.run()
	wait(t, "all is sent", r.empty)
	got := s.have()
	if len(got) != 5 || len(got[0].to) != 2 || got[0].to[0] != "TO:<bob@there.example>" || !strings.Contains(got[0].from, "FROM:<ann@here.example> SIZE=") {
		t.Fatalf("%d messages, %+v", len(got), got)
	}
	if want := strings.ReplaceAll(letter, "\n", "\r\n"); got[0].body != want {
		t.Errorf("body %q, want %q", got[0].body, want)
	}
	if len(r.house.have()) != 5 {
		t.Errorf("%d delivered here", len(r.house.have()))
	}
}

func TestOneConnection(t *testing.T) {
	r, s := newRig(t, func(c *Config) { c.PerHost = 1 }), newSink(t, "PIPELINING")
	r.domain("there.example", s)
	for range 20 {
		r.send(Message{From: "ann@here.example", To: to("bob@there.example")}, letter)
	}
	r.run()
	wait(t, "all is sent", r.empty)
	if mails, conns := s.total(); mails != 20 || conns != 1 {
		t.Errorf("%d messages over %d connections", mails, conns)
	}
}

func TestBounce(t *testing.T) {
	r, s := newRig(t), newSink(t)
	r.domain("there.example", s)
	s.reply = func(_ int, line string) string {
		if strings.HasPrefix(line, "RCPT TO:<gone@") {
			return "550 5.1.1 no such user"
		}
		return ""
	}
	r.send(Message{From: "ann@here.example", EnvelopeID: "e+1", To: []Recipient{{Address: "bob@there.example"},
		{Address: "gone@there.example", Original: "rfc822;old@there.example"}, {Address: "silent@gone.example", Notify: Never}, {Address: "x@nowhere.example"}}}, letter)
	r.zone.Add("gone.example. MX 0 .")
	r.run()
	wait(t, "all is sent", r.empty)
	got := r.house.have()
	if len(got) != 1 || got[0].from != "" || got[0].to[0] != "ann@here.example" {
		t.Fatalf("reports: %+v", got)
	}
	for _, want := range []string{
		"Subject: Your message could not be delivered\r\n", "In-Reply-To: <1@here.example>",
		"Your message \"Grüße\" to old@there.example (gone@there.example), x@nowhere.example could not be delivered.\r\n",
		"Why: there is no such address there.", "said: 550 5.1.1 no such user", "Why: there is no such mail domain.",
		"Reporting-MTA: dns; mx.here.example\r\nOriginal-Envelope-Id: e+2B1\r\n",
		"Original-Recipient: rfc822;old@there.example\r\nFinal-Recipient: rfc822; gone@there.example\r\nAction: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; mx.there.example\r\n",
		"Content-Type: message/rfc822\r\n\r\nFrom: ann@here.example",
	} {
		if !strings.Contains(got[0].body, want) {
			t.Errorf("no %q in\n%s", want, got[0].body)
		}
	}
	if strings.Contains(got[0].body, "silent@") {
		t.Error("NOTIFY=NEVER is told of")
	}
	if len(s.have()) != 1 {
		t.Errorf("%d messages", len(s.have()))
	}
}

func TestNoBounceOfBounces(t *testing.T) {
	r := newRig(t)
	r.send(Message{To: to("x@nowhere.example")}, letter)
	r.run()
	wait(t, "it is dropped", r.empty)
	if got := r.house.have(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestRetryDelayExpiry(t *testing.T) {
	r, s := newRig(t, func(c *Config) {
		c.Retry = []time.Duration{time.Second}
		c.Warn = time.Nanosecond
		c.GiveUp = time.Minute
	}), newSink(t)
	r.domain("there.example", s)
	s.reply = func(_ int, line string) string {
		if strings.HasPrefix(line, "RCPT") {
			return "450 4.2.0 greylisted"
		}
		return ""
	}
	r.cfg.GiveUp = 2 * time.Second
	r.send(Message{From: "ann@here.example", To: to("bob@there.example")}, letter)
	r.run()
	wait(t, "it is given up", r.empty)
	got := r.house.have()
	if len(got) != 2 || !strings.Contains(got[0].body, "Action: delayed\r\nStatus: 4.2.0") || !strings.Contains(got[1].body, "Action: failed\r\nStatus: 4.4.7") {
		t.Fatalf("%d reports: %+v", len(got), got)
	}
}

func TestSuccessReports(t *testing.T) {
	for _, tells := range []bool{false, true} {
		r, s := newRig(t), newSink(t)
		if tells {
			s.ext = []string{"DSN"}
		}
		r.domain("there.example", s)
		r.send(Message{From: "ann@here.example", EnvelopeID: "id=1", Return: ReturnHeaders,
			To: []Recipient{{Address: "bob@there.example", Notify: Success | Failure, Original: "rfc822;b+b@there.example"}}}, letter)
		r.run()
		wait(t, "all is sent", r.empty)
		got, sent := r.house.have(), s.have()
		if tells {
			if len(got) != 0 || !strings.HasSuffix(sent[0].from, "RET=HDRS ENVID=id+3D1") ||
				sent[0].to[0] != "TO:<bob@there.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b+2Bb@there.example" {
				t.Errorf("%+v, reports %d", sent, len(got))
			}
		} else if len(got) != 1 || !strings.Contains(got[0].body, "Action: relayed\r\nStatus: 2.") {
			t.Errorf("%+v", got)
		}
	}
}

func TestLostConnection(t *testing.T) {
	r, s := newRig(t, func(c *Config) { c.PerHost = 1 }), newSink(t)
	r.domain("there.example", s)
	var n atomic.Int32
	s.reply = func(_ int, line string) string { // each second MAIL ends the connection, as limits do
		if strings.HasPrefix(line, "MAIL") {
			if n.Add(1)%2 == 0 {
				return "hangup"
			}
		}
		return ""
	}
	for range 6 {
		r.send(Message{From: "ann@here.example", To: to("bob@there.example")}, letter)
	}
	r.run()
	wait(t, "all is sent", r.empty)
	if mails, _ := s.total(); mails != 6 {
		t.Errorf("%d messages", mails)
	}
}

func TestRefusals(t *testing.T) {
	r, s := newRig(t), newSink(t, "SIZE 300")
	r.domain("there.example", s)
	r.zone.Add("loop.example. MX 10 mx.here.example.")
	r.zone.Fail("slow.example")
	long := letter + strings.Repeat("long\n", 100)
	for _, tc := range []struct {
		m          Message
		body, want string
	}{
		{Message{To: to("bob@there.example")}, long, "Status: 5.3.4"},
		{Message{To: to("bob@loop.example")}, letter, "Status: 5.4.6"},
		{Message{To: to("bøb@there.example")}, letter, "Status: 5.6.7"},
		{Message{To: to("bob@there.example"), UTF8: true}, "Subject: Grüße\n\nx\n", "Status: 5.6.7"},
		{Message{To: to("bob@there.example"), RequireTLS: true}, letter, "Status: 5.7.10"},
		{Message{To: to("bob@there.example")}, "Subject: Grüße\n\nx\n", "Status: 5.6.3"},
		{Message{To: to("bob@there.example")}, "Content-Type: message/partial\n\nGrüße\n", "Status: 5.6.3"},
		{Message{To: to("bob@there.example")}, "Content-Type: multipart/signed; boundary=b\n\n--b\n\nGrüße\n--b\n\nx\n--b--\n", "Status: 5.6.3"},
		{Message{To: to("bob@there.example")}, "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\nGrüße\n", "Status: 5.6.3"},
	} {
		tc.m.From = "ann@here.example"
		r.send(tc.m, tc.body)
		if r.cancel == nil {
			r.run()
		}
		wait(t, "it is over", r.empty)
		got := r.house.have()
		if len(got) == 0 || !strings.Contains(got[len(got)-1].body, tc.want) {
			t.Errorf("%v: no %q in %+v", tc.m.To, tc.want, got[max(len(got)-1, 0):])
		}
	}
	if len(s.have()) != 0 {
		t.Error("something was sent")
	}
}

func TestDowngrade(t *testing.T) {
	r, s := newRig(t), newSink(t)
	r.domain("there.example", s)
	r.SetSigner(func(_ context.Context, domain string, content io.Reader) ([]byte, error) {
		b, err := io.ReadAll(content)
		if hasEight(b) {
			t.Error("what is signed has 8 bits")
		}
		return []byte("Signed: " + domain + "\r\n"), err
	})
	plain := strings.Repeat(strings.Repeat("x", 70)+"\n", 10)
	r.send(Message{Account: 7, Ours: true, From: "ann@here.example", To: to("bob@there.example")},
		"From: ann@here.example\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 8bit\n\n--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nGrüße = 1 \n"+plain+
			strings.Repeat("ä", 40)+"\n--b\nContent-Type: text/plain\n\nplain = \n--b--\n")
	r.run()
	wait(t, "all is sent", r.empty)
	ä := strings.Repeat("=C3=A4", 12)
	want := strings.ReplaceAll("Signed: here.example\nFrom: ann@here.example\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 7bit\n\n--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=C3=9Fe =3D 1=20\n"+plain+
		ä+"=C3=\n=A4"+ä+"=\n"+ä+"=C3=\n=A4=C3=A4=C3=A4\n--b\nContent-Type: text/plain\n\nplain = \n--b--\n", "\n", "\r\n")
	if got := s.have(); len(got) != 1 || got[0].body != want {
		t.Errorf("got\n%s\nwant\n%s", got[0].body, want)
	}
}

// What the server writes is signed in the name of its From; what it passes on is not.
func TestSigned(t *testing.T) {
	r, s := newRig(t), newSink(t)
	r.domain("there.example", s)
	r.SetSigner(func(_ context.Context, domain string, content io.Reader) ([]byte, error) {
		_, err := io.Copy(io.Discard, content)
		return []byte("Signed: " + domain + "\r\n"), err
	})
	const text = "From: ann@here.example\r\nSubject: x\r\n\r\nx\r\n"
	for _, written := range []bool{true, false} {
		if _, err := r.Submit(t.Context(), Message{To: to("bob@there.example"), Written: written}, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	failed := to("nobody@there.example")
	failed[0].Failed = &Outcome{Code: 550, Status: "5.1.1", Text: "no"}
	if _, err := r.Submit(t.Context(), Message{From: "carl@there.example", To: failed}, strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	r.run()
	wait(t, "all is sent", r.empty)
	var signed, plain, reports int
	for _, m := range s.have() {
		switch {
		case m.body == text:
			plain++
		case m.body == "Signed: here.example\r\n"+text:
			signed++
		case strings.HasPrefix(m.body, "Signed: "+r.cfg.Hostname+"\r\nFrom: Mail Delivery System"):
			reports++
		default:
			t.Errorf("got %q", m.body)
		}
	}
	if signed != 1 || plain != 1 || reports != 1 {
		t.Errorf("%d signed, %d plain, %d reports; want one of each", signed, plain, reports)
	}
}
