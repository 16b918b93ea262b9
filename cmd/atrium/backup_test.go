package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBackup backs up a server that runs, again when there is more mail and when it is
// ended, and restores each into a new folder that is then whole.
func TestBackup(t *testing.T) {
	i := newInstance(t, "")
	i.start()
	i.admin(exitOK, "", "account", "add", "ann", "-password", "pass")
	deliver := func(n int) {
		c, err := i.dialLMTP(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		body := fmt.Sprintf("Subject: number %d\r\n\r\n%s\r\n.", n, strings.Repeat("text\r\n", 1+n*50_000))
		for _, s := range [][2]string{{"MAIL FROM:<>", "250"}, {"RCPT TO:<ann@" + testDomain + ">", "250"}, {"DATA", "354"}, {body, "250"}} {
			if _, err := c.send(s[0], s[1]); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Names with blanks and signs that mean something to a shell.
	folder := filepath.Join(t.TempDir(), "back [up]s")
	backup := func(to string) string {
		t.Helper()
		code, out, errOut := program(t, "", "backup", "-config", i.config, to)
		if code != exitOK {
			t.Fatalf("backup: %d\n%s%s", code, out, errOut)
		}
		return out
	}
	text, err := os.ReadFile(i.config)
	if err != nil {
		t.Fatal(err)
	}
	restore := func(from string, bodies int) {
		t.Helper()
		j := *i
		j.dir = t.TempDir()
		j.data, j.config = filepath.Join(j.dir, "data"), filepath.Join(j.dir, "atrium.toml")
		if err := os.WriteFile(j.config, []byte(strings.ReplaceAll(string(text), i.data, j.data)), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, errOut := program(t, "", "restore", "-config", j.config, from)
		if code != exitOK || !strings.Contains(out, fmt.Sprintf(", %d bodies", bodies)) {
			t.Fatalf("restore: %d\n%s%s", code, out, errOut)
		}
		if code, out, _ := program(t, "", "restore", "-config", j.config, from); code == exitOK {
			t.Errorf("a store was restored over another: %s", out)
		}
		if _, err := os.Stat(filepath.Join(j.data, ".restore")); err == nil {
			t.Error("the scratch folder is left")
		}
		for _, name := range []string{"push.keys", "tls/server.pem", "tls/server.key", "tls/authority.key"} {
			want, err := os.ReadFile(filepath.Join(i.data, name))
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(j.data, name))
			info, err2 := os.Stat(filepath.Join(j.data, name))
			if err != nil || err2 != nil || string(got) != string(want) || strings.HasSuffix(name, "key") && info.Mode().Perm() != 0o600 {
				t.Errorf("%s after restore: %q, %v, %v", name, got, err, err2)
			}
		}
		if got, err := os.ReadFile(filepath.Join(j.data, configName)); err != nil || string(got) != string(text) {
			t.Errorf("configuration after restore: %q, %v", got, err)
		}
		j.admin(exitOK, "", "check", "-deep")
		if out, _ := j.admin(exitOK, "", "account", "list"); !strings.Contains(out, "ann@"+testDomain) {
			t.Errorf("accounts after restore:\n%s", out)
		}
	}
	deliver(0)
	deliver(1)
	if out := backup(folder); !strings.Contains(out, ": 2 bodies, ") {
		t.Errorf("first backup: %s", out)
	}
	restore(folder, 2)
	deliver(2)
	if out := backup(folder); !strings.Contains(out, ": 1 bodies, 2 are in earlier ones") {
		t.Errorf("second backup: %s", out)
	}
	i.terminate()
	single := filepath.Join(t.TempDir(), "all.backup")
	if out := backup(single); !strings.Contains(out, ": 3 bodies, ") {
		t.Errorf("backup into a file: %s", out)
	}
	if code, out, _ := program(t, "", "backup", "-config", i.config, single); code == exitOK {
		t.Errorf("a backup was written over another: %s", out)
	}
	restore(folder, 3)
	restore(single, 3)
	// Without a configuration, too, the commands know the store afterwards.
	bare := filepath.Join(t.TempDir(), "data")
	for _, args := range [][]string{{"restore", "-data", bare, single}, {"check", "-data", bare, "-deep"}} {
		if code, out, errOut := program(t, "", args...); code != exitOK {
			t.Errorf("%v: %d\n%s%s", args, code, out, errOut)
		}
	}
	list, err := backupsIn(folder)
	if err != nil || len(list) != 2 {
		t.Fatalf("backups %v, %v", list, err)
	}
	restore(list[1], 2)
	if err := os.Remove(list[1]); err != nil {
		t.Fatal(err)
	}
	code, _, errOut := program(t, "", "restore", "-data", filepath.Join(t.TempDir(), "data"), folder)
	if code != exitBroken || !strings.Contains(errOut, "2 bodies are in none of the 1 files") {
		t.Errorf("without the first backup: %d\n%s", code, errOut)
	}
}

// TestKeptFiles: what an archive says never leads out of the data folder, and what is there stays.
func TestKeptFiles(t *testing.T) {
	for _, bad := range []string{"../x", "/etc/x", "tls/../../x", "journal/1", "CHECKPOINT", "tls\\x", "", "tls/", "c:tls"} {
		if kept(bad) {
			t.Errorf("%q may be written", bad)
		}
	}
	from, to := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{"tls/a.key": "a", "tls/deep/b.pem": "b", "push.keys": "of the backup", "journal": "no"} {
		path := filepath.Join(from, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(to, "push.keys"), []byte("there"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(from, "x.backup"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("what the store wrote"); err != nil {
		t.Fatal(err)
	}
	if err := writeFiles(f, from, "text = 1\n"); err != nil {
		t.Fatal(err)
	}
	names, err := readFiles(f.Name(), to)
	if got := strings.Join(names, " "); err != nil || got != "atrium.toml tls/a.key tls/deep/b.pem" {
		t.Errorf("%q, %v", got, err)
	}
	for name, want := range map[string]string{"push.keys": "there", "tls/deep/b.pem": "b", configName: "text = 1\n"} {
		if got, err := os.ReadFile(filepath.Join(to, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := os.Stat(filepath.Join(to, "journal")); err == nil {
		t.Error("what is the store's was restored as a file")
	}
}
