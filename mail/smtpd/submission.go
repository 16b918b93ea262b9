package smtpd

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"time"
)

// errHeader means that a header is too long to be put right.
var errHeader = errors.New("header too long")

// maxHeader bounds the header of a submitted message, in bytes.
const maxHeader = 512 << 10

// header puts the header of a submitted message right on its way to the spool:
// Date and Message-ID are added when they are missing (RFC 6409 §8.2, §8.3), Bcc
// and Return-Path go (RFC 5322 §3.6.3, RFC 5321 §4.4). The rest stays as it is, octet for octet.
type header struct {
	to   io.Writer
	host string
	now  time.Time
	held []byte // the header so far
	seen int    // of held, what has no end of header in it
	done bool
}

func (h *header) Write(p []byte) (int, error) {
	if h.done {
		return h.to.Write(p)
	}
	h.held = append(h.held, p...)
	end := h.find()
	if end < 0 {
		if len(h.held) > maxHeader {
			return 0, errHeader
		}
		return len(p), nil
	}
	if end > maxHeader {
		return 0, errHeader
	}
	return len(p), h.flush(end)
}

// find returns where the header ends, -1 when it has not ended.
func (h *header) find() int {
	if bytes.HasPrefix(h.held, []byte("\r\n")) {
		return 0
	}
	from := max(h.seen-3, 0)
	if k := bytes.Index(h.held[from:], []byte("\r\n\r\n")); k >= 0 {
		return from + k + 2
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
	out := make([]byte, 0, len(h.held)+256)
	var kept []byte
	var date, id bool
	first := true
	for rest := h.held[:n]; len(rest) > 0; first = false {
		field := firstField(rest)
		rest = rest[len(field):]
		name, _, ok := bytes.Cut(field, []byte(":"))
		name = bytes.TrimRight(name, " \t")
		if first && (!ok || bytes.ContainsAny(name, " \t")) {
			// No header at all: everything is the body.
			out = h.add(out, true, true)
			out = append(append(out, "\r\n"...), h.held...)
			h.held = nil
			_, err := h.to.Write(out)
			return err
		}
		switch {
		case bytes.EqualFold(name, []byte("Bcc")), bytes.EqualFold(name, []byte("Resent-Bcc")), bytes.EqualFold(name, []byte("Return-Path")):
			continue
		case bytes.EqualFold(name, []byte("Date")):
			date = true
		case bytes.EqualFold(name, []byte("Message-ID")):
			id = true
		}
		kept = append(kept, field...)
	}
	out = h.add(out, !date, !id)
	out = append(append(out, kept...), h.held[n:]...)
	h.held = nil
	_, err := h.to.Write(out)
	return err
}

// add writes the fields that are missing.
func (h *header) add(out []byte, date, id bool) []byte {
	if date {
		out = append(out, "Date: "...)
		out = h.now.UTC().AppendFormat(out, "Mon, 02 Jan 2006 15:04:05 -0700")
		out = append(out, "\r\n"...)
	}
	if id {
		out = append(out, "Message-ID: <"+rand.Text()+"@"+h.host+">\r\n"...)
	}
	return out
}

// firstField cuts the first field off, with the lines that continue it.
func firstField(p []byte) []byte {
	n := 0
	for {
		k := bytes.Index(p[n:], []byte("\r\n"))
		if k < 0 {
			return p
		}
		n += k + 2
		if n == len(p) || p[n] != ' ' && p[n] != '\t' {
			return p[:n]
		}
	}
}
