package imapd

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestShutdownAll stops a server whose clients are in all states, there or gone.
func TestShutdownAll(t *testing.T) {
	r := newRig(t, nil)
	r.fill(t, 1, "INBOX", 2000, nil)
	addr := r.listen(t)
	for _, s := range []string{"", "a LOGIN user1 pass\r\n", "a LOGIN user1 pass\r\nb SELECT INBOX\r\n", "a LOGIN user1 pass\r\nb SELECT INBOX\r\nc IDLE\r\n", "a LOGIN user1 pass\r\nb SELECT INBOX\r\nc FETCH 1:* (FLAGS)\r\n"} {
		for _, gone := range []bool{false, true} {
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(nc, s)
			br := bufio.NewReader(nc)
			if s != "" {
				for {
					l, _ := br.ReadString('\n')
					if strings.HasPrefix(l, "a OK") {
						break
					}
				}
			}
			if gone {
				nc.Close()
			} else {
				go io.Copy(io.Discard, br)
			}
		}
	}
	time.Sleep(300 * time.Millisecond)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := r.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}
