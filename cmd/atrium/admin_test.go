package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAdmin runs each subcommand, once on the store itself and once with the running server.
func TestAdmin(t *testing.T) {
	for _, running := range []bool{false, true} {
		t.Run(map[bool]string{true: "running", false: "at rest"}[running], func(t *testing.T) {
			i := newInstance(t, "")
			if running {
				i.start()
			} else if _, errOut := i.admin(exitFailed, "", "account", "list"); !strings.Contains(errOut, "start the server once") {
				t.Errorf("no store yet: %q", errOut)
			}
			for _, s := range adminSteps {
				out, errOut := i.admin(s.code, s.stdin, strings.Fields(s.args)...)
				for _, want := range s.want {
					if !strings.Contains(out+errOut, want) {
						t.Errorf("atrium %s: got %q, want %q in it", s.args, out+errOut, want)
					}
				}
				if s.code == exitOK && errOut != "" && s.stdin == "" {
					t.Errorf("atrium %s: done, and yet %q", s.args, errOut)
				}
			}
			i.withoutConfig(t)
			if running {
				i.terminate()
			}
		})
	}
}

// adminSteps are command lines, in their order, with what they must end with and say.
var adminSteps = []struct {
	args, stdin string
	code        int
	want        []string
}{
	{"account add ann -password secret -quota 10MiB -display Ann", "", exitOK, []string{"added ann@example.org"}},
	{"account add ann -password secret", "", exitFailed, []string{"ann", "exists"}},
	{"account add bob", "its-password\n", exitOK, []string{"added bob@example.org"}},
	{"account add carl", "", exitFailed, []string{"no password", "-password"}},
	{"account add carl -password x -quota much", "", exitUsage, []string{"much", "2GiB"}},
	{"account add", "", exitUsage, []string{"NAME", "-h"}},
	{"account add a@elsewhere.example -password x", "", exitFailed, []string{"elsewhere.example", "not"}},
	{"account import", "carl pw\ndora pw\n# nobody\n\nann again\n", exitOK, []string{"added 2 of 3"}},
	{"account import", "carl\n", exitFailed, []string{"line 1", "nothing was added"}},
	{"account list", "", exitOK, []string{"ann@example.org", "10 MiB", "Ann", "bob@example.org", "carl@example.org"}},
	{"account list -json", "", exitOK, []string{`"name":"ann@example.org"`, `"max_bytes":10485760`}},
	{"account passwd bob -password new", "", exitOK, nil},
	{"account passwd nobody -password new", "", exitFailed, []string{`no account "nobody"`, "account list"}},
	{"account quota bob 1GiB", "", exitOK, nil},
	{"account quota bob", "", exitUsage, []string{"BYTES"}},
	{"account disable carl", "", exitOK, nil},
	{"account list", "", exitOK, []string{"disabled", "1 GiB"}},
	{"account enable carl", "", exitOK, nil},
	{"junk train ann", "", exitOK, []string{"junk 0", "not judged yet"}},
	{"junk off ann", "", exitOK, []string{"switched off"}},
	{"junk on ann", "", exitOK, []string{"not judged yet"}},
	{"junk reset nobody", "", exitFailed, []string{"no account"}},
	{"junk stats", "", exitUsage, []string{"ACCOUNT"}},
	{"alias add sales@example.org ann bob", "", exitOK, nil},
	{"alias add boss ann", "", exitOK, nil},
	{"alias add", "", exitUsage, []string{"ADDRESS"}},
	{"alias add ann@example.org bob", "", exitFailed, []string{"exists"}},
	{"alias list", "", exitOK, []string{"sales@example.org", "ann@example.org, bob@example.org"}},
	{"account delete boss -yes", "", exitFailed, []string{"another address of ann@example.org", "alias delete"}},
	{"alias delete sales@example.org", "", exitOK, nil},
	{"alias delete sales@example.org", "", exitFailed, []string{"sales@example.org", "not found"}},
	{"domain add second.example -catch-all ann", "", exitOK, nil},
	{"domain list", "", exitOK, []string{"example.org", "second.example", "ann@example.org"}},
	{"account add eve@second.example -password x", "", exitOK, []string{"added eve@second.example"}},
	{"domain delete second.example", "", exitFailed, []string{"second.example"}},
	{"account delete eve@second.example", "wrong\n", exitFailed, []string{"nothing was removed"}},
	{"account delete eve@second.example", "eve@second.example\n", exitOK, nil},
	{"account delete eve@second.example -yes", "", exitFailed, []string{"no account"}},
	{"domain delete second.example", "", exitOK, nil},
	{"account delete dora -yes", "", exitOK, nil},
	{"check -deep", "", exitOK, []string{"accounts checked, nothing broken"}},
	{"check now", "", exitUsage, []string{"no arguments"}},
	{"account frobnicate", "", exitUsage, []string{"frobnicate", "atrium account help"}},
}

