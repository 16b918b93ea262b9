package query

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// fold returns the form of s in which a collation compares octets. It is idempotent.
func fold(collation, s string) string {
	switch collation {
	case "i;octet":
		return s
	case "i;ascii-casemap":
		return asciiUpper(s)
	}
	return unicodeFold(s)
}

// asciiUpper is i;ascii-casemap (RFC 4790 §9.2).
func asciiUpper(s string) string {
	i := strings.IndexFunc(s, func(r rune) bool { return 'a' <= r && r <= 'z' })
	if i < 0 {
		return s
	}
	b := []byte(s)
	for ; i < len(b); i++ {
		if 'a' <= b[i] && b[i] <= 'z' {
			b[i] -= 'a' - 'A'
		}
	}
	return string(b)
}

// unicodeFold is i;unicode-casemap (RFC 5051 §2): titlecase, then compatibility decomposition.
func unicodeFold(s string) string {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return norm.NFKD.String(strings.Map(unicode.ToTitle, norm.NFKD.String(s)))
		}
	}
	return asciiUpper(s)
}
