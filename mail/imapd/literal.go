package imapd

import "github.com/emersion/go-imap/v2"

// literalPlus and literalMinus set what newSession allows the Reader. Only
// one of them may be announced (RFC 7888 §4).
var (
	literalPlus  = extension{name: "LITERAL+", rfc: "RFC 7888", what: "Literals without waiting"}
	literalMinus = extension{
		name: "LITERAL-", rfc: "RFC 7888", what: "Literals up to 4096 bytes without waiting, where LITERAL+ is off",
		caps: func(c *session) []imap.Cap {
			if c.server.reg.has("LITERAL+") {
				return nil
			}
			return []imap.Cap{imap.CapLiteralMinus}
		},
	}
)
