package message

import "bytes"

// Matcher looks for one string in texts by i;unicode-casemap (RFC 5051), without holding them. It
// is for one goroutine.
type Matcher struct {
	needle []byte // folded
	hashes []uint16
	buf    []byte // the end of what was written, folded
	found  bool
	raw    []byte // for Index.Matches
	text   []byte
}

// NewMatcher makes a Matcher for a string in UTF-8. The empty string is in every text.
func NewMatcher(needle string) *Matcher {
	folded := AppendFolded(nil, []byte(needle))
	return &Matcher{needle: folded, hashes: hashes(folded)}
}

// Reset begins a new text.
func (m *Matcher) Reset() { m.buf, m.found = m.buf[:0], false }

// Write takes the next chunk of a text, whole characters of UTF-8, and tells whether the string
// was found in this text.
func (m *Matcher) Write(chunk []byte) bool {
	const step = 4 << 10
	for len(chunk) > 0 && !m.found {
		n := min(len(chunk), step)
		for n < len(chunk) && chunk[n]&0xc0 == 0x80 {
			n++
		}
		m.buf = AppendFolded(m.buf, chunk[:n])
		chunk = chunk[n:]
		m.found = bytes.Contains(m.buf, m.needle)
		if keep := len(m.needle) - 1; len(m.buf) > keep {
			m.buf = append(m.buf[:0], m.buf[len(m.buf)-max(keep, 0):]...)
		}
	}
	return m.found || len(m.needle) == 0
}

// Match tells whether text contains the string.
func (m *Matcher) Match(text []byte) bool {
	m.Reset()
	return m.Write(text)
}

// MayMatch tells whether a message with that signature may contain the string; false is sure.
func (m *Matcher) MayMatch(s Signature, in Scope) bool {
	if len(m.needle) == 0 || len(m.hashes) == 0 {
		return true
	}
	header, body, ok := s.sets()
	if !ok {
		return true
	}
	return in&InHeader != 0 && setHas(header, m.hashes) || in&InBody != 0 && setHas(body, m.hashes)
}
