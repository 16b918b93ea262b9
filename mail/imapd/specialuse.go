package imapd

import (
	"github.com/emersion/go-imap/v2"

	"atrium/mail/imapd/wire"
)

// specialUse makes LIST show special uses, always, as RFC 6154 §5 allows.
var specialUse = extension{
	name: "SPECIAL-USE", rfc: "RFC 6154", what: "LIST tells where sent mail, drafts and so on belong",
	listSelects: map[string]func(*listArgs){"SPECIAL-USE": func(a *listArgs) { a.special = true }},
	listReturns: map[string]func(*listArgs, *wire.Reader){
		"SPECIAL-USE": func(a *listArgs, _ *wire.Reader) { a.showSpecial = true },
	},
}

var createSpecialUse = extension{
	name: "CREATE-SPECIAL-USE", rfc: "RFC 6154 §3", what: "CREATE of a mailbox with a special use",
	createParams: map[string]func(*createArgs, *wire.Reader){"USE": func(a *createArgs, r *wire.Reader) {
		r.SP()
		r.List(func() {
			r.Take('\\')
			a.uses = append(a.uses, imap.MailboxAttr(`\`+r.Atom()))
		})
	}},
}
