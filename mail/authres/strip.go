package authres

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"atrium/mail/message"
)

// Strip returns a header without the fields that claim to be ours, or whose
// identity cannot be read (RFC 8601 §5), and without those of the names in own. It is
// header itself when there are none.
func Strip(header []byte, id string, own ...string) []byte {
	lower := bytes.ToLower(header)
	is := func(name string) bool { return bytes.Contains(lower, []byte(strings.ToLower(name))) }
	if !is(FieldName) && !slices.ContainsFunc(own, is) {
		return header
	}
	out := make([]byte, 0, len(header))
	rest := header
	for {
		f, next, ok := message.NextField(rest)
		if !ok {
			return append(out, rest...)
		}
		name := strings.TrimRight(string(f.Name), " \t")
		ours := func(n string) bool { return strings.EqualFold(name, n) }
		if !slices.ContainsFunc(own, ours) && (!ours(FieldName) || !claims(f.Value, id)) {
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
