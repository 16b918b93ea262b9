package inbound

import (
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-milter"

	"atrium/mail"
	"atrium/mail/conn"
	"atrium/mail/delivery"
	"atrium/mail/mailtest"
	"atrium/mail/resolver"
	"atrium/mail/smtpd"
	"atrium/storage"
	"atrium/storage/account"
	"atrium/storage/embedded"
)

// rig is a server for port 25 whose clients, on this machine, are strangers.
type rig struct {
	store *storage.Store
	dir   *account.Directory
	mail  *mail.Store
	to    *delivery.Deliverer
	log   *slog.Logger
	seen  delivery.Verdict
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{log: slog.New(slog.DiscardHandler)}
	folder, err := embedded.Open(t.TempDir(), embedded.Small(), r.log)
	must(t, err)
	r.store, err = storage.Open(folder.Engine, folder.Blobs, []storage.Schema{mail.Schema}, storage.DefaultConfig(), r.log)
	must(t, err)
	t.Cleanup(func() {
		r.store.Close()
		folder.Close()
	})
	r.mail, err = mail.New(r.store, mail.DefaultConfig(), r.log)
	must(t, err)
	ac := account.DefaultConfig()
	ac.Domain, ac.Memory, ac.Passes = "example.org", 8, 1
	r.dir, err = account.Open(folder.Engine, ac, r.log)
	must(t, err)
	for _, name := range []string{"ann", "bob"} {
		a, err := r.dir.Add(context.Background(), account.New{Name: name + "@example.org", Password: "pass"})
		must(t, err)
		must(t, r.mail.Open(a.ID, a.ID).Ensure(context.Background()))
	}
	must(t, r.dir.SetAlias(context.Background(), "away@example.org", []string{"user@elsewhere.example"}))
	r.to, err = delivery.New(r.mail, r.dir, delivery.DefaultConfig(), r.log, r)
	must(t, err)
	return r
}

// Filter keeps the verdict of the last message.
func (r *rig) Filter(_ context.Context, m *delivery.Message, _ account.Recipient, _ *delivery.Plan) error {
	r.seen = m.Envelope().Verdict
	return nil
}

// inbox returns what is in an INBOX.
func (r *rig) inbox(t testing.TB, user string) (out []string) {
	t.Helper()
	ctx := context.Background()
	who, err := r.dir.Find(ctx, user)
	must(t, err)
	a := r.mail.Open(who.ID, who.ID)
	box, err := a.Mailbox(ctx, "INBOX")
	must(t, err)
	snap, err := a.Snapshot(ctx, box.ID)
	must(t, err)
	for _, m := range snap.Messages(0, snap.Len()) {
		b, err := a.Body(ctx, box.ID, m)
		must(t, err)
		var s strings.Builder
		b.WriteTo(&s)
		b.Close()
		out = append(out, s.String())
	}
	return out
}

// open starts the server and returns its address.
func (r *rig) open(t testing.TB, dns resolver.Resolver, change func(*Config)) string {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Allow = nil
	change(&cfg)
	in, err := New(context.Background(), cfg, "mx.example.org", dns, r.store, r.log)
	must(t, err)
	t.Cleanup(in.Close)
	sc := smtpd.DefaultConfig()
	sc.Hostname, sc.MaxErrors, sc.MaxIdle = "mx.example.org", 1000, 1000
	s, err := smtpd.New(smtpd.SMTP, sc, r.to, nil, nil, r.log, in.Options(smtpd.SMTP)...)
	must(t, err)
	t.Cleanup(func() { s.Shutdown(context.Background()) })
	l, err := conn.Listen("127.0.0.1:0")
	must(t, err)
	go s.Serve(l, false)
	return l.Addr().String()
}

func play(t *testing.T, addr, script string) {
	t.Helper()
	mailtest.Play(t, mailtest.Server{Dial: func() (net.Conn, error) { return net.Dial("tcp", addr) }}, script)
}

const head = `
	S: 220 mx.example.org $...
	C: EHLO client.example
	S: ...
	S: 250 LIMITS RCPTMAX=1000
	`

