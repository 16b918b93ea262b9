package message

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// Param is a parameter of Content-Type or Content-Disposition.
type Param struct{ Name, Value string } // Name in lower case

// maxParams bounds the parameters of one field.
const maxParams = 100

// scanner reads the tokens of a structured field (RFC 5322 §3.2, RFC 2045 §5.1).
type scanner struct {
	s []byte
	i int
}

func (s *scanner) done() bool { return s.i >= len(s.s) }

func (s *scanner) peek() byte {
	if s.i < len(s.s) {
		return s.s[s.i]
	}
	return 0
}

// skip passes white space and comments and returns what the last comment says (nil: there is none).
func (s *scanner) skip() (comment []byte) {
	for s.i < len(s.s) {
		switch s.s[s.i] {
		case ' ', '\t', '\r', '\n':
			s.i++
		case '(':
			comment = s.comment()
		default:
			return comment
		}
	}
	return comment
}

// comment passes a comment and returns what it says.
func (s *scanner) comment() []byte {
	start, depth := s.i+1, 0
	for ; s.i < len(s.s); s.i++ {
		switch s.s[s.i] {
		case '\\':
			s.i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				s.i++
				return s.s[start : s.i-1]
			}
		}
	}
	s.i = len(s.s)
	return s.s[min(start, s.i):]
}

// quoted passes a quoted string and appends what it says. One without an end goes to the end of the field.
func (s *scanner) quoted(dst []byte) []byte {
	for s.i++; s.i < len(s.s); s.i++ {
		switch c := s.s[s.i]; c {
		case '\\':
			if s.i++; s.i < len(s.s) {
				dst = append(dst, s.s[s.i])
			}
		case '"':
			s.i++
			return dst
		case '\r', '\n':
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// token passes what is neither white space nor one of stop.
func (s *scanner) token(stop string) []byte {
	start := s.i
	for s.i < len(s.s) {
		c := s.s[s.i]
		if c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '(' || c == '"' || strings.IndexByte(stop, c) >= 0 {
			break
		}
		s.i++
	}
	return s.s[start:s.i]
}

// rawParams reads "; name=value …" as it stands: names as sent, values unquoted, not decoded.
func (s *scanner) rawParams() (list []Param) {
	for len(list) < maxParams {
		s.skip()
		for !s.done() && s.peek() != ';' { // what should not be there
			if s.peek() == '"' {
				s.quoted(nil)
			} else if len(s.token(";")) == 0 {
				s.i++
			}
			s.skip()
		}
		if s.done() {
			break
		}
		s.i++
		s.skip()
		name := s.token(";=")
		s.skip()
		if s.peek() != '=' {
			continue
		}
		s.i++
		s.skip()
		value := s.value(name)
		if len(name) > 0 {
			list = append(list, Param{intern(name), intern(value)})
		}
	}
	return list
}

func intern(s []byte) string {
	if known, ok := names[string(s)]; ok {
		return known
	}
	return string(s)
}

func (s *scanner) value(name []byte) []byte {
	if s.peek() == '"' {
		return s.quoted(nil)
	}
	start := s.i
	value := s.token(";")
	if s.skip(); !s.done() && s.peek() != ';' && (equalFold(name, "filename") || equalFold(name, "name")) {
		// A name with blanks that nobody quoted.
		rest := s.s[start:]
		if end := bytes.IndexByte(rest, ';'); end >= 0 {
			rest = rest[:end]
		}
		if bytes.IndexByte(rest, '=') < 0 && bytes.IndexByte(rest, '"') < 0 {
			s.i = start + len(rest)
			return appendCollapsed(nil, rest)
		}
	}
	return value
}

// mergeParams joins the continuations of RFC 2231 §3. Names keep the case in which they were
// sent; a value in the form charset'language'escapes has a name that ends in an asterisk.
// Parameters made of others come last, as in the body structures that clients know.
func mergeParams(raw []Param) []Param {
	star := slices.ContainsFunc(raw, func(p Param) bool { return strings.IndexByte(p.Name, '*') >= 0 })
	if !star {
		return raw
	}
	type piece struct {
		base     string
		n        int
		extended bool
		value    string
	}
	var out []Param
	var pieces []piece
	for _, p := range raw {
		base, rest, found := strings.Cut(p.Name, "*")
		if !found {
			out = append(out, p)
			continue
		}
		e := piece{base: base, extended: rest == "" || strings.HasSuffix(rest, "*"), value: p.Value}
		if rest = strings.TrimSuffix(rest, "*"); rest != "" {
			n, err := strconv.Atoi(rest)
			if err != nil || n < 0 {
				out = append(out, p)
				continue
			}
			e.n = n
		}
		pieces = append(pieces, e)
	}
	for len(pieces) > 0 {
		base := pieces[0].base
		var same, others []piece
		for _, e := range pieces {
			if strings.EqualFold(e.base, base) {
				same = append(same, e)
			} else {
				others = append(others, e)
			}
		}
		pieces = others
		slices.SortStableFunc(same, func(a, b piece) int { return a.n - b.n })
		extended := slices.ContainsFunc(same, func(e piece) bool { return e.extended })
		var value strings.Builder
		for i, e := range same {
			if i > 0 && e.n == same[i-1].n {
				continue // the first one counts
			}
			switch {
			case extended && !e.extended:
				if i == 0 {
					value.WriteString("''")
				}
				value.WriteString(strings.ReplaceAll(e.value, "%", "%25"))
			default:
				value.WriteString(e.value)
			}
		}
		if extended {
			base += "*"
		}
		out = append(out, Param{base, value.String()})
	}
	return out
}

// decodeParams turns what mergeParams returns into names in lower case and values in UTF-8.
// Of two forms of one parameter the one by RFC 2231 wins (RFC 6266 §4.3 says why).
func decodeParams(merged []Param) []Param {
	if len(merged) == 0 {
		return nil
	}
	out := make([]Param, 0, len(merged))
	for _, p := range merged {
		name := lower(p.Name)
		value := p.Value
		base, extended := strings.CutSuffix(name, "*")
		switch {
		case extended:
			value = decodeExtended(value)
		case base == "boundary":
		case !isASCII(value) || strings.Contains(value, "=?") || strings.IndexByte(value, 0) >= 0:
			value = Decode([]byte(value))
		}
		at := slices.IndexFunc(out, func(q Param) bool { return q.Name == base })
		switch {
		case at < 0:
			out = append(out, Param{base, value})
		case extended:
			out[at].Value = value
		}
	}
	return out
}

// lower is strings.ToLower for ASCII, without cost for names that are usual.
func lower(s string) string {
	for i := range len(s) {
		if c := s[i]; 'A' <= c && c <= 'Z' {
			return lowerString([]byte(s))
		}
	}
	return s
}

// decodeExtended decodes charset'language'escapes (RFC 2231 §4).
func decodeExtended(value string) string {
	charset, rest, ok := strings.Cut(value, "'")
	if ok {
		_, rest, ok = strings.Cut(rest, "'")
	}
	if !ok {
		charset, rest = "", value
	}
	raw := make([]byte, 0, len(rest))
	for i := 0; i < len(rest); i++ {
		if rest[i] == '%' && i+2 < len(rest) {
			if b, ok := hexByte([]byte(rest[i+1 : i+3])); ok {
				raw = append(raw, b)
				i += 2
				continue
			}
		}
		raw = append(raw, rest[i])
	}
	return string(appendCharset(nil, raw, []byte(charset)))
}
