package pop3d

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// What is made ready is what is sent, whatever comes between, and nothing of it stays.
func TestReadAhead(t *testing.T) {
	r := newRig(t)
	const n = 6
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprintf("Subject: %d\n\n.dot %s\n", i+1, strings.Repeat(fmt.Sprint(i+1), i))
	}
	texts[3] += strings.Repeat("x", aheadBytes) // too long to be made ready
	r.fill(t, "anna", 1, texts...)
	s, addr := r.serve(t)
	c := dial(t, addr)
	c.do("USER anna", "PASS pass word")
	want := func(number int) {
		t.Helper()
		fmt.Fprintf(c.Conn, "RETR %d\r\n", number)
		want := fmt.Sprintf("+OK %d octets\r\n%s", len(texts[number-1]), stuff([]byte(texts[number-1])))
		got := make([]byte, len(want))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
			t.Fatalf("%.100q, not %.100q, %v", got, want, err)
		}
	}
	for i := range n {
		want(i + 1)
	}
	want(1)
	c.do("DELE 2", "DELE 3", "NOOP")
	want(5)
	want(4)
	want(5)
	want(1)
	want(4)
	c.do("RSET")
	want(1)
	want(2)
	c.do("QUIT")
	c.Close()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := s.aheads.Load(); left != 0 {
		t.Errorf("%d messages are still ready", left)
	}
}
