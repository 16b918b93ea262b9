package conn

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// certificate makes a self-signed one.
func certificate(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return TLS(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert, nil })
}

var insecure = &tls.Config{InsecureSkipVerify: true}

// echo is a protocol with one of each: lines come back, a few words do more.
func echo(c *Conn) {
	c.WriteString("hello\r\n")
	for {
		switch err := c.Wait(nil, time.Minute); {
		case errors.Is(err, Stopping):
			c.WriteString("bye\r\n")
			return
		case err != nil:
			return
		}
		line, err := c.ReadLine(1000)
		switch {
		case errors.Is(err, TooLong):
			c.WriteString("too long\r\n")
			continue
		case err != nil:
			return
		}
		switch string(line) {
		case "panic":
			panic("as asked")
		case "starttls":
			c.WriteString("ok\r\n")
			if c.StartTLS() != nil {
				return
			}
		case "slow":
			time.Sleep(100 * time.Millisecond)
			c.WriteString("done\r\n")
		case "literal":
			var b bytes.Buffer
			if c.CopyN(&b, 10) != nil {
				return
			}
			fmt.Fprintf(c, "%q\r\n", b.Bytes())
		case "quit":
			c.WriteString("quit\r\n")
			return
		default:
			c.Write(append(bytes.Clone(line), "\r\n"...))
		}
	}
}

func serve(t testing.TB, p Protocol, cfg Config, tc *tls.Config, implicit bool) (*Server, string) {
	t.Helper()
	l, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(p, cfg, tc, slog.New(slog.DiscardHandler))
	go s.Serve(l, implicit)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		s.Shutdown(ctx)
	})
	return s, l.Addr().String()
}

type client struct {
	t testing.TB
	net.Conn
	*bufio.Reader
}

func (c *client) Read(p []byte) (int, error) { return c.Reader.Read(p) }

func dial(t testing.TB, addr string) *client {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	return &client{t, nc, bufio.NewReader(nc)}
}

func (c *client) want(lines ...string) {
	c.t.Helper()
	for _, want := range lines {
		got, err := c.ReadString('\n')
		if err != nil || strings.TrimSuffix(got, "\r\n") != want {
			c.t.Fatalf("got %q %v, want %q", got, err, want)
		}
	}
}

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, s); err != nil {
		c.t.Fatal(err)
	}
}

func TestDialog(t *testing.T) {
	s, addr := serve(t, Protocol{Name: "echo", Serve: echo}, DefaultConfig(), nil, false)
	c := dial(t, addr)
	c.want("hello")
	c.send("one\r\ntwo\nthree\r\n")
	c.want("one", "two", "three")
	c.send("a\rb\r\n")
	c.want("a\rb")
	c.send(strings.Repeat("x", 100000) + "\r\nafter\r\n")
	c.want("too long", "after")
	c.send(strings.Repeat("y", 1000) + "\r\n" + strings.Repeat("y", 1001) + "\r\n")
	c.want(strings.Repeat("y", 1000), "too long")
	c.send("lit")
	time.Sleep(10 * time.Millisecond)
	c.send("eral\r")
	time.Sleep(10 * time.Millisecond)
	c.send("\n01234")
	time.Sleep(10 * time.Millisecond)
	c.send("5\n789next\r\n")
	c.want(`"012345\n789"`, "next")
	c.send("panic\r\n")
	if _, err := c.ReadString('\n'); err == nil {
		t.Fatal("connection goes on after a panic")
	}
	c = dial(t, addr)
	c.want("hello")
	c.send("quit\r\n" + strings.Repeat("not read\r\n", 1000))
	c.want("quit")
	if _, err := c.ReadString('\n'); err != io.EOF {
		t.Fatalf("%v, want EOF and no reset", err)
	}
	c.Conn.Close()
	for s.Stats().Open > 0 {
		time.Sleep(time.Millisecond)
	}
	if st := s.Stats(); st.Panics != 1 || st.Open != 0 || st.Accepted != 2 || st.In < 100000 {
		t.Errorf("%+v", st)
	}
}

