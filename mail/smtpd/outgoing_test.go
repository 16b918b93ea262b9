package smtpd

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"atrium/mail/queue"
	"atrium/mail/resolver"
)

// withQueue gives the rig a queue that does not run.
func (r *rig) withQueue(t *testing.T) *queue.Queue {
	t.Helper()
	cfg := queue.DefaultConfig()
	cfg.Daily = 5
	q, err := queue.Open(r.store, resolver.Static(""), r.to, cfg, r.log)
	must(t, err)
	must(t, r.to.SetQueue(context.Background(), q))
	return q
}

// waiting are the entries of a queue.
func waiting(t *testing.T, q *queue.Queue) []*queue.Entry {
	t.Helper()
	list, _, err := q.List(context.Background(), 0, 100, nil)
	must(t, err)
	return list
}

const login = head + `
	C: AUTH PLAIN AHVzZXIxAHBhc3M=
	S: 235 2.7.0 Welcome`

// send is a submission of a message with some header.
func send(rcpt, header, answer string) string {
	return login + `
		C: MAIL FROM:<user1@example.org>
		S: 250 2.1.0 Ok
		C: RCPT TO:<` + rcpt + `>
		S: 250 2.1.5 Ok
		C: DATA
		S: 354 $...
		` + header + `
		C:
		C: text
		C: .
		S: ` + answer
}

func TestSubmissionGoesOut(t *testing.T) {
	r := newRig(t)
	q := r.withQueue(t)
	r.script(t, Submission, login+`
		C: MAIL FROM:<user1@example.org>
		S: 250 2.1.0 Ok
		C: RCPT TO:<bob@there.example>
		S: 250 2.1.5 Ok
		C: RCPT TO:<user2@example.org>
		S: 250 2.1.5 Ok
		C: RCPT TO:<away@example.org>
		S: 250 2.1.5 Ok
		C: DATA
		S: 354 $...
		C: From: user1+x@example.org
		C:
		C: text
		C: .
		S: 250 2.0.0 Ok: queued as $id`)
	if _, got := r.only(t, "user2"); !strings.HasSuffix(got, "\r\n\r\ntext\r\n") {
		t.Errorf("%q", got)
	}
	list := waiting(t, q)
	if len(list) != 1 || list[0].From != "user1@example.org" || len(list[0].Recipients) != 2 ||
		list[0].Recipients[0].Address != "bob@there.example" || list[0].Recipients[1].Address != "user@elsewhere.example" {
		t.Fatalf("%+v", list)
	}
}

// TestForward: mail from a stranger to an alias that leads elsewhere goes on, in a
// name of ours, and a report finds its way back; nothing else is relayed.
func TestForward(t *testing.T) {
	r := newRig(t)
	q := r.withQueue(t)
	r.to.SetSealer(func(_ context.Context, _ io.ReaderAt, _, _ int64, domain string) ([]byte, error) {
		return []byte("ARC-Seal: for " + domain + "\r\n"), nil
	})
	r.script(t, SMTP, head+`
		C: MAIL FROM:<ann@far.example>
		S: 250 2.1.0 Ok
		C: RCPT TO:<bob@there.example>
		S: 550 5.7.1 $...
		C: RCPT TO:<SRS0=AAAAAAAAAA=AA=far.example=ann@example.org>
		S: 550 5.1.1 $...
		C: RCPT TO:<away@example.org>
		S: 250 2.1.5 Ok
		C: DATA
		S: 354 $...
		C: From: ann@far.example
		C:
		C: text
		C: .
		S: 250 2.0.0 Ok: queued as $id`)
	list := waiting(t, q)
	if len(list) != 1 || !regexp.MustCompile(`^SRS0=[A-Z2-7]{10}=[A-Z2-7]{2}=far\.example=ann@example\.org$`).MatchString(list[0].From) || list[0].Recipients[0].Address != "user@elsewhere.example" {
		t.Fatalf("%+v", list[0])
	}
	body, err := r.store.Blobs().Open(context.Background(), list[0].Body)
	must(t, err)
	content, err := io.ReadAll(io.NewSectionReader(body, list[0].Skip, list[0].Size))
	body.Close()
	if err != nil || !strings.HasPrefix(string(content), "ARC-Seal: for example.org\r\nReceived: ") {
		t.Errorf("%q, %v", content, err)
	}
	r.script(t, SMTP, head+`
		C: MAIL FROM:<>
		S: 250 2.1.0 Ok
		C: RCPT TO:<`+strings.ToLower(list[0].From)+`>
		S: 250 2.1.5 Ok
		C: DATA
		S: 354 $...
		C: Subject: report
		C:
		C: text
		C: .
		S: 250 2.0.0 Ok: queued as $id`)
	if list = waiting(t, q); len(list) != 2 || list[1].Recipients[0].Address != "ann@far.example" || list[1].From != "" {
		t.Errorf("%+v", list[len(list)-1])
	}
}

