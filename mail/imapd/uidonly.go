package imapd

import "github.com/emersion/go-imap/v2"

// uidOnly takes message numbers out of the dialog once a client has enabled it: UIDFETCH stands for FETCH,
// VANISHED for EXPUNGE (view.writeGone), and commands that name messages by number are BAD.
var uidOnly = extension{
	name: "UIDONLY", rfc: "RFC 9586", what: "A dialog without message numbers",
	enable: map[imap.Cap]func(*session){"UIDONLY": func(c *session) { c.enabled |= uidOnlyOn }},
}

// errUIDRequired is the answer to message numbers (RFC 9586 §3.1).
var errUIDRequired = &reply{"BAD", "UIDREQUIRED", "Message numbers are not used in this session"}

// usesNumbers are the commands that take or give message numbers.
var usesNumbers = map[string]bool{
	"FETCH": true, "STORE": true, "COPY": true, "MOVE": true, "SEARCH": true, "SORT": true, "THREAD": true, "REPLACE": true,
}
