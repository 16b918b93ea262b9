package smtpd

import (
	"slices"
	"strings"

	"atrium/mail/auth"
)

// base is RFC 5321.
var base = extension{rfc: "5321", commands: []command{
	{"HELO", always, (*session).helloPlain},
	{"EHLO", always, (*session).hello},
	{"MAIL", loggedIn, (*session).mail},
	{"RCPT", inMail, (*session).rcpt},
	{"DATA", inMail, (*session).data},
	{"RSET", always, (*session).rset},
	{"NOOP", always, func(*session, string) reply { return okReply }},
	{"VRFY", greeted, (*session).vrfy},
	{"EXPN", greeted, func(*session, string) reply {
		return reply{code: 502, status: "5.5.1", text: "Lists are not shown"}
	}},
	{"HELP", always, (*session).help},
	{"QUIT", always, (*session).quit},
}}

// hello handles EHLO, RFC 5321 §4.1.1.1. It ends a transaction (§4.1.4).
func (s *session) hello(args string) reply {
	if s.server.dialect == LMTP {
		return reply{code: 500, status: "5.5.1", text: "This is LMTP, say LHLO"} // RFC 2033 §4.1
	}
	return s.greet(args)
}

// helloPlain handles HELO.
func (s *session) helloPlain(args string) reply {
	if s.server.dialect == LMTP {
		return reply{code: 500, status: "5.5.1", text: "This is LMTP, say LHLO"}
	}
	r := s.greet(args)
	if r.code == 250 {
		s.plain = true
		r.text = s.server.hostText()
	}
	return r
}

// greet is EHLO and LHLO.
func (s *session) greet(name string) reply {
	if !isHello(name) {
		return reply{code: 501, status: "5.5.4", text: "A name of the client is needed"}
	}
	s.reset()
	before := s.helo
	s.helo, s.plain = name, false
	if r := s.admit(Greeting, ""); r.code != 0 {
		s.helo = before
		return r
	}
	lines := append([]string{s.server.hostText()}, s.keywords()...)
	return reply{code: 250, text: strings.Join(lines, "\n")}
}

// rset handles RSET, RFC 5321 §4.1.1.5.
func (s *session) rset(args string) reply {
	if args != "" {
		return noArguments
	}
	s.reset()
	return okReply
}

// vrfy handles VRFY: RFC 5321 §3.5.3 and §7.3 allow not to tell.
func (s *session) vrfy(args string) reply {
	if args == "" {
		return badArguments
	}
	return reply{code: 252, status: "2.5.2", text: "Cannot tell, send mail and see"}
}

// help handles HELP, RFC 5321 §4.1.1.8.
func (s *session) help(string) reply {
	var verbs []string
	for v := range s.server.registry.commands {
		if s.server.dialect != LMTP || v != "HELO" && v != "EHLO" {
			verbs = append(verbs, v)
		}
	}
	slices.Sort(verbs)
	return reply{code: 214, status: "2.0.0", text: "Commands: " + strings.Join(verbs, " ")}
}

// quit handles QUIT.
func (s *session) quit(args string) reply {
	if args != "" {
		return noArguments
	}
	return closing(reply{code: 221, status: "2.0.0", text: s.server.hostText("Bye")})
}

func (s *session) peer() auth.Peer { return auth.PeerOf(s.c) }
