package imapd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"atrium/mail"
	"atrium/mail/auth"
	"atrium/mail/conn"
	"atrium/mail/imapd/wire"
	"atrium/storage"
	"atrium/storage/account"
	"atrium/storage/blob"
)

// reply is an error that says what the tagged answer is to be.
type reply struct{ status, code, text string }

func (e *reply) Error() string { return e.text }

// no and bad are the answers NO and BAD; code is a response code without brackets, or empty.
func no(code, format string, args ...any) error {
	return &reply{"NO", code, fmt.Sprintf(format, args...)}
}

func bad(format string, args ...any) error { return &reply{"BAD", "", fmt.Sprintf(format, args...)} }

// kinds has the answers to the classes of failure of the store.
var kinds = map[error]reply{
	storage.NotFound:     {"NO", "NONEXISTENT", "No such mailbox"},
	storage.Exists:       {"NO", "ALREADYEXISTS", "The mailbox exists already"},
	storage.Forbidden:    {"NO", "NOPERM", "Permission denied"},
	storage.OverQuota:    {"NO", "OVERQUOTA", "The quota is exceeded"},
	storage.TooLarge:     {"NO", "LIMIT", "Too large"},
	storage.Invalid:      {"NO", "CANNOT", "Not a valid name"},
	storage.Unavailable:  {"NO", "UNAVAILABLE", "Not available now"},
	mail.BadUse:          {"NO", "USEATTR", "Not a special use that the mailbox can have"},
	mail.HasChildren:     {"NO", "HASCHILDREN", "The mailbox has others below it"},
	mail.TooManyKeywords: {"NO", "LIMIT", "The mailbox has too many keywords"},
	mail.TooManyEntries:  {"NO", "METADATA TOOMANY", "Too many entries"},
	mail.LargeEntry:      {"NO", "METADATA MAXSIZE 65536", "The value is too large"},
	mail.BadEntry:        {"BAD", "", "Not the name of an entry"},
	mail.Reserved:        {"NO", "CANNOT", "The name is reserved"},
	blob.TooLarge:        {"NO", "TOOBIG", "The message is too large"},
	account.Denied:       {"NO", "AUTHENTICATIONFAILED", "Wrong name or password"},
	account.Disabled:     {"NO", "AUTHORIZATIONFAILED", "The account is disabled"},
	account.Locked:       {"NO", "UNAVAILABLE", "Too many failed logins, try again later"},
	account.Busy:         {"NO", "UNAVAILABLE", "Too many logins at once, try again"},
	auth.NeedsTLS:        {"NO", "PRIVACYREQUIRED", "TLS is needed first"},
	auth.Unknown:         {"NO", "CANNOT", "No such mechanism"},
	auth.Malformed:       {"BAD", "", "Malformed response"},
	auth.Cancelled:       {"BAD", "", "Cancelled"},
	conn.Busy:            {"NO", "LIMIT", "Too many connections of this user"},
}

// answer turns an error into the tagged answer. ok is false when the error ends the session.
func (c *session) answer(err error) (r reply, ok bool) {
	var own *reply
	var syntax *wire.SyntaxError
	var limit *wire.LimitError
	switch {
	case errors.As(err, &own):
		return *own, true
	case errors.As(err, &syntax):
		return reply{"BAD", "", syntax.Text}, true
	case errors.As(err, &limit) && limit.TooBig:
		return reply{"NO", "TOOBIG", limit.Text}, true
	case errors.As(err, &limit):
		return reply{"NO", "LIMIT", limit.Text}, true
	case errors.Is(err, conn.TooLong): // the line after a literal
		return reply{"BAD", "TOOBIG", "The line is too long"}, true
	}
	for kind, r := range kinds {
		if errors.Is(err, kind) {
			return r, true
		}
	}
	var input *wire.InputError
	if errors.As(err, &input) || errors.Is(err, errGone) || errors.Is(err, wire.ErrDesync) || !c.Alive() || errors.Is(err, context.Canceled) {
		return reply{}, false
	}
	c.Log().Error("command failed", "command", c.cmdName(), "error", err)
	return reply{"NO", "SERVERBUG", "Something went wrong here, it has been logged"}, true
}

func (c *session) cmdName() string {
	if c.cmd == nil {
		return ""
	}
	return c.cmd.name
}

// fail gives the tagged answer to a failure. It returns an error that ends the session.
func (c *session) fail(err error) error {
	r, ok := c.answer(err)
	if !ok {
		return err
	}
	if err := c.reader.Drain(); err != nil {
		if errors.Is(err, conn.TooLong) {
			return wire.ErrDesync
		}
		return err
	}
	if err := c.news(); err != nil {
		return err
	}
	c.tagged(r.status, r.code, r.text)
	if r.status == "BAD" {
		return c.strike()
	}
	return nil
}

// ok tells the view's news and then gives the tagged OK; code is a response
// code without brackets, or empty.
func (c *session) ok(code, text string) error {
	if err := c.news(); err != nil {
		return err
	}
	c.tagged("OK", code, text)
	return nil
}

// done is ok with the command's name.
func (c *session) done(code string) error { return c.ok(code, c.cmd.name+" completed") }

func (c *session) tagged(status, code, text string) {
	b := c.AvailableBuffer(256)
	b = append(append(b, c.tag...), ' ')
	b = append(append(b, status...), ' ')
	if code != "" {
		b = append(append(append(b, '['), code...), "] "...)
	}
	b = append(b, oneLine(text)...)
	c.Write(append(b, '\r', '\n'))
}

// untagged writes an untagged answer.
func (c *session) untagged(format string, args ...any) {
	b := append(c.AvailableBuffer(256), "* "...)
	if len(args) == 0 {
		b = append(b, format...)
	} else {
		b = fmt.Appendf(b, format, args...)
	}
	c.Write(append(b, '\r', '\n'))
}

// oneLine keeps what a client sent from breaking a line.
func oneLine(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// news lets the view tell what has changed, as far as the command allows.
func (c *session) news() error { return c.newsBut(false) }

// newsBut is news, without EXPUNGE if held.
func (c *session) newsBut(held bool) error {
	if c.has(metadataOn) {
		defer c.noteMetadata(true)
	}
	if c.view == nil || c.cmd == nil || c.cmd.numbers == silent {
		return nil
	}
	return c.tellSelected(c.cmd.numbers == breaks && !held)
}
