package queue

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// TestDense: what is above 127 for the most part becomes base64, and what comes out of that is what went in.
func TestDense(t *testing.T) {
	r, s := newRig(t), newSink(t, "SIZE 1000000")
	r.domain("there.example", s)
	text := strings.Repeat(strings.Repeat("Привет, мир! ", 7)+"\r\n", 300)
	for range 2 {
		_, err := r.Submit(t.Context(), Message{From: "ann@here.example", To: to("bob@there.example")}, strings.NewReader(
			"From: ann@here.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"+
				text+"\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: within\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"+text+"\r\n--b--\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		text = text[:len(text)-2-len("р! ")] + "\r\n" // not whole groups of three
	}
	r.run()
	wait(t, "all is sent", r.empty)
	got := s.have()
	if len(got) != 2 {
		t.Fatalf("%d messages, reports %+v", len(got), r.house.have())
	}
	for _, g := range got {
		if want := fmt.Sprintf("SIZE=%d", len(g.body)); !strings.Contains(g.from, want) {
			t.Errorf("%q for %s", g.from, want)
		}
		m, err := mail.ReadMessage(strings.NewReader(g.body))
		if err != nil {
			t.Fatal(err)
		}
		_, params, _ := mime.ParseMediaType(m.Header.Get("Content-Type"))
		if m.Header.Get("Mime-Version") != "" { // nothing of the message's own header was changed
			t.Errorf("%v", m.Header)
		}
		parts := multipart.NewReader(m.Body, params["boundary"])
		outer, err := parts.NextPart()
		if err != nil || outer.Header.Get("Content-Transfer-Encoding") != "base64" {
			t.Fatal(outer, err)
		}
		first, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, outer))
		if err != nil {
			t.Fatal(err)
		}
		inner, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		within, err := mail.ReadMessage(inner)
		if err != nil || within.Header.Get("Content-Transfer-Encoding") != "base64" {
			t.Fatal(within, err)
		}
		second, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, within.Body))
		if err != nil || !bytes.Equal(first, second) || !strings.HasPrefix(string(first), "Привет, мир! ") || !strings.HasSuffix(string(first), "\r\n") {
			t.Errorf("%q, %q, %v", first, second, err)
		}
	}
}

// TestRewrittenTooLarge: what grows beyond what the server takes goes back and is not tried again.
func TestRewrittenTooLarge(t *testing.T) {
	r, s := newRig(t), newSink(t, "SIZE 1000")
	r.domain("there.example", s)
	r.send(Message{From: "ann@here.example", To: to("bob@there.example")}, "From: ann@here.example\n\n"+strings.Repeat("я", 450)+"\n")
	r.run()
	wait(t, "it is over", r.empty)
	if got := r.house.have(); len(got) != 1 || !strings.Contains(got[0].body, "Status: 5.3.4") {
		t.Errorf("%+v", got)
	}
}

// TestUTF8 sends what was given with SMTPUTF8 to servers without it: what needs it goes back, what does not goes on.
func TestUTF8(t *testing.T) {
	for _, tc := range []struct {
		name, ext, header string
		asked             bool
		want              string // of MAIL, "": it goes back
	}{
		{"asked for and not needed", "8BITMIME", "Subject: plain", true, " BODY=8BITMIME"},
		{"asked for and not needed, offered", "SMTPUTF8", "Subject: plain", true, ""},
		{"needed", "8BITMIME", "Subject: Grüße", true, "-"},
		{"needed and offered", "SMTPUTF8", "Subject: Grüße", true, " SMTPUTF8"},
		{"a header that nobody vouches for", "8BITMIME", "Subject: Gr\xfc\xdfe", false, " BODY=8BITMIME"},
		{"the same where UTF-8 is taken", "SMTPUTF8", "Subject: Gr\xfc\xdfe", false, " BODY=8BITMIME"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, s := newRig(t), newSink(t, "8BITMIME", tc.ext)
			r.domain("there.example", s)
			r.send(Message{From: "ann@here.example", UTF8: tc.asked, EightBit: true, To: to("bob@there.example")}, tc.header+"\n\nx\n")
			r.run()
			wait(t, "it is over", r.empty)
			got, back := s.have(), r.house.have()
			if tc.want == "-" {
				if len(got) != 0 || len(back) != 1 || !strings.Contains(back[0].body, "Status: 5.6.7") ||
					!strings.Contains(back[0].body, "Content-Type: message/global\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: Grüße") {
					t.Errorf("sent %+v, back %+v", got, back)
				}
				return
			}
			if len(got) != 1 || len(back) != 0 || !strings.HasSuffix(got[0].from, tc.want) || strings.Contains(got[0].from, "SMTPUTF8") != (tc.want == " SMTPUTF8") {
				t.Errorf("sent %+v, back %+v", got, back)
			}
		})
	}
}

