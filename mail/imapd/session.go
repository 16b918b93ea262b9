package imapd

import (
	"errors"
	"io"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/conn"
	"atrium/mail/imapd/wire"
	"atrium/storage"
	"atrium/storage/account"
)

// session is one connection.
type session struct {
	*conn.Conn
	server *Server
	reader *wire.Reader

	state   states
	began   time.Time
	user    *account.Account
	own     *mail.Account // the user's own mailboxes
	view    *view         // the selected mailbox
	enabled enabledSet
	notify  *notifying // news of all mailboxes (RFC 5465); nil: none
	asked   bool       // NOTIFY was used: what it did not ask for is not told
	meta    *metaState // metadata that were told of (RFC 5464)

	tag     string   // of the command under way
	cmd     *command // the command under way
	uid     bool     // it is a UID command
	pending []byte   // a line that was read too early, by IDLE
	bad     int      // commands in a row that were not understood
	count   int      // commands before the login
	over    bool     // the session ends after this command
}

// enabledSet is what the client has enabled, by ENABLE or by using it.
type enabledSet byte

const (
	condstoreOn enabledSet = 1 << iota // RFC 7162 §3.1
	qresyncOn                          // RFC 7162 §3.2
	utf8On                             // RFC 9755
	rev2On                             // RFC 9051
	metadataOn                         // RFC 5464
	uidOnlyOn                          // RFC 9586
)

func (c *session) has(e enabledSet) bool { return c.enabled&e != 0 }

// utf8Names tells whether names and strings go out in UTF-8.
func (c *session) utf8Names() bool { return c.enabled&(utf8On|rev2On) != 0 }

func newSession(s *Server, nc *conn.Conn) *session {
	c := &session{Conn: nc, server: s}
	c.reader = wire.NewReader(nc, wire.Limits{}, c.goAhead)
	c.begun()
	return c
}

// begun puts the session into its first state: what a client may send before the login is little.
func (c *session) begun() {
	cfg := &c.server.cfg
	c.stopNotify()
	c.asked = false
	c.state, c.began, c.count, c.enabled, c.user, c.own, c.meta = greeted, time.Now(), 0, 0, nil, nil, nil
	limits := wire.DefaultLimits()
	limits.Line, limits.Literal, limits.Skip = 8192, 4096, 1<<20
	limits.Depth, limits.Set, limits.List = cfg.MaxDepth, cfg.MaxSet, cfg.MaxList
	limits.Unasked = -1
	if c.server.reg.has("LITERAL-") {
		limits.Unasked = 4096
	}
	if c.server.reg.has("LITERAL+") {
		limits.Unasked = 1 << 62
	}
	c.reader.Limits, c.reader.UTF8 = limits, false
}

// goAhead tells the client to send a literal.
func (c *session) goAhead() error {
	c.WriteString("+ OK\r\n")
	return c.Flush()
}

// serve holds the dialog from greeting to farewell.
func (c *session) serve() {
	defer c.leave()
	b := append(c.AvailableBuffer(1024), "* OK [CAPABILITY"...)
	b = c.appendCaps(b)
	b = append(b, "] "...)
	b = append(b, c.server.cfg.Name...)
	c.Write(append(b, " ready\r\n"...))
	for !c.over {
		if err := c.next(); err != nil {
			c.farewell(err)
			return
		}
	}
}

// leave ends what a session holds.
func (c *session) leave() {
	c.stopNotify()
	if c.view != nil {
		c.view = nil
	}
}

// restAfter is how long a session waits before its view lets go of the snapshot.
const restAfter = 10 * time.Second

// next waits for a command and runs it. Its error ends the session.
func (c *session) next() error {
	if c.pending == nil {
		if err := c.await(); err != nil {
			return err
		}
		if err := c.reader.Next(); err != nil {
			if errors.Is(err, conn.TooLong) {
				c.WriteString("* BAD [TOOBIG] The line is too long\r\n")
				return c.strike()
			}
			return err
		}
	} else {
		c.reader.Begin(c.pending)
		c.pending = nil
	}
	err := c.command()
	c.reader.Release()
	return err
}

// await waits until input is there.
func (c *session) await() error {
	if c.state == greeted {
		left := c.server.cfg.LoginTime - time.Since(c.began)
		if left <= 0 {
			return conn.TimedOut
		}
		return c.Wait(nil, left)
	}
	if c.view != nil {
		err := c.waitNotify(restAfter)
		if !errors.Is(err, conn.TimedOut) {
			return err
		}
		c.view.rest()
	}
	return c.waitNotify(c.server.cfg.Idle)
}