func TestSender(t *testing.T) {
	ctx := context.Background()
	for _, tc := range []struct{ name, header, answer, want string }{
		{"not one's own", "C: From: user2@example.org", "550 5.7.1 $...", ""},
		{"one of two", "C: From: user1@example.org, user2@example.org", "550 5.7.1 $...", ""},
		{"twice", "C: From: user1@example.org\nC: From: user1@example.org", "550 5.6.0 $...", ""},
		{"no address", "C: From: nobody:;", "550 5.6.0 $...", ""},
		{"a stranger in Sender", "C: From: user1@example.org\nC: Sender: user2@example.org", "550 5.7.1 $...", ""},
		{"a list's", "C: From: sales@example.org", "550 5.7.1 $...", ""},
		{"an alias", "C: From: Ann <alias@example.org>", "250 $...", "\r\nFrom: Ann <alias@example.org>\r\n"},
		{"none", "C: Subject: x", "250 $...", "From: <user1@example.org>\r\n"},
		{"granted", "C: From: info@example.org", "250 $...", "Sender: <user1@example.org>\r\n"},
		{"granted by domain", "C: From: any@catch.example", "250 $...", "Sender: <user1@example.org>\r\n"},
		{"granted, with Sender", "C: From: info@example.org\nC: Sender: user1@example.org", "250 $...", "From: info@example.org\r\nSender: user1@example.org\r\n"},
		{"resent", "C: Resent-From: user1@example.org\nC: From: ann@far.example", "250 $...", "From: ann@far.example\r\n"},
		{"resent by no one", "C: Resent-From: ann@far.example\nC: From: user1@example.org", "550 5.7.1 $...", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			who, err := r.dir.Find(ctx, "user1")
			must(t, err)
			must(t, r.to.SetSendAs(ctx, who.ID, "info@example.org", true))
			must(t, r.to.SetSendAs(ctx, who.ID, "@catch.example", true))
			r.script(t, Submission, send("user2@example.org", strings.ReplaceAll(tc.header, "\n", "\n\t\t"), tc.answer))
			if tc.want == "" {
				if n := len(r.messages(t, "user2", "INBOX")); n != 0 {
					t.Errorf("%d delivered", n)
				}
				return
			}
			if all := r.messages(t, "user2", "INBOX"); len(all) != 1 || !strings.Contains(all[0], tc.want) {
				t.Errorf("%q", all)
			}
		})
	}
}

func TestFutureRelease(t *testing.T) {
	r := newRig(t)
	q := r.withQueue(t)
	at := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)
	r.script(t, Submission, login+`
		C: MAIL FROM:<user1@example.org> HOLDFOR=0
		S: 501 5.5.4 $...
		C: MAIL FROM:<user1@example.org> HOLDFOR=99999999
		S: 501 5.5.4 $...
		C: MAIL FROM:<user1@example.org> HOLDFOR=60 HOLDUNTIL=`+at.Format(time.RFC3339)+`
		S: 501 5.5.4 $...
		C: MAIL FROM:<user1@example.org> HOLDUNTIL=tomorrow
		S: 501 5.5.4 $...
		C: MAIL FROM:<user1@example.org> HOLDUNTIL=`+at.Format(time.RFC3339)+`
		S: 250 2.1.0 Ok
		C: RCPT TO:<user2@example.org>
		S: 250 2.1.5 Ok
		C: DATA
		S: 354 $...
		C: From: user1@example.org
		C:
		C: text
		C: .
		S: 250 $...`)
	if n := len(r.messages(t, "user2", "INBOX")); n != 0 {
		t.Errorf("%d delivered at once", n)
	}
	if list := waiting(t, q); len(list) != 1 || !list[0].Due.Equal(at) || list[0].Recipients[0].Address != "user2@example.org" {
		t.Errorf("%+v", list)
	}
	// without a queue, or switched off, there is none
	for _, change := range []func(*Config){func(*Config) {}, func(c *Config) { c.Disable = []string{"FUTURERELEASE"} }} {
		r := newRig(t)
		r.script(t, Submission, login+`
			C: MAIL FROM:<user1@example.org> HOLDFOR=60
			S: 555 5.5.4 $...`, change)
	}
}

func TestDailyLimit(t *testing.T) {
	r := newRig(t)
	r.withQueue(t)
	for range 5 {
		r.script(t, Submission, send("bob@there.example", "C: From: user1@example.org", "250 $..."))
	}
	r.script(t, Submission, send("bob@there.example", "C: From: user1@example.org", "450 4.7.1 $..."))
	r.script(t, Submission, send("user2@example.org", "C: From: user1@example.org", "250 $..."))
}

