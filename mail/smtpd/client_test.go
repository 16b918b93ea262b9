package smtpd

import (
	"bufio"
	"net"
	"strings"
	"testing"
	"time"
)

// client is a client for tests that are no transcripts.
type client struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	must(t, err)
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(30 * time.Second))
	c := &client{t, nc, bufio.NewReader(nc)}
	c.reply()
	return c
}

func (c *client) write(s string) {
	c.t.Helper()
	if _, err := c.Conn.Write([]byte(s)); err != nil {
		c.t.Fatal(err)
	}
}

// reply reads a reply to its last line, which it returns.
func (c *client) reply() string {
	c.t.Helper()
	for {
		l, err := c.r.ReadString('\n')
		if err != nil {
			c.t.Fatal(err)
		}
		if len(l) < 4 || l[3] != '-' {
			return strings.TrimRight(l, "\r\n")
		}
	}
}

// cmd sends a line and wants a code.
func (c *client) cmd(line, code string) string {
	c.t.Helper()
	c.write(line + "\r\n")
	l := c.reply()
	if !strings.HasPrefix(l, code) {
		c.t.Fatalf("%.60q: %q", line, l)
	}
	return l
}
