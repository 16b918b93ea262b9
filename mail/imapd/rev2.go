package imapd

import (
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"atrium/mail/imapd/wire"
)

// rev2 is IMAP4rev2. All that it took over from extensions is there for everyone; what
// differs from IMAP4rev1 begins with ENABLE, and is where rev2On is looked at: ESEARCH for
// SEARCH, no RECENT, no \Recent and no UNSEEN, names in UTF-8, LIST in the answers of SELECT, UID in each FETCH
// that comes unasked, [CLOSED]. Commands that it took away (CHECK, LSUB) still answer.
var rev2 = extension{
	name: "IMAP4rev2", rfc: "RFC 9051", what: "The protocol as it is now, with ENABLE",
	caps: func(c *session) []imap.Cap {
		if !c.server.reg.rev2() {
			return nil
		}
		return []imap.Cap{imap.CapIMAP4rev2}
	},
	enable: map[imap.Cap]func(*session){imap.CapIMAP4rev2: func(c *session) {
		if c.server.reg.rev2() {
			c.enabled |= rev2On
			c.reader.UTF8 = true
		}
	}},
	opened: func(c *session, a *selectArgs) error {
		if !c.has(rev2On) {
			return nil
		}
		return c.tellName(a.name, a.given) // RFC 9051 §6.3.2
	},
}

// rev2() tells whether all that IMAP4rev2 consists of (RFC 9051 appendix E) is switched on.
func (reg *registry) rev2() bool {
	return !slices.ContainsFunc([]string{
		"ENABLE", "NAMESPACE", "UNSELECT", "UIDPLUS", "ESEARCH", "SEARCHRES", "IDLE", "SASL-IR", "LIST-EXTENDED",
		"LIST-STATUS", "MOVE", "LITERAL-", "BINARY", "STATUS=SIZE", "QUOTA", "SPECIAL-USE", "CHILDREN",
	}, func(name string) bool { return !reg.has(name) })
}

// rewritten tells whether a name is kept in another way than the client wrote it, which an IMAP4rev2 client is told by
// OLDNAME (RFC 9051 §6.3.9.7).
func (c *session) rewritten(given, name string) bool {
	return c.has(rev2On) && strings.TrimSuffix(given, "/") != c.canonical(name)
}

// tellName writes the LIST answer of one mailbox, with OLDNAME when the client knows it by another name.
func (c *session) tellName(name, given string) error {
	name = c.canonical(name)
	a := &listArgs{c: c, patterns: []string{name}}
	boxes, err := c.mailboxes(a)
	if err != nil {
		return err
	}
	for i := range boxes {
		if boxes[i].Name == name {
			attrs := c.appendAttrs(nil, a, &listed{Mailbox: &boxes[i], name: name})
			if strings.EqualFold(given, name) { // INBOX may be written in any case
				given = ""
			}
			c.writeOldName(string(attrs), name, given)
			break
		}
	}
	return nil
}

// writeOldName writes a LIST answer; with given OLDNAME.
func (c *session) writeOldName(attrs, name, given string) {
	b := append(append(c.AvailableBuffer(2048), "* LIST ("...), attrs...)
	b = wire.AppendMailbox(append(b, ") \"/\" "...), c.canonical(name), true)
	if given != "" {
		b = append(b, ` ("OLDNAME" (`...)
		b = append(wire.AppendMailbox(b, given, true), "))"...)
	}
	c.Write(append(b, '\r', '\n'))
}
