package delivery

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"atrium/mail/message"
	"atrium/storage"
)

// Encode makes of a message that came as BINARYMIME (RFC 3030 §3) one that every
// way out can carry: parts in binary that are no clean lines of text become base64 and
// say so; what was in such parts stays what it was. Invalid when there is something left that is no line of
// text, as in a header.
func (m *Message) Encode(ctx context.Context) error {
	parsed, err := message.Parse(m, m.Size())
	if err != nil {
		return err
	}
	spool, err := m.d.mail.Storage().Blobs().Spool(ctx, 0)
	if err != nil {
		return fmt.Errorf("message %s: %w", m.env.ID, err)
	}
	e := encoder{in: m, out: spool}
	e.part(parsed.Root)
	e.copy(m.Size())
	if e.err == nil && !e.clean() {
		e.err = fmt.Errorf("message %s has a CR, LF or NUL alone: %w", m.env.ID, storage.Invalid)
	}
	if e.err != nil {
		spool.Release()
		return e.err
	}
	m.spool.Release()
	m.spool = spool
	return nil
}

// encoder writes a message anew, from its beginning to its end.
type encoder struct {
	in   io.ReaderAt
	out  io.Writer
	at   int64 // of in, what is written
	last byte
	bad  bool // a CR, LF or NUL alone was written
	err  error
}

// Write checks what it writes.
func (e *encoder) Write(p []byte) (int, error) {
	for _, c := range p {
		if c == 0 || (e.last == '\r') != (c == '\n') {
			e.bad = true
		}
		e.last = c
	}
	if e.err == nil {
		_, e.err = e.out.Write(p)
	}
	return len(p), e.err
}

func (e *encoder) clean() bool { return !e.bad && e.last != '\r' }

// copy copies up to an offset.
func (e *encoder) copy(to int64) {
	if e.err == nil && to > e.at {
		_, err := io.Copy(e, io.NewSectionReader(e.in, e.at, to-e.at))
		if e.err == nil {
			e.err = err
		}
		e.at = to
	}
}

// part writes a part and what stands before it.
func (e *encoder) part(p *message.Part) {
	if e.err != nil {
		return
	}
	plain := p.Encoding == "7bit" || p.Encoding == "8bit" || p.Encoding == "binary"
	switch {
	case len(p.Children) > 0:
		if p.Encoding == "binary" {
			e.header(p, "8bit")
		}
		for _, c := range p.Children {
			e.part(c)
		}
	case !plain:
	case !e.lines(p):
		e.header(p, "base64")
		e.base64(p)
	case p.Encoding == "binary":
		e.header(p, "8bit")
	}
}

// lines tells whether a part's body is lines of text of a lawful length.
func (e *encoder) lines(p *message.Part) bool {
	buf := make([]byte, 32<<10)
	last, length := byte(0), 0
	for off := p.Body; off < p.End; {
		n, err := e.in.ReadAt(buf[:min(int64(len(buf)), p.End-off)], off)
		if n == 0 {
			e.err = err
			return true
		}
		for _, c := range buf[:n] {
			if c == 0 || (last == '\r') != (c == '\n') {
				return false
			}
			if length++; c == '\n' {
				length = 0
			}
			if length > 999 {
				return false
			}
			last = c
		}
		off += int64(n)
	}
	return last != '\r'
}

// maxPartHeader bounds a header that is edited, in bytes.
const maxPartHeader = 1 << 20

// header writes a part's header with another encoding.
func (e *encoder) header(p *message.Part, encoding string) {
	e.copy(p.Header)
	if p.Body-p.Header > maxPartHeader {
		e.err = fmt.Errorf("header of %d bytes: %w", p.Body-p.Header, storage.Invalid)
		return
	}
	head := make([]byte, p.Body-p.Header)
	if _, err := e.in.ReadAt(head, p.Header); err != nil && err != io.EOF {
		e.err = err
		return
	}
	field := "Content-Transfer-Encoding: " + encoding + "\r\n"
	done := false
	rest := head
	for {
		f, next, ok := message.NextField(rest)
		if !ok {
			break
		}
		switch {
		case f.Name == nil || !strings.EqualFold(string(bytes.TrimRight(f.Name, " \t")), "Content-Transfer-Encoding"):
			e.Write(f.Raw)
		case !done:
			done = true
			io.WriteString(e, field)
		}
		rest = next
	}
	if !done {
		io.WriteString(e, field)
	}
	if len(rest) == 0 {
		rest = []byte("\r\n")
	}
	e.Write(rest)
	e.at = p.Body
}

// base64 writes a part's body in lines of 76 (RFC 2045 §6.8).
func (e *encoder) base64(p *message.Part) {
	const line = 57
	buf := make([]byte, line*512)
	out := make([]byte, 0, 78)
	for e.err == nil && e.at < p.End {
		n, err := io.ReadFull(io.NewSectionReader(e.in, e.at, p.End-e.at), buf)
		if n == 0 {
			e.err = err
			return
		}
		for rest := buf[:n]; len(rest) > 0; {
			k := min(line, len(rest))
			out = base64.StdEncoding.AppendEncode(out[:0], rest[:k])
			rest = rest[k:]
			if len(rest) > 0 || e.at+int64(n) < p.End {
				out = append(out, '\r', '\n')
			}
			e.Write(out)
		}
		e.at += int64(n)
	}
	if p.End > p.Body {
		io.WriteString(e, "\r\n")
	}
}
