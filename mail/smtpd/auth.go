package smtpd

import (
	"errors"
	"strings"

	"atrium/mail/auth"
	"atrium/mail/conn"
)

// authentication is RFC 4954, for submission.
var authentication = extension{
	name: "AUTH", rfc: "4954", dialects: []Dialect{Submission},
	param: func(s *session) (string, bool) {
		names := s.server.auth.Mechanisms(s.peer())
		return strings.Join(names, " "), len(names) > 0
	},
	commands: []command{{"AUTH", outside, (*session).logIn}},
	// What another server vouched for (§5) is read and not relied on.
	mail: map[string]func(*session, *transaction, param) reply{"AUTH": func(_ *session, _ *transaction, p param) reply {
		if v, err := decodeXtext(p.value); err != nil || v == "" {
			return badArguments
		}
		return answered
	}},
}

// errExchange is a line of an exchange that was not to be had.
var errExchange = errors.New("line too long")

// logIn handles AUTH, RFC 4954 §4.
func (s *session) logIn(args string) reply {
	mechanism, initial, has := strings.Cut(args, " ")
	switch {
	case s.login != nil:
		return reply{code: 503, status: "5.5.1", text: "You have logged in already"}
	case mechanism == "":
		return badArguments
	}
	var first []byte
	if has {
		first = []byte(strings.TrimLeft(initial, " "))
	}
	var broken error
	who, err := s.server.auth.Run(s.c.Context(), s.peer(), strings.ToUpper(mechanism), first, func(challenge string) ([]byte, error) {
		s.send(reply{code: 334, text: challenge})
		if err := s.c.Wait(nil, s.server.cfg.Timeout); err != nil {
			broken = err
			return nil, err
		}
		line, err := s.c.ReadLine(auth.MaxResponse)
		if errors.Is(err, conn.TooLong) {
			return nil, errExchange // RFC 4954 §4: 500 5.5.6
		}
		broken = err
		return line, err
	})
	switch {
	case broken != nil:
		s.farewell(broken)
		return reply{hangup: true}
	case errors.Is(err, errExchange):
		return lineTooLong
	case err != nil:
		return s.refuse(err)
	}
	if s.c.Claim(who.Name) != nil {
		return closing(reply{code: 421, status: "4.7.0", text: s.server.hostText("Too many connections of this account")})
	}
	s.login = who
	s.c.AddLog("user", who.Name)
	return reply{code: 235, status: "2.7.0", text: "Welcome"}
}

// refuse answers a log-in that failed.
func (s *session) refuse(err error) reply {
	for _, f := range refusals {
		if errors.Is(err, f.class) {
			return f.reply
		}
	}
	s.c.Log().Error("login failed for a failure of this server", "error", err)
	return reply{code: 454, status: "4.7.0", text: "Cannot log in now, try again later"}
}
