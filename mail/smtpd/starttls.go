package smtpd

// startTLS is RFC 3207.
var startTLS = extension{
	name: "STARTTLS", rfc: "3207",
	param:    func(s *session) (string, bool) { return "", s.c.CanStartTLS() },
	commands: []command{{"STARTTLS", outside, (*session).startTLS}},
}

// startTLS handles STARTTLS. All that the client said in plain text is
// forgotten (§4.2), what it sent after the command thrown away unread.
func (s *session) startTLS(args string) reply {
	switch {
	case args != "":
		return noArguments
	case s.c.TLS() != nil:
		return reply{code: 503, status: "5.5.1", text: "TLS is on already"}
	case !s.c.CanStartTLS():
		return reply{code: 454, status: "4.7.0", text: "TLS is not available"}
	}
	s.send(reply{code: 220, status: "2.0.0", text: "Go ahead"})
	if err := s.c.StartTLS(); err != nil {
		s.c.Log().Info("TLS failed", "error", err)
		return reply{hangup: true}
	}
	s.reset()
	s.helo, s.plain, s.login = "", false, nil
	return answered
}
