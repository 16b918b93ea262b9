package pop3d

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"atrium/mail"
)

// delivered are the files of a maildir.
func delivered(t *testing.T, dir string) int {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(dir, "new"))
	must(t, err)
	return len(files)
}

func maildir(t *testing.T) string {
	dir := t.TempDir()
	for _, sub := range []string{"new", "cur", "tmp"} {
		must(t, os.Mkdir(filepath.Join(dir, sub), 0o700))
	}
	return dir
}

// mpop fetches what it has not seen by UIDL, by SCRAM, with STLS, and pipelines; then it deletes.
func TestMpop(t *testing.T) {
	mpop, err := exec.LookPath("mpop")
	if err != nil {
		t.Skip("no mpop")
	}
	r := newRig(t)
	r.fill(t, "anna", 1, three...)
	_, addr := r.serve(t, func(c *Config) { c.Policy.Keep = mail.PopKeepAll })
	_, classic := r.serve(t)
	dir, uidls := maildir(t), filepath.Join(t.TempDir(), "uidls")
	run := func(addr, auth, keep string, want int) {
		t.Helper()
		host, port, _ := net.SplitHostPort(addr)
		cmd := exec.Command(mpop, "--file=/dev/null", "--host="+host, "--port="+port, "--user=anna", "--passwordeval=echo pass word",
			"--auth="+auth, "--tls=on", "--tls-starttls=on", "--tls-certcheck=off", "--delivery=maildir,"+dir, "--uidls-file="+uidls, "--keep="+keep, "--only-new=on", "--pipelining=on")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", auth, err, out)
		}
		if n := delivered(t, dir); n != want {
			t.Errorf("%s: %d messages were fetched, want %d", auth, n, want)
		}
	}
	run(addr, "scram-sha-256", "on", 3)
	r.fill(t, "anna", 1, "Subject: four\r\n\r\n")
	run(addr, "plain", "off", 4) // what it deletes is hidden
	if n := len(r.flags(t, "anna")); n != 4 {
		t.Errorf("%d messages are left, want 4", n)
	}
	r.fill(t, "anna", 1, "Subject: five\r\n\r\n")
	run(classic, "user", "off", 5)
	if n := len(r.flags(t, "anna")); n != 4 {
		t.Errorf("%d messages are left, want 4", n)
	}
}

func TestFetchmail(t *testing.T) {
	fetchmail, err := exec.LookPath("fetchmail")
	if err != nil {
		t.Skip("no fetchmail")
	}
	r := newRig(t)
	r.fill(t, "anna", 1, three[0], three[1])
	_, addr := r.serve(t)
	host, port, _ := net.SplitHostPort(addr)
	home, dir := t.TempDir(), maildir(t)
	run := func(options string, want, left int) {
		t.Helper()
		rc := filepath.Join(home, "rc")
		text := fmt.Sprintf("poll %s protocol pop3 port %s auth password uidl user anna password \"pass word\" sslproto '' %s mda \"cat > %s/new/$$\"\n", host, port, options, dir)
		must(t, os.WriteFile(rc, []byte(text), 0o600))
		cmd := exec.Command(fetchmail, "-f", rc, "-i", filepath.Join(home, "ids"), "--pidfile", filepath.Join(home, "pid"), "--nosyslog", "-v")
		cmd.Env = append(os.Environ(), "HOME="+home, "FETCHMAILHOME="+home)
		if out, err := cmd.CombinedOutput(); err != nil && cmd.ProcessState.ExitCode() != 1 { // 1: nothing new
			t.Fatalf("%v\n%s", err, out)
		}
		if n, have := delivered(t, dir), len(r.flags(t, "anna")); n != want || have != left {
			t.Errorf("%s: %d messages were fetched and %d are left, want %d and %d", options, n, have, want, left)
		}
	}
	run("keep", 2, 2)
	run("keep", 2, 2)
	r.fill(t, "anna", 1, "Subject: new\r\n\r\n")
	run("nokeep", 3, 2)
}

// getmail knows by UIDL what it has; it leaves all, then it deletes what it fetched.
func TestGetmail(t *testing.T) {
	getmail, err := exec.LookPath("getmail")
	if err != nil {
		t.Skip("no getmail")
	}
	r := newRig(t)
	r.fill(t, "anna", 1, three...)
	_, addr := r.serve(t)
	_, keeps := r.serve(t, func(c *Config) { c.Policy.Keep = mail.PopKeepAll })
	home, dir := t.TempDir(), maildir(t)
	run := func(addr, del string, want, left int) {
		t.Helper()
		host, port, _ := net.SplitHostPort(addr)
		rc := filepath.Join(home, "rc")
		text := fmt.Sprintf("[retriever]\ntype = SimplePOP3Retriever\nserver = %s\nport = %s\nusername = anna\npassword = pass word\n"+
			"[destination]\ntype = MDA_external\npath = /bin/sh\narguments = (\"-c\", \"cat > %s/new/$$\")\nallow_root_commands = true\nunixfrom = false\n[options]\nread_all = false\ndelete = %s\ndelivered_to = false\nreceived = false\n", host, port, dir, del)
		must(t, os.WriteFile(rc, []byte(text), 0o600))
		cmd := exec.Command(getmail, "--getmaildir", home, "--rcfile", rc)
		cmd.Env = append(os.Environ(), "HOME="+home)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if n, have := delivered(t, dir), len(r.flags(t, "anna")); n != want || have != left {
			t.Errorf("delete = %s: %d messages were fetched and %d are left, want %d and %d", del, n, have, want, left)
		}
	}
	run(addr, "false", 3, 3)
	run(addr, "false", 3, 3)
	r.fill(t, "anna", 1, "Subject: new\r\n\r\n")
	run(addr, "true", 4, 0)
	r.fill(t, "anna", 1, "Subject: newer\r\n\r\n")
	run(keeps, "true", 5, 1) // what it deletes is hidden
}