// withoutConfig finds the store by -data alone, also with bare names.
func (i *instance) withoutConfig(t *testing.T) {
	code, out, errOut := program(t, "", "account", "add", "-data", i.data, "zoe", "-password", "x")
	if code != exitOK || !strings.Contains(out, "zoe@example.org") {
		t.Errorf("account add -data: %d %s%s", code, out, errOut)
	}
	if code, out, _ = program(t, "", "domain", "list", "-data", i.data); code != exitOK || strings.Contains(out, "localhost") {
		t.Errorf("domain list -data: %d %s", code, out)
	}
	if code, _, errOut = program(t, "", "account", "list", "-data", filepath.Join(i.dir, "nothing")); code != exitFailed || !strings.Contains(errOut, "-config") {
		t.Errorf("account list -data of nothing: %d %s", code, errOut)
	}
	if code, _, errOut = program(t, "", "account", "list", "-config", filepath.Join(i.dir, "nothing.toml")); code != exitFailed || !strings.Contains(errOut, "-data") {
		t.Errorf("account list -config of nothing: %d %s", code, errOut)
	}
}

// TestHelp asks every subcommand how it is used.
func TestHelp(t *testing.T) {
	var walk func(c *command, path []string)
	walk = func(c *command, path []string) {
		code, out, errOut := program(t, "", append(path, "-h")...)
		if code != exitOK || errOut != "" || !strings.HasPrefix(out, strings.Join(append([]string{"atrium"}, path...), " ")+": ") || !strings.Contains(out, c.short) {
			t.Errorf("atrium %v -h: %d %q %q", path, code, out, errOut)
		}
		if code, help, _ := program(t, "", append([]string{"help"}, path...)...); code != exitOK || help != out {
			t.Errorf("atrium help %v: %d, not the same as -h", path, code)
		}
		for _, s := range c.sub {
			if !strings.Contains(out, s.name) || !strings.Contains(out, s.short) {
				t.Errorf("atrium %v -h has nothing on %s", path, s.name)
			}
			walk(s, append(path[:len(path):len(path)], s.name))
		}
		if c.run != nil {
			if code, _, errOut := program(t, "", append(path, "-no-such-flag")...); code != exitUsage || !strings.Contains(errOut, "no-such-flag") {
				t.Errorf("atrium %v -no-such-flag: %d %q", path, code, errOut)
			}
		}
	}
	walk(root, nil)
	if code, out, _ := program(t, ""); code != exitUsage || !strings.Contains(out, "Commands:") {
		t.Errorf("no command: %d %q", code, out)
	}
	if code, out, _ := program(t, "", "version"); code != exitOK || !strings.HasPrefix(out, "atrium "+release) {
		t.Errorf("version: %d %q", code, out)
	}
}

func TestConfigCommands(t *testing.T) {
	code, out, _ := program(t, "", "config", "example")
	if code != exitOK || !strings.Contains(out, "[listen]") {
		t.Fatalf("config example: %d %q", code, out)
	}
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.toml"), filepath.Join(dir, "bad.toml")
	for file, text := range map[string]string{good: out, bad: "domian = \"x\"\n[imap]\nidle = \"1m\"\n[log]\nlevel = 3\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if code, out, errOut := program(t, "", "config", "check", good); code != exitOK || !strings.Contains(out, "is right") {
		t.Errorf("config check of the example: %d %s%s", code, out, errOut)
	}
	for _, args := range [][]string{{"config", "check", bad}, {"serve", "-config", bad}, {"account", "list", "-config", bad}} {
		code, _, errOut := program(t, "", args...)
		if code != exitFailed {
			t.Errorf("%v: %d", args, code)
		}
		for _, want := range []string{"domian", "did you mean domain", "imap.idle", "log.level", "domain: missing"} {
			if !strings.Contains(errOut, want) {
				t.Errorf("%v: %q has no %q", args, errOut, want)
			}
		}
	}
	if code, _, errOut := program(t, "", "config", "check", good, bad); code != exitUsage {
		t.Errorf("two files: %d %s", code, errOut)
	}
}

