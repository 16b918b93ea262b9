package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// endsSessions proves that a command ends the sessions that ann has open, each with its protocol's words, and
// bob's none.
func (i *instance) endsSessions(t *testing.T, args ...string) {
	t.Helper()
	open := func(port, user string) *bufio.Reader {
		nc, err := net.Dial("tcp", i.ports[port])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		nc.SetDeadline(time.Now().Add(time.Minute))
		r := bufio.NewReader(nc)
		line := func(want string) {
			t.Helper()
			if got, err := r.ReadString('\n'); !strings.HasPrefix(got, want) {
				t.Fatalf("%s of %s: got %q %v, want %q", port, user, got, err, want)
			}
		}
		if port == "imap" {
			line("* OK")
			fmt.Fprintf(nc, "a LOGIN %s pass\r\n", user)
			line("a OK")
			return r
		}
		line("+OK")
		fmt.Fprintf(nc, "USER %s\r\nPASS pass\r\n", user)
		line("+OK")
		line("+OK")
		return r
	}
	imap, pop, other := open("imap", "ann"), open("pop3", "ann"), open("imap", "bob")
	i.admin(exitOK, "", args...)
	for r, want := range map[*bufio.Reader]string{imap: "* BYE The account's sessions were ended", pop: "-ERR [SYS/TEMP] The account's sessions were ended"} {
		got, err := r.ReadString('\n')
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %q %v, want %q", strings.Join(args, " "), got, err, want)
		}
		if _, err := r.ReadByte(); err == nil {
			t.Errorf("%s: the session goes on", strings.Join(args, " "))
		}
	}
	if n := other.Buffered(); n > 0 {
		t.Errorf("%s: bob was told something", strings.Join(args, " "))
	}
}
