package imapd

import (
	"errors"
	"strings"

	"github.com/emersion/go-imap/v2"

	"atrium/mail/auth"
	"atrium/mail/imapd/wire"
	"atrium/storage/account"
)

// base is IMAP4rev1 without its extensions.
var base = extension{
	name: "IMAP4rev1", rfc: "RFC 3501", what: "The protocol",
	caps: func(c *session) []imap.Cap {
		caps := []imap.Cap{imap.CapIMAP4rev1}
		if c.state != greeted {
			return caps
		}
		peer := auth.PeerOf(c.Conn)
		for _, m := range c.server.auth.Mechanisms(peer) {
			caps = append(caps, imap.Cap("AUTH="+m))
		}
		if !c.server.auth.Plain(peer) {
			caps = append(caps, imap.CapLoginDisabled)
		}
		return caps
	},
	commands: []command{
		{"CAPABILITY", anyState, breaks, noArgs((*session).capability)},
		{"NOOP", anyState, breaks, noArgs(func(c *session) error { return c.done("") })},
		{"LOGOUT", anyState, silent, noArgs((*session).logout)},
		{"LOGIN", greeted, silent, (*session).login},
		{"AUTHENTICATE", greeted, silent, (*session).authenticate},

		{"SELECT", loggedIn, silent, func(c *session, r *wire.Reader) error { return c.selectMailbox(r, false) }},
		{"EXAMINE", loggedIn, silent, func(c *session, r *wire.Reader) error { return c.selectMailbox(r, true) }},
		{"CREATE", loggedIn, breaks, (*session).create},
		{"DELETE", loggedIn, breaks, (*session).delete},
		{"RENAME", loggedIn, breaks, (*session).rename},
		{"SUBSCRIBE", loggedIn, breaks, (*session).subscribe},
		{"UNSUBSCRIBE", loggedIn, breaks, (*session).unsubscribe},
		{"LIST", loggedIn, breaks, (*session).list},
		{"LSUB", loggedIn, breaks, (*session).lsub},
		{"STATUS", loggedIn, breaks, (*session).status},
		{"APPEND", loggedIn, breaks, (*session).append},

		{"CHECK", selected, breaks, noArgs(func(c *session) error { return c.done("") })},
		{"CLOSE", selected, silent, noArgs((*session).close)},
		{"EXPUNGE", selected, breaks, noArgs((*session).expunge)},
		{"SEARCH", selected, uses, (*session).search},
		{"FETCH", selected, uses, (*session).fetch},
		{"STORE", selected, uses, (*session).store},
		{"COPY", selected, uses, (*session).copy},
		{"UID SEARCH", selected, breaks, (*session).search},
		{"UID FETCH", selected, breaks, (*session).fetch},
		{"UID STORE", selected, breaks, (*session).store},
		{"UID COPY", selected, breaks, (*session).copy},
	},
	fetchItems: baseItems,
	searchKeys: baseKeys,
	statusItems: map[string]statusItem{
		"MESSAGES":    statusNumber(func(m *statusOf) uint64 { return uint64(m.Exists) }),
		"UIDNEXT":     statusNumber(func(m *statusOf) uint64 { return uint64(m.UIDNext) }),
		"UIDVALIDITY": statusNumber(func(m *statusOf) uint64 { return uint64(m.UIDValidity) }),
		"UNSEEN":      statusNumber(func(m *statusOf) uint64 { return uint64(m.Unseen) }),
		"RECENT":      statusRecent,
	},
}

// capability handles CAPABILITY (RFC 9051 §6.1.1).
func (c *session) capability() error {
	b := append(c.AvailableBuffer(1024), "* CAPABILITY"...)
	c.Write(append(c.appendCaps(b), '\r', '\n'))
	return c.done("")
}

// logout handles LOGOUT (RFC 9051 §6.1.3).
func (c *session) logout() error {
	c.over = true
	c.untagged("BYE Until next time")
	return c.done("")
}

// login handles LOGIN (RFC 9051 §6.2.3).
func (c *session) login(r *wire.Reader) error {
	r.SP()
	name := r.AString()
	r.SP()
	password := r.AString()
	if err := r.End(); err != nil {
		return err
	}
	peer := auth.PeerOf(c.Conn)
	if !c.server.auth.Plain(peer) {
		return auth.NeedsTLS
	}
	user, err := c.server.auth.Login(c.Context(), peer, name, password)
	return c.welcome(user, err)
}

// authenticate handles AUTHENTICATE (RFC 9051 §6.2.2); an initial response: RFC 4959.
func (c *session) authenticate(r *wire.Reader) error {
	r.SP()
	mechanism := r.Keyword()
	var initial []byte
	if r.Err() == nil && r.Try(' ') {
		initial = []byte(r.Rest())
		if !c.server.reg.has("SASL-IR") {
			return bad("Initial responses are not taken")
		}
	}
	if err := r.End(); err != nil {
		return err
	}
	prompt := func(challenge string) ([]byte, error) {
		c.WriteString("+ ")
		c.WriteString(challenge)
		c.WriteString("\r\n")
		if err := c.Flush(); err != nil {
			return nil, &wire.InputError{Err: err}
		}
		line, err := c.ReadLine(auth.MaxResponse)
		if err != nil {
			return nil, &wire.InputError{Err: err}
		}
		return append([]byte(nil), line...), nil
	}
	c.reader.Begin(nil)
	user, err := c.server.auth.Run(c.Context(), auth.PeerOf(c.Conn), mechanism, initial, prompt)
	return c.welcome(user, err)
}

// welcome ends a login: the user's mailboxes are opened, or err is the answer.
func (c *session) welcome(user *account.Account, err error) error {
	if err != nil {
		var input *wire.InputError
		if !errors.As(err, &input) {
			c.Log().Info("login failed", "error", err)
		}
		return err
	}
	if err := c.Claim(user.Name); err != nil {
		return err
	}
	own := c.server.store.Open(user.ID, user.ID)
	if err := own.Ensure(c.Context()); err != nil {
		return err
	}
	c.user, c.own, c.state = user, own, authed
	c.AddLog("user", user.Name)
	l := &c.reader.Limits
	l.Line, l.Literal, l.Command = c.server.cfg.MaxLine, c.server.cfg.MaxLiteral, 4*c.server.cfg.MaxLiteral
	l.Skip = 2*c.server.cfg.MaxAppend + 1<<20
	code := strings.TrimPrefix(string(c.appendCaps([]byte("CAPABILITY"))), " ")
	return c.ok(code, "Logged in")
}
