package message

import (
	"bytes"
	"io"
	"sync"
)

// Scope is a part of a message's text.
type Scope byte

const (
	InHeader Scope               = 1 << iota // the message's own header
	InBody                                   // the text of text parts
	Anywhere = InHeader | InBody             // and the headers of parts and of messages in it, which are neither
)

// textReader streams the decoded text of a message.
type textReader struct {
	stream textStream
	window []byte
	field  []byte
	out    []byte
	fn     func(name, chunk []byte, more bool) bool
	more   bool
}

var textReaders = sync.Pool{New: func() any {
	t := &textReader{window: make([]byte, windowSize)}
	t.stream.sink = func(text []byte) bool {
		more := t.more
		t.more = true
		return t.fn(nil, text, more)
	}
	return t
}}

func (t *textReader) release() {
	t.fn = nil
	if cap(t.field) > memoryMax || cap(t.out) > memoryMax {
		t.field, t.out = nil, nil
	}
	textReaders.Put(t)
}

// Text streams the decoded text of the message in r in the order in which it stands there. name is the
// field's when the text is from a header, nil in a body; then chunk is the field's
// value. more says that a chunk goes on where the one before it ended. Chunks end between characters and
// are valid during the call only. Text ends early, without an error, when fn returns false.
func (x *Index) Text(r io.ReaderAt, in Scope, fn func(name, chunk []byte, more bool) bool) error {
	t := textReaders.Get().(*textReader)
	defer t.release()
	t.fn = fn
	parts := x.table()
	for parts.next() {
		p := &parts.part
		if in == Anywhere || p.Depth == 0 && in&InHeader != 0 { // BODY matches no header at all (RFC 9051 §6.4.4)
			if more, err := t.header(r, p.Header, p.Body); err != nil || !more {
				return err
			}
		}
		if in&InBody == 0 {
			return nil
		}
		if p.Kind.IsText() {
			if err := t.body(r, p); err != nil || t.stream.done {
				return err
			}
		}
	}
	return nil
}

// header streams the fields of a header.
func (t *textReader) header(r io.ReaderAt, from, to int64) (more bool, err error) {
	var in lines
	in.reset(r, from, to, t.window)
	t.field = t.field[:0]
	inside := false
	for {
		line, _, ok := in.next()
		if !ok {
			break
		}
		if !inside && !isFold(line) {
			if !t.endField() {
				return false, nil
			}
			if isEmptyLine(line) {
				break
			}
		}
		if room := MaxField - len(t.field); room > 0 {
			t.field = append(t.field, line[:min(len(line), room)]...)
		}
		inside = line[len(line)-1] != '\n'
	}
	return t.endField(), in.err
}

func (t *textReader) endField() bool {
	if len(t.field) == 0 {
		return true
	}
	name, value := cutField(t.field)
	t.out = appendFieldText(t.out[:0], name, value)
	text := t.out
	if name != nil {
		text = text[len(name)+2:]
	} else {
		name = []byte{}
	}
	t.field = t.field[:0]
	return t.fn(name, text, false)
}

