package imapd

import (
	"errors"
	"strings"
	"time"

	"atrium/mail"
	"atrium/mail/conn"
	"atrium/mail/imapd/wire"
)

var idle = extension{
	name: "IDLE", rfc: "RFC 2177", what: "News as they happen",
	commands: []command{{"IDLE", loggedIn, silent, noArgs((*session).idle)}},
}

// idle handles IDLE (RFC 2177). It ends with DONE; a client that forgets that and sends its next
// command gets both answered.
func (c *session) idle() error {
	var wake <-chan struct{}
	if c.notify != nil {
		defer c.watchSelected()()
		wake = c.notify.watch.C
	} else if c.view != nil {
		w, err := c.view.account.Watch(c.Context(), c.idleOn())
		if err != nil {
			return c.view.lost(err)
		}
		defer w.Close()
		wake = w.C
	}
	c.WriteString("+ idling\r\n")
	if err := c.idleNews(wake); err != nil {
		return err
	}
	line, err := c.ReadLine(c.reader.Limits.Line)
	if err != nil {
		return &wire.InputError{Err: err}
	}
	if !strings.EqualFold(strings.TrimRight(string(line), " "), "DONE") {
		c.pending = append([]byte(nil), line...)
	}
	if c.view != nil {
		if err := c.tellSelected(true); err != nil {
			return err
		}
	}
	return c.done("")
}

// idleNews tells news until the client says something.
func (c *session) idleNews(wake <-chan struct{}) error {
	end := time.Now().Add(c.server.cfg.Idle)
	quiet := false // nothing happened for a while: the view rests
	for {
		if c.view != nil && !quiet {
			if err := c.tellSelected(true); err != nil { // RFC 5465 §4: what NOTIFY asked for
				return err
			}
			c.noteMetadata(true)
		}
		if !quiet {
			if err := c.notifyNews(); err != nil {
				return err
			}
		}
		wait := time.Until(end)
		if c.view != nil && !quiet {
			wait = min(wait, restAfter)
		}
		err := c.Wait(wake, wait)
		switch {
		case errors.Is(err, conn.Woken):
			quiet = false
		case errors.Is(err, conn.TimedOut) && time.Now().Before(end):
			quiet = true
			c.view.rest()
		case err == nil:
			return nil // input
		default:
			return &wire.InputError{Err: err}
		}
	}
}

// idleOn is what IDLE watches: the selected mailbox, or with 0 all of its account where metadata are news.
func (c *session) idleOn() mail.ID {
	if c.has(metadataOn) {
		return 0
	}
	return c.view.box.ID
}
