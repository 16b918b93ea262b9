package authres

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"atrium/mail/message"
)

// Strip returns a header without the fields that claim to be ours, or whose
// identity cannot be read (RFC 8601 §5), and without those of the names in own. It is
// header itself when there are none.
func Strip(header []byte, id string, own ...string) []byte {
	return strip(header, func(name, value []byte) bool {
		return is(name, FieldName) && claims(value, id) || has(own, name)
	})
}

// StripOwn returns a header without the fields of some names; it is header itself when there are none.
func StripOwn(header []byte, own ...string) []byte {
	return strip(header, func(name, _ []byte) bool { return has(own, name) })
}

// has tells whether a name is among others, of which those that end with a hyphen stand for all
// that begin so.
func has(own []string, name []byte) bool {
	for _, n := range own {
		if is(name, n) || strings.HasSuffix(n, "-") && len(name) > len(n) && is(name[:len(n)], n) {
			return true
		}
	}
	return false
}

func is(name []byte, s string) bool {
	return len(name) == len(s) && strings.EqualFold(string(name), s)
}

// strip copies only from the first field on that is to go.
func strip(header []byte, goes func(name, value []byte) bool) []byte {
	var out []byte
	cut := false
	rest := header
	for {
		f, next, ok := message.NextField(rest)
		if !ok {
			if !cut {
				return header
			}
			return append(out, rest...)
		}
		switch {
		case goes(bytes.TrimRight(f.Name, " \t"), f.Value):
			if !cut {
				cut = true
				out = append(make([]byte, 0, len(header)), header[:len(header)-len(rest)]...)
			}
		case cut:
			out = append(out, f.Raw...)
		}
		rest = next
	}
}

// claims tells whether a field with that value bears an identity, or none that can be read.
func claims(value []byte, id string) bool {
	got, ok := Identity(value)
	return !ok || strings.EqualFold(got, id)
}

// Identity reads the authserv-id that a field's value begins with, RFC 8601 §2.2.
func Identity(value []byte) (id string, ok bool) {
	s, ok := skipCFWS(value)
	if !ok || len(s) == 0 {
		return "", false
	}
	if s[0] == '"' {
		id, s, ok = quoted(s[1:])
	} else {
		n := 0
		for n < len(s) && (tokenByte(s[n]) || s[n] >= 0x80) {
			n++
		}
		id, s, ok = string(s[:n]), s[n:], n > 0 && utf8.Valid(s[:n])
	}
	if !ok {
		return "", false
	}
	// A version may follow, then a semicolon or nothing.
	after, ok := skipCFWS(s)
	if !ok || len(after) > 0 && after[0] != ';' && len(after) == len(s) {
		return "", false
	}
	return id, true
}

// quoted reads a quoted string after its first quote.
func quoted(s []byte) (v string, rest []byte, ok bool) {
	var b []byte
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return string(b), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", nil, false
			}
		case '\r', '\n':
			continue // folding
		}
		b = append(b, s[i])
	}
	return "", nil, false
}

// skipCFWS skips blanks, folds and comments (RFC 5322 §3.2.2); ok is false when a comment has no end.
func skipCFWS(s []byte) (rest []byte, ok bool) {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case c == '\\' && depth > 0:
			i++
		case depth == 0 && c != ' ' && c != '\t' && c != '\r' && c != '\n':
			return s[i:], true
		}
	}
	return nil, depth == 0
}
