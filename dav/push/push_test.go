package push_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"atrium/dav/davtest"
	"atrium/dav/push"
)

// device is a client's end of Web Push: an endpoint that decrypts what comes.
type device struct {
	*httptest.Server
	key      *ecdh.PrivateKey
	secret   []byte
	messages chan string
	status   atomic.Int32
	asked    atomic.Int32
}

func newDevice(t *testing.T) *device {
	t.Helper()
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	d := &device{key: key, secret: make([]byte, 16), messages: make(chan string, 100)}
	rand.Read(d.secret)
	d.status.Store(http.StatusCreated)
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.asked.Add(1)
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if !strings.HasPrefix(r.Header.Get("Authorization"), "vapid t=") || r.Header.Get("Content-Encoding") != "aes128gcm" || r.Header.Get("TTL") == "" || len(r.Header.Get("Topic")) > 32 {
			t.Errorf("header %v", r.Header)
		}
		w.WriteHeader(int(d.status.Load()))
		text, err := d.decrypt(b)
		if err != nil {
			t.Error(err)
		}
		d.messages <- text
	}))
	t.Cleanup(d.Close)
	return d
}

// decrypt is RFC 8291 §3.4 and RFC 8188 §2.
func (d *device) decrypt(b []byte) (string, error) {
	if len(b) < 86 {
		return "", fmt.Errorf("%d octets", len(b))
	}
	salt, size, id := b[:16], binary.BigEndian.Uint32(b[16:20]), int(b[20])
	if id != 65 || int(size) < len(b)-86 {
		return "", fmt.Errorf("record size %d, key of %d octets", size, id)
	}
	point, body := b[21:86], b[86:]
	sender, err := ecdh.P256().NewPublicKey(point)
	if err != nil {
		return "", err
	}
	shared, err := d.key.ECDH(sender)
	if err != nil {
		return "", err
	}
	derive := func(secret, salt []byte, info string, n int) []byte {
		out, err := hkdf.Key(sha256.New, secret, salt, info, n)
		if err != nil {
			panic(err)
		}
		return out
	}
	ikm := derive(shared, d.secret, "WebPush: info\x00"+string(d.key.PublicKey().Bytes())+string(point), 32)
	block, err := aes.NewCipher(derive(ikm, salt, "Content-Encoding: aes128gcm\x00", 16))
	if err != nil {
		return "", err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return "", err
	}
	plain, err := gcm.Open(nil, derive(ikm, salt, "Content-Encoding: nonce\x00", 12), body, nil)
	if err != nil {
		return "", err
	}
	return strings.TrimRight(strings.TrimRight(string(plain), "\x00"), "\x02"), nil
}

func (d *device) body(trigger string) string {
	enc := base64.RawURLEncoding.EncodeToString
	return fmt.Sprintf(`<P:push-register xmlns:P="https://bitfire.at/webdav-push" xmlns:D="DAV:"><P:subscription><P:web-push-subscription><P:push-resource>%s/x</P:push-resource><P:content-encoding>aes128gcm</P:content-encoding><P:client-public-key type="p256dh">%s</P:client-public-key><P:auth-secret>%s</P:auth-secret></P:web-push-subscription></P:subscription><P:trigger>%s</P:trigger></P:push-register>`,
		d.URL, enc(d.key.PublicKey().Bytes()), enc(d.secret), trigger)
}

// next is the next message.
func (d *device) next(t *testing.T) string {
	t.Helper()
	select {
	case m := <-d.messages:
		return m
	case <-time.After(time.Minute):
		t.Fatal("no message came")
	}
	return ""
}

const both = `<P:content-update><D:sync-level>1</D:sync-level></P:content-update><P:property-update><D:depth>0</D:depth></P:property-update>`

type rig struct {
	*davtest.Server
	t *testing.T
}

// start is a server with push to this machine.
func start(t *testing.T) rig {
	t.Helper()
	cfg := push.DefaultConfig()
	cfg.Private, cfg.Delay, cfg.Contact = true, 50*time.Millisecond, "postmaster@example.org"
	s := davtest.NewWithPush(t, cfg)
	return rig{s, t}
}

