package queue

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// web is an HTTPS server under a name, and has the queue believe its certificate.
func (r *rig) web(a *authority, name string, h http.HandlerFunc) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.TLS, _ = a.config(r.t, name)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	s.StartTLS()
	r.t.Cleanup(s.Close)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	r.reach(a, port)
	r.zone.Add(name + ". A 127.0.0.1")
	return s
}

func (r *rig) reach(a *authority, port string) {
	r.sts.port, r.sts.public = port, func(netip.Addr) bool { return true }
	r.sts.client.Transport.(*http.Transport).TLSClientConfig.RootCAs = a.pool
}

// TestFetchPolicy fetches a policy over HTTPS, keeps it over a restart, and holds to it
// when the record and the server are gone (RFC 8461 §5.1).
func TestFetchPolicy(t *testing.T) {
	a := newAuthority(t)
	r := newRig(t)
	var asked atomic.Int32
	body := "version: STSv1\nmode: enforce\nmx: mx.there.example\nmax_age: 86400\n"
	s := r.web(a, "mta-sts.there.example", func(w http.ResponseWriter, q *http.Request) {
		asked.Add(1)
		if q.URL.Path != "/.well-known/mta-sts.txt" || q.Host != "mta-sts.there.example" {
			t.Errorf("%s %s", q.Host, q.URL)
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(w, body)
	})
	ctx := context.Background()
	if p := r.sts.policy(ctx, "there.example"); p != nil {
		t.Fatalf("without a record: %+v", p)
	}
	r.zone.Add(`_mta-sts.there.example. TXT "v=STSv1; id=a1"`)
	for range 2 {
		if p := r.sts.policy(ctx, "there.example"); p == nil || p.mode != "enforce" || !p.matches("mx.there.example") {
			t.Fatalf("%+v", p)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	s.Close()
	again := newSTS(r.store, r.zone, r.log) // after a restart, with nothing to ask
	if p := again.policy(ctx, "there.example"); p == nil || p.mode != "enforce" || p.id != "a1" || !p.matches("mx.there.example") {
		t.Fatalf("after a restart: %+v", p)
	}
	r.zone.Fail("_mta-sts.there.example")
	if p := newSTS(r.store, r.zone, r.log).policy(ctx, "there.example"); p == nil {
		t.Error("forgotten when the record cannot be read")
	}
}

// TestBadPolicy: what is no policy is none: another certificate, a redirect, a wrong type, a private address.
func TestBadPolicy(t *testing.T) {
	a := newAuthority(t)
	good := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, "version: STSv1\nmode: enforce\nmx: mx.there.example\nmax_age: 86400\n")
	}
	for name, tc := range map[string]struct {
		cert    string
		handler http.HandlerFunc
		private bool
		want    bool
	}{
		"good":        {"mta-sts.there.example", good, false, true},
		"certificate": {"other.example", good, false, false},
		"private":     {"mta-sts.there.example", good, true, false},
		"redirect":    {"mta-sts.there.example", func(w http.ResponseWriter, q *http.Request) { http.Redirect(w, q, "/x", http.StatusFound) }, false, false},
		"type": {"mta-sts.there.example", func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "version: STSv1\nmode: none\nmax_age: 1\n")
		}, false, false},
		"long": {"mta-sts.there.example", func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			io.WriteString(w, strings.Repeat("x: y\n", maxPolicy))
		}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.web(a, tc.cert, tc.handler)
			r.zone.Add("mta-sts.there.example. A 127.0.0.1\n" + `_mta-sts.there.example. TXT "v=STSv1; id=a1"`)
			if tc.private {
				r.sts.public = func(netip.Addr) bool { return false }
			}
			if p := r.sts.policy(context.Background(), "there.example"); (p != nil) != tc.want {
				t.Errorf("%+v", p)
			}
		})
	}
}

// TestUpload sends a TLS report by HTTPS (RFC 8460 §5.4).
func TestUpload(t *testing.T) {
	a := newAuthority(t)
	r := newRig(t)
	type upload struct {
		kind string
		body []byte
	}
	got := make(chan upload, 1)
	r.web(a, "reports.there.example", func(w http.ResponseWriter, q *http.Request) {
		b, _ := io.ReadAll(q.Body)
		got <- upload{q.Method + " " + q.URL.Path + " " + q.Header.Get("Content-Type"), b}
		w.WriteHeader(http.StatusCreated)
	})
	r.zone.Add(`_smtp._tls.there.example. TXT "v=TLSRPTv1; rua=https://reports.there.example/v1"`)
	r.tlsrpt.note("there.example", "sts", "mx.there.example", "")
	r.tlsrpt.turn(time.Now().Add(24 * time.Hour))
	if days := r.tlsrpt.due(time.Now().Add(24*time.Hour), 0); len(days) != 1 {
		t.Fatalf("%q", days)
	}
	r.tlsrpt.report(context.Background(), r.Queue, time.Now().Add(24*time.Hour), 0)
	u := <-got
	z, err := gzip.NewReader(bytes.NewReader(u.body))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil || u.kind != "POST /v1 application/tlsrpt+gzip" || !bytes.Contains(b, []byte(`"total-successful-session-count":1`)) {
		t.Errorf("%s, %v\n%s", u.kind, err, b)
	}
	if days := r.tlsrpt.due(time.Now().Add(24*time.Hour), 0); len(days) != 0 {
		t.Errorf("due again: %q", days)
	}
}

