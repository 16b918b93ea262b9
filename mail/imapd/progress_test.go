package imapd

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"atrium/mail/mailtest"
)

var _ = onOff("INPROGRESS", `
		C: a CAPABILITY
		S: * CAPABILITY $...INPROGRESS$...
		S: a OK $...`, `
		C: a CAPABILITY
		!S: $...INPROGRESS$...
		S: * CAPABILITY $...
		S: a OK $...`)

// slowServer runs a server whose only command is long work.
func slowServer(t *testing.T, off bool, work func(context.Context) error) *rig {
	r := newRig(t, func(c *rigConfig) {
		c.imap.Progress = 50 * time.Millisecond
		if off {
			c.imap.Disable = []string{"INPROGRESS"}
		}
	})
	r.reg.commands["X"] = &command{"X", loggedIn, silent, noArgs(func(c *session) error {
		if err := c.long(fewAtOnce+1, work); err != nil {
			return err
		}
		return c.done("")
	})}
	return r
}

func TestStillWorking(t *testing.T) {
	for _, off := range []bool{false, true} {
		code := `[INPROGRESS ("a" NIL NIL)] `
		if off {
			code = ""
		}
		r := slowServer(t, off, func(context.Context) error { time.Sleep(130 * time.Millisecond); return nil })
		mailtest.Play(t, r.player(), `
			C: a X
			S: * OK `+code+`Still at work
			S: ...
			S: a OK X completed
			C: b NOOP
			S: b OK $...`)
	}
}

// TestGoneWhileWorking is that a client that went away ends its command.
func TestGoneWhileWorking(t *testing.T) {
	ended := make(chan error, 1)
	r := slowServer(t, false, func(ctx context.Context) error {
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Second):
		}
		ended <- ctx.Err()
		return ctx.Err()
	})
	nc, err := net.Dial("tcp", r.listen(t))
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(nc, "a LOGIN user1 pass\r\nb X\r\n")
	buf := make([]byte, 8192)
	for got := ""; !strings.Contains(got, "a OK"); {
		n, err := nc.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got += string(buf[:n])
	}
	nc.Close()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error("the command went on for a client that is gone")
	}
}

var _ = onOff("UIDONLY", two+`
		C: a ENABLE UIDONLY
		S: * ENABLED UIDONLY
		S: a OK $...
		C: b UID FETCH 1:* (FLAGS)
		S: * 1 UIDFETCH (FLAGS (\Recent))
		S: * 2 UIDFETCH (FLAGS (\Recent))
		S: b OK $...
		C: b UID FETCH 2 (UID RFC822.SIZE)
		S: * 2 UIDFETCH (UID 2 RFC822.SIZE 14)
		S: b OK $...
		C: c FETCH 1 FLAGS
		S: c BAD [UIDREQUIRED] $...
		C: d SEARCH ALL
		S: d BAD [UIDREQUIRED] $...
		C: e UID SEARCH 1:2
		S: e BAD [UIDREQUIRED] $...
		C: f UID SEARCH UID 2
		S: * SEARCH 2
		S: f OK $...
		C: g STORE 1 +FLAGS (\Seen)
		S: g BAD [UIDREQUIRED] $...
		C: h UID STORE 1 +FLAGS (\Deleted)
		S: * 1 UIDFETCH (FLAGS (\Deleted \Recent))
		S: h OK $...
		C: i EXPUNGE
		S: * VANISHED 1
		S: i OK $...
		C: j UID FETCH 1:* (FLAGS)
		S: * 2 UIDFETCH (FLAGS (\Recent))
		S: j OK $...
		C: k COPY 2 Sent
		S: k BAD [UIDREQUIRED] $...
		C: l MOVE 2 Sent
		S: l BAD [UIDREQUIRED] $...
		C: m SELECT INBOX
		S: * OK [CLOSED] Closed
	!S: * OK [UNSEEN $...
		S: * FLAGS $...
		S: ...
		S: m OK $...
		2C: a SELECT INBOX
		2S: ...
		2S: a OK $...
		2C: b STORE 1 +FLAGS (\Flagged)
		2S: ...
		2S: b OK $...
		C: n NOOP
		S: * 2 UIDFETCH (FLAGS (\Flagged$...))
		S: n OK $...
		C: o ENABLE QRESYNC
		S: ...
		S: o OK $...
		C: p SELECT INBOX (QRESYNC (1 1 1:2 (1 1)))
		S: p BAD [UIDREQUIRED] $...`, two+`
		C: a ENABLE UIDONLY
		S: * ENABLED
		S: a OK $...
		C: b UID FETCH 1 (FLAGS)
		S: * 1 FETCH (UID 1 FLAGS (\Recent))
		S: b OK $...`)
