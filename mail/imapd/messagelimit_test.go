package imapd

import (
	"fmt"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"atrium/mail/mailtest"
)

var _ = onOff("MESSAGELIMIT", `
	C: a SELECT INBOX
	S: ...
	S: a OK $...
	C: b UID SEARCH UIDAFTER 4294967295 UIDBEFORE 1
	S: * SEARCH
	S: b OK $...
	C: c UID SEARCH UIDAFTER 0
	S: c BAD $...`, `
	C: a SELECT INBOX
	S: ...
	S: a OK $...
	C: b UID SEARCH UIDAFTER 1
	S: b BAD $...`)

var _ = onOff("SAVELIMIT", `
	C: a CAPABILITY
	!S: $...SAVELIMIT$...
	S: * CAPABILITY $...
	S: a OK $...`, `
	C: a CAPABILITY
	S: * CAPABILITY $...
	S: a OK $...`)

func TestMessageLimit(t *testing.T) {
	r := newRig(t, func(c *rigConfig) { c.imap.MessageLimit = 1000 })
	r.fill(t, 1, "INBOX", 1010, func(i int) []imap.Flag {
		if i == 504 {
			return nil
		}
		return []imap.Flag{imap.FlagDeleted}
	})
	fetched := ""
	for n := 1010; n > 10; n-- {
		fetched += fmt.Sprintf("S: * %d FETCH (UID %d)\n", n, n)
	}
	mailtest.Play(t, r.player(), `
		C: a CAPABILITY
		S: * CAPABILITY $... MESSAGELIMIT=1000 $...
		S: a OK $...
		C: b SELECT INBOX
		S: ...
		S: b OK $...
		C: c FETCH 1:* UID
		`+fetched+`
		S: c OK [MESSAGELIMIT 1000 11] FETCH completed
		C: d UID FETCH 1:* FLAGS (PARTIAL -1:-1001)
		S: d NO [MESSAGELIMIT 1000] $...
		C: e UID FETCH 1:* UID (PARTIAL 5:6)
		S: * 5 FETCH (UID 5)
		S: * 6 FETCH (UID 6)
		S: e OK UID FETCH completed
		C: f SEARCH RETURN (COUNT MIN SAVE) ALL
		S: * ESEARCH (TAG "f") MIN 11 COUNT 1000
		S: f OK [MESSAGELIMIT 1000 11] SEARCH completed
		C: g SEARCH RETURN (COUNT) $$
		S: * ESEARCH (TAG "g") COUNT 1000
		S: g OK SEARCH completed
		C: h UID SEARCH RETURN (COUNT) UID 1:1005 UNDELETED
		S: * ESEARCH (TAG "h") UID COUNT 1
		S: h OK [MESSAGELIMIT 1000 6] UID SEARCH completed
		C: i UID SEARCH RETURN (ALL) UIDAFTER 1007
		S: * ESEARCH (TAG "i") UID ALL 1008:1010
		S: i OK UID SEARCH completed
		C: j UID SEARCH RETURN (ALL) UIDBEFORE 3
		S: * ESEARCH (TAG "j") UID ALL 1:2
		S: j OK UID SEARCH completed
		C: k UID COPY 1:1005 Sent
		S: k NO [MESSAGELIMIT 1000 6] $...
		C: l UID STORE 1:* +FLAGS.SILENT \Flagged
		S: l OK [MESSAGELIMIT 1000 11] UID STORE completed
		C: m UID SEARCH RETURN (ALL) UIDBEFORE 100 UNFLAGGED
		S: * ESEARCH (TAG "m") UID ALL 1:10
		S: m OK UID SEARCH completed
		C: n SORT RETURN (COUNT) (ARRIVAL) UTF-8 ALL
		S: * ESEARCH (TAG "n") COUNT 1010
		S: n OK SORT completed
		C: o ENABLE QRESYNC
		S: * OK [HIGHESTMODSEQ $_] $...
		S: * ENABLED QRESYNC
		S: o OK $...
		C: p UID EXPUNGE 1:*
		S: * VANISHED 10:504,506:1010
		S: * NO [MESSAGELIMIT 1000 10] $...
		S: p OK [HIGHESTMODSEQ $_] UID EXPUNGE completed
		C: q UID FETCH 1:* (UID) (CHANGEDSINCE 1000000)
		S: q OK UID FETCH completed
		C: r EXPUNGE
		S: * VANISHED 1:9
		S: r OK [HIGHESTMODSEQ $_] EXPUNGE completed`)
	appends := "C: a APPEND INBOX {1+}\nR: x"
	for range 1000 {
		appends += ` {1+}\r\nx`
	}
	mailtest.Play(t, r.player(), appends+`\r\n
		S: a NO [MESSAGELIMIT 1000] At most 1000 messages at once`)
	r.fill(t, 1, "Drafts", 1200, nil)
	mailtest.Play(t, r.player(), `
		C: b SELECT Drafts
		S: ...
		S: b OK $...
		C: c UID MOVE 1:* Archive
		S: * OK [COPYUID $_ 201:1200 1:1000] Moved
		`+strings.Repeat("S: * $_ EXPUNGE\n", 1000)+`
		S: c OK [MESSAGELIMIT 1000 201] UID MOVE completed
		C: d THREAD REFERENCES UTF-8 UID 1
		S: * THREAD (1)
		S: d OK $...
		C: e CLOSE
		S: e OK $...`)
}

func TestSaveLimit(t *testing.T) {
	r := newRig(t, func(c *rigConfig) { c.imap.SaveLimit = 1000 })
	r.fill(t, 1, "INBOX", 1005, nil)
	mailtest.Play(t, r.player(), `
		C: a CAPABILITY
		S: * CAPABILITY $... SAVELIMIT=1000 $...
		S: a OK $...
		C: b SELECT INBOX
		S: ...
		S: b OK $...
		C: c COPY 1:* Sent
		S: c NO [MESSAGELIMIT 1000 6] $...
		C: d UID SEARCH RETURN (COUNT) ALL
		S: * ESEARCH (TAG "d") UID COUNT 1005
		S: d OK UID SEARCH completed
		C: e COPY 6:* Sent
		S: e OK [COPYUID $_ 6:1005 1:1000] $...`)
}

func TestLimitConfig(t *testing.T) {
	for limit, ok := range map[int]bool{-1: false, 0: true, 999: false, 1000: true} {
		cfg := DefaultConfig()
		cfg.MessageLimit = limit
		if err := cfg.Validate(); (err == nil) != ok {
			t.Errorf("%d: %v", limit, err)
		}
	}
	cfg := DefaultConfig()
	cfg.MessageLimit, cfg.SaveLimit = 1000, 2000
	if cfg.Validate() == nil {
		t.Error("two limits")
	}
}