// send is the script that sends a message.
func send(from, author, answer string) string {
	return head + `
	C: MAIL FROM:<` + from + `>
	S: 250 2.1.0 Ok
	C: RCPT TO:<ann@example.org>
	S: 250 2.1.5 Ok
	C: DATA
	S: 354 $...
	C: From: ` + author + `
	C: Authentication-Results: mx.example.org; dmarc=pass header.from=bank.example
	C:
	C: text
	C: .
	S: ` + answer + `
	C: QUIT
	S: 221 $...`
}

func zone(more string) *resolver.Zone {
	return resolver.Static(`
		good.example. TXT "v=spf1 ip4:127.0.0.1 -all"
		bad.example. TXT "v=spf1 -all"
		_dmarc.good.example. TXT "v=DMARC1; p=reject"
		_dmarc.bank.example. TXT "v=DMARC1; p=reject"
		_dmarc.shop.example. TXT "v=DMARC1; p=quarantine"
		1.0.0.127.in-addr.arpa. PTR good.example.
		good.example. A 127.0.0.1
		` + more)
}

func TestPolicies(t *testing.T) {
	r := newRig(t)
	ok := "250 2.0.0 Ok: delivered as $id"
	addr := r.open(t, zone("").Fail("_dmarc.slow.example"), func(*Config) {})
	play(t, addr, send("x@good.example", "x@good.example", ok))
	got := r.inbox(t, "ann")
	if want := "Authentication-Results: mx.example.org;\r\n\tiprev=pass\r\n\t\tpolicy.iprev=127.0.0.1;\r\n\tspf=pass\r\n\t\tsmtp.mailfrom=x@good.example;\r\n\tdkim=none;\r\n\tdmarc=pass\r\n\t\theader.from=good.example\r\n\t\tpolicy.dmarc=reject\r\nReceived: "; len(got) != 1 || !strings.Contains(got[0], want) || strings.Contains(got[0], "bank.example") {
		t.Errorf("%q", got)
	}
	if r.seen.Sender != "good.example" || r.seen.Quarantine != "" {
		t.Errorf("%+v", r.seen)
	}
	play(t, addr, send("x@good.example", "x@bank.example", "550 5.7.1 Rejected by the DMARC policy of bank.example"))
	play(t, addr, send("x@good.example", "x@shop.example", ok))
	if r.seen.Quarantine != "DMARC policy of shop.example" {
		t.Errorf("%+v", r.seen)
	}
	play(t, addr, send("x@good.example", "x@slow.example", ok))
	play(t, addr, send("x@bad.example", "x@other.example", ok))
	play(t, r.open(t, zone("").Fail("_dmarc.slow.example"), func(c *Config) { c.TempError = "defer" }),
		send("x@good.example", "x@slow.example", "451 4.7.24 The sender cannot be verified now, try again later"))
	play(t, r.open(t, zone(""), func(c *Config) { c.SPF = Reject }),
		send("x@bad.example", "x@other.example", "550 5.7.23 Your address may not send for that domain (SPF)"))
	play(t, r.open(t, zone(""), func(c *Config) { c.DMARC = Quarantine }), send("x@good.example", "x@bank.example", ok))
	if r.seen.Quarantine == "" {
		t.Error("not in quarantine")
	}
	play(t, r.open(t, zone(""), func(c *Config) { c.DMARC = Note }), send("x@good.example", "x@bank.example", ok))
	play(t, r.open(t, zone(""), func(c *Config) { c.Allow = []string{"127.0.0.0/8"} }), send("x@good.example", "x@bank.example", ok))
	if got := r.inbox(t, "ann"); strings.Contains(got[len(got)-1], "Authentication-Results") {
		t.Errorf("%q", got[len(got)-1])
	}
}

