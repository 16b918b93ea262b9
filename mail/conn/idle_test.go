package conn

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Memory of connections that wait, after a good deal of input: at most 30 KB plain
// and 60 KB under TLS. IDLE waits for a change too.
func TestIdleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("opens many sockets")
	}
	const n = 1000
	cert := certificate(t)
	idle := func(c *Conn) {
		wake := make(chan struct{}, 1)
		for c.Wait(wake, time.Minute) == nil {
			line, err := c.ReadLine(1000)
			if err != nil {
				return
			}
			c.Write(line)
			c.WriteString("\r\n")
		}
	}
	for _, tc := range []struct {
		name  string
		serve func(*Conn)
		tls   *tls.Config
		limit int64
	}{
		{"plain", echo, nil, 30 << 10}, {"TLS", echo, cert, 60 << 10},
		{"plain, IDLE", idle, nil, 30 << 10}, {"TLS, IDLE", idle, cert, 60 << 10},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, addr := serve(t, Protocol{Name: "idle", Serve: tc.serve}, DefaultConfig(), tc.tls, tc.tls != nil)
			measure := func() int64 {
				runtime.GC()
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				return int64(m.HeapInuse + m.StackInuse)
			}
			before := measure()
			raw := make([]net.Conn, n)
			for i := range raw {
				raw[i] = talk(t, addr, tc.tls != nil)
			}
			time.Sleep(50 * time.Millisecond)
			each := (measure() - before) / n // the client's sockets included, its TLS state not
			t.Logf("%d bytes a connection", each)
			if each > tc.limit {
				t.Errorf("%d bytes a connection, at most %d wanted", each, tc.limit)
			}
			runtime.KeepAlive(raw)
		})
	}
}

// talk opens a connection, sends 32 KB of lines and reads the last of them.
func talk(t *testing.T, addr string, secure bool) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	top := nc
	if secure {
		top = tls.Client(nc, insecure)
	}
	if _, err := io.WriteString(top, strings.Repeat(strings.Repeat("x", 998)+"\r\n", 32)+"last\r\n"); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(top)
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			t.Fatal(err)
		}
		if string(line) == "last\r\n" {
			return nc
		}
	}
}

func FuzzReadLine(f *testing.F) {
	f.Add([]byte("one\r\ntwo\n\r\n"), 3, 10)
	f.Add([]byte(strings.Repeat("x", 5000)+"\r\nb\r\n"), 1000, 4500)
	f.Add([]byte("\r\r\n\n\x00\xff"), 1, 2)
	f.Fuzz(func(t *testing.T, data []byte, step, limit int) {
		if step < 1 || limit < 0 || limit > 100000 || len(data)/max(step, 1) > 1000 {
			t.Skip()
		}
		var got []string
		s := NewServer(Protocol{Name: "fuzz", Serve: func(c *Conn) {
			for {
				line, err := c.ReadLine(limit)
				switch {
				case errors.Is(err, TooLong):
					got = append(got, "too long")
				case err != nil:
					return
				default:
					got = append(got, "line "+string(line))
				}
			}
		}}, DefaultConfig(), nil, slog.New(slog.DiscardHandler))
		a, b := net.Pipe()
		go func() {
			for p := data; len(p) > 0; {
				n := min(step, len(p))
				b.Write(p[:n])
				p = p[n:]
			}
			b.Close()
		}()
		s.ServeConn(a, false)
		var want []string
		for rest := data; ; {
			i := bytes.IndexByte(rest, '\n')
			if i < 0 {
				break
			}
			line := bytes.TrimSuffix(rest[:i], []byte("\r"))
			if len(line) > limit {
				want = append(want, "too long")
			} else {
				want = append(want, "line "+string(line))
			}
			rest = rest[i+1:]
		}
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Errorf("got %q want %q", got, want)
		}
	})
}

func BenchmarkCommand(b *testing.B) {
	for _, tc := range []*tls.Config{nil, certificate(b)} {
		b.Run(fmt.Sprintf("tls=%v", tc != nil), func(b *testing.B) {
			_, addr := serve(b, Protocol{Name: "echo", Serve: echo}, DefaultConfig(), tc, tc != nil)
			var nc net.Conn
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				b.Fatal(err)
			}
			defer nc.Close()
			if tc != nil {
				nc = tls.Client(nc, insecure)
			}
			r := bufio.NewReader(nc)
			r.ReadString('\n')
			b.ReportAllocs()
			for b.Loop() {
				io.WriteString(nc, "a1 NOOP\r\n")
				if _, err := r.ReadSlice('\n'); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Bulk input and output: a literal of 1 MiB comes and goes.
func BenchmarkBulk(b *testing.B) {
	const size = 1 << 20
	for _, tc := range []*tls.Config{nil, certificate(b)} {
		b.Run(fmt.Sprintf("tls=%v", tc != nil), func(b *testing.B) {
			body := make([]byte, size)
			dialog := func(c *Conn) {
				for c.CopyN(io.Discard, size) == nil {
					c.Write(body)
				}
			}
			_, addr := serve(b, Protocol{Name: "bulk", Serve: dialog}, DefaultConfig(), tc, tc != nil)
			var nc net.Conn
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				b.Fatal(err)
			}
			defer nc.Close()
			if tc != nil {
				nc = tls.Client(nc, insecure)
			}
			buf := make([]byte, size)
			b.SetBytes(2 * size)
			b.ReportAllocs()
			for b.Loop() {
				nc.Write(buf)
				if _, err := io.ReadFull(nc, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
