package imapd

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"atrium/mail"
	"atrium/storage/account"
)

// BenchmarkIdle has 1000 connections of 50 users in IDLE and delivers to one user after another: in ms, from the
// beginning of the delivery to the EXISTS at each of the user's connections, and in bytes, what an idle
// connection keeps in the server (heap and stacks, its own end of the socket included).
func BenchmarkIdle(b *testing.B) {
	if testing.Short() {
		b.Skip("opens 1000 connections")
	}
	for _, secure := range []bool{false, true} {
		name := "plain"
		if secure {
			name = "TLS"
		}
		b.Run(name, func(b *testing.B) { benchIdle(b, secure) })
	}
}

const (
	idleUsers = 50
	idleEach  = 20
)

func benchIdle(b *testing.B, secure bool) {
	r := newRig(b, func(c *rigConfig) {
		c.log = slog.New(slog.DiscardHandler)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	r.wg.Go(func() { r.Serve(l, secure) })
	addr := l.Addr().String()
	users := make([]*mail.Account, idleUsers)
	for i := range users {
		u, err := r.dir.Add(b.Context(), account.New{Name: fmt.Sprintf("idle%d", i), Password: "pass"})
		if err != nil {
			b.Fatal(err)
		}
		users[i] = r.store.Open(u.ID, u.ID)
	}
	memory := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse + m.StackInuse)
	}
	dial := func() []*idler {
		conns := make([]*idler, idleUsers*idleEach)
		for i := range conns {
			conns[i] = dialIdle(b, addr, secure, fmt.Sprintf("idle%d", i%idleUsers))
		}
		return conns
	}
	for _, c := range dial() { // what is made once
		c.nc.Close()
	}
	before := memory()
	conns := dial()
	for _, c := range conns {
		c.r = nil // a client's TLS is not the server's
	}
	time.Sleep(restAfter + restAfter/5) // views rest
	each := (memory() - before) / int64(len(conns))
	for _, c := range conns {
		c.nc.Close()
	}
	exists := make(chan time.Time, idleUsers*idleEach)
	conns = dial()
	for _, c := range conns {
		go c.listen(exists)
	}
	var took []time.Duration
	n := 0
	b.ResetTimer()
	for b.Loop() {
		began := time.Now()
		deliver(b, r, users[n%idleUsers])
		n++
		for range idleEach {
			select {
			case at := <-exists:
				took = append(took, at.Sub(began))
			case <-time.After(time.Minute):
				b.Fatal("a connection was told nothing")
			}
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(each), "B/conn")
	slices.Sort(took)
	at := func(q float64) float64 { return float64(took[int(q*float64(len(took)-1))].Microseconds()) / 1000 }
	b.ReportMetric(at(0.5), "p50-ms")
	b.ReportMetric(at(0.99), "p99-ms")
	runtime.KeepAlive(conns)
}

// idler is a connection in IDLE. What a client needs is kept small, for it is counted too.
type idler struct {
	nc net.Conn
	r  io.Reader
}

func dialIdle(b *testing.B, addr string, secure bool, user string) *idler {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { nc.Close() })
	c := &idler{nc: nc, r: nc}
	var w io.Writer = nc
	if secure {
		s := tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
		c.r, w = s, s
	}
	fmt.Fprintf(w, "a LOGIN %s pass\r\nb SELECT INBOX\r\nc IDLE\r\n", user)
	br := bufio.NewReaderSize(c.r, 512)
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			b.Fatal(err)
		}
		if strings.HasPrefix(line, "+") {
			return c
		}
	}
}

// listen tells when an EXISTS comes.
func (c *idler) listen(exists chan<- time.Time) {
	br := bufio.NewReaderSize(c.r, 512)
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return
		}
		if strings.HasSuffix(line, "EXISTS\r\n") {
			exists <- time.Now()
		}
	}
}

func deliver(b *testing.B, r *rig, a *mail.Account) {
	ctx := context.Background()
	spool, err := r.store.Storage().Blobs().Spool(ctx, 1<<20)
	if err != nil {
		b.Fatal(err)
	}
	io.WriteString(spool, "Subject: news\r\n\r\n"+strings.Repeat("text\r\n", 500))
	p, err := r.store.Prepare(ctx, spool)
	if err != nil {
		b.Fatal(err)
	}
	m, err := a.Mailbox(ctx, "INBOX")
	if err == nil {
		_, err = a.Append(ctx, m.ID, mail.NewMessage{Prepared: p})
	}
	p.Release()
	if err != nil {
		b.Fatal(err)
	}
}
