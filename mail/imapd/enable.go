package imapd

import "atrium/mail/imapd/wire"

var enable = extension{
	name: "ENABLE", rfc: "RFC 5161", what: "Extensions that change what the server says unasked",
	commands: []command{{"ENABLE", loggedIn, breaks, (*session).enableCaps}},
}

// enableCaps handles ENABLE (RFC 5161 §3.1): what is unknown is passed over.
func (c *session) enableCaps(r *wire.Reader) error {
	var names []string
	for r.Try(' ') && !r.AtEnd() {
		names = append(names, r.Keyword())
	}
	if len(names) == 0 {
		r.Fail("ENABLE of nothing")
	}
	if err := r.End(); err != nil {
		return err
	}
	b := append(make([]byte, 0, 128), "* ENABLED"...)
	for _, name := range names {
		e, ok := c.server.reg.enable[name]
		if !ok {
			continue
		}
		before := c.enabled
		e.do(c)
		if c.enabled != before {
			b = append(append(b, ' '), e.cap...)
		}
	}
	c.Write(append(b, '\r', '\n'))
	return c.done("")
}