func TestStrictLines(t *testing.T) {
	cfg := DefaultConfig()
	cfg.StrictLines = true
	_, addr := serve(t, Protocol{Name: "echo", Serve: echo}, cfg, nil, false)
	c := dial(t, addr)
	c.want("hello")
	c.send("one\ntwo\r\n")
	c.want("one\n", "two")
	c.send("\nx\r\r\n")
	c.want("\n", "x\r")
}

// RFC 9051 §11.1: what came in plain text before the handshake does not count after it.
func TestStartTLS(t *testing.T) {
	_, addr := serve(t, Protocol{Name: "echo", Serve: echo}, DefaultConfig(), certificate(t), false)
	c := dial(t, addr)
	c.want("hello")
	c.send("starttls\r\ninjected\r\n")
	c.want("ok")
	tc := tls.Client(c.Conn, insecure)
	if err := tc.Handshake(); err != nil {
		t.Fatal(err)
	}
	secure := &client{t, tc, bufio.NewReader(tc)}
	secure.send("clean\r\n")
	secure.want("clean")
	secure.send("starttls\r\n") // a second time: refused, the connection ends
	secure.want("ok")
	if _, err := secure.ReadString('\n'); err == nil {
		t.Fatal("second STARTTLS accepted")
	}
}

func TestShutdown(t *testing.T) {
	s, addr := serve(t, Protocol{Name: "echo", Serve: echo}, DefaultConfig(), nil, false)
	idle, busy := dial(t, addr), dial(t, addr)
	idle.want("hello")
	busy.want("hello")
	busy.send("slow\r\nnever\r\n")
	time.Sleep(20 * time.Millisecond)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	idle.want("bye")
	busy.want("done", "bye")
}

func TestShutdownByForce(t *testing.T) {
	stuck := func(c *Conn) { <-c.Context().Done() }
	s, addr := serve(t, Protocol{Name: "stuck", Serve: stuck}, DefaultConfig(), nil, false)
	c := dial(t, addr)
	for s.Stats().Open == 0 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	if _, err := c.ReadByte(); err == nil {
		t.Fatal("still open")
	}
}

func TestLimits(t *testing.T) {
	cfg := DefaultConfig()
	cfg.MaxConns, cfg.MaxPerUser = 3, 1
	claims := func(c *Conn) {
		for c.Wait(nil, time.Minute) == nil {
			name, err := c.ReadLine(100)
			if err != nil {
				return
			}
			fmt.Fprintf(c, "%v\r\n", errors.Is(c.Claim(string(name)), Busy))
		}
	}
	s, addr := serve(t, Protocol{Name: "claims", Serve: claims, Refuse: "busy\r\n"}, cfg, nil, false)
	a, b, c := dial(t, addr), dial(t, addr), dial(t, addr)
	for _, x := range []struct {
		on        *client
		user, out string
	}{{a, "u", "false"}, {a, "u", "false"}, {b, "u", "true"}, {b, "v", "false"}, {a, "", "false"}, {c, "u", "false"}} {
		x.on.send(x.user + "\r\n")
		x.on.want(x.out)
	}
	dial(t, addr).want("busy")
	c.Conn.Close()
	for s.Stats().Open == 3 {
		time.Sleep(time.Millisecond)
	}
	a.send("u\r\n")
	a.want("false")
	s.mu.Lock()
	users := fmt.Sprint(s.users)
	s.mu.Unlock()
	if users != "map[u:1 v:1]" {
		t.Error(users)
	}
}

