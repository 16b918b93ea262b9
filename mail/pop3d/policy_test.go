package pop3d

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
)

// keep begins a session of a policy: three messages, of which the first is fetched and deleted.
const keep = login + `
	S: +OK 3 messages (80 octets)
	C: RETR 1
	S: +OK 38 octets
	S: ...
	S: .
	C: DELE 1
	S: +OK Message will be deleted
	C: QUIT
	S: +OK Bye
	EOF:
	2S: +OK $...
	2C: USER anna
	2S: +OK Now the password
	2C: PASS pass word
`

func TestKeepAll(t *testing.T) {
	r := newRig(t)
	r.fill(t, "anna", 1, three...)
	r.script(t, keep+`
		2S: +OK 2 messages (42 octets)
		2C: STAT
		2S: +OK 2 42
		2C: LIST
		2S: +OK 2 messages (42 octets)
		2S: 1 42
		2S: 2 0
		2S: .
		2C: UIDL 1
		2S: +OK 1 00000002$v
		2C: UIDL
		2S: +OK Unique ids follow
		2S: 1 00000002$v
		2S: 2 00000003$v
		2S: .
		2C: TOP 1 0
		2S: +OK Top follows
		2S: Subject: two
		2S:
		2S: .
		2C: RETR 3
		2S: -ERR No such message
		2C: DELE 2
		2S: +OK Message will be deleted
		2C: UIDL
		2S: +OK Unique ids follow
		2S: 1 00000002$v
		2S: .
		2C: CAPA
		2S: ...
		2S: EXPIRE NEVER
		2S: ...
		2S: .
		# without QUIT nothing is hidden
		2C: RSET
		2S: +OK 2 messages`, func(c *Config) { c.Policy.Keep = mail.PopKeepAll })
	if n := len(r.flags(t, "anna")); n != 3 {
		t.Errorf("%d messages are left, want 3", n)
	}
}

// The account's own policy goes before the server's: what was fetched goes to Trash after its time.
func TestKeepDays(t *testing.T) {
	r := newRig(t)
	r.fill(t, "anna", 1, three...)
	box, id := r.box(t, "anna")
	must(t, box.SetPopPolicy(t.Context(), []byte(`{"keep": "7d", "then": "trash", "seen": true}`)))
	s, _ := r.serve(t)
	r.script(t, keep+`
		2S: +OK 2 messages (42 octets)
		2C: CAPA
		2S: ...
		2S: EXPIRE 7
		2S: ...
		2S: .
		2C: RETR 2
		2S: +OK 0 octets
		2S: .
		2C: QUIT
		2S: +OK Bye
		2EOF:
		3S: +OK $...
		3C: CAPA
		3S: ...
		3S: EXPIRE NEVER USER
		3S: ...
		3S: .`)
	deadline := time.Now().Add(time.Minute)
	for seen := r.flags(t, "anna"); !seen[1] || !seen[3] || seen[2]; seen = r.flags(t, "anna") {
		if time.Now().After(deadline) {
			t.Fatalf("\\Seen: %v", seen)
		}
		time.Sleep(10 * time.Millisecond)
	}
	for _, tc := range []struct{ days, moved, left int }{{6, 0, 3}, {8, 2, 1}, {100, 0, 1}} {
		n, err := s.Sweep(t.Context(), time.Now().AddDate(0, 0, tc.days))
		must(t, err)
		if left := len(r.flags(t, "anna")); n != tc.moved || left != tc.left {
			t.Errorf("after %d days: %d moved, %d left, want %d and %d", tc.days, n, left, tc.moved, tc.left)
		}
	}
	trash, err := box.Mailbox(t.Context(), "Trash")
	must(t, err)
	if trash.Exists != 2 || trash.ID == id {
		t.Errorf("Trash has %d", trash.Exists)
	}
}

func TestOtherMailbox(t *testing.T) {
	r := newRig(t)
	r.fill(t, "anna", 1, three...)
	box, _ := r.box(t, "anna")
	must(t, box.SetPopPolicy(t.Context(), []byte(`{"mailbox": "Archive"}`)))
	r.script(t, login+`
		S: +OK 0 messages (0 octets)`)
	must(t, box.SetPopPolicy(t.Context(), []byte(`{"mailbox": "Nowhere"}`)))
	r.script(t, login+`
		S: -ERR [SYS/PERM] The mailbox that POP3 is to show is not there
		C: NOOP
		S: -ERR Not in this state`)
}

// Ids of another server are told for the messages that came from there.
func TestMovedUIDLs(t *testing.T) {
	r := newRig(t)
	r.fill(t, "anna", 1, three...)
	box, id := r.box(t, "anna")
	must(t, box.SetUIDLs(t.Context(), id, map[imap.UID]string{1: "GmailId17", 3: "UID42-1234"}))
	r.script(t, login+`
		S: +OK 3 messages (80 octets)
		C: UIDL
		S: +OK Unique ids follow
		S: 1 GmailId17
		S: 2 00000002$v
		S: 3 UID42-1234
		S: .
		C: UIDL 3
		S: +OK 3 UID42-1234
		C: UIDL 2
		S: +OK 2 00000002$v`)
}

// Each answer that the code has is there in each language.
func TestTranslations(t *testing.T) {
	files, err := filepath.Glob("*.go")
	must(t, err)
	used := map[string]bool{" The language is English": true, " No such language": true, "+OK Languages follow": true}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || name == "lang.go" {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		must(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				s, _ := strconv.Unquote(lit.Value)
				if s != "+OK " && s != "-ERR " && (strings.HasPrefix(s, "+OK ") || strings.HasPrefix(s, "-ERR ")) && !strings.HasSuffix(s, "\r\n") {
					used[s] = true
				}
			}
			return true
		})
	}
	for _, l := range languages {
		for s := range used {
			if l.words != nil && l.words[s] == "" {
				t.Errorf("%s: %q is missing", l.tag, s)
			}
		}
		for s := range l.words {
			if !used[s] && s[0] != ' ' {
				t.Errorf("%s: %q is not used", l.tag, s)
			}
		}
	}
}