func (r rig) do(method, path, body string, want int, header ...string) http.Header {
	r.t.Helper()
	rq, err := http.NewRequest(method, path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	rq.SetBasicAuth("user1", "pass")
	if strings.HasPrefix(body, "<") {
		rq.Header.Set("Content-Type", `application/xml; charset="utf-8"`)
	}
	for i := 0; i+1 < len(header); i += 2 {
		rq.Header.Set(header[i], header[i+1])
	}
	resp, err := r.Client().Do(rq)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != want {
		r.t.Fatalf("%s %s: %d, want %d\n%s", method, path, resp.StatusCode, want, b)
	}
	resp.Header.Set("X-Body", strings.ReplaceAll(string(b), "\n", " "))
	return resp.Header
}

func event(uid string) string {
	return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:" + uid + "\r\nDTSTAMP:20260301T000000Z\r\nDTSTART:20260310T090000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
}

func TestPush(t *testing.T) {
	r, d := start(t), newDevice(t)
	calendar := r.URL + "/calendars/user1@example.org/calendar/"
	found := r.do("PROPFIND", calendar, `<propfind xmlns="DAV:" xmlns:P="https://bitfire.at/webdav-push"><prop><P:transports/><P:topic/><P:supported-triggers/></prop></propfind>`, 207, "Depth", "0")
	_, rest, _ := strings.Cut(found.Get("X-Body"), "<P:topic>")
	topic, _, ok := strings.Cut(rest, "<")
	if !ok || !strings.Contains(found.Get("X-Body"), `<P:vapid-public-key type="p256ecdsa">`) {
		t.Fatalf("properties: %s", found.Get("X-Body"))
	}
	head := r.do("POST", calendar, d.body(both), 204)
	place := head.Get("Location")
	if expires, err := http.ParseTime(head.Get("Expires")); err != nil || time.Until(expires) < 72*time.Hour || !strings.HasPrefix(place, r.URL+"/push/") {
		t.Fatalf("registered: %v", head)
	}
	if again := r.do("POST", calendar, d.body(both), 204).Get("Location"); again != place {
		t.Errorf("the same subscription is at %s, was at %s", again, place)
	}

	r.do("PUT", calendar+"a.ics", event("a"), 201)
	if m := d.next(t); !strings.Contains(m, "<P:topic>"+topic+"</P:topic>") || !strings.Contains(m, "<P:content-update><D:sync-token>data:,c") || strings.Contains(m, "property-update") {
		t.Errorf("after a PUT: %s", m)
	}
	r.do("PROPPATCH", calendar, `<propertyupdate xmlns="DAV:"><set><prop><displayname>New</displayname></prop></set></propertyupdate>`, 207)
	if m := d.next(t); !strings.Contains(m, "<P:property-update/>") {
		t.Errorf("after a PROPPATCH: %s", m)
	}

	// What the client itself did, it is not told; what others do, it is.
	other := newDevice(t)
	r.do("POST", calendar, other.body(both), 204)
	r.do("PUT", calendar+"b.ics", event("b"), 201, "Push-Dont-Notify", `"`+place+`"`)
	other.next(t)
	r.do("PUT", calendar+"c.ics", event("c"), 201, "Push-Dont-Notify", "*")
	r.do("PUT", calendar+"d.ics", event("d"), 201)
	other.next(t)
	if m := d.next(t); !strings.Contains(m, "content-update") {
		t.Errorf("after another's PUT: %s", m)
	}
	if n := len(d.messages); n != 0 {
		t.Errorf("%d more messages", n)
	}

	// Who is gone is forgotten, who unregisters too.
	other.status.Store(http.StatusGone)
	r.do("PUT", calendar+"e.ics", event("e"), 201)
	other.next(t)
	d.next(t)
	r.do("DELETE", place, "", 204)
	r.do("DELETE", place, "", 404)
	asked := other.asked.Load() + d.asked.Load()
	third := newDevice(t)
	r.do("POST", calendar, third.body(both), 204)
	r.do("PUT", calendar+"f.ics", event("f"), 201)
	third.next(t)
	if n := other.asked.Load() + d.asked.Load(); n != asked {
		t.Errorf("%d more messages to those who are gone", n-asked)
	}
}

// TestDowntime: what changed while nobody told of it is told when the server runs again, and what was told is not.
func TestDowntime(t *testing.T) {
	r, d, idle := start(t), newDevice(t), newDevice(t)
	calendar := r.URL + "/calendars/user1@example.org/calendar/"
	r.do("POST", calendar, d.body(both), 204)
	r.do("POST", r.URL+"/calendars/user1@example.org/tasks/", idle.body(both), 204)
	r.do("PUT", calendar+"a.ics", event("a"), 201)
	d.next(t)
	again := func() (stop func()) {
		t.Helper()
		r.StopPush()
		keys, err := push.LoadKeys(filepath.Join(t.TempDir(), "keys"))
		if err != nil {
			t.Fatal(err)
		}
		cfg := push.DefaultConfig()
		cfg.Private, cfg.Delay, cfg.Contact = true, 50*time.Millisecond, "postmaster@example.org"
		hub := push.New(r.Store, cfg, keys, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			hub.Run(ctx)
		}()
		return sync.OnceFunc(func() {
			cancel()
			<-done
		})
	}
	r.StopPush()
	r.do("PUT", calendar+"b.ics", event("b"), 201)
	stop := again()
	defer stop()
	if m := d.next(t); !strings.Contains(m, "content-update") || strings.Contains(m, "property-update") {
		t.Errorf("of the downtime: %s", m)
	}
	stop()
	stop = again()
	defer stop()
	r.do("PUT", calendar+"c.ics", event("c"), 201)
	d.next(t)
	stop()
	if n, m := len(d.messages), idle.asked.Load(); n != 0 || m != 0 {
		t.Errorf("%d more messages, %d to one whose calendar did not change", n, m)
	}
}

// FuzzRegister: no registration brings the server down, and one that is taken can be sent to.
func FuzzRegister(f *testing.F) {
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	enc := base64.RawURLEncoding.EncodeToString
	f.Add("https://push.example.net/x", enc(key.PublicKey().Bytes()), enc(make([]byte, 16)), "p256dh", "content-update", "Wed, 20 Dec 2028 10:03:31 GMT")
	f.Add("http://127.0.0.1:1/%", "BAAA", "====", "", "property-update", "never")
	f.Add("https://[::1", enc(make([]byte, 65)), "!", "x", "trigger", "Mon, 01 Jan 0000 00:00:00 GMT")
	hub := push.New(nil, push.DefaultConfig(), push.Keys{Private: "x", Public: "y"}, slog.New(slog.DiscardHandler))
	f.Fuzz(func(t *testing.T, resource, key, secret, kind, trigger, expires string) {
		var b strings.Builder
		for _, s := range []string{`<P:push-register xmlns:P="https://bitfire.at/webdav-push"><P:subscription><P:web-push-subscription><P:push-resource>`, resource,
			`</P:push-resource><P:client-public-key type="`, kind, `">`, key, `</P:client-public-key><P:auth-secret>`, secret,
			`</P:auth-secret></P:web-push-subscription></P:subscription><P:trigger><P:`, trigger, `/></P:trigger><P:expires>`, expires, `</P:expires></P:push-register>`} {
			b.WriteString(s)
		}
		hub.ReadRegistration([]byte(b.String()))
	})
}

// TestHome: a new calendar is news of the home.
func TestHome(t *testing.T) {
	r, d := start(t), newDevice(t)
	home := r.URL + "/calendars/user1@example.org/"
	r.do("POST", home, d.body(`<P:content-update/>`), 204)
	r.do("MKCALENDAR", home+"new/", "", 201)
	if m := d.next(t); !strings.Contains(m, "<P:content-update") {
		t.Errorf("after MKCALENDAR: %s", m)
	}
}

func TestRefusals(t *testing.T) {
	r, d := start(t), newDevice(t)
	calendar := r.URL + "/calendars/user1@example.org/calendar/"
	for _, tc := range []struct{ name, body, want string }{
		{"no trigger", d.body(""), "no-supported-trigger"},
		{"no subscription", `<push-register xmlns="https://bitfire.at/webdav-push"><trigger><content-update/></trigger></push-register>`, "invalid-subscription"},
		{"a bad key", strings.Replace(d.body(both), `type="p256dh">B`, `type="p256dh">A`, 1), "invalid-subscription"},
		{"no URL", strings.Replace(d.body(both), "<P:push-resource>http", "<P:push-resource>ftp", 1), "invalid-subscription"},
	} {
		if got := r.do("POST", calendar, tc.body, 403).Get("X-Body"); !strings.Contains(got, tc.want) {
			t.Errorf("%s: %s", tc.name, got)
		}
	}
	r.do("POST", calendar, d.body(both), 401, "Authorization", "Basic eDp5")
	r.do("DELETE", r.URL+"/push/nothing", "", 404)
	r.do("DELETE", r.URL+"/push/1.nothing", "", 404)
}

func TestKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	a, err := push.LoadKeys(file)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := push.LoadKeys(file); err != nil || a != b {
		t.Errorf("other keys: %v", err)
	}
}
