package mailtest

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// parrot greets, counts and repeats what it is told.
func parrot() (net.Conn, error) {
	client, server := net.Pipe()
	go func() {
		defer server.Close()
		r := bufio.NewReader(server)
		fmt.Fprint(server, "* OK parrot\r\n")
		for n := 1; ; n++ {
			s, err := r.ReadString('\n')
			s = strings.TrimRight(s, "\r\n")
			if err != nil || s == "quit" {
				return
			}
			if strings.HasSuffix(s, "}") {
				fmt.Fprint(server, "+ go\r\n")
			}
			for _, w := range strings.Split(s, "|") {
				fmt.Fprintf(server, "%d %s\r\n", n, w)
			}
		}
	}()
	return client, nil
}

func TestPlay(t *testing.T) {
	Play(t, Server{Dial: parrot, Prelude: "S: * OK parrot", Quiet: 10 * time.Millisecond}, `
		# captures, a second connection, a literal
		C: x UID 27]
		S: 1 x UID $uid]
		C: [$uid] $Forwarded $$
		S: 2 [27] $Forwarded $$
		2C: a|b|c $uid
		~2S: 1 c $uid
		~2S: 1 a
		2~S: 1 b
		C: L {}
		L: one
		S: 3 L {5}
		S: 4 one
		C: p|q|r|s
		S: ...
		S: 5 r
		!S: 5 t
		S: $_ s
		!S: $...
		R: \x41\r\n
		S: 6 A
		C: quit
		EOF:
		2BYE:`)
}

func TestPlayFails(t *testing.T) {
	for _, script := range []string{
		"C: a\nS: 1 b",
		"C: a\n!S: 1 a",
		"C: a|b\n!S: 1 a\nS: 1 b",
		"C: $unknown",
		"Q: what",
		"nothing",
		"L: x",
		"C: a|b\n~S: 1 a\n~S: 1 c",
	} {
		p := newPlayer(Server{Dial: parrot, Prelude: "S: * OK parrot", Timeout: 50 * time.Millisecond, Quiet: 10 * time.Millisecond})
		if err := p.play(parse(script)); err == nil {
			t.Errorf("%q passed", script)
		}
		p.close()
	}
}

func TestRewrite(t *testing.T) {
	p := newPlayer(Server{Dial: parrot, Prelude: "S: * OK parrot", Quiet: 10 * time.Millisecond})
	defer p.close()
	script := "C: a|b\n  S: $n a\n  S: 1 wrong\nC: c\nS: 2 c\n"
	got, err := p.rewrite(script, parse(script))
	want := "C: a|b\n  S: $n a\n  S: 1 b\nC: c\nS: 2 c\n"
	if err != nil || got != want {
		t.Errorf("%v\n%s", err, got)
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("* $n FETCH (UID $u) $...", "* 1 FETCH (UID 2) x")
	f.Add("$\x80", "0")
	f.Add("$a $a ${b}c $$ $_", "1 1 2c $ x")
	f.Fuzz(func(t *testing.T, want, got string) {
		match(want, got, map[string]string{"u": "2"})
		parse(want)
	})
}