// TestReportSignedAgain: a report that is rewritten on its way is signed as it arrives.
func TestReportSignedAgain(t *testing.T) {
	r, s := newRig(t), newSink(t)
	r.domain("there.example", s)
	r.SetSigner(func(_ context.Context, domain string, content io.Reader) ([]byte, error) {
		b, err := io.ReadAll(content)
		return fmt.Appendf(nil, "Signed: %s %t\r\n", domain, hasEight(b)), err
	})
	failed := to("nobody@there.example")
	failed[0].Failed = &Outcome{Code: 550, Status: "5.1.1", Text: "no"}
	r.send(Message{From: "carl@there.example", To: failed}, "From: carl@there.example\nContent-Type: text/plain; charset=utf-8\n\nGrüße\n")
	r.run()
	wait(t, "all is sent", r.empty)
	if got := s.have(); len(got) != 1 || !strings.HasPrefix(got[0].body, "Signed: mx.here.example false\r\nSigned: mx.here.example true\r\n") {
		t.Errorf("%+v", got)
	}
}

// TestRequireTLSElsewhere: what a server may not be given goes to the next one of its domain; what none may be given
// goes back with its header alone, and asks for the same protection (RFC 8689 §4.2.1, §5).
func TestRequireTLSElsewhere(t *testing.T) {
	a := newAuthority(t)
	r := newRig(t)
	good := newSink(t, "STARTTLS", "REQUIRETLS")
	good.tls, _ = a.config(t, "mx2.there.example")
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.2:%d", good.port()))
	if err != nil {
		t.Skipf("no second loopback address: %v", err)
	}
	plain := newSinkOn(t, l)
	r.port = good.port()
	r.roots = a.pool
	r.zone.Authentic(true).Add("there.example. MX 10 mx1.there.example.\nmx1.there.example. A 127.0.0.2\nthere.example. MX 20 mx2.there.example.\nmx2.there.example. A 127.0.0.1\n" +
		"bare.example. MX 10 mx1.there.example.")
	r.send(Message{From: "ann@here.example", RequireTLS: true, To: to("bob@there.example")}, letter)
	r.send(Message{From: "ann@here.example", RequireTLS: true, Return: ReturnFull, To: to("bob@bare.example")}, letter)
	r.run()
	wait(t, "all is sent", r.empty)
	if got := good.have(); len(got) != 1 || !got[0].tls || !strings.Contains(got[0].from, " REQUIRETLS") {
		t.Errorf("%+v", got)
	}
	if got := plain.have(); len(got) != 0 {
		t.Errorf("in the clear: %+v", got)
	}
	back := r.house.have()
	if len(back) != 1 || !strings.Contains(back[0].body, "Status: 5.7.10") || !strings.Contains(back[0].body, "text/rfc822-headers") || strings.Contains(back[0].body, "Hello") {
		t.Errorf("%+v", back)
	}
}

// TestOriginalUTF8: an address in UTF-8 goes along as one that every server takes, and comes back as it was (RFC 6533 §3, §6).
func TestOriginalUTF8(t *testing.T) {
	r, s := newRig(t), newSink(t, "DSN", "SMTPUTF8", "8BITMIME")
	r.domain("there.example", s)
	s.reply = func(_ int, line string) string {
		if strings.HasPrefix(line, "RCPT TO:<gone@") {
			return "550 5.1.1 no such user"
		}
		return ""
	}
	r.send(Message{From: "ann@here.example", To: []Recipient{
		{Address: "bob@there.example", Original: "utf-8;bøb+x@there.example"},
		{Address: "bøb@there.example", Notify: Success},
		{Address: "eve@there.example", Original: `utf-8;\x{E5}ve@there.example`},
		{Address: "gone@there.example", Original: "utf-8;gøne@there.example"},
	}}, letter)
	r.run()
	wait(t, "it is over", r.empty)
	got, back := s.have(), r.house.have()
	want := []string{`TO:<bob@there.example> ORCPT=utf-8;b\x{F8}b\x{2B}x@there.example`,
		`TO:<bøb@there.example> NOTIFY=SUCCESS ORCPT=utf-8;b\x{F8}b@there.example`, `TO:<eve@there.example> ORCPT=utf-8;\x{E5}ve@there.example`}
	if len(got) != 1 || !slices.Equal(got[0].to, want) {
		t.Errorf("%+v", got)
	}
	if len(back) != 1 || !strings.Contains(back[0].body, "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n") ||
		!strings.Contains(back[0].body, "Original-Recipient: utf-8;gøne@there.example\r\n") {
		t.Errorf("%+v", back)
	}
}

