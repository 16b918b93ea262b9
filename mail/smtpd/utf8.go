package smtpd

// smtputf8 is RFC 6531: addresses and headers in UTF-8.
var smtputf8 = extension{
	name: "SMTPUTF8", rfc: "6531",
	mail: map[string]func(*session, *transaction, param) reply{"SMTPUTF8": func(_ *session, tx *transaction, p param) reply {
		if p.has {
			return badArguments
		}
		tx.utf8 = true
		return answered
	}},
}
