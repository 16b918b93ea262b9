package pop3d

import (
	"bytes"
	"io"
)

// stuffer writes a message as an answer of many lines (RFC 1939 §3): each line
// ends in CRLF whatever it ended in, and a dot at its beginning is doubled. What needs
// no change, nearly everything, is passed on in long pieces.
type stuffer struct {
	w      io.Writer
	bol    bool // at the beginning of a line
	cr     bool // the last byte was a CR
	failed bool // w has failed
}

var (
	dot  = []byte(".")
	crlf = []byte("\r\n")
	end  = []byte(".\r\n")
	lf   = []byte("\n")
)

// Write writes the next part of the message.
func (s *stuffer) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	from := 0 // p[from:] is not written yet
	for i := 0; i < len(p); {
		if s.bol && p[i] == '.' {
			if err := s.flush(p[from:i], dot); err != nil {
				return from, err
			}
			from = i
		}
		k := bytes.IndexByte(p[i:], '\n')
		if k < 0 {
			s.bol = false
			break
		}
		at := i + k
		if bare := at > 0 && p[at-1] != '\r' || at == 0 && !s.cr; bare {
			if err := s.flush(p[from:at], crlf); err != nil {
				return from, err
			}
			from = at + 1
		}
		s.bol = true
		i = at + 1
	}
	s.cr = p[len(p)-1] == '\r'
	if err := s.flush(p[from:], nil); err != nil {
		return from, err
	}
	return len(p), nil
}

func (s *stuffer) flush(p, insert []byte) (err error) {
	if len(p) > 0 {
		_, err = s.w.Write(p)
	}
	if err == nil && len(insert) > 0 {
		_, err = s.w.Write(insert)
	}
	s.failed = err != nil
	return err
}

// close ends the last line, if the message did not, and the answer.
func (s *stuffer) close() error {
	switch {
	case s.bol:
	case s.cr:
		if err := s.flush(lf, nil); err != nil {
			return err
		}
	default:
		if err := s.flush(crlf, nil); err != nil {
			return err
		}
	}
	return s.flush(end, nil)
}
