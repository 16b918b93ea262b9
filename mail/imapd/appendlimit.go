package imapd

import (
	"strconv"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/imapd/wire"
)

// appendLimit tells Config.MaxAppend, which is the same for all mailboxes.
var appendLimit = extension{
	name: "APPENDLIMIT", rfc: "RFC 7889", what: "The largest message that APPEND takes",
	caps: func(c *session) []imap.Cap {
		return []imap.Cap{imap.Cap("APPENDLIMIT=" + strconv.FormatInt(c.server.cfg.MaxAppend, 10))}
	},
	statusItems: map[string]statusItem{"APPENDLIMIT": func(c *session, b []byte, _ *mail.Mailbox) []byte {
		return wire.AppendUint(b, uint64(c.server.cfg.MaxAppend))
	}},
}