func TestGate(t *testing.T) {
	r := newRig(t)
	listed := zone(`
		1.0.0.127.bl.example. A 127.0.0.2
		1.0.0.127.bl.example. TXT "seen sending junk"
		1.0.0.127.mute.example. A 127.255.255.254
		1.0.0.127.points.example. A 127.0.0.4`)
	mail := head + "\n\tC: MAIL FROM:<x@spam.example>\n\tS: "
	play(t, r.open(t, listed, func(c *Config) { c.Lists = []string{"mute.example reject", "bl.example reject"} }),
		mail+"550 5.7.1 Your address 127.0.0.1 is listed by bl.example: seen sending junk")
	play(t, r.open(t, listed, func(c *Config) { c.Lists = []string{"points.example 6"} }), send("x@good.example", "x@good.example", "250 2.0.0 Ok: delivered as $id"))
	if r.seen.Quarantine != "6.0 points: listed by points.example" {
		t.Errorf("%+v", r.seen)
	}
	play(t, r.open(t, listed, func(c *Config) { c.Lists, c.RefuseAt = []string{"points.example 6"}, 6 }),
		send("x@good.example", "x@good.example", "550 5.7.1 Message looks like junk (listed by points.example)"))
	play(t, r.open(t, listed, func(c *Config) { c.Deny = []string{"spam.example"} }), mail+"550 5.7.1 Mail from spam.example is not welcome here")
	play(t, r.open(t, listed, func(c *Config) { c.Deny = []string{"127.0.0.0/8"} }), "S: 554 5.7.1 mx.example.org Your address 127.0.0.1 is not welcome here\nEOF:")
	play(t, r.open(t, resolver.Static(""), func(c *Config) { c.Reverse = Reject }), mail+"550 5.7.25 Your address has no name that leads back to it")
	play(t, r.open(t, listed, func(c *Config) { c.Reverse = Reject }), mail+"250 2.1.0 Ok")
	play(t, r.open(t, listed, func(c *Config) { c.Helo = Reject }), `
		S: 220 mx.example.org $...
		C: EHLO MX.example.org
		S: 550 5.7.1 You are not MX.example.org
		C: EHLO [10.0.0.1]
		S: 550 5.7.1 You are not at [10.0.0.1]
		C: EHLO box
		S: 550 5.5.2 A whole host name is needed in EHLO
		C: HELO [127.0.0.1]
		S: 250 $...`)
	play(t, r.open(t, listed, func(c *Config) { c.Rates.AddressMessages, c.Rates.AddressRecipients = 2, 1 }), mail+`250 2.1.0 Ok
		C: RCPT TO:<ann@example.org>
		S: 250 2.1.5 Ok
		C: RCPT TO:<bob@example.org>
		S: 452 4.5.3 Too many recipients from your address within an hour, try again later
		C: RSET
		S: 250 2.0.0 Ok
		C: MAIL FROM:<y@spam.example>
		S: 250 2.1.0 Ok
		C: RSET
		S: 250 2.0.0 Ok
		C: MAIL FROM:<y@spam.example>
		S: 450 4.7.1 Too much mail from your address within an hour, try again later`)
	play(t, r.open(t, listed, func(c *Config) { c.Grey.On = true }), mail+`250 2.1.0 Ok
		C: RCPT TO:<nobody@example.org>
		S: 550 5.1.1 No such user here
		C: RCPT TO:<ann@example.org>
		S: 451 4.7.1 We have not met, try again in 121 seconds`)
}

