package pop3d

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
)

// What another client expunges while a session goes on keeps its number, size and id there. RETR and TOP send
// it or say that it is gone, and QUIT removes what is there.
func TestExpungedMeanwhile(t *testing.T) {
	r := newRig(t)
	r.fill(t, "anna", 1, three...)
	_, addr := r.serve(t)
	c := dial(t, addr)
	c.do("USER anna", "PASS pass word")
	box, id := r.box(t, "anna")
	_, err := box.Remove(t.Context(), id, imap.UIDSet{{Start: 2, Stop: 2}})
	must(t, err)
	c.do("STAT", "LIST 2", "UIDL 2")
	for _, command := range []string{"RETR 2", "TOP 2 0"} {
		fmt.Fprintf(c.Conn, "%s\r\n", command)
		line, err := c.ReadString('\n')
		must(t, err)
		switch {
		case strings.HasPrefix(line, "+OK "):
			c.lines()
		case line != "-ERR [SYS/PERM] Message is no longer there\r\n":
			t.Errorf("%s: %q", command, line)
		}
	}
	c.do("DELE 2", "DELE 3", "QUIT")
	if left := r.flags(t, "anna"); len(left) != 1 {
		t.Errorf("%v is left", left)
	}
}

// What was fetched under the classic policy and not deleted then is dated, for the day on which the
// account's policy becomes one of days.
func TestFetchedBeforePolicyOfDays(t *testing.T) {
	r := newRig(t)
	r.fill(t, "anna", 1, three...)
	s, addr := r.serve(t)
	c := dial(t, addr)
	c.do("USER anna", "PASS pass word")
	for _, number := range []int{1, 2} {
		fmt.Fprintf(c.Conn, "RETR %d\r\n", number)
		c.ok()
		c.lines()
	}
	c.do("DELE 1", "QUIT")
	must(t, s.Shutdown(t.Context()))
	box, _ := r.box(t, "anna")
	policy := mail.DefaultPopPolicy()
	policy.Keep = "30d"
	for _, step := range []struct{ days, want int }{{29, 0}, {31, 1}} {
		if n, err := box.PopExpire(t.Context(), policy, time.Now().AddDate(0, 0, step.days)); err != nil || n != step.want {
			t.Errorf("after %d days %d messages are removed, %v", step.days, n, err)
		}
	}
	if left := r.flags(t, "anna"); len(left) != 1 {
		t.Errorf("%v is left", left)
	}
}
