package imapd

import "atrium/mail/imapd/wire"

var listExtended = extension{
	name: "LIST-EXTENDED", rfc: "RFC 5258", what: "LIST with several patterns, selections and returns",
	listSelects: map[string]func(*listArgs){
		"SUBSCRIBED":     func(a *listArgs) { a.subscribed = true },
		"REMOTE":         func(a *listArgs) { a.remote = true }, // all mailboxes are here
		"RECURSIVEMATCH": func(a *listArgs) { a.recursive = true },
	},
	listReturns: map[string]func(*listArgs, *wire.Reader){
		"SUBSCRIBED": func(a *listArgs, _ *wire.Reader) { a.showSubscribed = true },
	},
}