// TestReportsOfAliases: what the sender wants to hear goes along to the one that an address leads to; of one that leads to
// several the sender is told once, and of each of them hears failures alone (RFC 3461 §5.2.7).
func TestReportsOfAliases(t *testing.T) {
	r := newRig(t)
	q := r.withQueue(t)
	must(t, r.dir.SetAlias(t.Context(), "mixed@example.org", []string{"user1@example.org", "bob@there.example"}))
	r.with(t, head+`
		C: MAIL FROM:<ann@far.example> RET=HDRS ENVID=e1
		S: 250 2.1.0 Ok
		C: RCPT TO:<away@example.org> NOTIFY=SUCCESS,DELAY
		S: 250 2.1.5 Ok
		C: RCPT TO:<alias@example.org> NOTIFY=SUCCESS ORCPT=rfc822;old@b.example
		S: 250 2.1.5 Ok
		C: RCPT TO:<sales@example.org> NOTIFY=SUCCESS
		S: 250 2.1.5 Ok
		C: RCPT TO:<mixed@example.org> NOTIFY=SUCCESS
		S: 250 2.1.5 Ok
		C: DATA
		S: 354 $...
		C: From: ann@far.example
		C:
		C: text
		C: .
		S: 250 $...`, WithNotifier(r.to))
	got := ""
	for _, e := range waiting(t, q) {
		if x, err := q.Find(t.Context(), e.ID); err != nil || x.Num != e.Num {
			t.Errorf("%s is found as %+v, %v", e.ID, x, err)
		}
		for _, p := range e.Recipients {
			got += fmt.Sprintf("%s %s %s %s %s\n", p.Address, p.State, p.Notify, p.Original, e.EnvelopeID)
		}
	}
	if want := `user@elsewhere.example pending SUCCESS,DELAY rfc822;away@example.org e1
bob@there.example pending NEVER rfc822;mixed@example.org e1
alias@example.org delivered SUCCESS rfc822;old@b.example e1
sales@example.org expanded SUCCESS  e1
mixed@example.org expanded SUCCESS  e1
`; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestFullMember: an address that leads here and elsewhere, and one of those here has no room: who has the message does not get it
// again, and the queue tries on for the one.
func TestFullMember(t *testing.T) {
	for _, d := range []Dialect{SMTP, LMTP, Submission} {
		r := newRig(t)
		q := r.withQueue(t)
		ctx := t.Context()
		must(t, r.dir.SetAlias(ctx, "mixed@example.org", []string{"user1@example.org", "user2@example.org", "bob@there.example"}))
		who, err := r.dir.Find(ctx, "user2")
		must(t, err)
		must(t, r.store.SetLimits(ctx, who.ID, 1, 0))
		begin := strings.ReplaceAll(head, "EHLO", map[bool]string{true: "LHLO", false: "EHLO"}[d == LMTP])
		from := "ann@far.example"
		if d == Submission {
			begin, from = login, "user1@example.org"
		}
		r.script(t, d, begin+`
			C: MAIL FROM:<`+from+`>
			S: 250 2.1.0 Ok
			C: RCPT TO:<mixed@example.org>
			S: 250 2.1.5 Ok
			C: DATA
			S: 354 $...
			C: From: `+from+`
			C:
			C: text
			C: .
			S: 250 2.0.0 Ok: queued as $id`)
		if n := len(r.messages(t, "user1", "INBOX")); n != 1 {
			t.Errorf("%v: user1 has %d", d, n)
		}
		list := waiting(t, q)
		if len(list) != 2 || list[0].From != from || list[0].Recipients[0].Address != "user2@example.org" || list[1].Recipients[0].Address != "bob@there.example" ||
			strings.HasPrefix(list[1].From, "SRS0=") == (d == Submission) {
			t.Errorf("%v: %+v", d, list)
		}
	}
}

// TestMixedOutcome: when one recipient here fails while another server's has the message
// already, the client is told that it is done, and the queue sees to the rest.
func TestMixedOutcome(t *testing.T) {
	r := newRig(t)
	q := r.withQueue(t)
	ctx := context.Background()
	who, err := r.dir.Find(ctx, "user2")
	must(t, err)
	r.script(t, Submission, login+`
		C: MAIL FROM:<user1@example.org>
		S: 250 2.1.0 Ok
		C: RCPT TO:<bob@there.example>
		S: 250 2.1.5 Ok
		C: RCPT TO:<user2@example.org>
		S: 250 2.1.5 Ok
		C: DATA
		S: 354 $...
		C: From: user1@example.org
		C:
		C: text
		C: .
		S: 250 $...`)
	must(t, r.store.SetLimits(ctx, who.ID, 1, 0)) // full, and the directory does not know it
	r.script(t, Submission, login+`
		C: MAIL FROM:<user1@example.org>
		S: 250 2.1.0 Ok
		C: RCPT TO:<bob@there.example>
		S: 250 2.1.5 Ok
		C: RCPT TO:<user2@example.org>
		S: 250 2.1.5 Ok
		C: DATA
		S: 354 $...
		C: From: user1@example.org
		C:
		C: text
		C: .
		S: 250 $...`)
	list := waiting(t, q)
	if len(list) != 3 || list[1].Recipients[0].Address != "user2@example.org" || list[1].Recipients[0].State != queue.Pending || list[2].Recipients[0].Address != "bob@there.example" {
		t.Errorf("%+v", list[len(list)-1])
	}
}
