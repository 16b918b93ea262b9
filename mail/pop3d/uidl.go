package pop3d

import (
	"atrium/mail"
)

// uidl has UIDL (RFC 1939 §7).
var uidl = extension{name: "UIDL", rfc: "1939", caps: always("UIDL"), commands: []command{
	{name: "UIDL", states: transaction, max: 1, run: (*session).doUIDL},
}}

// doUIDL reads ids of another server once in a session.
func (s *session) doUIDL(args []string) error {
	if d := s.drop; !d.looked {
		var err error
		if d.uidls, err = d.box.UIDLs(s.c.Context(), d.key.id); err != nil {
			return err
		}
		d.looked = true
	}
	if len(args) == 0 {
		s.text("+OK Unique ids follow")
		return s.list(s.drop.uidl)
	}
	pos, ok := s.number(args[0])
	if !ok {
		s.text(noMessage)
		return nil
	}
	m := s.drop.at(pos)
	s.text("+OK ", args[0], " ", string(s.drop.uidl(nil, &m)))
	return nil
}

// uidl appends a message's unique id: UID and UIDVALIDITY in hexadecimal. Neither
// is ever used again, and it is what Dovecot makes of them by default, so that a
// mailbox that moved here with both keeps its ids. An id that another server gave
// counts instead.
func (d *drop) uidl(b []byte, m *mail.Message) []byte {
	if id, ok := d.uidls[m.UID]; ok {
		return append(b, id...)
	}
	return appendHex(appendHex(b, uint32(m.UID)), d.snap.UIDValidity)
}

// appendHex appends 8 hexadecimal digits.
func appendHex(b []byte, v uint32) []byte {
	const digits = "0123456789abcdef"
	for shift := 28; shift >= 0; shift -= 4 {
		b = append(b, digits[v>>shift&15])
	}
	return b
}
