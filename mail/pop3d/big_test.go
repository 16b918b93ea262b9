package pop3d

import (
	"bufio"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestBigMessage fetches 48 MiB: what is allocated does not follow the size.
func TestBigMessage(t *testing.T) {
	if testing.Short() {
		t.Skip()
	}
	r := newRig(t)
	r.fill(t, "anna", 1, "Subject: big\r\n\r\n"+strings.Repeat(strings.Repeat("A", 76)+"\r\n", 48<<20/78))
	_, addr := r.serve(t)
	c, err := net.Dial("tcp", addr)
	must(t, err)
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Minute))
	in := bufio.NewReader(c)
	say := func(line string) {
		if line != "" {
			_, err := c.Write([]byte(line + "\r\n"))
			must(t, err)
		}
		l, err := in.ReadString('\n')
		must(t, err)
		if !strings.HasPrefix(l, "+OK") {
			t.Fatalf("%s: %q", line, l)
		}
	}
	say("")
	say("USER anna")
	say("PASS pass word")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	say("RETR 1")
	n := 0
	for {
		l, err := in.ReadSlice('\n')
		must(t, err)
		if string(l) == ".\r\n" {
			break
		}
		n += len(l)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; n < 47<<20 || grown > 8<<20 {
		t.Errorf("%d bytes allocated for %d", grown, n)
	} else {
		t.Logf("%d KiB allocated for %d", grown>>10, n)
	}
}
