package authres

import "strings"

// Says tells whether results, what follows the identity in a field's value,
// have that outcome of a method (RFC 8601 §2.2). Comments do not count, and what stands in quotes
// is no result.
func Says(results, method, outcome string) bool {
	for part := range strings.SplitSeq(bare(results), ";") {
		m, rest, ok := strings.Cut(part, "=")
		m, _, _ = strings.Cut(m, "/") // its version
		if !ok || !strings.EqualFold(strings.TrimSpace(m), method) {
			continue
		}
		words := strings.Fields(rest)
		if len(words) > 0 && strings.EqualFold(words[0], outcome) {
			return true
		}
	}
	return false
}

// bare takes out comments and what stands in quotes.
func bare(s string) string {
	var b strings.Builder
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && (quoted || depth > 0):
			i++
		case quoted:
			quoted = c != '"'
		case c == '(':
			depth++
			b.WriteByte(' ')
		case c == ')' && depth > 0:
			depth--
		case depth > 0:
		case c == '"':
			quoted = true
			b.WriteByte('_') // a word, but none that means anything
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
