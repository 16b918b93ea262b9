package imapd

import (
	"fmt"
	"strings"
	"testing"
)

// TestUnseen finds the first unseen message of a mailbox of many pages.
func TestUnseen(t *testing.T) {
	var s strings.Builder
	s.WriteString(`
		C: a APPEND INBOX {+}
		L: Subject: one
		C:
		S: a OK $...
		C: b SELECT INBOX
		S: ...
		S: b OK $...`)
	for i := range 12 {
		fmt.Fprintf(&s, "\nC: c%d COPY 1:* INBOX\nS: ...\nS: c%d OK $...", i, i)
	}
	for _, n := range []int{1, 200, 3000, 4095} {
		fmt.Fprintf(&s, `
		C: d%d STORE 1:%d +FLAGS.SILENT (\Seen)
		S: d%d OK $...
		C: e%d EXAMINE INBOX
		S: ...
		S: * OK [UNSEEN %d] $...
		S: ...
		S: e%d OK $...
		C: f%d SELECT INBOX
		S: ...
		S: f%d OK $...`, n, n, n, n, n+1, n, n, n)
	}
	play(t, "of 4096", s.String())
}