// farewell says why the session ends.
func (c *session) farewell(err error) {
	var why string
	switch {
	case errors.Is(err, conn.Stopping) && c.Ended():
		why = "The account's sessions were ended, log in again"
	case errors.Is(err, conn.Stopping):
		why = "[UNAVAILABLE] The server shuts down"
	case errors.Is(err, conn.TimedOut):
		why = "Nothing was said for too long"
	case errors.Is(err, wire.ErrDesync):
		why = "[TOOBIG] The literal is too large"
	case errors.Is(err, errGone):
		why = "The selected mailbox is gone"
	case errors.Is(err, errStrikes):
		why = "Too many commands that are not understood"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, conn.Closed):
		return
	default:
		c.Log().Debug("connection ended", "error", err)
		return
	}
	c.WriteString("* BYE " + why + "\r\n")
}

var (
	errStrikes = errors.New("too many bad commands")
	errGone    = errors.New("the selected mailbox is gone")
)

// strike counts a command that was not understood.
func (c *session) strike() error {
	c.bad++
	if c.bad >= c.server.cfg.BadCommands {
		return errStrikes
	}
	return nil
}

// command reads and runs the command whose first line was read.
func (c *session) command() error {
	r := c.reader
	c.tag = r.Tag()
	r.SP()
	name := r.Keyword()
	if r.Err() != nil {
		if c.tag == "" {
			c.tag = "*"
		}
		c.cmd = nil
		return c.fail(r.Err())
	}
	c.uid = name == "UID"
	if c.uid {
		r.SP()
		name = "UID " + r.Keyword()
	}
	c.cmd = c.server.reg.commands[name]
	switch {
	case r.Err() != nil:
		return c.fail(r.Err())
	case c.cmd == nil:
		return c.fail(bad("Unknown command %s", name))
	case c.cmd.in&c.state == 0:
		return c.fail(bad("%s", wrongState(c.cmd.in, c.state)))
	}
	if c.has(uidOnlyOn) && usesNumbers[c.cmd.name] {
		return c.fail(errUIDRequired)
	}
	if c.state == greeted {
		if c.count++; c.count > c.server.cfg.LoginCommands {
			c.over = true
			c.WriteString("* BYE Too many commands without a login\r\n")
			return nil
		}
	}
	if err := c.cmd.run(c, r); err != nil {
		return c.fail(err)
	}
	c.bad = 0
	return nil
}

func wrongState(need, have states) string {
	switch {
	case need == greeted:
		return "Already logged in"
	case have == greeted:
		return "Log in first"
	case need == selected:
		return "No mailbox is selected"
	}
	return "Not in this state"
}

// noArgs is for commands without arguments.
func noArgs(run func(*session) error) func(*session, *wire.Reader) error {
	return func(c *session, r *wire.Reader) error {
		if err := r.End(); err != nil {
			return err
		}
		return run(c)
	}
}

// appendCaps appends the capabilities of the present state, each after a space.
func (c *session) appendCaps(b []byte) []byte {
	for _, cap := range c.server.reg.caps(c) {
		b = append(append(b, ' '), cap...)
	}
	return b
}

// locate tells which account and which of its names a mailbox name is. What is
// not in the user's own account is below Shared (shared.go).
func (c *session) locate(name string) (*mail.Account, string) {
	name = strings.TrimSuffix(name, "/")
	if owner, local, ok := cutShared(name); ok {
		return c.server.store.Open(c.user.ID, c.sharer(owner)), local
	}
	return c.own, name
}

// mailbox returns the mailbox of a name when the user has all of need there.
func (c *session) mailbox(name string, need storage.Rights) (*mail.Account, *mail.Mailbox, error) {
	a, local := c.locate(name)
	m, err := a.MailboxFor(c.Context(), local, need)
	return a, m, err
}

// uidSet turns a set into the form that package mail takes.
func uidSet(s wire.Set) imap.UIDSet {
	out := make(imap.UIDSet, len(s))
	for i, x := range s {
		out[i] = imap.UIDRange{Start: imap.UID(x.From), Stop: imap.UID(x.To)}
	}
	return out
}

// fromUIDSet is the way back.
func fromUIDSet(s imap.UIDSet) wire.Set {
	out := make(wire.Set, len(s))
	for i, x := range s {
		out[i] = wire.Range{From: uint32(x.Start), To: uint32(x.Stop)}
	}
	return out
}
