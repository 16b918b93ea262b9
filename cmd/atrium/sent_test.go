package main

import (
	"fmt"
	"strings"
	"testing"
)

// TestSentCopies sends by submission and looks by IMAP, with clients that put their own copy into Sent and such that do not.
func TestSentCopies(t *testing.T) {
	i := newMailer(t, "")
	i.start()
	defer i.terminate()
	for _, name := range []string{"ann", "bob"} {
		i.admin(exitOK, "", "account", "add", name, "-password", "pass")
	}
	c, err := i.dialIMAP(t.Context(), "ann", "pass")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ask := func(command string, lit []byte) string {
		t.Helper()
		untagged, ok, err := c.imap(command, lit)
		if err != nil {
			t.Fatal(command, err)
		}
		return strings.Join(untagged, "\n") + "\n" + ok
	}
	send := func(id string) {
		t.Helper()
		if err := i.submit("ann@example.org", "bob@example.org", id, "text"); err != nil {
			t.Fatal(err)
		}
	}
	own := func(id string) []byte {
		return fmt.Appendf(nil, "From: ann@example.org\r\nX-Own: 1\r\nMessage-ID: <%s@test>\r\n\r\ntext\r\n", id)
	}
	sent := func(n int) {
		t.Helper()
		if got := ask("STATUS Sent (MESSAGES UNSEEN)", nil); !strings.Contains(got, fmt.Sprintf("(MESSAGES %d UNSEEN 0)", n)) {
			t.Fatalf("%s, want %d messages", got, n)
		}
	}
	send("off")
	sent(0)
	ask(`SETMETADATA "" (/private/vendor/atrium/sent "copy")`, nil)
	send("1")
	sent(1)
	send("1") // once more, as a client does that heard no answer
	sent(1)
	ask("APPEND Sent (\\Seen) ", own("1"))
	sent(1)
	ask("SELECT Sent", nil)
	if got := ask("UID SEARCH HEADER X-Own 1", nil); !strings.Contains(got, "SEARCH 2") {
		t.Errorf("the client's own copy is not the one that stays: %s", got)
	}
	ask("APPEND Sent (\\Seen) ", own("2")) // the copy first, then the submission
	send("2")
	sent(2)
	ask("APPEND Sent (\\Seen) ", own("1")) // twice by the client itself
	sent(3)
	send("3")
	sent(4)
	ask(`SETMETADATA "" (/private/vendor/atrium/sent "none")`, nil)
	send("4")
	sent(4)
	ask(`SETMETADATA "" (/private/vendor/atrium/sent NIL)`, nil)
	send("5")
	sent(4)
	if _, _, err := c.imap(`SETMETADATA "" (/private/vendor/atrium/sent "nonsense")`, nil); err == nil {
		t.Error("nonsense is taken")
	}
}