func TestGreylist(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	cfg := defaultGrey()
	cfg.On, cfg.Max = true, 100
	g, err := openGrey(ctx, cfg, r.store)
	must(t, err)
	now := time.Unix(1_700_000_000, 0)
	ip, near, far := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.200"), netip.MustParseAddr("198.51.100.1")
	step := func(ip netip.Addr, to string, after time.Duration, want bool) {
		t.Helper()
		now = now.Add(after)
		if got := g.admit(ip, "x@a.example", to, now) == 0; got != want {
			t.Errorf("%v to %s: %v", ip, to, got)
		}
	}
	step(ip, "ann", 0, false)
	step(ip, "ann", time.Minute, false)
	step(near, "ann", 2*time.Minute, true)
	step(ip, "bob", 0, false)
	step(far, "ann", 0, false)
	for range 4 {
		step(ip, "ann", time.Hour, true)
	}
	step(ip, "new", 0, true) // trusted by now
	must(t, g.flush(ctx))
	g, err = openGrey(ctx, cfg, r.store)
	must(t, err)
	step(ip, "new", time.Hour, true)
	step(far, "ann", 48*time.Hour, false) // its window is over
	step(ip, "new", 40*24*time.Hour, false)
	for i := range 500 {
		g.admit(netip.AddrFrom4([4]byte{1, 2, byte(i), 3}), "x", "y", now)
	}
	if len(g.have) > 100 {
		t.Errorf("%d entries", len(g.have))
	}
	must(t, g.flush(ctx))
	g, err = openGrey(ctx, cfg, r.store)
	must(t, err)
	if len(g.have) > 100 {
		t.Errorf("%d entries were written", len(g.have))
	}
}

func TestMeter(t *testing.T) {
	var m meter
	now := time.Unix(1_700_000_000, 0)
	take := func(after time.Duration, want bool) {
		t.Helper()
		now = now.Add(after)
		if got := m.take("x", 1, 4, now); got != want {
			t.Errorf("after %v: %v", after, got)
		}
	}
	for range 4 {
		take(0, true)
	}
	take(time.Minute, false)
	take(74*time.Minute, true) // a quarter of the last window is over an hour ago
	take(0, false)
	take(30*time.Minute, true)
	take(0, true)
	take(0, false)
	take(5*time.Hour, true)
	if !m.take("y", 100, 0, now) {
		t.Error("no limit is a limit")
	}
}

// TestNoRelay is the matrix of ways by which servers were made to relay.
func TestNoRelay(t *testing.T) {
	r := newRig(t)
	addr := r.open(t, zone(""), func(*Config) {})
	c, err := textproto.Dial("tcp", addr)
	must(t, err)
	defer c.Close()
	say := func(format string, args ...any) string {
		t.Helper()
		_, err := c.Cmd(format, args...)
		must(t, err)
		code, text, err := c.ReadResponse(0)
		if code == 0 {
			t.Fatal(err)
		}
		return strings.Join([]string{string(rune('0' + code/100)), text}, " ")
	}
	c.ReadResponse(220)
	say("EHLO client.example")
	for _, from := range []string{"", "x@good.example", "ann@example.org", "x@[127.0.0.1]", "postmaster@mx.example.org"} {
		for _, to := range []string{
			"user@elsewhere.example", "user%%elsewhere.example@example.org", "user%%elsewhere.example@mx.example.org", "user%%elsewhere.example@[127.0.0.1]",
			`"user@elsewhere.example"@example.org`, `"user@elsewhere.example"`, `"user%%elsewhere.example"`, "elsewhere.example!user@example.org", "elsewhere.example!user",
			"@example.org:user@elsewhere.example", "@example.org,@mx.example.org:user@elsewhere.example", "user@elsewhere.example@example.org", "user@example.org@elsewhere.example",
			"user@[127.0.0.1]", "user@[192.0.2.1]", "user@[IPv6:::1]", "user@localhost", "away@example.org", "away+x@example.org",
			"ann@example.org.elsewhere.example", "ann@elsewhere.example", "ann@EXAMPLE.ORG.", "ann@example.org,user@elsewhere.example", "user%%elsewhere.example",
			"ann@example.org> NOTIFY=SUCCESS <user@elsewhere.example", "elsewhere.example!ann@example.org", "ann@xn--example.org",
		} {
			say("RSET")
			if got := say("MAIL FROM:<%s>", from); got[0] != '2' {
				t.Errorf("MAIL FROM:<%s>: %s", from, got)
				continue
			}
			if got := say("RCPT TO:<%s>", strings.ReplaceAll(to, "%%", "%")); got[0] != '5' {
				t.Errorf("from <%s> to <%s>: %s", from, to, got)
			}
		}
	}
}

