package message

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// lineWidth is where folding begins (RFC 5322 §2.1.1).
const lineWidth = 78

// AppendField appends "name: value" CRLF, folded at blanks to 78 columns where that is
// possible, and words that are not ASCII encoded by RFC 2047. CR, LF and NUL in value become
// blanks: nothing can be smuggled into the header.
func AppendField(dst []byte, name, value string) []byte {
	value = strings.Map(func(r rune) rune {
		if r == '\r' || r == '\n' || r == 0 {
			return ' '
		}
		return r
	}, value)
	if !isASCII(value) {
		value = encodeWords(value)
	}
	dst = append(dst, name...)
	dst = append(dst, ':')
	column := len(name) + 1
	for len(value) > 0 {
		// A word with the blanks before it; a fold comes before the blanks.
		n := len(value) - len(strings.TrimLeft(value, " \t"))
		end := strings.IndexAny(value[n:], " \t")
		if end < 0 {
			end = len(value) - n
		}
		word := value[:n+end]
		value = value[n+end:]
		if n == 0 {
			word = " " + word // only the first
		}
		if column > len(name)+1 && column+len(word) > lineWidth && end > 0 {
			dst = append(dst, '\r', '\n')
			column = 0
		}
		dst = append(dst, word...)
		column += len(word)
	}
	return append(dst, '\r', '\n')
}

// encodeWords encodes the stretch of a value from its first to its last word that is not ASCII.
func encodeWords(value string) string {
	from := strings.IndexFunc(value, func(r rune) bool { return r >= utf8.RuneSelf })
	to := strings.LastIndexFunc(value, func(r rune) bool { return r >= utf8.RuneSelf })
	from = strings.LastIndexAny(value[:from], " \t") + 1
	if end := strings.IndexAny(value[to:], " \t"); end >= 0 {
		to += end
	} else {
		to = len(value)
	}
	const chunk = 45 // octets: 60 digits in one word, which has at most 75 characters
	var b strings.Builder
	b.WriteString(value[:from])
	for rest := value[from:to]; len(rest) > 0; {
		n := min(chunk, len(rest))
		for n < len(rest) && n > 1 && !utf8.RuneStart(rest[n]) {
			n--
		}
		b.WriteString("=?utf-8?B?")
		b.WriteString(base64.StdEncoding.EncodeToString([]byte(strings.ToValidUTF8(rest[:n], "\uFFFD"))))
		b.WriteString("?=")
		if rest = rest[n:]; len(rest) > 0 {
			b.WriteByte(' ')
		}
	}
	b.WriteString(value[to:])
	return b.String()
}
