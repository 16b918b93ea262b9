package imapd

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestBulkAside is that commands on many messages go in batches: meanwhile another connection of the same user gets
// its answers from the mailbox that is worked on.
func TestBulkAside(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const n = 30000
	r := newRig(t, nil)
	r.fill(t, 1, "INBOX", n, nil)
	addr := r.listen(t)
	many, few := r.client(t, addr), r.client(t, addr)
	defer many.nc.Close()
	defer few.nc.Close()
	many.do("CREATE copy")
	many.do("CREATE moved")
	many.do("SELECT INBOX")
	few.do("SELECT INBOX")
	for _, cmd := range []string{"UID COPY 1:* copy", "UID MOVE 1:25000 moved"} {
		done := make(chan bool)
		go func() {
			defer close(done)
			many.do(cmd)
		}()
		aside := 0
		for over := false; !over; aside++ {
			few.do(fmt.Sprintf("UID STORE %d +FLAGS.SILENT (k%d)", n, aside%2))
			select {
			case <-done:
				over = true
			default:
			}
		}
		t.Logf("%s: %d answers meanwhile", cmd, aside)
		if aside < 2 {
			t.Errorf("%s: no other got an answer meanwhile", cmd)
		}
	}
	few.do("NOOP")
}

// TestBulkGone is a client that goes away while its command works on many messages: the work ends between two
// batches, nothing is left of a COPY, and the server lives on.
func TestBulkGone(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const n = 20000
	r := newRig(t, nil)
	r.fill(t, 1, "INBOX", n, nil)
	_, to := r.box(t, 1, "copy")
	addr := r.listen(t)
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(nc, "a LOGIN user1 pass\r\nb SELECT INBOX\r\nc UID COPY 1:* copy\r\n")
	br := bufio.NewReader(nc)
	for line := ""; !strings.HasPrefix(line, "b OK"); {
		if line, err = br.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	nc.Close()
	a := r.store.Open(r.users[0].ID, r.users[0].ID)
	for r.Stats().Open > 0 {
		time.Sleep(10 * time.Millisecond)
	}
	m, err := a.MailboxByID(t.Context(), to)
	if err != nil || m.Exists != 0 && m.Exists != n {
		t.Errorf("%d of %d messages were copied, %v", m.Exists, n, err)
	}
	c := r.client(t, addr)
	defer c.nc.Close()
	c.do("SELECT INBOX")
	c.do("UID STORE 1:* +FLAGS.SILENT (\\Seen)")
}
