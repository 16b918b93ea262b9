package imapd

import (
	"github.com/emersion/go-imap/v2"

	"atrium/mail/imapd/wire"
)

var startTLS = extension{
	name: "STARTTLS", rfc: "RFC 3501 §6.2.1, RFC 8314", what: "TLS on the plain port",
	caps: func(c *session) []imap.Cap {
		if c.state == greeted && c.CanStartTLS() {
			return []imap.Cap{imap.CapStartTLS}
		}
		return nil
	},
	commands: []command{{"STARTTLS", greeted, silent, noArgs(func(c *session) error {
		if !c.CanStartTLS() {
			return bad("TLS is not to be had")
		}
		if err := c.done(""); err != nil {
			return err
		}
		if err := c.StartTLS(); err != nil { // what was sent in plain text is thrown away
			return &wire.InputError{Err: err}
		}
		return nil
	})}},
}
