package queue

import (
	"context"
	"io"
	"runtime"
	"strings"
	"testing"
)

// zeros is a message of a size, made as it is read.
type zeros struct {
	line []byte
	left int
}

func (z *zeros) Read(p []byte) (n int, err error) {
	for n+len(z.line) <= len(p) && z.left > 0 {
		n += copy(p[n:], z.line)
		z.left -= len(z.line)
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// TestBigMessage sends nearly 50 MiB: what is allocated does not follow the size, not
// even where the message is rewritten for a server that takes seven bits only.
func TestBigMessage(t *testing.T) {
	if testing.Short() {
		t.Skip()
	}
	for name, line := range map[string]string{"as it is": strings.Repeat("A", 76), "rewritten": strings.Repeat("ä", 38)} {
		t.Run(name, func(t *testing.T) {
			r, s := newRig(t), newSink(t, "PIPELINING")
			s.keep = false
			r.domain("there.example", s)
			head := "From: ann@here.example\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			body := io.MultiReader(strings.NewReader(head), &zeros{[]byte(line + "\r\n"), 45 << 20})
			if _, err := r.Submit(context.Background(), Message{From: "ann@here.example", To: to("bob@there.example")}, body); err != nil {
				t.Fatal(err)
			}
			r.run()
			wait(t, "it is sent", r.empty)
			runtime.ReadMemStats(&after)
			if mails, _ := s.total(); mails != 1 {
				t.Fatalf("%d sent", mails)
			}
			grown := int64(after.TotalAlloc - before.TotalAlloc)
			t.Logf("%d KiB allocated for 45 MiB", grown>>10)
			if grown > 45<<20 { // the race detector drops a part of what is pooled
				t.Errorf("%d bytes allocated", grown)
			}
		})
	}
}
