package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSieve runs the subcommands of mail filters, on the store itself and with the running server.
func TestSieve(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := file("good.sieve", "require \"fileinto\"; if header :contains \"subject\" \"x\" { fileinto \"Trash\"; }\n")
	bad := file("bad.sieve", "nonsense;")
	letter := file("letter.eml", "Subject: xyz\r\n\r\ntext\r\n")
	for _, running := range []bool{false, true} {
		t.Run(map[bool]string{true: "running", false: "at rest"}[running], func(t *testing.T) {
			i := newInstance(t, "")
			if running {
				i.start()
			}
			for _, s := range []struct {
				args string
				code int
				want string
			}{
				{"account add ann -password secret", exitOK, "added"},
				{"sieve put ann main " + good + " -activate", exitOK, ""},
				{"sieve put ann other " + bad, exitFailed, `line 1:1: unknown command "nonsense"`},
				{"sieve put nobody main " + good, exitFailed, "nobody"},
				{"sieve list ann", exitOK, "active"},
				{"sieve get ann main", exitOK, `fileinto "Trash"`},
				{"sieve get ann none", exitFailed, "not found"},
				{"sieve delete ann main", exitFailed, "active"},
				{"sieve activate ann", exitOK, ""},
				{"sieve delete ann main", exitOK, ""},
				{"sieve vacation ann", exitOK, "mail is not answered"},
				{"sieve vacation ann away -from 2026-01-01 -until 2999-01-01", exitOK, "mail is answered from 2026-01-01 until 2999-01-01: away"},
				{"sieve list ann", exitOK, "atrium"},
				{"sieve vacation ann -off", exitOK, "mail is not answered"},
				{"sieve vacation ann away -from tomorrow", exitFailed, "no day"},
			} {
				out, errOut := i.admin(s.code, "", strings.Fields(s.args)...)
				if !strings.Contains(out+errOut, s.want) {
					t.Errorf("atrium %s: got %q, want %q in it", s.args, out+errOut, s.want)
				}
			}
			if running {
				i.terminate()
			}
		})
	}
	for _, tc := range []struct{ args, want string }{{"sieve check " + good, "no mistakes; it requires: "}, {"sieve check " + bad, "line 1:1"}, {"sieve test " + good + " " + letter, `into "Trash"`}} {
		var out strings.Builder
		execute(t.Context(), strings.Fields(tc.args), strings.NewReader(""), &out, &out)
		if !strings.Contains(out.String(), tc.want) {
			t.Errorf("atrium %s: %q", tc.args, out.String())
		}
	}
}