// TestReportTime: reports of a day are due when it is over and the random delay too.
func TestReportTime(t *testing.T) {
	r := newTLSRPT()
	day := time.Now().UTC().Truncate(24 * time.Hour)
	r.note("there.example", "sts", "mx", "")
	for _, tc := range []struct {
		at   time.Time
		want int
	}{{day.Add(23 * time.Hour), 0}, {day.Add(25 * time.Hour), 0}, {day.Add(26*time.Hour + time.Minute), 1}} {
		if got := r.due(tc.at, 2*time.Hour); len(got) != tc.want {
			t.Errorf("at %v: %q", tc.at, got)
		}
	}
}

// TestNextServer: what the first server puts off goes to the next one, and a refusal of that one is not final.
func TestNextServer(t *testing.T) {
	for _, tc := range []struct {
		name   string
		first  string // what the server that is preferred says
		at     string
		second string // what the other one says to RCPT
		sent   bool
	}{
		{"greeting is good, MAIL is put off", "451 4.3.0 busy", "MAIL", "", true},
		{"RCPT is put off", "450 4.2.0 greylisted", "RCPT", "", true},
		{"content is put off", "452 4.3.1 full", ".", "", true},
		{"RCPT is refused", "550 5.1.1 unknown", "RCPT", "", false},
		{"the other one knows less", "450 4.2.0 greylisted", "RCPT", "550 5.1.1 unknown", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, s := newRig(t), newSink(t)
			r.port = s.port()
			r.zone.Add("there.example. MX 10 a.there.example.\nthere.example. MX 20 b.there.example.\na.there.example. A 127.0.0.2\nb.there.example. A 127.0.0.3")
			var atSecond atomic.Int32
			r.own = func(netip.Addr) bool { return false }
			l, err := net.Listen("tcp", "127.0.0.3:"+itoa(s.port()))
			if err != nil {
				t.Skip(err)
			}
			other := newSinkOn(t, l)
			l2, err := net.Listen("tcp", "127.0.0.2:"+itoa(s.port()))
			if err != nil {
				t.Skip(err)
			}
			first := newSinkOn(t, l2)
			first.reply = func(_ int, line string) string {
				if strings.HasPrefix(line, tc.at) {
					return tc.first
				}
				return ""
			}
			other.reply = func(_ int, line string) string {
				if strings.HasPrefix(line, "RCPT") {
					atSecond.Add(1)
					return tc.second
				}
				return ""
			}
			r.send(Message{From: "ann@here.example", To: to("bob@there.example")}, letter)
			r.run()
			wait(t, "an attempt", func() bool {
				st, err := r.Stats(context.Background())
				return err == nil && st.Sent+st.Deferred+st.Failed > 0
			})
			if n := len(other.have()); (n == 1) != tc.sent {
				t.Errorf("%d at the other server", n)
			}
			st, err := r.Stats(context.Background())
			if err != nil || tc.second != "" && (st.Failed != 0 || st.Deferred != 1 || atSecond.Load() != 1) {
				t.Errorf("%+v, %v", st, err)
			}
		})
	}
}

// TestDeadAddress: an address that does not answer is tried last for a while.
func TestDeadAddress(t *testing.T) {
	r := newRig(t)
	hosts := []host{{name: "a", port: 25, addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}}, {name: "b", port: 25, addrs: []netip.Addr{netip.MustParseAddr("192.0.2.3")}}}
	order := func() (s string) {
		for _, p := range r.places(hosts) {
			s += p.address[8:9]
		}
		return s
	}
	if got := order(); got != "123" {
		t.Error(got)
	}
	r.dead.note("192.0.2.1:25", false)
	if got := order(); got != "231" {
		t.Error(got)
	}
	r.dead.note("192.0.2.1:25", true)
	if got := order(); got != "123" {
		t.Error(got)
	}
}
