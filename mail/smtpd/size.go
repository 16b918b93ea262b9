package smtpd

import "strconv"

// size is RFC 1870.
var size = extension{
	name: "SIZE", rfc: "1870",
	param: func(s *session) (string, bool) {
		return strconv.FormatInt(s.server.delivery.Config().MaxMessage, 10), true
	},
	mail: map[string]func(*session, *transaction, param) reply{"SIZE": func(s *session, tx *transaction, p param) reply {
		if p.value == "" || len(p.value) > 20 {
			return badArguments
		}
		for i := range len(p.value) {
			if p.value[i] < '0' || p.value[i] > '9' {
				return badArguments
			}
		}
		n, err := strconv.ParseInt(p.value, 10, 64)
		if err != nil || n > s.server.delivery.Config().MaxMessage {
			return tooBig // RFC 1870 §6.1
		}
		tx.size = n
		return answered
	}},
}
