package imapd

import "atrium/mail/imapd/wire"

var listStatus = extension{
	name: "LIST-STATUS", rfc: "RFC 5819", what: "LIST with the STATUS of each mailbox",
	listReturns: map[string]func(*listArgs, *wire.Reader){"STATUS": func(a *listArgs, r *wire.Reader) {
		r.SP()
		a.status = a.c.readStatusItems(r)
	}},
}
