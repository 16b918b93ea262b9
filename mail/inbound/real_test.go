package inbound

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-milter"

	"atrium/mail/verify"
)

// program starts a program that is installed, and waits until it listens.
func program(t *testing.T, name string, addr string, args ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("it takes its time")
	}
	path, err := exec.LookPath(name)
	if err != nil {
		if path = "/usr/sbin/" + name; exec.Command("test", "-x", path).Run() != nil {
			t.Skipf("%s is not installed", name)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 3 * time.Second
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	must(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cmd.Wait()
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		select {
		case <-ended:
			t.Skipf("%s ended: %s", name, out.String())
		default:
		}
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return
		}
	}
	t.Skipf("%s does not listen", name)
}

// free is an address on which nothing listens.
func free(t *testing.T) (addr, port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	addr = l.Addr().String()
	_, port, _ = net.SplitHostPort(addr)
	return addr, port
}

// TestOpenDKIM has a real milter sign a message, which tells that it saw it as it is, and add and take off fields.
func TestOpenDKIM(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	must(t, err)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	addr, port := free(t)
	config := fmt.Sprintf("Mode s\nDomain good.example\nSelector s\nKeyFile %s\nInternalHosts 127.0.0.1\nCanonicalization relaxed/simple\nUserID root\nRequireSafeKeys no\nSyslog no\nRemoveOldSignatures yes\n", filepath.Join(dir, "key"))
	must(t, os.WriteFile(filepath.Join(dir, "conf"), []byte(config), 0o600))
	program(t, "opendkim", addr, "-f", "-x", filepath.Join(dir, "conf"), "-p", "inet:"+port+"@127.0.0.1")
	r := newRig(t)
	dns := zone(`s._domainkey.good.example. TXT "v=DKIM1; k=rsa; p=` + base64.StdEncoding.EncodeToString(public) + `"`)
	server := r.open(t, dns, func(c *Config) { c.Filters, c.Verify, c.FilterErr = []string{"inet:" + addr}, false, "defer" })
	play(t, server, head+`
		C: MAIL FROM:<x@good.example>
		S: 250 2.1.0 Ok
		C: RCPT TO:<ann@example.org>
		S: 250 2.1.5 Ok
		C: DATA
		S: 354 $...
		C: From:  "X"   <x@good.example>
		C: DKIM-Signature: v=1; a=rsa-sha256; d=old.example; s=old; h=from;
		C:  bh=AAAA; b=AAAA
		C: Subject: folded
		C:   twice
		C: X-Empty:
		C:
		C: text
		C:
		C: more
		C: .
		S: 250 2.0.0 Ok: delivered as $id`)
	got := r.inbox(t, "ann")
	if len(got) != 1 || strings.Contains(got[0], "old.example") || !strings.Contains(got[0], "d=good.example") {
		t.Fatalf("%q", got)
	}
	v, err := verify.New(verify.DefaultConfig(), dns)
	must(t, err)
	start := int64(strings.Index(got[0], "DKIM-Signature:"))
	rep, err := v.Check(context.Background(), &verify.Input{Message: strings.NewReader(got[0]), Start: start, Size: int64(len(got[0]))})
	must(t, err)
	if len(rep.DKIM) != 1 || rep.DKIM[0].Outcome != "pass" {
		t.Errorf("%+v\n%s", rep.DKIM, got[0])
	}
}

