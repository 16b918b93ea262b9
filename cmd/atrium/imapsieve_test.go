package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestIMAPSieve runs a script that a client keeps by ManageSieve and names by METADATA, for what it does by IMAP
// (RFC 6785); switched off nothing runs and nothing is advertised.
func TestIMAPSieve(t *testing.T) {
	const script = `require ["imapsieve", "environment", "imap4flags", "fileinto", "copy"];
if environment "imap.cause" "APPEND" { addflag "appended"; }
if allof (environment "imap.cause" "FLAG", environment :contains "imap.changedflags" "\\Flagged", hasflag "\\Flagged") { fileinto :copy "Archive"; }`
	for _, on := range []bool{true, false} {
		t.Run(map[bool]string{true: "on", false: "off"}[on], func(t *testing.T) {
			i := newInstance(t, "")
			if !on {
				b, err := os.ReadFile(i.config)
				if err != nil {
					t.Fatal(err)
				}
				b = append(bytes.TrimRight(b, "\n"), "\n[imap]\ndisable = [\"IMAPSIEVE\"]\n"...)
				if err := os.WriteFile(i.config, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			i.start()
			defer i.terminate()
			i.admin(exitOK, "", "account", "add", "ann", "-password", "pass")
			ms, err := i.dialSieve(t.Context(), "ann", "pass")
			if err != nil {
				t.Fatal(err)
			}
			defer ms.Close()
			_, err = ms.sieve(fmt.Sprintf("PUTSCRIPT \"events\" {%d+}\r\n%s", len(script), script))
			if (err == nil) != on {
				t.Error("PUTSCRIPT:", err)
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
			if got := ask("CAPABILITY", nil); strings.Contains(got, " IMAPSIEVE=sieve://") != on {
				t.Error(got)
			}
			ask(`SETMETADATA INBOX (/shared/imapsieve/script "events")`, nil)
			ask("SELECT INBOX", nil)
			ask("APPEND INBOX ", []byte("Subject: one\r\n\r\ntext\r\n"))
			if got := ask("FETCH 1 FLAGS", nil); strings.Contains(got, "appended") != on {
				t.Error(got)
			}
			ask(`STORE 1 +FLAGS (\Flagged)`, nil)
			want := map[bool]string{true: "(MESSAGES 1)", false: "(MESSAGES 0)"}[on]
			if got := ask("STATUS Archive (MESSAGES)", nil); !strings.Contains(got, want) {
				t.Errorf("%s, want %s", got, want)
			}
			if !on {
				return
			}
			// The account's own script holds for the other mailboxes; one that fails fails no command.
			ask(`SETMETADATA "" (/shared/imapsieve/script "events")`, nil)
			if got := ask(`GETMETADATA "" /shared/imapsieve/script`, nil); !strings.Contains(got, `(/shared/imapsieve/script "events")`) {
				t.Error(got)
			}
			ask("APPEND Drafts ", []byte("Subject: two\r\n\r\ntext\r\n"))
			ask(`SETMETADATA Junk (/shared/imapsieve/script "")`, nil)
			ask("APPEND Junk ", []byte("Subject: three\r\n\r\ntext\r\n"))
			for box, want := range map[string]bool{"Drafts": true, "Junk": false} {
				ask("EXAMINE "+box, nil)
				if got := ask("FETCH 1 FLAGS", nil); strings.Contains(got, "appended") != want {
					t.Error(box, got)
				}
			}
			if _, err := ms.sieve("PUTSCRIPT \"broken\" \"require \\\"ihave\\\"; error \\\"no\\\";\""); err != nil {
				t.Fatal(err)
			}
			ask(`SETMETADATA Trash (/shared/imapsieve/script "broken")`, nil)
			ask("APPEND Trash ", []byte("Subject: four\r\n\r\ntext\r\n"))
			if got := ask("STATUS Trash (MESSAGES)", nil); !strings.Contains(got, "(MESSAGES 1)") {
				t.Error(got)
			}
			if got := ask("STATUS INBOX (MESSAGES)", nil); !strings.Contains(got, "(MESSAGES 2)") { // the account is told
				t.Error(got)
			}
		})
	}
}
