package smtpd

import "strconv"

// limits is RFC 9422: how many recipients and messages are taken.
var limits = extension{
	name: "LIMITS", rfc: "9422",
	param: func(s *session) (string, bool) {
		out := "RCPTMAX=" + strconv.Itoa(s.server.cfg.MaxRecipients)
		if s.server.cfg.MaxMails > 0 {
			out = "MAILMAX=" + strconv.Itoa(s.server.cfg.MaxMails) + " " + out
		}
		return out, true
	},
}
