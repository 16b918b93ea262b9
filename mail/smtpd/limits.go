package smtpd

import "strconv"

// limits is RFC 9422: how many recipients, domains of them and messages are taken.
var limits = extension{
	name: "LIMITS", rfc: "9422",
	param: func(s *session) (string, bool) {
		out := "RCPTMAX=" + strconv.Itoa(s.server.cfg.MaxRecipients)
		if s.server.cfg.MaxMails > 0 {
			out = "MAILMAX=" + strconv.Itoa(s.server.cfg.MaxMails) + " " + out
		}
		if m := s.server.cfg.MaxDomains; m > 0 {
			out += " RCPTDOMAINMAX=" + strconv.Itoa(m)
		}
		return out, true
	},
}
