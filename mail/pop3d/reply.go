package pop3d

import (
	"errors"

	"atrium/mail/auth"
	"atrium/mail/conn"
	"atrium/storage"
	"atrium/storage/account"
	"atrium/storage/blob"
)

// replies say what a class of failure is called in POP3, with the codes of RFC
// 2449 §8 and RFC 3206 §4. The first that matches counts.
var replies = []struct {
	kind error
	text string
	log  bool // the administrator should know
}{
	{account.Denied, "-ERR [AUTH] Wrong name or password", false},
	{account.Disabled, "-ERR [AUTH] Account is disabled", false},
	{account.Locked, "-ERR [SYS/TEMP] Too many failed logins from your address, try again later", false},
	{account.Busy, "-ERR [SYS/TEMP] Too many logins at once, try again later", false},
	{auth.NeedsTLS, "-ERR Use STLS or a port with TLS first", false},
	{auth.Unknown, "-ERR Mechanism is not supported", false},
	{auth.Malformed, "-ERR Malformed response", false},
	{auth.Cancelled, "-ERR Cancelled", false},
	{conn.TooLong, "-ERR Line too long", false},
	{conn.Busy, "-ERR [IN-USE] Too many connections of this account", false},
	{storage.NotFound, "-ERR [SYS/PERM] Message is no longer there", false},
	{storage.Forbidden, "-ERR [SYS/PERM] No right to do that", false},
	{blob.Corrupt, "-ERR [SYS/PERM] Message is damaged on the server", true},
	{storage.Corrupt, "-ERR [SYS/PERM] Message is damaged on the server", true},
}

// failure is what everything else is called.
const failure = "-ERR [SYS/TEMP] Server failure, try again later"

// fail answers a command that failed.
func (s *session) fail(cmd *command, err error) {
	text, log := failure, true
	for _, r := range replies {
		if errors.Is(err, r.kind) {
			text, log = r.text, r.log
			break
		}
	}
	if log {
		s.c.Log().Error("command failed", "command", cmd.name, "error", err)
	}
	s.text(text)
}