// TestFates: what a sender who asked for success is told, by what became of the message.
func TestFates(t *testing.T) {
	for state, want := range map[State]string{Local: "Action: delivered", Relayed: "Action: relayed", Expanded: "Action: expanded\r\nStatus: 2.0.0", Sent: ""} {
		r := newRig(t)
		r.house.state = state
		r.send(Message{From: "ann@here.example", To: []Recipient{{Address: "bob@here.example", Notify: Success}}}, letter)
		r.run()
		wait(t, "it is over", r.empty)
		got := r.house.have() // and the report
		if len(got) != map[bool]int{true: 1, false: 2}[want == ""] || !strings.Contains(got[len(got)-1].body, want) {
			t.Errorf("%v: %+v", state, got)
		}
	}
}

// TestLMTP: what a server took by LMTP is in the mailbox.
func TestLMTP(t *testing.T) {
	s := newSink(t)
	s.reply = func(_ int, line string) string {
		if strings.HasPrefix(line, "LHLO") {
			return "250 sink"
		}
		return ""
	}
	r := newRig(t, func(c *Config) {
		c.Routes = []Route{{Domain: "there.example", Host: "127.0.0.1", Port: s.port(), LMTP: true}}
	})
	r.send(Message{From: "ann@here.example", To: []Recipient{{Address: "bob@there.example", Notify: Success}}}, letter)
	r.run()
	wait(t, "it is over", r.empty)
	if got := r.house.have(); len(got) != 1 || !strings.Contains(got[0].body, "Action: delivered\r\n") || !strings.Contains(got[0].body, "was delivered to the mailbox") {
		t.Errorf("%+v", got)
	}
}

// TestHoldNoDelay: of what the sender asked to be sent later no delay is told before that time has come and as much
// again has gone as is waited otherwise (RFC 4865 §6).
func TestHoldNoDelay(t *testing.T) {
	now := time.Now()
	cfg := DefaultConfig()
	e := &Entry{Message: Message{From: "ann@here.example", Hold: now.Add(48 * time.Hour)}, Created: now, Recipients: []Progress{{Last: &Outcome{Status: "4.4.1"}}}}
	for at, want := range map[time.Duration]bool{24 * time.Hour: false, 48*time.Hour + cfg.Warn - time.Minute: false, 48*time.Hour + cfg.Warn: true} {
		if got := e.delayDue(&cfg, now.Add(at)); got != want {
			t.Errorf("after %v: %v", at, got)
		}
	}
	if got := e.end(&cfg); !got.Equal(e.Hold.Add(cfg.GiveUp)) {
		t.Errorf("given up at %v", got)
	}
}

// TestLongLines: lines that no server need take are encoded in what is ours, which is signed again, and nothing else of it is touched.
func TestLongLines(t *testing.T) {
	long := strings.Repeat("word ", 300)
	head := "From: ann@here.example\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 8bit\n\n--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nGrüße\n--b\n"
	for _, tc := range []struct {
		name, ext, part string
		ours            bool
		want            string // in what is sent
	}{
		{"of ours", "8BITMIME", "Content-Type: text/html\n\n" + long + "\n", true, "Content-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n\nword word word word word word word word word word word word word word word =\nword"},
		{"of another", "8BITMIME", "Content-Type: text/html\n\n" + long + "\n", false, "text/html\n\n" + long + "\n"},
		{"signed", "8BITMIME", "Content-Type: multipart/signed; boundary=c\n\n--c\n\n" + long + "\n--c--\n", true, "--c\n\n" + long + "\n--c--\n"},
		{"seven bits", "HELP", "Content-Type: text/html\n\n" + long + "\n", true, "Content-Transfer-Encoding: quoted-printable\n\nword "},
		{"in what cannot be read", "8BITMIME", "Content-Type: text/html\n" + strings.Repeat("X: "+long[:500]+"\n", maxPartHeader/500) + "\n" + long + "\n", true, "\n\n" + long + "\n"},
		{"as long as may be", "8BITMIME", "Content-Type: text/html\n\n" + long[:maxLine] + "\n", true, "text/html\n\n" + long[:maxLine] + "\n--b--"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, s := newRig(t), newSink(t, tc.ext)
			r.domain("there.example", s)
			r.SetSigner(func(_ context.Context, domain string, content io.Reader) ([]byte, error) {
				_, err := io.Copy(io.Discard, content)
				return []byte("Signed: " + domain + "\r\n"), err
			})
			r.send(Message{From: "ann@here.example", Account: 7, Ours: tc.ours, To: to("bob@there.example")}, head+tc.part+"--b--\n")
			r.run()
			wait(t, "it is over", r.empty)
			got := s.have()
			if len(got) != 1 {
				t.Fatalf("%+v, %+v", got, r.house.have())
			}
			body := strings.ReplaceAll(got[0].body, "\r\n", "\n")
			if !strings.Contains(body, tc.want) {
				t.Errorf("no %q in %q", tc.want, body)
			}
			changed := strings.Contains(tc.want, "quoted")
			if strings.HasPrefix(body, "Signed: here.example\n") != changed {
				t.Errorf("signed: %.100q", body)
			}
			if tc.ext == "8BITMIME" && !strings.Contains(body, strings.TrimPrefix(head, "From: ann@here.example\n")) {
				t.Errorf("more was changed: %q", body)
			}
		})
	}
}

