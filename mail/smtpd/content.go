package smtpd

import (
	"errors"
	"fmt"
	"io"

	"atrium/mail/authres"
	"atrium/mail/conn"
	"atrium/mail/delivery"
	"atrium/storage"
	"atrium/storage/blob"
)

// content is a message's content on its way in, by DATA or BDAT. As an
// io.Writer it never fails: what went wrong is told at the end, since the
// client goes on sending.
type content struct {
	message *delivery.Message
	to      io.Writer // message, or what edits the header before it
	err     error
	n       int64 // bytes that came, kept or not
}

// ownFields tell what this server thinks of a message: no one else may say it.
const ownFields = "X-Atrium-"

// begin opens a message for the transaction.
func (s *session) begin() (*content, error) {
	m, err := s.server.delivery.Open(s.c.Context(), s.envelope())
	if err != nil {
		return nil, err
	}
	c := &content{message: m, to: m}
	host := s.server.cfg.Hostname
	switch s.server.dialect {
	case Submission:
		c.to = &header{to: m, edit: func(h []byte) ([]byte, error) {
			return s.submitted(authres.StripOwn(h, ownFields), host, m.Envelope().Time)
		}}
	case SMTP:
		c.to = &header{to: m, edit: func(h []byte) ([]byte, error) { return authres.Strip(h, host, ownFields), nil }}
	case LMTP: // what the server before this one proved stays
		c.to = &header{to: m, any: true, edit: func(h []byte) ([]byte, error) { return authres.StripOwn(h, ownFields), nil }}
	}
	return c, nil
}

func (c *content) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	if c.err == nil {
		_, c.err = c.to.Write(p)
	}
	return len(p), nil
}

func (c *content) close() { c.message.Close() }

// flood tells whether so much came beyond the limit that it is not to be read to its end.
func (s *session) flood(n int64) bool { return n > 4*s.server.delivery.Config().MaxMessage }

// data handles DATA, RFC 5321 §4.1.1.4.
func (s *session) data(args string) reply {
	switch {
	case args != "":
		return noArguments
	case s.tx.content != nil:
		return badSequence // RFC 3030 §2: not after BDAT
	case s.tx.binary:
		return reply{code: 503, status: "5.5.1", text: "BDAT is needed for BINARYMIME"} // RFC 3030 §3
	case len(s.tx.routes) == 0:
		return reply{code: 503, status: "5.5.1", text: "No valid recipients"} // RFC 2033 §4.2
	}
	c, err := s.begin()
	if err != nil {
		s.reset()
		return s.failure(err)
	}
	s.tx.content = c
	s.send(reply{code: 354, text: "Send the message, end with a dot on a line by itself"})
	var u unstuffer
	for end := false; !end; {
		p, err := s.c.Peek()
		if err != nil {
			return s.cut(err)
		}
		var n int
		n, end = u.take(c, p)
		s.c.Discard(n)
		if s.flood(c.n) {
			return closing(tooBig)
		}
	}
	return s.complete(u.strict())
}

// cut ends a dialog that broke within the content.
func (s *session) cut(err error) reply {
	if errors.Is(err, conn.TimedOut) {
		s.farewell(err)
	} else {
		s.c.Log().Info("connection lost within a message", "error", err)
	}
	return reply{hangup: true}
}

// complete delivers the content that has come to its end, and answers: for
// LMTP once for each recipient (RFC 2033 §4.2). The transaction is over.
func (s *session) complete(strict bool) reply {
	defer s.reset()
	c, routes := s.tx.content, s.tx.routes
	if h, ok := c.to.(*header); ok && c.err == nil {
		c.err = h.end()
	}
	switch {
	case !strict:
		return s.toEach(looseLines, len(routes))
	case c.err != nil:
		return s.toEach(s.unfit(c.err), len(routes))
	}
	own := s.server.dialect == Submission // is signed as it goes out; what others signed is looked at as it came
	if own && s.tx.binary {
		if r := s.encode(c.message); r.code != 0 {
			return r
		}
	}
	if err := s.checked(c.message); err != nil {
		return s.toEach(s.failure(err), len(routes))
	}
	if !own && s.tx.binary {
		if r := s.encode(c.message); r.code != 0 {
			return s.toEach(r, len(routes))
		}
	}
	results := c.message.Deliver(s.c.Context())
	s.note(results)
	s.tell(results)
	if s.server.dialect != LMTP {
		return s.outcome(results)
	}
	for _, r := range results {
		s.send(s.result(r.Err))
	}
	return answered
}

// encode makes text of what came as BINARYMIME.
func (s *session) encode(m *delivery.Message) reply {
	err := m.Encode(s.c.Context())
	switch {
	case errors.Is(err, storage.Invalid):
		return looseLines
	case err != nil:
		return s.unfit(err)
	}
	return answered
}

// checked shows the message to the checkers. What they find out goes on top of it.
func (s *session) checked(m *delivery.Message) error {
	var fields []byte
	for _, c := range s.server.checkers {
		more, err := c.Check(s.c.Context(), m)
		if err != nil {
			return err
		}
		fields = append(fields, more...)
	}
	if len(fields) == 0 {
		return nil
	}
	return m.Stamp(s.c.Context(), fields)
}

// unfit answers content that could not be taken in.
func (s *session) unfit(err error) reply {
	switch {
	case errors.Is(err, blob.TooLarge):
		return tooBig
	case errors.As(err, new(*badHeader)):
		return s.badHeader(err)
	case errors.Is(err, errHeader):
		return reply{code: 552, status: "5.3.4", text: "Header is larger than the limit"}
	}
	s.c.Log().Error("message could not be taken in", "error", err)
	return reply{code: 452, status: "4.3.1", text: "No room for the message, try again later"}
}

// note writes the log's line for a message.
func (s *session) note(results []delivery.Result) {
	e := s.tx.content.message.Envelope()
	failed := 0
	for _, r := range results {
		if r.Err != nil {
			failed++
			s.c.Log().Warn("not delivered", "message", e.ID, "recipient", r.Route.Address, "error", r.Err)
		}
	}
	if failed < len(results) {
		s.errors, s.idle = 0, 0
		s.c.Log().Info("delivered", "message", e.ID, "from", e.From, "recipients", len(results)-failed, "bytes", s.tx.content.n)
	}
}

// toEach gives one answer, for LMTP to every recipient. Where it ends the
// dialog for one it ends it for all.
func (s *session) toEach(r reply, recipients int) reply {
	if s.server.dialect != LMTP {
		return r
	}
	for range recipients - 1 {
		s.send(r)
	}
	return r
}

// result answers for one recipient.
func (s *session) result(err error) reply {
	if err != nil {
		return s.failure(err)
	}
	e := s.tx.content.message.Envelope()
	done := "delivered"
	if e.Queued() {
		done = "queued"
	}
	return reply{code: 250, status: "2.0.0", text: "Ok: " + done + " as " + e.ID}
}

// outcome answers for all recipients with one reply. When it fails for some the
// client sends it again to all; delivery then knows who has it.
func (s *session) outcome(results []delivery.Result) reply {
	var worst error
	good := 0
	for _, r := range results {
		switch {
		case r.Err == nil:
			good++
		case worst == nil || !delivery.Temporary(worst) && delivery.Temporary(r.Err):
			worst = r.Err
		}
	}
	if r := s.result(worst); good == 0 || worst == nil || r.code < 500 {
		return r
	}
	return reply{code: 451, status: "4.2.0", text: fmt.Sprintf("Delivered to %d of %d recipients, try again later", good, len(results))}
}
