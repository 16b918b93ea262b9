package imapd

import "atrium/mail/imapd/wire"

var enable = extension{
	name: "ENABLE", rfc: "RFC 5161", what: "Extensions that change what the server says unasked",
	commands: []command{{"ENABLE", loggedIn, breaks, (*session).enableCaps}},
}

// enables is what the names that ENABLE takes stand for: one may bring another with it, as QRESYNC does, and the
// answer does not depend on their order (RFC 7162 §3.2.3).
var enables = map[string]enabledSet{
	"CONDSTORE": condstoreOn, "QRESYNC": qresyncOn, "UTF8=ACCEPT": utf8On, "IMAP4REV2": rev2On,
	"METADATA": metadataOn, "METADATA-SERVER": metadataOn, "UIDONLY": uidOnlyOn,
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
	before := c.enabled
	said := map[string]bool{}
	for _, name := range names {
		e, ok := c.server.reg.enable[name]
		if !ok || said[name] {
			continue
		}
		said[name] = true
		e.do(c)
		if c.enabled&^before&enables[name] != 0 {
			b = append(append(b, ' '), e.cap...)
		}
	}
	c.Write(append(b, '\r', '\n'))
	return c.done("")
}
