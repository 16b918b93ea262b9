package queue

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"atrium/mail/resolver"
	"atrium/storage"
	"atrium/storage/embedded"
)

// sink is a server that takes mail, or says what the test wants.
type sink struct {
	l    net.Listener
	mu   sync.Mutex
	mail []taken
	ext  []string // of EHLO
	// reply decides the answer to a command; "" is the usual one.
	reply func(n int, line string) string
	keep  bool // keep the content
	conns int
	count int
	wg    sync.WaitGroup
	tls   *tls.Config // of STARTTLS
}

type taken struct {
	from string // with parameters
	to   []string
	body string
	conn int
	tls  bool
}

func newSink(t testing.TB, ext ...string) *sink {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return newSinkOn(t, l, ext...)
}

func newSinkOn(t testing.TB, l net.Listener, ext ...string) *sink {
	s := &sink{l: l, ext: ext, keep: true}
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns++
			n := s.conns
			s.mu.Unlock()
			s.wg.Go(func() { s.serve(c, n) })
		}
	})
	t.Cleanup(func() { l.Close() })
	return s
}

func (s *sink) port() int { return s.l.Addr().(*net.TCPAddr).Port }

func (s *sink) serve(c net.Conn, n int) {
	defer c.Close()
	r, w := bufio.NewReaderSize(c, 64<<10), bufio.NewWriter(c)
	say := func(text string) { w.WriteString(text + "\r\n") }
	say("220 sink ESMTP")
	var m taken
	for {
		if r.Buffered() == 0 {
			w.Flush()
		}
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		if s.reply != nil {
			if a := s.reply(n, line); a == "hangup" {
				w.Flush()
				return
			} else if a != "" {
				say(a)
				continue
			}
		}
		verb, args, _ := strings.Cut(line, " ")
		switch strings.ToUpper(verb) {
		case "EHLO":
			say("250-sink")
			for _, e := range s.ext {
				if _, on := c.(*tls.Conn); on && e == "STARTTLS" {
					continue
				}
				say("250-" + e)
			}
			say("250 HELP")
		case "STARTTLS":
			say("220 go on")
			w.Flush()
			t := tls.Server(c, s.tls)
			if t.Handshake() != nil {
				return
			}
			c = t
			r.Reset(t)
			w.Reset(t)
		case "MAIL":
			_, on := c.(*tls.Conn)
			m = taken{from: args, conn: n, tls: on}
			say("250 2.1.0 ok")
		case "RCPT":
			m.to = append(m.to, args)
			say("250 2.1.5 ok")
		case "DATA":
			say("354 go on")
			w.Flush()
			var b strings.Builder
			for {
				line, err := r.ReadSlice('\n')
				if err != nil {
					return
				}
				if string(line) == ".\r\n" {
					break
				}
				if s.keep {
					b.Write(bytes.TrimPrefix(line, []byte(".")))
				}
			}
			m.body = b.String()
			answer := "250 2.0.0 taken"
			if s.reply != nil {
				if a := s.reply(n, "."); a == "hangup" {
					return
				} else if a != "" {
					answer = a
				}
			}
			s.mu.Lock()
			if answer[0] == '2' {
				s.count++
				if s.keep {
					s.mail = append(s.mail, m)
				}
			}
			s.mu.Unlock()
			say(answer)
		case "QUIT":
			say("221 bye")
			w.Flush()
			return
		default:
			say("250 ok")
		}
	}
}

func (s *sink) have() []taken {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]taken(nil), s.mail...)
}

func (s *sink) total() (mails, conns int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count, s.conns
}

// house is this server's own side.
type house struct {
	mu    sync.Mutex
	mail  []taken
	err   error
	state State // what became of it, 0: Local
}

func (h *house) Local(domain string) bool { return domain == "here.example" }
func (h *house) Permanent(err error) bool { return errors.Is(err, storage.NotFound) }
func (h *house) DeliverLocal(_ context.Context, m *Message, to Recipient, content io.Reader) (State, error) {
	b, err := io.ReadAll(content)
	if err != nil {
		return 0, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return 0, h.err
	}
	h.mail = append(h.mail, taken{from: m.From, to: []string{to.Address}, body: string(b)})
	return cmp.Or(h.state, Local), nil
}

func (h *house) have() []taken {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]taken(nil), h.mail...)
}

// rig is a queue on a store of its own.
type rig struct {
	*Queue
	t      testing.TB
	house  *house
	zone   *resolver.Zone
	store  *storage.Store
	cancel context.CancelFunc
	done   chan struct{}
}

func newRig(t testing.TB, change ...func(*Config)) *rig {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	below, err := embedded.Open(t.TempDir(), embedded.Small(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	store, err := storage.Open(below.Engine, below.Blobs, []storage.Schema{Schema}, storage.DefaultConfig(), log)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, house: &house{}, zone: resolver.Static(""), store: store}
	cfg := DefaultConfig()
	cfg.Hostname = "mx.here.example"
	cfg.MTASTS = false
	for _, c := range change {
		c(&cfg)
	}
	if r.Queue, err = Open(store, r.zone, r.house, cfg, log); err != nil {
		t.Fatal(err)
	}
	r.own = func(netip.Addr) bool { return false }
	t.Cleanup(func() {
		r.stop()
		store.Close()
		below.Close()
	})
	return r
}

func (r *rig) run() *rig {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel, r.done = cancel, make(chan struct{})
	go func() {
		defer close(r.done)
		r.Run(ctx)
	}()
	return r
}

func (r *rig) stop() {
	if r.cancel != nil {
		r.cancel()
		<-r.done
		r.cancel = nil
	}
}

// domain has mail for a domain go to a sink.
func (r *rig) domain(name string, s *sink) {
	r.zone.Add(fmt.Sprintf("%s. MX 10 mx.%s.\nmx.%s. A 127.0.0.1", name, name, name))
	r.port = s.port()
}

func (r *rig) send(m Message, body string) string {
	r.t.Helper()
	id, err := r.Submit(context.Background(), m, strings.NewReader(strings.ReplaceAll(body, "\n", "\r\n")))
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

func to(list ...string) (out []Recipient) {
	for _, a := range list {
		out = append(out, Recipient{Address: a})
	}
	return out
}

// wait waits until something holds.
func wait(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("in vain: %s", what)
}

// empty tells whether nothing waits.
func (r *rig) empty() bool {
	n := 0
	err := r.store.View(context.Background(), storage.System, func(v *storage.View) error {
		c, err := collection(v)
		if c == 0 || err != nil {
			return err
		}
		x, err := v.Collection(c)
		n = x.Count
		return err
	})
	return err == nil && n == 0
}
