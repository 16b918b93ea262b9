package conn

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// End ends the connections of one user after the command under way, and no others; who comes back is served.
func TestEnd(t *testing.T) {

	s, addr := serve(t, Protocol{Name: "echo", Serve: func(c *Conn) {
		c.WriteString("hello\r\n")
		for {
			if err := c.Wait(nil, time.Minute); err != nil {
				if errors.Is(err, Stopping) && c.Ended() {
					c.WriteString("ended\r\n")
				}
				return
			}
			line, err := c.ReadLine(100)
			if err != nil {
				return
			}
			if string(line) == "slowly anna" { // as a login that End overtakes
				c.server.End("anna")
				c.Claim("anna")
			}
			if user, ok := strings.CutPrefix(string(line), "user "); ok {
				if c.Claim(user) != nil {
					return
				}
			}
			c.WriteString("ok\r\n")
		}
	}}, DefaultConfig(), nil, false)
	var all []*client
	for _, user := range []string{"anna", "bert", "anna", "", "carl"} {
		c := dial(t, addr)
		c.want("hello")
		c.send("user " + user + "\r\n")
		c.want("ok")
		all = append(all, c)
	}
	all[4].send("user anna\r\n")
	all[4].want("ok")
	if n := s.End("anna") + s.End("nobody") + s.End(""); n != 3 {
		t.Fatalf("%d connections ended, want 3", n)
	}
	for _, k := range []int{0, 2, 4} {
		all[k].want("ended")
		if _, err := all[k].ReadByte(); err == nil {
			t.Error("more came")
		}
	}
	for _, k := range []int{1, 3} {
		all[k].send("still here\r\n")
		all[k].want("ok")
	}
	back := dial(t, addr)
	back.want("hello")
	back.send("user anna\r\n")
	back.want("ok")
	back.send("slowly anna\r\n")
	back.want("ok", "ended")
}
