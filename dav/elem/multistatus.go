package elem

import (
	"io"
	"net/http"
	"strconv"
	"sync"
)

// FlushAt is how many bytes of an answer are gathered before they leave.
const FlushAt = 64 << 10

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// Multistatus is a DAV:multistatus on its way out (RFC 4918 §13).
type Multistatus struct {
	Writer
	out  io.Writer
	sent int64
}

// NewMultistatus begins an answer to out. Close gives its buffer back.
func NewMultistatus(out io.Writer) *Multistatus {
	m := &Multistatus{out: out}
	m.buf = (*buffers.Get().(*[]byte))[:0]
	m.Str(`<?xml version="1.0" encoding="utf-8"?>` + "\n<D:multistatus")
	m.Declare()
	m.Str(">")
	return m
}

// Full tells whether Flush is due.
func (m *Multistatus) Full() bool { return len(m.buf) >= FlushAt }

// Sent is how many bytes have left.
func (m *Multistatus) Sent() int64 { return m.sent }

// Flush writes what was gathered.
func (m *Multistatus) Flush() error {
	if len(m.buf) == 0 {
		return nil
	}
	n, err := m.out.Write(m.buf)
	m.sent += int64(n)
	m.buf = m.buf[:0]
	return err
}

// End closes the root element.
func (m *Multistatus) End() { m.Str("</D:multistatus>") }

// Close gives the buffer back; the Multistatus is not to be used any more.
func (m *Multistatus) Close() {
	if cap(m.buf) <= 8*FlushAt {
		b := m.buf[:0]
		buffers.Put(&b)
	}
	m.buf = nil
}

// Response begins a response for a percent-encoded path.
func (w *Writer) Response(href string) {
	w.Str("<D:response><D:href>")
	w.Text(href)
	w.Str("</D:href>")
}

// EndResponse ends it.
func (w *Writer) EndResponse() { w.Str("</D:response>") }

// StatusLine writes a DAV:status.
func (w *Writer) StatusLine(code int) {
	switch code {
	case http.StatusOK:
		w.Str("<D:status>HTTP/1.1 200 OK</D:status>")
	case http.StatusNotFound:
		w.Str("<D:status>HTTP/1.1 404 Not Found</D:status>")
	default:
		w.Str("<D:status>HTTP/1.1 ")
		w.Str(strconv.Itoa(code))
		w.Str(" ")
		w.Str(http.StatusText(code))
		w.Str("</D:status>")
	}
}

// Status writes a whole response that is a status only.
func (w *Writer) Status(href string, code int) {
	w.Response(href)
	w.StatusLine(code)
	w.EndResponse()
}

// Propstat and EndPropstat enclose properties that share a status.
func (w *Writer) Propstat() { w.Str("<D:propstat><D:prop>") }

// EndPropstat ends a Propstat.
func (w *Writer) EndPropstat(code int) {
	w.Str("</D:prop>")
	w.StatusLine(code)
	w.Str("</D:propstat>")
}
