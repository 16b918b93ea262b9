package imapd

import "atrium/mail/imapd/wire"

// preview was made at delivery, so that LAZY waits for nothing.
var preview = extension{
	name: "PREVIEW", rfc: "RFC 8970", what: "The first words of a message",
	fetchItems: map[string]fetchItem{"PREVIEW": func(c *session, a *fetchArgs, r *wire.Reader) {
		if r.Peek() == ' ' {
			r.TryModifier("LAZY")
		}
		a.index = true
		a.add(func(f *fetch, m *fetched) error {
			f.buf = append(f.buf, "PREVIEW "...)
			f.buf = wire.AppendString(f.buf, string(m.index.Preview()), f.c.utf8Names())
			return nil
		})
	}},
}
