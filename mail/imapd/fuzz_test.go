package imapd

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// FuzzSession feeds bytes to a session in each state.
func FuzzSession(f *testing.F) {
	for _, s := range []string{
		"a CAPABILITY\r\nb NOOP\r\nc LOGOUT\r\n",
		"a LOGIN {5}\r\nuser1 pass\r\n",
		"a AUTHENTICATE PLAIN\r\n*\r\n",
		"a FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (a b)]<0.10> ENVELOPE BODYSTRUCTURE)\r\n",
		"a UID FETCH 1:* (UID BODY[1.MIME] MODSEQ) (CHANGEDSINCE 1 VANISHED)\r\n",
		"a STORE 1 (UNCHANGEDSINCE 3) +FLAGS.SILENT (\\Seen $x)\r\nb EXPUNGE\r\n",
		"a SEARCH RETURN (MIN MAX) OR (NOT SEEN) HEADER x {1+}\r\ny UID 1:* CHARSET\r\n",
		"a APPEND INBOX (\\Seen) \"01-Feb-2026 10:00:00 +0000\" {3+}\r\nabc {2+}\r\nxy\r\n",
		"a LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (\"*\" %) RETURN (STATUS (MESSAGES) CHILDREN)\r\n",
		"a IDLE\r\nDONE\r\nb IDLE\r\nc NOOP\r\n",
		"a ENABLE QRESYNC\r\nb SELECT INBOX (QRESYNC (1 1 1:5 (1 1)))\r\n",
		"a CREATE x (USE (\\Archive))\r\nb RENAME x y\r\nc DELETE y\r\nd MOVE 1 y\r\ne COPY 1:* Sent\r\n",
		"a ID (\"a\" NIL)\r\nb STATUS INBOX (UNSEEN RECENT)\r\n\x00\xff{99999999999999999999}\r\n",
	} {
		for state := range byte(3) {
			f.Add(state, []byte(s))
		}
	}
	r := newRig(f, func(c *rigConfig) {
		c.imap.Conn.Line, c.imap.Conn.Read = 50*time.Millisecond, 50*time.Millisecond
	})
	f.Fuzz(func(t *testing.T, state byte, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		nc, _ := r.dial()
		done := make(chan struct{})
		go func() {
			defer close(done)
			io.Copy(io.Discard, nc)
		}()
		nc.SetDeadline(time.Now().Add(10 * time.Second))
		pre := ""
		if state%3 > 0 {
			pre = "p LOGIN user3 pass\r\n"
		}
		if state%3 > 1 {
			pre += "p APPEND INBOX {4+}\r\na: b\r\np SELECT INBOX\r\n"
		}
		io.Copy(nc, strings.NewReader(pre+string(data)+"\r\nz LOGOUT\r\n"))
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Errorf("hangs at %q", data)
		}
		nc.Close()
		<-done
		if r.Stats().Panics > 0 {
			t.Fatal("panic")
		}
	})
	var _ net.Conn
}
