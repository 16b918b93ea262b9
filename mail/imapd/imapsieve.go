package imapd

import "github.com/emersion/go-imap/v2"

// imapSieve tells where the scripts are kept that mailboxes name in the entry mail.ScriptEntry. What runs
// them is mail.Store's OnEvent.
var imapSieve = extension{
	name: "IMAPSIEVE", rfc: "RFC 6785", what: "Scripts run when messages are put into a mailbox, copied there, or flagged",
	caps: func(c *session) []imap.Cap {
		if c.server.cfg.Sieve == "" {
			return nil
		}
		return []imap.Cap{imap.Cap("IMAPSIEVE=" + c.server.cfg.Sieve)}
	},
}
