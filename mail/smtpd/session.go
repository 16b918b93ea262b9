package smtpd

import (
	"errors"
	"io"
	"strings"

	"atrium/mail/conn"
	"atrium/storage/account"
)

// session is one connection.
type session struct {
	server *Server
	c      *conn.Conn
	helo   string // what the client called itself; "" before it did
	plain  bool   // it said HELO
	login  *account.Account
	tx     *transaction // nil outside

	mails  int // transactions that were begun
	errors int // commands refused
	idle   int // commands since the last mail
	out    []byte
}

// serve holds the dialog on one connection.
func (s *Server) serve(c *conn.Conn) {
	ss := &session{server: s, c: c}
	defer ss.reset()
	if r := ss.admit(Connecting, ""); r.code != 0 {
		if r.code != 421 {
			r = reply{code: 554, status: r.status, text: r.text} // RFC 5321 §3.1
		}
		r.text = s.hostText(r.text)
		ss.send(r)
		return
	}
	ss.send(reply{code: 220, text: s.hostText(greetings[s.dialect], "Atrium")})
	for {
		line, err := ss.next()
		if errors.Is(err, conn.TooLong) {
			if ss.answer(lineTooLong) {
				return
			}
			continue
		}
		if err != nil {
			ss.farewell(err)
			return
		}
		if ss.answer(ss.command(line)) {
			return
		}
	}
}

var greetings = map[Dialect]string{SMTP: "ESMTP", Submission: "ESMTP", LMTP: "LMTP"}

// next reads a command line. A transaction that has begun is not ended by a
// shutdown as long as its commands are here.
func (s *session) next() ([]byte, error) {
	if s.tx == nil || s.c.Buffered() == 0 {
		if err := s.c.Wait(nil, s.server.cfg.Timeout); err != nil {
			return nil, err
		}
	}
	return s.c.ReadLine(s.server.limit)
}

// farewell tells the client why the connection ends, where it can hear it.
func (s *session) farewell(err error) {
	switch {
	case errors.Is(err, conn.TimedOut):
		s.send(reply{code: 421, status: "4.4.2", text: s.server.hostText("Timed out")})
	case errors.Is(err, conn.Stopping) && s.c.Ended():
		s.send(reply{code: 421, status: "4.7.0", text: s.server.hostText("The account's sessions were ended, log in again")})
	case errors.Is(err, conn.Stopping):
		s.send(reply{code: 421, status: "4.3.2", text: s.server.hostText("Shutting down, try again later")})
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, conn.Closed):
	default:
		s.c.Log().Debug("connection lost", "error", err)
	}
}

// command runs one command line.
func (s *session) command(line []byte) reply {
	verb, args, _ := strings.Cut(string(line), " ")
	for i := range len(line) {
		if line[i] < ' ' || line[i] == 0x7f {
			return reply{code: 500, status: "5.5.2", text: "Control characters in a command"}
		}
	}
	c := s.server.registry.commands[verb]
	if c == nil {
		c = s.server.registry.commands[strings.ToUpper(verb)]
	}
	if c == nil {
		return s.unknown(string(line))
	}
	if len(line) > s.server.cfg.MaxLine && c.verb != "AUTH" {
		return lineTooLong
	}
	if r := s.check(c.when); r.code != 0 {
		return r
	}
	return c.run(s, strings.Trim(args, " "))
}

// check tells whether a command may come now.
func (s *session) check(when phase) reply {
	switch {
	case when == always:
		return answered
	case s.helo == "":
		if s.server.dialect == LMTP {
			return reply{code: 503, status: "5.5.1", text: "Say LHLO first"}
		}
		return reply{code: 503, status: "5.5.1", text: "Say EHLO first"}
	case when >= loggedIn && s.server.auth != nil && s.login == nil:
		if s.c.CanStartTLS() && !s.server.auth.Plain(s.peer()) {
			return reply{code: 530, status: "5.7.0", text: "Say STARTTLS first, then log in"}
		}
		return reply{code: 530, status: "5.7.0", text: "Authentication required"}
	case when == outside || when == loggedIn:
		if s.tx != nil {
			return reply{code: 503, status: "5.5.1", text: "There is a transaction already"}
		}
	case when == inMail:
		if s.tx == nil {
			return reply{code: 503, status: "5.5.1", text: "Say MAIL first"}
		}
	}
	return answered
}

// unknown answers what is no command. Who speaks HTTP has been sent here to do
// harm, or by mistake; either way the dialog ends.
func (s *session) unknown(line string) reply {
	if s.helo == "" {
		for _, verb := range []string{"GET ", "POST ", "PUT ", "HEAD ", "OPTIONS ", "CONNECT ", "DELETE ", "PATCH "} {
			if strings.HasPrefix(line, verb) && strings.Contains(line, " HTTP/") {
				return closing(reply{code: 421, status: "4.7.0", text: s.server.hostText("This is not a web server")})
			}
		}
	}
	return reply{code: 500, status: "5.5.1", text: "Command not recognized"}
}

// answer sends the reply to a command and keeps count; it tells whether the
// dialog is over.
func (s *session) answer(r reply) (over bool) {
	if r.code == 0 {
		return r.hangup
	}
	s.idle++
	if r.code >= 500 && (s.server.dialect != LMTP || r.code < 505) {
		s.errors++ // an agent in front cannot help it that its recipients are unknown
	}
	s.send(r)
	switch {
	case r.hangup:
		return true
	case s.errors >= s.server.cfg.MaxErrors:
		s.send(reply{code: 421, status: "4.7.0", text: s.server.hostText("Too many errors")})
		return true
	case s.idle >= s.server.cfg.MaxIdle:
		s.send(reply{code: 421, status: "4.7.0", text: s.server.hostText("Too many commands without mail")})
		return true
	}
	return false
}

// send writes a reply into the output; it leaves when the next read must wait.
func (s *session) send(r reply) {
	if !s.server.registry.has["ENHANCEDSTATUSCODES"] {
		r.status = ""
	}
	s.out = appendReply(s.out[:0], r, s.tx != nil && s.tx.utf8)
	s.c.Write(s.out)
}

// reset ends the transaction.
func (s *session) reset() {
	if s.tx != nil && s.tx.content != nil {
		s.tx.content.close()
	}
	s.tx = nil
}
