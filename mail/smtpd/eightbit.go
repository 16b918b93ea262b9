package smtpd

import "strings"

// eightBit is RFC 6152. All content is kept as it comes, so BODY asks for nothing.
var eightBit = extension{
	name: "8BITMIME", rfc: "6152",
	mail: map[string]func(*session, *transaction, param) reply{"BODY": func(s *session, tx *transaction, p param) reply {
		switch strings.ToUpper(p.value) {
		case "7BIT", "8BITMIME":
			return answered
		case "BINARYMIME":
			if tx.binary = s.binaryOK(); tx.binary {
				return answered
			}
		}
		return reply{code: 501, status: "5.5.4", text: "BODY is 7BIT or 8BITMIME"}
	}},
}