// milterServer is a milter by the library's other half.
type milterServer struct {
	milter.NoOpMilter
	from string
}

func (m *milterServer) MailFrom(from string, _ *milter.Modifier) (milter.Response, error) {
	m.from = from
	switch {
	case strings.HasPrefix(from, "reject"):
		return milter.RespReject, nil
	case strings.HasPrefix(from, "code"):
		return milter.NewResponseStr('y', "554 5.7.9 Words of a milter"), nil
	}
	return milter.RespContinue, nil
}

func (m *milterServer) Body(mod *milter.Modifier) (milter.Response, error) {
	mod.AddHeader("X-Milter", "seen "+m.from)
	if strings.HasPrefix(m.from, "junk") {
		mod.Quarantine("it smells")
	}
	if strings.HasPrefix(m.from, "discard") {
		return milter.RespDiscard, nil
	}
	return milter.RespAccept, nil
}

func TestMilter(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s := milter.Server{NewMilter: func() milter.Milter { return &milterServer{} }, Actions: milter.OptAddHeader | milter.OptQuarantine}
	go s.Serve(l)
	defer l.Close()
	r := newRig(t)
	addr := r.open(t, zone(""), func(c *Config) { c.Filters, c.Verify = []string{"inet:" + l.Addr().String()}, false })
	ok := "250 2.0.0 Ok: delivered as $id"
	play(t, addr, send("good@good.example", "x@a.example", ok))
	if got := r.inbox(t, "ann"); len(got) != 1 || !strings.Contains(got[0], "\r\nX-Milter: seen good@good.example\r\n") || r.seen.Quarantine != "" {
		t.Errorf("%q %+v", got, r.seen)
	}
	play(t, addr, send("junk@good.example", "x@a.example", ok))
	if r.seen.Quarantine != "milter: it smells" {
		t.Errorf("%+v", r.seen)
	}
	play(t, addr, send("discard@good.example", "x@a.example", ok))
	if r.seen.Quarantine != "milter: discard" {
		t.Errorf("discarded at the end: %+v", r.seen)
	}
	play(t, addr, send("reject@good.example", "x@a.example", "550 5.7.1 Message refused"))
	play(t, addr, send("code@good.example", "x@a.example", "554 5.7.9 Words of a milter"))
	l.Close()
	play(t, addr, send("good@good.example", "x@a.example", ok))
	play(t, r.open(t, zone(""), func(c *Config) { c.Filters, c.FilterErr = []string{"inet:" + l.Addr().String()}, "defer" }),
		send("x@good.example", "x@good.example", "451 4.7.1 Message cannot be looked at now, try again later"))
}

func TestRspamd(t *testing.T) {
	answer, heard := "", ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		b, _ := io.ReadAll(q.Body)
		heard = strings.Join([]string{q.URL.Path, q.Header.Get("IP"), q.Header.Get("Helo"), q.Header.Get("From"), strings.Join(q.Header.Values("Rcpt"), ","), string(b[:4])}, " ")
		io.WriteString(w, answer)
	}))
	defer s.Close()
	r := newRig(t)
	addr := r.open(t, zone(""), func(c *Config) { c.Filters, c.Verify = []string{s.URL}, false })
	for _, c := range []struct{ answer, want, quarantine string }{
		{`{"action":"no action","score":1.5,"required_score":15,"symbols":{"R_OK":{},"A":{}}}`, "250 2.0.0 Ok: delivered as $id", ""},
		{`{"action":"add header","score":7,"required_score":15}`, "250 2.0.0 Ok: delivered as $id", "rspamd: add header, 7.00 of 15.00"},
		{`{"action":"reject","score":20}`, "550 5.7.1 Message looks like junk", ""},
		{`{"action":"soft reject","messages":{"smtp_message":"Slow down"}}`, "451 4.7.1 Slow down", ""},
		{`nonsense`, "250 2.0.0 Ok: delivered as $id", ""},
	} {
		answer, r.seen = c.answer, delivery.Verdict{}
		play(t, addr, send("x@good.example", "x@a.example", c.want))
		if r.seen.Quarantine != c.quarantine || heard != "/checkv2 127.0.0.1 client.example x@good.example ann@example.org From" {
			t.Errorf("%s: %+v, %q", c.answer, r.seen, heard)
		}
	}
	if got := r.inbox(t, "ann"); len(got) != 3 || !strings.Contains(got[0], "\r\nX-Rspamd: no action, 1.50 of 15.00 [A R_OK]\r\n") {
		t.Errorf("%q", got)
	}
}

