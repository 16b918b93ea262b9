package pop3d

import (
	"errors"
	"io"
	"strconv"

	"atrium/mail"
	"atrium/storage/blob"
)

// top has TOP (RFC 1939 §7).
var top = extension{name: "TOP", rfc: "1939", caps: always("TOP"), commands: []command{
	{name: "TOP", states: transaction, min: 2, max: 2, run: (*session).doTop},
}}

// cutShort is a failure after an answer began: the connection must end, since the
// client cannot be told otherwise that something is missing.
type cutShort struct {
	err  error
	ours bool // the store failed, not the peer
}

func (e *cutShort) Error() string { return e.err.Error() }
func (e *cutShort) Unwrap() error { return e.err }

// doRetr sends a message. Nothing is held but the store's and the connection's
// buffers, however large it is.
func (s *session) doRetr(args []string) error {
	pos, ok := s.number(args[0])
	if !ok {
		s.text(noMessage)
		return nil
	}
	m := s.drop.at(pos)
	sent, err := s.sendReady(pos)
	if !sent {
		err = s.send(&m)
	}
	if err != nil {
		return err
	}
	s.next = pos + 1
	s.drop.count++
	s.drop.fetched = appendUID(s.drop.fetched, m.UID)
	return nil
}

// send sends a message.
func (s *session) send(m *mail.Message) error {
	body, err := s.drop.box.Body(s.c.Context(), s.drop.key.id, *m)
	if err != nil {
		return err
	}
	defer body.Close()
	size := body.Size()
	if s.surrogate(m) {
		if size, err = s.size(m); err != nil {
			return err
		}
	}
	s.text("+OK ", strconv.FormatInt(size, 10), " octets")
	w := stuffer{w: s.c, bol: true}
	if s.surrogate(m) {
		err = s.downgrade(&w, m, body)
	} else {
		_, err = body.WriteTo(&w)
	}
	if err != nil {
		return &cutShort{err, !w.failed}
	}
	if err := w.close(); err != nil {
		return &cutShort{err, false}
	}
	return nil
}

// doTop sends a message's header, the empty line, and so many lines of the body.
func (s *session) doTop(args []string) error {
	pos, ok := s.number(args[0])
	if !ok {
		s.text(noMessage)
		return nil
	}
	n, err := strconv.ParseUint(args[1], 10, 63)
	if err != nil {
		s.text("-ERR Not a number of lines")
		return nil
	}
	m := s.drop.at(pos)
	body, err := s.drop.box.Body(s.c.Context(), s.drop.key.id, m)
	if err != nil {
		return err
	}
	defer body.Close()
	s.text("+OK Top follows")
	w := stuffer{w: s.c, bol: true}
	if s.surrogate(&m) {
		err = s.downgrade(&topOnly{&w, topper{left: int64(n), empty: true}}, &m, body)
	} else {
		err = copyTop(&w, body, int64(n))
	}
	if err != nil && !errors.Is(err, errTop) {
		return &cutShort{err, !w.failed}
	}
	if err := w.close(); err != nil {
		return &cutShort{err, false}
	}
	return nil
}

// topChunk is how much is read at once: most headers fit.
const topChunk = 8 << 10

// copyTop copies a header and n lines of what follows.
func copyTop(w io.Writer, body blob.Body, n int64) error {
	buf := make([]byte, topChunk)
	t := topper{left: n, empty: true}
	for off := int64(0); off < body.Size(); {
		k, err := body.ReadAt(buf[:min(topChunk, body.Size()-off)], off)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		off += int64(k)
		part := buf[:t.take(buf[:k])]
		if _, err := w.Write(part); err != nil {
			return err
		}
		if len(part) < k {
			return nil
		}
	}
	return nil
}

// topper finds where TOP ends.
type topper struct {
	body  bool  // the header is over
	left  int64 // lines of the body that are still to come
	empty bool  // the line under way has nothing so far, or only a CR
}

// take returns how much of p belongs to the top.
func (t *topper) take(p []byte) int {
	for i, c := range p {
		if t.body && t.left == 0 {
			return i
		}
		switch c {
		case '\n':
			if t.body {
				t.left--
			} else if t.empty {
				t.body = true
			}
			t.empty = true
		case '\r':
		default:
			t.empty = false
		}
	}
	return len(p)
}
