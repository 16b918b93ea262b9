package imapd

import (
	"strings"

	"atrium/mail/imapd/wire"
)

var id = extension{
	name: "ID", rfc: "RFC 2971", what: "Names of client and server",
	commands: []command{{"ID", anyState, breaks, (*session).identify}},
}

// identify handles ID (RFC 2971 §3.1).
func (c *session) identify(r *wire.Reader) error {
	r.SP()
	var said []string
	if r.Peek() == '(' {
		n := 0
		r.List(func() {
			s, _ := r.NString()
			if n++; n > 60 || len(s) > 1024 {
				r.Limit("Too much in ID")
			}
			said = append(said, s)
		})
	} else {
		r.NString()
	}
	if err := r.End(); err != nil {
		return err
	}
	if len(said) > 0 {
		c.Log().Debug("client", "id", oneLine(strings.Join(said, " ")))
	}
	b := append(c.AvailableBuffer(512), `* ID ("name" `...)
	b = wire.AppendString(b, c.server.cfg.Name, false)
	if v := c.server.cfg.Version; v != "" {
		b = wire.AppendString(append(b, ` "version" `...), v, false)
	}
	c.Write(append(b, ")\r\n"...))
	return c.done("")
}
