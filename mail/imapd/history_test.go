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

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/mailtest"
)

// A client that knows a state from before the change log's horizon gets what went and what changed all the same
// (RFC 7162 §3.2.5.2): what it names and is not there has gone.
func TestBeforeTheHorizon(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.fill(t, 1, "INBOX", 10, nil)
	a, id := r.box(t, 1, "INBOX")
	old, err := a.Mailbox(t.Context(), "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	set := func(uid imap.UID, op mail.FlagOp, flag imap.Flag) {
		t.Helper()
		uids := imap.UIDSet{{Start: uid, Stop: uid}}
		if _, err := a.SetFlags(t.Context(), id, uids, mail.FlagChange{Op: op, Flags: []imap.Flag{flag}}); err != nil {
			t.Fatal(err)
		}
	}
	set(3, mail.AddFlags, imap.FlagDeleted)
	set(5, mail.AddFlags, imap.FlagDeleted)
	if _, err := a.Expunge(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	r.fill(t, 1, "INBOX", 1, nil)
	for i := range 1101 { // the log keeps the newest thousand whatever their age
		set(1, mail.FlagOp(i%2), imap.FlagFlagged)
	}
	if err := r.store.Storage().Trim(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	now, err := a.Mailbox(t.Context(), "INBOX")
	if err != nil || now.Floor <= old.Modseq {
		t.Fatalf("the log reaches back to %d, known is %d, %v", now.Floor, old.Modseq, err)
	}
	mailtest.Play(t, r.player(), fmt.Sprintf(`
		C: a ENABLE QRESYNC
		S: * ENABLED QRESYNC
		S: a OK $...
		C: b SELECT INBOX (QRESYNC (%[1]d %[2]d))
		S: ...
		S: * VANISHED (EARLIER) 3,5
		S: * 1 FETCH (UID 1 FLAGS (\Flagged$...) MODSEQ ($_))
		S: * 9 FETCH (UID 11 FLAGS ($...) MODSEQ ($_))
		S: b OK $...
		C: c UID FETCH 1:* (FLAGS) (CHANGEDSINCE %[2]d VANISHED)
		S: * VANISHED (EARLIER) 3,5
		S: * 1 FETCH (UID 1 FLAGS (\Flagged$...) MODSEQ ($_))
		S: * 9 FETCH (UID 11 FLAGS ($...) MODSEQ ($_))
		S: c OK $...
		C: d SELECT INBOX (QRESYNC (%[1]d %[2]d 4:8 (1:4 1:4)))
		S: ...
		S: * VANISHED (EARLIER) 5
		S: ...
		S: d OK $...
		C: e SELECT INBOX (QRESYNC (%[1]d 1 1:11))
		S: ...
		S: * VANISHED (EARLIER) 3,5
		S: * 1 FETCH (UID 1 $...
		S: ...
		S: * 9 FETCH (UID 11 $...
		S: e OK $...
		C: f UID STORE 1 (UNCHANGEDSINCE %[2]d) +FLAGS.SILENT (\Answered)
		S: f OK [MODIFIED 1] $...
		C: g UID SEARCH MODSEQ %[3]d
		S: * SEARCH 1 11 (MODSEQ $_)
		S: g OK $...`, old.UIDValidity, old.Modseq, old.Modseq+1))
}

// Mail that came before the mailbox was first selected is \Recent in the first session that selects it, and in no other
// (RFC 3501 §2.3.2).
func TestRecentBeforeSelect(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.fill(t, 1, "INBOX", 2, nil)
	mailtest.Play(t, r.player(), `
		C: a STATUS INBOX (RECENT)
		S: * STATUS INBOX (RECENT 2)
		S: a OK $...
		C: b EXAMINE INBOX
		S: ...
		S: * 2 RECENT
		S: ...
		S: b OK $...
		2C: a SELECT INBOX
		2S: ...
		2S: * 2 RECENT
		2S: ...
		2S: a OK $...
		3C: a SELECT INBOX
		3S: ...
		3S: * 0 RECENT
		3S: ...
		3S: a OK $...
		3C: b FETCH 1:2 FLAGS
		3S: * 1 FETCH (FLAGS ())
		3S: * 2 FETCH (FLAGS ())
		3S: b OK $...
		2C: b FETCH 1:2 FLAGS
		2S: * 1 FETCH (FLAGS (\Recent))
		2S: * 2 FETCH (FLAGS (\Recent))
		2S: b OK $...
		C: c STATUS INBOX (RECENT)
		S: * STATUS INBOX (RECENT 0)
		S: c OK $...`)
}

// rawClient reads a server's lines.
type rawClient struct {
	t *testing.T
	net.Conn
	lines *bufio.Reader
}

func (r *rig) raw(t *testing.T, conn net.Conn) *rawClient {
	conn.SetDeadline(time.Now().Add(time.Minute))
	t.Cleanup(func() { conn.Close() })
	return &rawClient{t, conn, bufio.NewReader(conn)}
}

// login opens a session and selects INBOX.
func (r *rig) login(t *testing.T, user string) *rawClient {
	t.Helper()
	nc, _ := r.dial()
	c := r.raw(t, nc)
	c.want("* OK ")
	c.say("a LOGIN " + user + " pass")
	c.want("a OK ")
	c.say("b SELECT INBOX")
	c.want("b OK ")
	return c
}

func (c *rawClient) say(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, line+"\r\n"); err != nil {
		c.t.Fatal(err)
	}
}

// want reads on to a line that begins so.
func (c *rawClient) want(prefix string) {
	c.t.Helper()
	for {
		line, err := c.lines.ReadString('\n')
		if err != nil {
			c.t.Fatalf("%v instead of %q", err, prefix)
		}
		if strings.HasPrefix(line, prefix) {
			return
		}
	}
}

// ends fails when more comes.
func (c *rawClient) ends() {
	c.t.Helper()
	if line, err := c.lines.ReadString('\n'); err == nil {
		c.t.Errorf("%q came after the end", line)
	}
}

// The sessions of an account that is disabled end after the command under way, in IDLE too; those of others go on.
func TestEndOfAccount(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	one, two, other := r.login(t, "user1"), r.login(t, "user1"), r.login(t, "user2")
	one.say("c IDLE")
	one.want("+ idling")
	if n := r.End(r.users[0].Name); n != 2 {
		t.Errorf("%d sessions ended, want 2", n)
	}
	for _, c := range []*rawClient{one, two} {
		c.want("* BYE ")
		c.ends()
	}
	other.say("c NOOP")
	other.want("c OK ")
}

// A server that stops lets a command under way answer whole, and says BYE to all.
func TestShutdownInACommand(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.fill(t, 1, "INBOX", 3000, nil)
	busy, idle, quiet := r.login(t, "user1"), r.login(t, "user1"), r.login(t, "user2")
	idle.say("c IDLE")
	idle.want("+ idling")
	busy.say("c FETCH 1:* (UID BODY.PEEK[HEADER])")
	busy.want("* 1 FETCH ")
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		done <- r.Shutdown(ctx)
	}()
	for _, c := range []*rawClient{idle, quiet} {
		c.want("* BYE [UNAVAILABLE] ")
		c.ends()
	}
	busy.want("* 3000 FETCH ")
	busy.want("c OK ")
	busy.want("* BYE [UNAVAILABLE] ")
	busy.ends()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// from is a connection from an address.
type from struct {
	net.Conn
	addr net.Addr
}

func (f from) RemoteAddr() net.Addr { return f.addr }

// An address has so many connections; others, and it again when one ended, are served. An IPv6 network of 64 bits is
// one address.
func TestConnectionsPerAddress(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *rigConfig) { c.imap.Conn.MaxPerAddress = 2 })
	dial := func(ip string) *rawClient {
		client, server := net.Pipe()
		r.wg.Go(func() { r.ServeConn(from{server, &net.TCPAddr{IP: net.ParseIP(ip), Port: 1}}, false) })
		return r.raw(t, client)
	}
	for _, ips := range [][3]string{{"192.0.2.1", "192.0.2.1", "192.0.2.2"}, {"2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"}} {
		first := dial(ips[0])
		first.want("* OK ")
		dial(ips[1]).want("* OK ")
		refused := dial(ips[0])
		refused.want("* BYE [UNAVAILABLE] ")
		refused.ends()
		dial(ips[2]).want("* OK ")
		first.say("a LOGOUT")
		first.want("a OK ")
		first.ends()
		for { // the count goes down soon after the end
			again := dial(ips[1])
			line, err := again.lines.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(line, "* OK ") {
				break
			}
		}
	}
}

// VANISHED (EARLIER) tells of what came after the state that the client noted, too: it may have seen it
// (RFC 7162 §3.2.5.1).
func TestPassedMessages(t *testing.T) {
	play(t, "came and went", `
		C: a ENABLE QRESYNC
		S: * ENABLED QRESYNC
		S: a OK $...
		C: b SELECT INBOX
		S: ...
		S: * OK [UIDVALIDITY $v] $...
		S: ...
		S: * OK [HIGHESTMODSEQ $m] $...
		S: b OK $...
		C: c APPEND INBOX {+}
		L: Subject: one
		C:
		S: * 1 EXISTS
		S: ...
		S: c OK $...
		2C: a SELECT INBOX
		2S: ...
		2S: a OK $...
		2C: b STORE 1 +FLAGS.SILENT (\Deleted)
		2S: b OK $...
		2C: c EXPUNGE
		2S: * 1 EXPUNGE
		2S: c OK $...
		3C: a ENABLE QRESYNC
		3S: * ENABLED QRESYNC
		3S: a OK $...
		3C: b SELECT INBOX (QRESYNC ($v $m))
		3S: ...
		3S: * VANISHED (EARLIER) 1
		3S: b OK $...`)
}
