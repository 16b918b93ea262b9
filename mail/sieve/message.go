package sieve

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/text/encoding/htmlindex"

	"atrium/mail/message"
)

// Message is a message as scripts see it. It is for one run.
type Message struct {
	r      io.ReaderAt
	size   int64
	header []byte // as it came, with the empty line
	fields []field
	loaded bool
	edited bool
	root   *message.Part
	err    error // of reading
}

// field is one header field.
type field struct {
	name  string // as it stands there
	raw   []byte
	value []byte
}

// maxHeader bounds what is read of a header, in bytes.
const maxHeader = 1 << 20

// NewMessage returns the message of size bytes in r.
func NewMessage(r io.ReaderAt, size int64) *Message { return &Message{r: r, size: size} }

// failed is what went wrong in reading the message.
func (m *Message) failed() error {
	if m.err != nil {
		return fmt.Errorf("reading the message: %w", m.err)
	}
	return nil
}

// load reads the header.
func (m *Message) load() {
	if m.loaded {
		return
	}
	m.loaded = true
	m.header = m.readHeader(0, m.size)
	m.fields = fieldsOf(m.header)
}

// readHeader reads a header that begins at an offset, with the empty line at its end.
func (m *Message) readHeader(from, to int64) []byte {
	to = min(to, from+maxHeader)
	var b []byte
	for chunk := int64(4 << 10); from+int64(len(b)) < to; chunk *= 2 {
		k := len(b)
		b = slices.Grow(b, int(chunk))[:min(int64(k)+chunk, to-from)]
		n, err := m.r.ReadAt(b[k:], from+int64(k))
		b = b[:k+n]
		if err != nil && err != io.EOF {
			m.err = err
			return b
		}
		if end := headerEnd(b, max(k-3, 0)); end >= 0 {
			return b[:end]
		}
		if n == 0 {
			break
		}
	}
	return b
}

// headerEnd returns where a header ends, behind its empty line; -1 when it does not end in b.
// It looks from an offset on.
func headerEnd(b []byte, from int) int {
	if from == 0 {
		if bytes.HasPrefix(b, []byte("\r\n")) {
			return 2
		}
		if bytes.HasPrefix(b, []byte("\n")) {
			return 1
		}
	}
	for i := from; ; {
		k := bytes.IndexByte(b[i:], '\n')
		if k < 0 {
			return -1
		}
		i += k + 1
		if i < len(b) && b[i] == '\n' {
			return i + 1
		}
		if i+1 < len(b) && b[i] == '\r' && b[i+1] == '\n' {
			return i + 2
		}
	}
}

// fieldsOf takes a header apart.
func fieldsOf(header []byte) []field {
	list := make([]field, 0, 32)
	for rest := header; ; {
		f, more, ok := message.NextField(rest)
		if !ok {
			return list
		}
		list = append(list, field{string(f.Name), f.Raw, f.Value})
		rest = more
	}
}

// named returns the fields of a name, in their order.
func (m *Message) named(name string) []field {
	m.load()
	return namedIn(m.fields, name)
}

func namedIn(fields []field, name string) (out []field) {
	for i := range fields {
		if len(fields[i].name) == len(name) && strings.EqualFold(fields[i].name, name) {
			out = append(out, fields[i])
		}
	}
	return out
}

// text is a field's value as tests see it: decoded, unfolded, without blanks at both ends
// (RFC 5228 §5.7).
func (f *field) text() string { return strings.Trim(message.Decode(f.value), " \t\r\n") }

// Edited returns the header as it is now with the empty line at its end, nil when
// nothing was edited.
func (m *Message) Edited() []byte {
	if !m.edited {
		return nil
	}
	var b []byte
	for i := range m.fields {
		b = append(b, m.fields[i].raw...)
		if !bytes.HasSuffix(b, []byte("\n")) {
			b = append(b, "\r\n"...)
		}
	}
	return append(b, "\r\n"...)
}

// sizeNow is the size of the message as it is now (RFC 5293 §4).
func (m *Message) sizeNow() int64 {
	if !m.edited {
		return m.size
	}
	return m.size - int64(len(m.header)) + int64(len(m.Edited()))
}

// headerOnly tells whether not even an empty line follows the header.
func (m *Message) headerOnly() bool {
	m.load()
	h := m.header
	return int64(len(h)) == m.size && !bytes.HasSuffix(h, []byte("\n\r\n")) && !bytes.HasSuffix(h, []byte("\n\n")) &&
		string(h) != "\r\n" && string(h) != "\n"
}

// HeaderSize is the length of the header as it came, with the empty line.
func (m *Message) HeaderSize() int64 {
	m.load()
	return int64(len(m.header))
}

// tree parses the message, once.
func (m *Message) tree() *message.Part {
	if m.root == nil {
		parsed, err := message.Parse(m.r, m.size)
		if err != nil {
			m.err = err
			m.root = &message.Part{Type: "text", Subtype: "plain"}
			return m.root
		}
		m.root = parsed.Root
	}
	return m.root
}

// content reads a part's body, at most n bytes of it: its transfer encoding undone, and, of text, its
// character set.
func (m *Message) content(p *message.Part, n int) string {
	b, err := io.ReadAll(io.LimitReader(p.Reader(m.r), int64(max(n, 0))))
	if err != nil {
		m.err = err
	}
	if p.Type != "text" && !p.Kind().IsText() {
		return string(b)
	}
	name := p.Param("charset")
	if name == "" || strings.EqualFold(name, "utf-8") || strings.EqualFold(name, "us-ascii") {
		return string(b)
	}
	enc, err := htmlindex.Get(name)
	if err != nil {
		return string(b)
	}
	if out, err := enc.NewDecoder().Bytes(b); err == nil {
		return string(out)
	}
	return string(b)
}

// hasText tells whether a part holds text that can be read.
func (m *Message) hasText(p *message.Part) bool {
	return (p.Type == "text" || p.Kind().IsText()) && p.Readable()
}

// text reads the text of a part for people, of HTML without its tags; at most n bytes of the part are looked at
// (RFC 5173 §5.3, RFC 5703 §7).
func (m *Message) text(p *message.Part, n int) string {
	s := m.content(p, n)
	if p.Kind() == message.TextHTML {
		return string(message.HTMLText([]byte(s)))
	}
	return s
}

// raw reads the stored octets of a range, at most n.
func (m *Message) raw(from, to int64, n int) string {
	b := make([]byte, max(min(to-from, int64(n)), 0))
	k, err := m.r.ReadAt(b, from)
	if err != nil && err != io.EOF {
		m.err = err
	}
	return string(b[:k])
}