// TestRealRspamd asks a real rspamd, by HTTP and as a milter.
func TestRealRspamd(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o777))
	normal, normalPort := free(t)
	proxy, proxyPort := free(t)
	config := `
options { pidfile = "` + dir + `/pid"; dns { nameserver = ["127.0.0.1:9"]; timeout = 0.05s; retransmits = 1; } filters = "regexp"; task_timeout = 10s; }
logging { type = "console"; level = "error"; }
actions { reject = 15; add_header = 6; greylist = 100; }
metric { name = "default"; }
worker "normal" { bind_socket = "127.0.0.1:` + normalPort + `"; count = 1; }
worker "rspamd_proxy" { bind_socket = "127.0.0.1:` + proxyPort + `"; milter = yes; count = 1; timeout = 10s;
  upstream "local" { default = yes; hosts = "127.0.0.1:` + normalPort + `"; } }
lua = "` + dir + `/rules.lua";
`
	rules := `
local function has(word, symbol, score)
  rspamd_config:register_symbol({ name = symbol, score = score, callback = function(task)
    local parts = task:get_text_parts()
    for _, p in ipairs(parts or {}) do
      if tostring(p:get_content()):find(word) then return true end
    end
    return false
  end })
end
has('badword', 'BAD_WORD', 20)
has('oddword', 'ODD_WORD', 7)
rspamd_config:register_symbol({ name = 'TALK', type = 'idempotent', callback = function(task)
  task:set_milter_reply({ add_headers = { ['X-Told'] = tostring(task:get_helo()) .. ' ' .. tostring(task:get_from_ip()) .. ' ' .. task:get_from(1)[1].addr } })
end })
`
	must(t, os.WriteFile(filepath.Join(dir, "rules.lua"), []byte(rules), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "conf"), []byte(config), 0o644))
	program(t, "rspamd", normal, "-f", "-i", "-c", filepath.Join(dir, "conf"))
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if a, err := http.Get("http://" + normal + "/ping"); err == nil {
			a.Body.Close()
			break
		} else if time.Now().After(end) {
			t.Skip(err)
		}
	}
	for name, filter := range map[string]string{"HTTP": "http://" + normal, "milter": "inet:" + proxy} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			server := r.open(t, zone(""), func(c *Config) { c.Filters, c.Verify, c.FilterErr = []string{filter}, false, "defer" })
			say := func(word, answer string) {
				t.Helper()
				play(t, server, strings.Replace(send("x@good.example", "x@good.example", answer), "C: text", "C: "+word, 1))
			}
			ok := "250 2.0.0 Ok: delivered as $id"
			say("fine", ok)
			say("badword", "5$...")
			say("oddword", ok)
			got := r.inbox(t, "ann")
			if len(got) != 2 {
				t.Fatalf("%d came", len(got))
			}
			if name == "HTTP" && (!strings.Contains(got[0], "\r\nX-Rspamd: no action, ") || !strings.HasPrefix(r.seen.Quarantine, "rspamd: add header")) {
				t.Errorf("%q %+v", got, r.seen)
			}
			if name == "milter" && (!strings.Contains(got[0], "X-Told: client.example 127.0.0.1 x@good.example") || !strings.Contains(got[1], "\r\nX-Spam: Yes\r\n") || r.seen.Quarantine == "") {
				t.Errorf("%q %+v", got, r.seen)
			}
		})
	}
}

// editor is a milter that changes fields.
type editor struct{ milter.NoOpMilter }

func (editor) Body(m *milter.Modifier) (milter.Response, error) {
	m.ChangeHeader(2, "X-Two", "changed")
	m.ChangeHeader(1, "X-One", "")
	m.ChangeHeader(1, "X-None", "new")
	m.ChangeHeader(1, "Subject", "***JUNK*** folded\n over lines")
	return milter.RespAccept, nil
}

// TestEdits has a milter change, take off and add fields that are there.
func TestEdits(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s := milter.Server{NewMilter: func() milter.Milter { return editor{} }, Actions: milter.OptChangeHeader}
	go s.Serve(l)
	defer l.Close()
	r := newRig(t)
	server := r.open(t, zone(""), func(c *Config) {
		c.Filters, c.Verify, c.FilterErr = []string{"inet:" + l.Addr().String()}, false, "defer"
	})
	play(t, server, head+`
		C: MAIL FROM:<x@good.example>
		S: 250 2.1.0 Ok
		C: RCPT TO:<ann@example.org>
		S: 250 2.1.5 Ok
		C: DATA
		S: 354 $...
		C: X-One: 1
		C:  folded
		C: X-Two: first
		C: Subject: old
		C: X-Two: second
		C:
		C: text
		C: .
		S: 250 2.0.0 Ok: delivered as $id`)
	if got := r.inbox(t, "ann"); len(got) != 1 || !strings.HasSuffix(got[0], " +0000\r\nX-Two: first\r\nSubject: ***JUNK*** folded\r\n over lines\r\nX-Two: changed\r\nX-None: new\r\n\r\ntext\r\n") {
		t.Errorf("%q", got)
	}
}