// TestSecondServer starts a server on the data of a running one.
func TestSecondServer(t *testing.T) {
	i := newInstance(t, "")
	i.start()
	code, _, errOut := program(t, "", "serve", "-config", i.config)
	if code != exitFailed || !strings.Contains(errOut, fmt.Sprint(i.cmd.Process.Pid)) || !strings.Contains(errOut, i.data) {
		t.Errorf("a second server: %d %s", code, errOut)
	}
	// and one with data of its own on ports that are taken
	other := newInstance(t, "")
	text, err := os.ReadFile(other.config)
	if err == nil {
		err = os.WriteFile(other.config, []byte(strings.ReplaceAll(string(text), other.ports["imap"], i.ports["imap"])), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if code, _, errOut := program(t, "", "serve", "-config", other.config); code != exitFailed || !strings.Contains(errOut, "listen.imap") || !strings.Contains(errOut, i.ports["imap"]) || strings.Contains(errOut, "level=ERROR") {
		t.Errorf("a port that is taken: %d %s", code, errOut)
	}
	// the first one is as it was
	i.admin(exitOK, "", "account", "add", "ann", "-password", "pass")
	i.terminate()
}

// TestAccess holds logins on every face against what the administrator did last.
func TestAccess(t *testing.T) {
	i := newInstance(t, "")
	i.start()
	defer i.terminate()
	i.admin(exitOK, "", "account", "add", "ann", "-password", "pass")
	i.admin(exitOK, "", "account", "add", "bob", "-password", "pass")
	i.logins(t, "pass", true, "at first")
	i.logins(t, "pass", true, "again, remembered")
	i.admin(exitOK, "", "account", "passwd", "ann", "-password", "other")
	i.logins(t, "pass", false, "after passwd, old password")
	i.admin(exitOK, "", "account", "passwd", "ann", "-password", "pass")
	i.logins(t, "pass", true, "after passwd")
	i.endsSessions(t, "account", "passwd", "ann", "-password", "pass")
	i.endsSessions(t, "account", "disable", "ann")
	i.logins(t, "pass", false, "disabled")
	i.admin(exitOK, "", "account", "enable", "ann")
	i.logins(t, "pass", true, "enabled")

	// something in every face, then the account goes
	c, err := i.dialIMAP(t.Context(), "ann", "pass")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, _, err := c.imap("APPEND INBOX ", []byte("Subject: x\r\n\r\nx\r\n")); err != nil {
		t.Fatal(err)
	}
	i.admin(exitOK, "", "account", "delete", "ann", "-yes")
	i.logins(t, "pass", false, "deleted")
	i.admin(exitOK, "", "check", "-deep")
	if out, _ := i.admin(exitOK, "", "account", "list"); strings.Contains(out, "ann") {
		t.Errorf("account list:\n%s", out)
	}
	// the name is free again, and nothing of the first one is there
	i.admin(exitOK, "", "account", "add", "ann", "-password", "pass")
	again, err := i.dialIMAP(t.Context(), "ann", "pass")
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if there, err := again.messages("INBOX"); err != nil || len(there) > 0 {
		t.Errorf("the new ann has %d messages of the old one, %v", len(there), err)
	}
}

// logins logs ann in on each face.
func (i *instance) logins(t *testing.T, password string, want bool, when string) {
	t.Helper()
	tell := func(face string, got bool, why any) {
		if got != want {
			t.Errorf("%s: %s: login %v, want %v (%v)", when, face, got, want, why)
		}
	}
	c, err := i.dialIMAP(t.Context(), "ann", password)
	if err == nil {
		c.Close()
	}
	tell("IMAP", err == nil, err)
	if c, err = dialLine(t.Context(), i.ports["pop3"]); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for n, s := range []string{"", "USER ann", "PASS " + password} {
		if n == 0 {
			_, err = c.expect("+OK")
		} else if err == nil {
			_, err = c.send(s, "+OK")
		}
	}
	tell("POP3", err == nil, err)
	rq, err := http.NewRequest("PROPFIND", "http://"+i.ports["http"]+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	rq.SetBasicAuth("ann", password)
	rs, err := http.DefaultClient.Do(rq)
	if err != nil {
		t.Fatal(err)
	}
	rs.Body.Close()
	tell("HTTP", rs.StatusCode == http.StatusMultiStatus, rs.Status)
}
