package imapd

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"atrium/mail/mailtest"
)

// TestShutdownStalled stops a server whose clients stand still inside a command: it does not wait for them,
// but for one that is sending a message it does.
func TestShutdownStalled(t *testing.T) {
	r := newRig(t, nil)
	r.fill(t, 1, "INBOX", 900, nil)
	addr := r.listen(t)
	dial := func(s string) (net.Conn, *bufio.Reader) {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		nc.(*net.TCPConn).SetReadBuffer(4096)
		io.WriteString(nc, s)
		return nc, bufio.NewReaderSize(nc, 16)
	}
	const login = "a LOGIN user1 pass\r\n"
	for _, s := range []string{"a NOO", "a LOGIN {5}\r\nus", "a AUTHENTICATE PLAIN\r\n", login + "b APPEND INBOX {100}\r\nx",
		login + "b APPEND INBOX {100+}\r\nx", login + "b IDLE\r\nDON", login + "b CREATE {3+}\r\nab"} {
		dial(s)
	}
	for range 3 {
		dial(login + "b SELECT INBOX\r\n" + strings.Repeat("c FETCH 1:* (ENVELOPE BODYSTRUCTURE BODY.PEEK[])\r\n", 60))
	}
	nc, br := dial(login + "b APPEND INBOX {40}\r\n")
	for line := ""; !strings.HasPrefix(line, "+"); {
		line, _ = br.ReadString('\n')
	}
	time.Sleep(300 * time.Millisecond)
	answer := make(chan string)
	go func() {
		for range 8 {
			io.WriteString(nc, "12345")
			time.Sleep(250 * time.Millisecond)
		}
		io.WriteString(nc, "\r\n")
		line, _ := br.ReadString('\n')
		answer <- line
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	began := time.Now()
	if err := r.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("shut-down took %v", d)
	}
	if line := <-answer; !strings.HasPrefix(line, "b OK [APPENDUID") {
		t.Errorf("a message under way was answered with %q", line)
	}
}

// TestStalledLiteral is that a literal that stops is given up, with a farewell, and nothing of it is kept.
func TestStalledLiteral(t *testing.T) {
	r := newRig(t, func(c *rigConfig) { c.imap.Conn.Read = 100 * time.Millisecond })
	mailtest.Play(t, r.player(), `
		C: a APPEND INBOX {10}
		S: + OK
		R: abc
		S: * BYE $...
		EOF:
		2C: a STATUS INBOX (MESSAGES)
		2S: * STATUS INBOX (MESSAGES 0)
		2S: a OK $...`)
}

// TestConnectionsOfOneUser is the limit on connections of one user.
func TestConnectionsOfOneUser(t *testing.T) {
	r := newRig(t, func(c *rigConfig) { c.imap.Conn.MaxPerUser = 2 })
	mailtest.Play(t, r.bare(), `
		1S: * OK $...
		1C: a LOGIN user1 pass
		1S: a OK $...
		2S: * OK $...
		2C: a LOGIN user1 pass
		2S: a OK $...
		3S: * OK $...
		3C: a LOGIN user1 pass
		3S: a NO [LIMIT] $...
		3C: b LOGIN user2 pass
		3S: b OK $...
		2C: b LOGOUT
		2S: ...
		2S: b OK $...
		2EOF:
		4S: * OK $...
		4C: a LOGIN user1 pass
		4S: a OK $...`)
}

// TestSelectMany opens a mailbox of many messages, counts them and fetches the last.
func TestSelectMany(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const n = 20000
	r := newRig(t, nil)
	r.fill(t, 1, "INBOX", n, nil)
	began := time.Now()
	mailtest.Play(t, r.player(), fmt.Sprintf(`
		C: a SELECT INBOX
		S: ...
		S: * %d EXISTS
		S: ...
		S: a OK $...
		C: b UID SEARCH RETURN (COUNT MAX) ALL
		S: * ESEARCH (TAG "b") UID MAX %d COUNT %d
		S: b OK $...
		C: c FETCH * (UID)
		S: * %d FETCH (UID %d)
		S: c OK $...`, n, n, n, n, n))
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("%v", d)
	}
}
