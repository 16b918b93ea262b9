package imapd

import (
	"atrium/mail"
	"atrium/mail/imapd/wire"
)

var listMyRights = extension{
	name: "LIST-MYRIGHTS", rfc: "RFC 8440", what: "LIST with the user's rights on each mailbox",
	listReturns: map[string]func(*listArgs, *wire.Reader){"MYRIGHTS": func(a *listArgs, _ *wire.Reader) {
		a.after = append(a.after, func(name string, m *mail.Mailbox) { a.c.writeMyRights(name, m) })
	}},
}
