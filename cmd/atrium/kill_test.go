package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestKill kills the server again and again while clients deliver, append, flag, expunge, put and
// delete. After each start all that was acknowledged is there, whole, and the store is proven.
func TestKill(t *testing.T) {
	rounds, accounts := 6, 3
	if testing.Short() {
		rounds, accounts = 2, 2
	}
	i := newInstance(t, "")
	i.start()
	l := newLoad(i, accounts)
	i.admin(exitOK, l.accountsFile(), "account", "import")
	for round := range rounds {
		before := l.acks.Load()
		ctx, cancel := context.WithCancel(t.Context())
		clients := l.run(ctx, t)
		time.Sleep(300*time.Millisecond + time.Duration(rand.IntN(700))*time.Millisecond)
		i.kill()
		cancel()
		clients.Wait()
		n := l.acks.Load() - before
		began := time.Now()
		i.start()
		up := time.Since(began)
		l.verify(t)
		out, _ := i.admin(exitOK, "", "check", "-deep")
		t.Logf("round %d: %d acknowledged, up again in %v, proven in %v; %s", round, n, up.Round(time.Millisecond), time.Since(began).Round(time.Millisecond), strings.TrimSpace(out))
		if n == 0 {
			t.Error("nothing was acknowledged: the round proves nothing")
		}
		if t.Failed() {
			return
		}
	}
	i.terminate()
	i.admin(exitOK, "", "check", "-deep")
}

// TestTerminate ends the server by SIGTERM while clients work, and while others only listen.
func TestTerminate(t *testing.T) {
	i := newInstance(t, "")
	i.start()
	l := newLoad(i, 2)
	i.admin(exitOK, l.accountsFile(), "account", "import")
	rounds := 3
	if testing.Short() {
		rounds = 1
	}
	for range rounds {
		ctx, cancel := context.WithCancel(t.Context())
		idle := i.listeners(t, ctx)
		clients := l.run(ctx, t)
		time.Sleep(200*time.Millisecond + time.Duration(rand.IntN(300))*time.Millisecond)
		if _, err := os.Stat(filepath.Join(i.data, "control.sock")); err != nil {
			t.Error(err)
		}
		began := time.Now()
		i.terminate()
		if d := time.Since(began); d > 8*time.Second {
			t.Errorf("the end took %v", d)
		}
		clients.Wait()
		cancel()
		for what, c := range idle {
			rest, err := io.ReadAll(c.r)
			if err != nil || !strings.HasSuffix(string(rest), "\r\n") || !strings.HasPrefix(lastLine(string(rest)), c.goodbye) {
				t.Errorf("%s: got %q, %v; want %q at the end", what, rest, err, c.goodbye)
			}
			c.Close()
		}
		if _, err := os.Stat(filepath.Join(i.data, "control.sock")); !os.IsNotExist(err) {
			t.Errorf("the control socket: %v", err)
		}
		i.admin(exitOK, "", "check", "-deep")
		i.start()
		l.verify(t)
	}
	i.terminate()
}

func lastLine(s string) string {
	s = strings.TrimSuffix(s, "\r\n")
	return s[strings.LastIndexByte(s, '\n')+1:]
}

// listener is a client that waits, with the last word it wants to hear.
type listener struct {
	*lineClient
	goodbye string
}

// listeners are clients that do nothing when the server ends.
func (i *instance) listeners(t *testing.T, ctx context.Context) map[string]listener {
	out := map[string]listener{}
	keep := func(what, goodbye string, c *lineClient, err error) *lineClient {
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		c.SetDeadline(time.Now().Add(time.Minute))
		out[what] = listener{c, goodbye}
		return c
	}
	c, err := i.dialIMAP(ctx, "user1", "pass")
	keep("imap", "* BYE", c, err)
	c, err = i.dialIMAP(ctx, "user1", "pass")
	idle := keep("imap idle", "* BYE", c, err)
	if _, _, err := idle.imap("SELECT INBOX", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := idle.send("x IDLE", "+"); err != nil {
		t.Fatal(err)
	}
	c, err = i.dialLMTP(ctx)
	keep("lmtp", "421", c, err)
	c, err = dialLine(ctx, i.ports["pop3"])
	pop := keep("pop3", "-ERR", c, err)
	for _, s := range []string{"", "USER user2", "PASS pass"} {
		if s == "" {
			_, err = pop.expect("+OK")
		} else {
			_, err = pop.send(s, "+OK")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestDamage damages a body in the store's files; check finds it and names it.
func TestDamage(t *testing.T) {
	i := newInstance(t, "")
	i.start()
	i.admin(exitOK, "", "account", "add", "ann", "-password", "pass")
	c, err := i.dialLMTP(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const needle = "the-only-line-of-its-kind"
	// far from what the preview and the index have of a message
	body := "Subject: x\r\n\r\n" + strings.Repeat("filling\r\n", 20_000) + needle + "\r\n."
	for _, s := range [][2]string{{"MAIL FROM:<>", "250"}, {"RCPT TO:<ann@" + testDomain + ">", "250"}, {"DATA", "354"}, {body, "250"}} {
		if _, err := c.send(s[0], s[1]); err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	i.terminate()
	i.admin(exitOK, "", "check", "-deep")
	if !damage(t, i.data, needle) {
		t.Skip("the body is not to be found in the store's files")
	}
	for _, running := range []bool{false, true} {
		if running {
			i.start()
		}
		out, errOut := i.admin(exitBroken, "", "check", "-deep")
		if !strings.Contains(out, "ann@"+testDomain) || !strings.Contains(out, `"INBOX", row 1: `) || !strings.Contains(out, "body") || !strings.Contains(errOut, "backup") {
			t.Errorf("running %v: it does not say what is broken and what to do:\n%s%s", running, out, errOut)
		}
	}
}

// damage changes one byte of a text in some file of a folder.
func damage(t *testing.T, dir, text string) (done bool) {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || done {
			return err
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return nil
		}
		defer f.Close()
		at := int64(0)
		for r := bufio.NewReader(f); ; {
			s, err := r.ReadString('\n')
			if k := strings.Index(s, text); k >= 0 {
				_, err = f.WriteAt([]byte("X"), at+int64(k))
				done = err == nil
				t.Logf("damaged %s at %d", filepath.Base(path), at+int64(k))
				return err
			}
			if err != nil {
				return nil
			}
			at += int64(len(s))
		}
	})
	if err != nil {
		t.Fatal(fmt.Errorf("damage: %w", err))
	}
	return done
}