// body streams the text of a part.
func (t *textReader) body(r io.ReaderAt, p *PartInfo) error {
	t.more = false
	t.stream.reset(p.Kind, p.Encoding, p.Charset)
	for at := p.Body; at < p.End; {
		b := t.window[:min(int64(len(t.window)), p.End-at)]
		if n, err := r.ReadAt(b, at); n < len(b) {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		at += int64(len(b))
		if !t.stream.write(b) {
			return nil
		}
	}
	t.stream.flush()
	return nil
}

// Search tells whether the decoded text has what m looks for; of a header its names of fields
// are text too. A Signature tells before whether it is worth while.
func (x *Index) Search(r io.ReaderAt, in Scope, m *Matcher) (found bool, err error) {
	if len(m.needle) == 0 {
		return true, nil
	}
	err = x.Text(r, in, func(name, chunk []byte, more bool) bool {
		if !more {
			m.Reset()
			if len(name) > 0 {
				m.Write(name)
				m.Write(colon)
			}
		}
		found = m.Write(chunk)
		return !found
	})
	return found, err
}

var colon = []byte(": ")

// SearchHeader tells whether a field of that name in the message's own header has
// what m looks for, decoded (RFC 9051 §6.4.4, HEADER). The empty string is in every field, not in one
// that is absent.
func (x *Index) SearchHeader(r io.ReaderAt, name string, m *Matcher) (found bool, err error) {
	err = x.Text(r, InHeader, func(field, chunk []byte, more bool) bool {
		if bytes.EqualFold(field, []byte(name)) {
			found = m.Match(chunk)
		}
		return !found
	})
	return found, err
}

// Matches tells whether a field of the envelope (Subject, From, To, Cc, Bcc), decoded, has what m looks for: the keys
// of SEARCH that have these names. An address reads "Name <local@domain>". known is false when the Index does
// not hold the whole field; SearchHeader knows then.
func (x *Index) Matches(name string, m *Matcher) (match, known bool) {
	text, there, known := x.FieldText(name, m)
	return known && there && m.Match(text), known
}

// FieldText returns the text in which Matches looks; there is false when the message has no such field. The
// text is in m's memory, up to its next use.
func (x *Index) FieldText(name string, m *Matcher) (text []byte, there, known bool) {
	at := -1
	switch {
	case equalFold([]byte(name), "subject"):
		at = 1
	case equalFold([]byte(name), "from"):
		at = 2
	case equalFold([]byte(name), "to"):
		at = 5
	case equalFold([]byte(name), "cc"):
		at = 6
	case equalFold([]byte(name), "bcc"):
		at = 7
	}
	env := x.Envelope()
	if at < 0 || len(env) < 2 || x.flags&flagCut != 0 {
		return nil, false, false
	}
	r := textScanner{s: env[1:]}
	for ; at > 0; at-- {
		m.raw, _ = r.value(m.raw[:0])
		r.blank()
	}
	if r.peek() != '(' {
		m.raw, there = r.value(m.raw[:0])
		if !there || len(m.raw) >= maxNested/4 {
			return nil, false, !there
		}
		m.text = AppendDecoded(m.text[:0], m.raw)
		return m.text, true, true
	}
	m.text = r.addresses(m)
	return m.text, true, true
}

// textScanner reads strings and lists of IMAP that this package wrote.
type textScanner struct{ s []byte }

func (r *textScanner) peek() byte {
	if len(r.s) == 0 {
		return ')'
	}
	return r.s[0]
}

func (r *textScanner) blank() {
	if r.peek() == ' ' {
		r.s = r.s[1:]
	}
}

// value reads NIL (ok is false), a string or a list, and appends what a string says.
func (r *textScanner) value(dst []byte) (_ []byte, ok bool) {
	switch r.peek() {
	case '"':
		i := 1
		for ; i < len(r.s) && r.s[i] != '"'; i++ {
			if r.s[i] == '\\' {
				i++
			}
			if i < len(r.s) {
				dst = append(dst, r.s[i])
			}
		}
		r.s = r.s[min(i+1, len(r.s)):]
		return dst, true
	case '{':
		n, i := 0, 1
		for ; i < len(r.s) && isDigit(r.s[i]); i++ {
			n = n*10 + int(r.s[i]-'0')
		}
		i = min(i+3, len(r.s))
		n = min(max(n, 0), len(r.s)-i)
		dst = append(dst, r.s[i:i+n]...)
		r.s = r.s[i+n:]
		return dst, true
	case '(':
		r.s = r.s[1:]
		for r.peek() != ')' {
			dst, _ = r.value(dst)
			r.blank()
		}
		r.s = r.s[min(1, len(r.s)):]
		return dst, true
	}
	r.s = r.s[min(3, len(r.s)):] // NIL
	return dst, false
}

// addresses reads a list of addresses as text to search in.
func (r *textScanner) addresses(m *Matcher) []byte {
	dst := m.text[:0]
	r.s = r.s[1:]
	for r.peek() == '(' {
		r.s = r.s[1:]
		if len(dst) > 0 {
			dst = append(dst, ", "...)
		}
		var named, has bool
		if m.raw, named = r.value(m.raw[:0]); named {
			dst = AppendDecoded(dst, m.raw)
			dst = append(dst, " <"...)
		}
		r.blank()
		m.raw, _ = r.value(m.raw[:0])
		r.blank()
		if m.raw, has = r.value(m.raw[:0]); has && string(m.raw) != missingMailbox {
			dst = AppendDecoded(dst, m.raw)
		}
		r.blank()
		if m.raw, has = r.value(m.raw[:0]); has && string(m.raw) != missingDomain {
			dst = append(dst, '@')
			dst = AppendDecoded(dst, m.raw)
		}
		if named {
			dst = append(dst, '>')
		}
		r.s = r.s[min(1, len(r.s)):]
	}
	return dst
}
