package imapd

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
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
		"a ENABLE IMAP4rev2 UTF8=ACCEPT\r\nb APPEND \"\xc3\xa9&\" UTF8 (~{1+}\r\nx)\r\nc CREATE \"e\xcc\x81\"\r\n",
		"a ENABLE UIDONLY\r\nb UID FETCH 1:* FLAGS\r\nc UID SEARCH RETURN (SAVE) UID 1\r\nd SETQUOTA \"\" (STORAGE 1)\r\n",
		"a UIDBATCHES 500 1:3\r\nb UID SORT RETURN (UPDATE RELEVANCY ALL) (RELEVANCY) UTF-8 FUZZY (TEXT {1+}\r\nx OR NOT FROM y UIDAFTER 1)\r\nb CANCELUPDATE \"b\"\r\n",
		"a SEARCH RETURN (UPDATE CONTEXT) OR SEEN 2:9\r\nb UID SORT RETURN (UPDATE) (SUBJECT) UTF-8 UNSEEN\r\nc STORE 1 FLAGS (\\Seen)\r\nd APPEND INBOX {1+}\r\nx\r\ne STORE 1 -FLAGS (\\Seen)\r\n",
		"a GETQUOTAROOT x\r\nb STATUS INBOX (DELETED-STORAGE DELETED)\r\nc LIST \"\" iNb*\r\n",
		"a ID (\"a\" NIL)\r\nb STATUS INBOX (UNSEEN RECENT)\r\n\x00\xff{99999999999999999999}\r\n",
	} {
		for state := range byte(3) {
			f.Add(state, []byte(s))
		}
	}
	r := newRig(f, func(c *rigConfig) {
		c.imap.Conn.Line, c.imap.Conn.Read = 20*time.Millisecond, 20*time.Millisecond
		c.imap.Conn.MaxPerUser = 0
	})
	r.fill(f, 3, "INBOX", 3, nil)
	f.Fuzz(func(t *testing.T, state byte, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		pre := ""
		if state%3 > 0 {
			pre = "p LOGIN user3 pass\r\n"
		}
		if state%3 > 1 {
			pre += "p SELECT INBOX\r\n"
		}
		if !r.session(pre + string(data) + "\r\nz LOGOUT\r\n") {
			t.Errorf("hangs at %q", data)
		}
		if r.Stats().Panics > 0 {
			t.Fatal("panic")
		}
		r.tidy(t)
	})
}

// session says all of s to the server and then goes. It tells whether the server has ended
// the session in time.
func (r *rig) session(s string) bool {
	client, server := net.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.ServeConn(server, false)
	}()
	go io.Copy(io.Discard, client)
	io.WriteString(client, s)
	client.Close()
	select {
	case <-ended:
		return true
	case <-time.After(10 * time.Second):
		return false
	}
}

// tidy keeps what sessions leave behind from making later ones slow.
func (r *rig) tidy(t *testing.T) {
	a, id := r.box(t, 3, "INBOX")
	m, err := a.MailboxByID(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if m.Exists > 100 {
		if _, err := a.Remove(t.Context(), id, imap.UIDSet{{Start: 4, Stop: m.UIDNext}}); err != nil {
			t.Fatal(err)
		}
	}
	if m.Exists == 0 {
		r.fill(t, 3, "INBOX", 3, nil)
	}
	boxes, err := a.Mailboxes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range boxes[min(len(boxes), 50):] {
		a.Delete(t.Context(), b.Name)
	}
}
