package smtpd

import (
	"bytes"
	"errors"
	"io"
)

// errHeader means that a header is too long to be edited.
var errHeader = errors.New("header too long")

// maxHeader bounds the header of a message that is edited, in bytes.
const maxHeader = 512 << 10

// header holds back a message's header on its way to the spool, until it is
// whole and edit has had it. Everything behind it goes through as it comes.
type header struct {
	to   io.Writer
	edit func(header []byte) ([]byte, error) // with the empty line that ends it, if there is one
	held []byte                              // the header so far
	seen int                                 // of held, what has no end of header in it
	done bool
	any  bool // a header that is too long goes through as it is
}

func (h *header) Write(p []byte) (int, error) {
	if h.done {
		return h.to.Write(p)
	}
	h.held = append(h.held, p...)
	end := h.find()
	if end < 0 && len(h.held) <= maxHeader {
		return len(p), nil
	}
	if end < 0 || end > maxHeader {
		if h.any {
			h.edit = func(b []byte) ([]byte, error) { return b, nil }
			return len(p), h.flush(len(h.held))
		}
		return 0, errHeader
	}
	return len(p), h.flush(end)
}

// find returns the length of the header with its empty line, -1 when it has not ended.
func (h *header) find() int {
	if bytes.HasPrefix(h.held, []byte("\r\n")) {
		return 2
	}
	from := max(h.seen-3, 0)
	if k := bytes.Index(h.held[from:], []byte("\r\n\r\n")); k >= 0 {
		return from + k + 4
	}
	h.seen = len(h.held)
	return -1
}

// end tells that no more comes.
func (h *header) end() error {
	if h.done {
		return nil
	}
	return h.flush(len(h.held))
}

// flush writes the header, the first n bytes of what is held, and the rest behind it.
func (h *header) flush(n int) error {
	h.done = true
	rest := h.held[n:]
	out, err := h.edit(h.held[:n:n])
	h.held = nil
	if err != nil {
		return err
	}
	if _, err := h.to.Write(out); err != nil {
		return err
	}
	_, err = h.to.Write(rest)
	return err
}
