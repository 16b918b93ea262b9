package smtpd

// requireTLS is RFC 8689: the message may travel over TLS alone. It is offered
// where it came over TLS; here its way ends, and what goes on from here keeps the
// demand (delivery.Envelope.RequireTLS).
var requireTLS = extension{
	name: "REQUIRETLS", rfc: "8689",
	param: func(s *session) (string, bool) { return "", s.c.TLS() != nil },
	mail: map[string]func(*session, *transaction, param) reply{"REQUIRETLS": func(s *session, tx *transaction, p param) reply {
		switch {
		case p.has:
			return badArguments
		case s.c.TLS() == nil:
			return reply{code: 530, status: "5.7.10", text: "REQUIRETLS needs TLS"}
		}
		tx.requireTLS = true
		return answered
	}},
}
