package smtpd

import (
	"math"
	"strconv"
	"strings"
)

// chunking is RFC 3030 §2.
var chunking = extension{
	name: "CHUNKING", rfc: "3030",
	commands: []command{{"BDAT", always, (*session).bdat}},
}

// binaryMIME is RFC 3030 §3; BODY=BINARYMIME is read with the others (eightbit.go). What
// is no text becomes base64 before it is delivered: IMAP's BODY[] has no NUL (RFC 9051
// §4.3), and neither has what is sent on.
var binaryMIME = extension{
	name: "BINARYMIME", rfc: "3030",
	param: func(s *session) (string, bool) { return "", s.binaryOK() },
}

// binaryOK tells whether BINARYMIME is offered: where BDAT is.
func (s *session) binaryOK() bool {
	return s.server.registry.has["BINARYMIME"] && s.server.registry.has["CHUNKING"]
}

// bdat handles BDAT. The octets that follow it are read whatever the answer is,
// so that they are never taken for commands.
func (s *session) bdat(args string) reply {
	size, last, ok := parseChunk(args)
	if !ok {
		return closing(badArguments) // no one knows where the next command begins
	}
	r := s.check(inMail)
	switch {
	case r.code != 0:
	case len(s.tx.routes) == 0:
		r = reply{code: 503, status: "5.5.1", text: "No valid recipients"}
	case s.tx.content == nil:
		var err error
		if s.tx.content, err = s.begin(); err != nil {
			r = s.failure(err)
		}
	}
	var before int64
	if s.tx != nil && s.tx.content != nil {
		before = s.tx.content.n
	}
	if s.flood(size) || s.flood(before+size) {
		return closing(tooBig)
	}
	if r.code != 0 {
		return s.skip(size, r, last)
	}
	c := s.tx.content
	if err := s.c.CopyN(chunkWriter{c, &s.tx.lines}, size); err != nil {
		return s.cut(err)
	}
	if size > 0 {
		s.idle-- // a message may come in many chunks, which its size bounds
	}
	if last {
		return s.complete(s.tx.binary || s.tx.lines.strict())
	}
	if c.err != nil {
		return s.unfit(c.err) // what is to come is read and not kept; the last chunk tells once more
	}
	return reply{code: 250, status: "2.0.0", text: strconv.FormatInt(size, 10) + " octets"}
}

// skip reads a chunk that no one wants.
func (s *session) skip(size int64, r reply, last bool) reply {
	if err := s.c.CopyN(nowhere{}, size); err != nil {
		return s.cut(err)
	}
	if last && s.tx != nil {
		r = s.toEach(r, len(s.tx.routes))
		s.reset()
	}
	return r
}

// parseChunk reads "size [LAST]", RFC 3030 §2.
func parseChunk(args string) (size int64, last, ok bool) {
	number, rest, _ := strings.Cut(args, " ")
	if last = strings.EqualFold(strings.TrimSpace(rest), "LAST"); !last && strings.TrimSpace(rest) != "" {
		return 0, false, false
	}
	if number == "" || len(number) > 19 || strings.Trim(number, "0123456789") != "" {
		return 0, false, false
	}
	size, err := strconv.ParseInt(number, 10, 64)
	return size, last, err == nil && size < math.MaxInt64/2
}

// chunkWriter takes a chunk and looks at its lines on the way.
type chunkWriter struct {
	c     *content
	lines *lineChecker
}

func (w chunkWriter) Write(p []byte) (int, error) {
	w.lines.Write(p)
	return w.c.Write(p)
}

// nowhere takes everything.
type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
