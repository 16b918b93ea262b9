package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
)

// dialSieve opens a session of ManageSieve.
func (i *instance) dialSieve(ctx context.Context, user, password string) (*lineClient, error) {
	c, err := dialLine(ctx, i.ports["sieve"])
	if err != nil {
		return nil, err
	}
	if _, err = c.sieve(""); err == nil {
		_, err = c.sieve(`AUTHENTICATE "PLAIN" "` + base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+password)) + "\"")
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// sieve sends a command, "" for none, and returns the script that the answer has.
func (c *lineClient) sieve(command string) (script string, err error) {
	if command != "" {
		if _, err := io.WriteString(c, command+"\r\n"); err != nil {
			return "", err
		}
	}
	for {
		s, err := c.read()
		if err != nil {
			return "", err
		}
		switch {
		case strings.HasPrefix(s, "OK"):
			return script, nil
		case strings.HasPrefix(s, "BYE"):
			return "", io.EOF
		case strings.HasPrefix(s, "NO"):
			return "", fmt.Errorf("%w: %.60q: %q", errRefused, command, s)
		case strings.HasPrefix(s, "{"):
			n, err := strconv.Atoi(strings.Trim(s, "{}"))
			if err != nil {
				return "", err
			}
			b := make([]byte, n)
			if _, err := io.ReadFull(c.r, b); err != nil {
				return "", err
			}
			script = string(b)
		}
	}
}

// script makes, replaces or deletes one of the client's scripts.
func (w *worker) script(ctx context.Context) (err error) {
	if w.conn == nil {
		if w.conn, err = w.l.i.dialSieve(ctx, w.account, "pass"); err != nil {
			return err
		}
	}
	name := fmt.Sprintf("s%d", w.r.IntN(5))
	b := w.objects[name]
	if b == nil {
		b = &belief{}
		w.objects[name] = b
	}
	next, command := state{}, `DELETESCRIPT "`+name+`"`
	if b.body == "" || w.r.IntN(4) > 0 {
		next.body = fmt.Sprintf("# mark%d\r\n%skeep;\r\n", w.l.seq.Add(1), strings.Repeat("# filling\r\n", w.r.IntN(500)))
		command = fmt.Sprintf("PUTSCRIPT \"%s\" {%d+}\r\n%s", name, len(next.body), next.body)
	}
	b.maybe = &next
	if _, err := w.conn.sieve(command); err != nil {
		return err
	}
	*b = belief{state: next}
	w.l.acks.Add(1)
	return nil
}

func (w *worker) verifyScripts(ctx context.Context, t testing.TB) error {
	c, err := w.l.i.dialSieve(ctx, w.account, "pass")
	if err != nil {
		return err
	}
	defer c.Close()
	for name, b := range w.objects {
		body, err := c.sieve(`GETSCRIPT "` + name + `"`)
		if err != nil && !strings.Contains(err.Error(), "NONEXISTENT") {
			return err
		}
		got := state{body: body}
		if got != b.state && (b.maybe == nil || got != *b.maybe) {
			t.Errorf("%s: script %s: %s, acknowledged %s, under way %v", w.account, name, brief(got.body), brief(b.body), b.maybe != nil)
		}
		*b = belief{state: got}
	}
	return nil
}