func TestWake(t *testing.T) {
	wake := make(chan struct{}, 1)
	dialog := func(c *Conn) {
		for {
			switch err := c.Wait(wake, 50*time.Millisecond); {
			case err == nil:
				line, err := c.ReadLine(100)
				if err != nil {
					return
				}
				c.Write(append([]byte("line "), append(line, "\r\n"...)...))
			case errors.Is(err, Woken):
				c.WriteString("woken\r\n")
			case errors.Is(err, TimedOut):
				c.WriteString("tick\r\n")
			default:
				return
			}
		}
	}
	for _, tc := range []*tls.Config{nil, certificate(t)} {
		s, addr := serve(t, Protocol{Name: "wake", Serve: dialog}, DefaultConfig(), tc, tc != nil)
		c := dial(t, addr)
		if tc != nil {
			c.Conn = tls.Client(c.Conn, insecure)
			c.Reader = bufio.NewReader(c.Conn)
		}
		for range 3 {
			c.want("tick")
			wake <- struct{}{}
			c.want("woken")
			c.send("x\r\n")
			c.want("line x")
		}
		c.Conn.Close()
		for s.Stats().Open > 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

// A peer that does not take its output loses its connection, not our memory.
func TestSlowReader(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Write = 50 * time.Millisecond
	result := make(chan error, 1)
	flood := func(c *Conn) {
		buf := make([]byte, 1<<20)
		for {
			if _, err := c.Write(buf); err != nil {
				result <- err
				return
			}
		}
	}
	_, addr := serve(t, Protocol{Name: "flood", Serve: flood}, cfg, nil, false)
	dial(t, addr)
	select {
	case err := <-result:
		if !errors.Is(err, TimedOut) {
			t.Fatal(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("still writing")
	}
}

func TestSlowLine(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Line = 100 * time.Millisecond
	_, addr := serve(t, Protocol{Name: "echo", Serve: echo}, cfg, nil, false)
	c := dial(t, addr)
	c.want("hello")
	for i := 0; ; i++ {
		if _, err := c.Conn.Write([]byte("x")); err != nil {
			break
		}
		if i > 100 {
			t.Fatal("a line may last for ever")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestLayer(t *testing.T) {
	dialog := func(c *Conn) {
		c.ReadLine(100)
		c.WriteString("ok\r\n")
		c.Layer(func(r io.Reader, w io.Writer) (io.Reader, WriteFlusher) {
			fw, _ := flate.NewWriter(w, 1)
			return flate.NewReader(r), fw
		})
		echo(c)
	}
	_, addr := serve(t, Protocol{Name: "layer", Serve: dialog}, DefaultConfig(), nil, false)
	c := dial(t, addr)
	c.send("compress\r\n")
	c.want("ok")
	fw, _ := flate.NewWriter(c.Conn, 9)
	z := &client{t, c.Conn, bufio.NewReader(flate.NewReader(c.Reader))}
	z.want("hello")
	for _, line := range []string{"one", "", strings.Repeat("long", 200)} {
		io.WriteString(fw, line+"\r\n")
		fw.Flush()
		z.want(line)
	}
}

func TestPipe(t *testing.T) {
	s := NewServer(Protocol{Name: "echo", Serve: echo}, DefaultConfig(), nil, slog.New(slog.DiscardHandler))
	a, b := net.Pipe()
	go s.ServeConn(a, false)
	c := &client{t, b, bufio.NewReader(b)}
	c.want("hello")
	c.send("one\r\ntwo\r\n")
	c.want("one", "two")
	go c.send("literal\r\n")
	time.Sleep(time.Millisecond)
	c.send("0123456789x\r\n")
	c.want(`"0123456789"`, "x")
	b.Close()
	s.running.Wait()
}

func TestUnixSocket(t *testing.T) {
	path := t.TempDir() + "/s"
	l, err := Listen("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen("unix:" + path); err == nil {
		t.Fatal("took a socket in use")
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	l, err = Listen("unix:" + path)
	if err != nil {
		t.Fatal("stale socket:", err)
	}
	s := NewServer(Protocol{Name: "echo", Serve: echo}, DefaultConfig(), nil, slog.New(slog.DiscardHandler))
	go s.Serve(l, false)
	defer s.Shutdown(t.Context())
	nc, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c := &client{t, nc, bufio.NewReader(nc)}
	c.want("hello")
}
