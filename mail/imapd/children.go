package imapd

import "atrium/mail/imapd/wire"

// children makes LIST show \HasChildren and \HasNoChildren, always, as most clients ask for them.
var children = extension{
	name: "CHILDREN", rfc: "RFC 3348", what: "LIST tells which mailboxes have others below them",
	listReturns: map[string]func(*listArgs, *wire.Reader){"CHILDREN": func(*listArgs, *wire.Reader) {}},
}