// TestUnprotected: what says that it needs no protection goes to a server that its domain's policy forbids; what does not, or
// asks for protection as well, does not (RFC 8689 §4.2.2).
func TestUnprotected(t *testing.T) {
	a := newAuthority(t)
	for _, tc := range []struct {
		name, header string
		m            Message
		setup        func(*rig)
		sent         bool
	}{
		{"MTA-STS", "TLS-Required: No\n", Message{}, sts("mx.there.example"), true},
		{"MTA-STS, other server", "TLS-Required: no\n", Message{}, sts("mx.other.example"), true},
		{"DANE", "TLS-Required: No\n", Message{}, func(r *rig) {
			r.zone.Authentic(true).Add("_25._tcp.mx.there.example. TLSA 3 1 1 " + strings.Repeat("00", 32))
		}, true},
		{"not said", "Subject: TLS-Required: No\n", Message{}, sts("mx.there.example"), false},
		{"REQUIRETLS", "TLS-Required: No\n", Message{RequireTLS: true}, sts("mx.there.example"), false},
		{"this server's settings", "TLS-Required: No\n", Message{}, func(r *rig) { r.cfg.TLS = "verify" }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, s := newRig(t), newSink(t, "STARTTLS")
			r.roots = a.pool
			s.tls, _ = a.config(t, "wrong.example")
			r.domain("there.example", s)
			tc.setup(r)
			r.cfg.Retry, r.cfg.GiveUp = []time.Duration{time.Second}, 100*time.Millisecond
			for range 2 { // the second finds that the domain could not be reached
				tc.m.From, tc.m.To = "ann@here.example", to("bob@there.example")
				r.send(tc.m, tc.header+letter)
			}
			r.run()
			wait(t, "it is over", r.empty)
			if got, back := s.have(), r.house.have(); (len(got) == 2) != tc.sent || (len(back) == 2) == tc.sent {
				t.Errorf("sent %+v, back %+v", got, back)
			}
		})
	}
}

// sts gives there.example a policy that is enforced (RFC 8461).
func sts(mx string) func(*rig) {
	return func(r *rig) {
		r.cfg.MTASTS = true
		r.zone.Add(`_mta-sts.there.example. TXT "v=STSv1; id=a1"`)
		r.sts.have["there.example"] = &stsPolicy{mode: "enforce", mx: []string{mx}, maxAge: time.Hour, id: "a1", fetched: time.Now()}
	}
}

// TestForeignWords: what a server says in another script is told to people as it is, and in the part for machines by the signs that
// such a part may have (RFC 3464 §2.1).
func TestForeignWords(t *testing.T) {
	r, s := newRig(t), newSink(t)
	r.domain("there.example", s)
	s.reply = func(_ int, line string) string {
		if strings.HasPrefix(line, "RCPT") {
			return "550 5.1.1 Empfänger unbekannt \xff"
		}
		return ""
	}
	r.send(Message{From: "ann@here.example", To: to("bob@there.example")}, letter)
	r.run()
	wait(t, "it is over", r.empty)
	got := r.house.have()
	if len(got) != 1 || !strings.Contains(got[0].body, "said: 550 5.1.1 Empfänger unbekannt") || !strings.Contains(got[0].body, "Diagnostic-Code: smtp; 550 5.1.1 Empf?nger unbekannt ?\r\n") || !utf8.ValidString(got[0].body) {
		t.Errorf("%+v", got)
	}
}
