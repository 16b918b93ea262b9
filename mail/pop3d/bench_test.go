package pop3d

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

// What a client does that looks for new mail: login, STAT, UIDL, QUIT, with
// 100,000 messages.
func BenchmarkCheck(b *testing.B) {
	const n = 100_000
	r := newRig(b)
	r.fill(b, "anna", n, "Subject: x\r\n\r\nshort\r\n")
	_, addr := r.serve(b)
	b.ResetTimer()
	for b.Loop() {
		c := dial(b, addr)
		c.do("USER anna", "PASS pass word", "STAT", "UIDL")
		if k, _ := c.lines(); k != n {
			b.Fatal(k)
		}
		c.do("QUIT")
		c.Close()
	}
}

// 1,000 messages of 20 KB each, one after another and pipelined.
func BenchmarkRetr(b *testing.B) {
	const n, size = 1000, 20 << 10
	r := newRig(b)
	line := strings.Repeat("x", 76) + "\r\n"
	for i := range n {
		r.fill(b, "anna", 1, fmt.Sprintf("Subject: %d\r\n\r\n", i)+strings.Repeat(line, size/len(line)))
	}
	_, addr := r.serve(b)
	for _, window := range []int{1, 32} {
		b.Run(fmt.Sprint("window=", window), func(b *testing.B) {
			c := dial(b, addr)
			c.do("USER anna", "PASS pass word")
			b.SetBytes(n * size)
			for b.Loop() {
				asked := 0
				for i := range n {
					if asked == i {
						var q bytes.Buffer
						for asked < n && asked < i+window {
							asked++
							fmt.Fprintf(&q, "RETR %d\r\n", asked)
						}
						c.Write(q.Bytes())
					}
					c.ok()
					c.lines()
				}
			}
			c.do("QUIT")
			c.Close()
		})
	}
}

func BenchmarkStuffer(b *testing.B) {
	p := []byte(strings.Repeat(strings.Repeat("x", 76)+"\r\n", 400))
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		w := stuffer{w: io.Discard, bol: true}
		w.Write(p)
		w.close()
	}
}
