package imapd

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
)

// wireClient is the thinnest client: it sends a command and throws the answer away.
type wireClient struct {
	tb testing.TB
	nc net.Conn
	r  *bufio.Reader
	n  int
}

func (r *rig) client(tb testing.TB, addr string) *wireClient {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	c := &wireClient{tb: tb, nc: nc, r: bufio.NewReaderSize(nc, 256<<10)}
	c.r.ReadSlice('\n')
	c.do("LOGIN user1 pass")
	return c
}

// do runs a command and returns the number of bytes of its answer.
func (c *wireClient) do(cmd string) (bytesRead int) {
	c.n++
	tag := "t" + strconv.Itoa(c.n) + " "
	if _, err := io.WriteString(c.nc, tag+cmd+"\r\n"); err != nil {
		c.tb.Fatal(err)
	}
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			c.tb.Fatal(err)
		}
		bytesRead += len(line)
		if bytes.HasPrefix(line, []byte(tag)) {
			if !bytes.HasPrefix(line[len(tag):], []byte("OK")) {
				c.tb.Fatalf("%s: %s", cmd, line)
			}
			return bytesRead
		}
	}
}

func benchFlags(i int) []imap.Flag {
	switch i % 10 {
	case 0:
		return nil
	case 1:
		return []imap.Flag{imap.FlagSeen, imap.FlagFlagged}
	case 2:
		return []imap.Flag{imap.FlagSeen, imap.FlagAnswered, "$Forwarded"}
	}
	return []imap.Flag{imap.FlagSeen}
}

func benchBox(b *testing.B, n int) (*rig, *wireClient) {
	r := newRig(b, nil)
	r.fill(b, 1, "big", n, benchFlags)
	c := r.client(b, r.listen(b))
	b.Cleanup(func() { c.nc.Close() })
	return r, c
}

func BenchmarkSelect(b *testing.B) {
	_, c := benchBox(b, 100000)
	b.ReportAllocs()
	for b.Loop() {
		c.do("SELECT big")
	}
}

// per reports messages a second.
func per(b *testing.B, messages int) {
	b.ReportMetric(float64(messages)*float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

func BenchmarkFetchFlags(b *testing.B) {
	_, c := benchBox(b, 100000)
	c.do("SELECT big")
	b.ReportAllocs()
	for b.Loop() {
		b.SetBytes(int64(c.do("UID FETCH 1:* (FLAGS)")))
	}
	per(b, 100000)
}

func BenchmarkFetchFlagsModseq(b *testing.B) {
	_, c := benchBox(b, 100000)
	c.do("SELECT big")
	for b.Loop() {
		c.do("UID FETCH 1:* (FLAGS MODSEQ)")
	}
	per(b, 100000)
}

func BenchmarkFetchEnvelope(b *testing.B) {
	_, c := benchBox(b, 10000)
	c.do("SELECT big")
	b.ReportAllocs()
	for b.Loop() {
		b.SetBytes(int64(c.do("FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)")))
	}
	per(b, 10000)
}

func BenchmarkFetchThunderbird(b *testing.B) {
	_, c := benchBox(b, 10000)
	c.do("SELECT big")
	b.ReportAllocs()
	for b.Loop() {
		c.do("UID FETCH 1:* (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID Priority X-Priority References Newsgroups In-Reply-To Content-Type Reply-To)])")
	}
	per(b, 10000)
}

func BenchmarkFetchBodies(b *testing.B) {
	_, c := benchBox(b, 10000)
	c.do("SELECT big")
	for b.Loop() {
		b.SetBytes(int64(c.do("UID FETCH 1:* (BODY.PEEK[])")))
	}
	per(b, 10000)
}

func BenchmarkStoreOne(b *testing.B) {
	_, c := benchBox(b, 10000)
	c.do("SELECT big")
	n := 0
	for b.Loop() {
		n++
		c.do(fmt.Sprintf("STORE %d %cFLAGS (\\Draft)", 1+n%10000, "+-"[n/10000%2]))
	}
}

func BenchmarkStoreAll(b *testing.B) {
	_, c := benchBox(b, 10000)
	c.do("SELECT big")
	n := 0
	for b.Loop() {
		n++
		c.do(fmt.Sprintf("UID STORE 1:* %cFLAGS.SILENT (\\Draft)", "+-"[n%2]))
	}
	per(b, 10000)
}

func BenchmarkSearchSubject(b *testing.B) {
	_, c := benchBox(b, 10000)
	c.do("SELECT big")
	for b.Loop() {
		c.do("SEARCH SUBJECT nothing")
	}
}

func BenchmarkQResync(b *testing.B) {
	r, c := benchBox(b, 100000)
	a, id := r.box(b, 1, "big")
	m, _ := a.MailboxByID(b.Context(), id)
	c.do("SELECT big")
	for i := range 10 {
		c.do(fmt.Sprintf("UID STORE %d +FLAGS.SILENT (\\Draft)", 1+i*9999))
	}
	c.do("ENABLE QRESYNC")
	cmd := fmt.Sprintf("SELECT big (QRESYNC (%d %d 1:100000))", m.UIDValidity, m.Modseq)
	b.ReportAllocs()
	for b.Loop() {
		c.do(cmd)
	}
}

// TestIdleMemory is the rule that a session that waits costs little.
func TestIdleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("a thousand connections")
	}
	r := newRig(t, func(c *rigConfig) { c.imap.Conn.MaxPerUser = 0 })
	r.fill(t, 1, "INBOX", 1000, benchFlags)
	addr := r.listen(t)
	const conns = 500
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse + m.StackInuse)
	}
	var before int64
	var open []net.Conn
	for i := range conns {
		if i == 10 { // caches and pools are warm
			before = heap()
		}
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, nc)
		io.WriteString(nc, "a LOGIN user1 pass\r\nb SELECT INBOX\r\nc UID FETCH 1:* FLAGS\r\nd IDLE\r\n")
		br := bufio.NewReaderSize(nc, 4096)
		for {
			s, err := br.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(s, "+ idling") {
				break
			}
		}
		br = nil
	}
	each := (heap() - before) / (conns - 10)
	t.Logf("%d bytes a session in IDLE", each)
	if each > 30<<10 {
		t.Errorf("%d bytes a session in IDLE, at most 30 KiB are meant", each)
	}
	for _, nc := range open {
		nc.Close()
	}
}

// TestIdleLatency is the time from a commit to the news.
func TestIdleLatency(t *testing.T) {
	r := newRig(t, nil)
	a, id := r.box(t, 1, "INBOX")
	_ = a
	_ = id
	nc, _ := r.dial()
	lines := bufio.NewScanner(nc)
	go io.WriteString(nc, "a LOGIN user1 pass\r\nb SELECT INBOX\r\nd IDLE\r\n")
	for lines.Scan() && lines.Text() != "+ idling" {
	}
	time.Sleep(20 * time.Millisecond)
	r.fill(t, 1, "INBOX", 1, nil)
	start := time.Now()
	for lines.Scan() && lines.Text() != "* 1 EXISTS" {
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("news after %v", d)
	}
	nc.Close()
}