func TestConfig(t *testing.T) {
	c := DefaultConfig()
	must(t, c.Validate())
	c = Config{DMARC: "x", Allow: []string{"y"}, Lists: []string{"zone"}, Filters: []string{"ftp://x"}, Rates: Rates{AccountBytes: -1}}
	err := c.Validate()
	for _, want := range []string{"dmarc", "spf", "allow", "lists", "filters", "junk_from", "wait", "timeout", "grey", "rates.account_bytes"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("nothing of %s: %v", want, err)
		}
	}
}

// FuzzMilter has a milter answer whatever comes.
func FuzzMilter(f *testing.F) {
	packet := func(code byte, data string) string {
		b := binary.BigEndian.AppendUint32(nil, uint32(1+len(data)))
		return string(append(b, code)) + data
	}
	hello := packet('O', "\x00\x00\x00\x06\x00\x00\x00\x11\x00\x00\x00\x00")
	f.Add(hello + packet('c', "") + packet('c', "") + packet('c', "") + packet('y', "550 5.7.1 no\x00"))
	f.Add(hello + strings.Repeat(packet('c', ""), 8) + packet('h', "X-A\x00b\r\nc\x00") + packet('q', "why\x00") + packet('a', ""))
	f.Add(hello + packet('p', "") + packet('y', "\xff"))
	r := newRig(f)
	f.Fuzz(func(t *testing.T, in string) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		defer l.Close()
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			go io.Copy(io.Discard, c)
			io.WriteString(c, in)
			c.(*net.TCPConn).CloseWrite()
			time.Sleep(time.Millisecond)
		}()
		route, err := r.to.Route(context.Background(), "ann@example.org", 0)
		must(t, err)
		m, err := r.to.Open(context.Background(), &delivery.Envelope{From: "x@a.example", Helo: "x", Routes: []*delivery.Route{route}, Remote: netip.MustParseAddr("192.0.2.1"), Protocol: "SMTP"})
		must(t, err)
		defer m.Close()
		io.WriteString(m, "From: x@a.example\r\n\r\ntext\r\n")
		c := &milterClient{network: "tcp", address: l.Addr().String(), wait: 2 * time.Second, host: "mx.example.org"}
		o, err := c.judge(context.Background(), m, "")
		if err == nil {
			checkOpinion(t, o)
		}
	})
}

// FuzzRspamd reads whatever rspamd says.
func FuzzRspamd(f *testing.F) {
	f.Add([]byte(`{"action":"reject","score":20,"symbols":{"A":1},"messages":{"smtp_message":"4.7.1 x"}}`))
	f.Add([]byte(`{"action":"soft reject","messages":{"smtp_message":7}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		if o, err := readRspamd(in); err == nil {
			checkOpinion(t, o)
		}
	})
}

// checkOpinion holds an opinion against what may go into replies and headers.
func checkOpinion(t *testing.T, o *opinion) {
	t.Helper()
	if r := o.refusal; r != nil && (r.Code != 0 && (r.Code < 400 || r.Code > 599 || !isStatus(r.Status)) || strings.ContainsAny(r.Reason, "\r\n\x00")) {
		t.Errorf("%+v", r)
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(o.fields), "\r\n"), "\r\n") {
		if len(o.fields) > 0 && (line == "" || strings.ContainsAny(line, "\r\n\x00") || line[0] != ' ' && line[0] != '\t' && !strings.Contains(line, ":")) {
			t.Errorf("%q", o.fields)
		}
	}
}
