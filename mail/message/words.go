package message

import (
	"bytes"
	"unicode/utf8"
)

// Decode returns a header field's value as UTF-8: unfolded, with its encoded words
// (RFC 2047) decoded, and 8-bit data that is not UTF-8 taken as Windows-1252.
func Decode(value []byte) string { return string(AppendDecoded(nil, value)) }

// AppendDecoded appends what Decode returns. Encoded words are taken where
// RFC 2047 §5 has none too (in quoted strings, between letters), since
// senders put them there.
func AppendDecoded(dst, value []byte) []byte {
	if !bytes.Contains(value, []byte("=?")) {
		return appendUnfolded(dst, value)
	}
	// Words of one charset wait in raw to be decoded together, since characters are split between
	// words.
	var scratch [128]byte
	raw, charset := scratch[:0], []byte(nil)
	for {
		i, n, w := nextWord(value)
		if charset != nil && (n == 0 || !isBlank(value[:i]) || !bytes.EqualFold(charset, w.charset)) {
			dst = appendCharset(dst, raw, charset)
			raw, charset = raw[:0], nil
			if n > 0 && isBlank(value[:i]) { // between words
				value, i = value[i:], 0
			}
		}
		if n == 0 {
			return appendUnfolded(dst, value)
		}
		if charset == nil {
			dst = appendUnfolded(dst, value[:i])
		}
		raw, charset = appendWord(raw, w), w.charset
		value = value[i+n:]
	}
}

// word is an encoded word taken apart.
type word struct {
	charset, text []byte
	base64        bool
}

// nextWord finds the first encoded word in s: its place, its length (0: there is none).
func nextWord(s []byte) (at, n int, w word) {
	for at < len(s) {
		i := bytes.Index(s[at:], []byte("=?"))
		if i < 0 {
			break
		}
		at += i
		if w, n := parseWord(s[at:]); n > 0 {
			return at, n, w
		}
		at += 2
	}
	return 0, 0, word{}
}

const (
	maxCharset = 64
	maxWord    = 4 << 10 // RFC 2047 §2 says 75; senders do not keep to it
)

// parseWord reads the encoded word that s begins with; n is 0 when it is none.
func parseWord(s []byte) (w word, n int) {
	if len(s) < 2 || s[0] != '=' || s[1] != '?' {
		return word{}, 0
	}
	rest := s[2:min(len(s), maxWord)]
	i := bytes.IndexByte(rest[:min(len(rest), maxCharset)], '?')
	if i <= 0 || len(rest) < i+3 || rest[i+2] != '?' || bytes.ContainsAny(rest[:i], " \t\r\n\"") {
		return word{}, 0
	}
	w.charset = rest[:i]
	if star := bytes.IndexByte(w.charset, '*'); star >= 0 { // language, RFC 2231 §5
		w.charset = w.charset[:star]
	}
	switch rest[i+1] {
	case 'b', 'B':
		w.base64 = true
	case 'q', 'Q':
	default:
		return word{}, 0
	}
	rest = rest[i+3:]
	end := bytes.Index(rest, []byte("?="))
	if end < 0 {
		return word{}, 0
	}
	w.text = rest[:end]
	return w, 2 + i + 3 + end + 2
}

// appendWord appends what a word encodes.
func appendWord(dst []byte, w word) []byte {
	if w.base64 {
		var t transfer
		t.reset(Base64)
		return t.flush(t.decode(dst, w.text))
	}
	for i := 0; i < len(w.text); i++ {
		switch c := w.text[i]; c {
		case '_':
			dst = append(dst, ' ')
		case '=':
			if b, ok := hexByte(w.text[i+1:]); ok {
				dst = append(dst, b)
				i += 2
				break
			}
			dst = append(dst, c)
		case '\r', '\n':
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// appendCharset appends text in a charset as UTF-8.
func appendCharset(dst, text, name []byte) []byte {
	if isUTF8Name(name) {
		dst, _ = appendLenient(dst, text, true)
		return dst
	}
	var c charset
	c.reset(lowerString(name))
	return c.decode(dst, bytes.Clone(text), true) // so that text need not live in the heap
}

func isUTF8Name(name []byte) bool { return len(name) == 5 && bytes.EqualFold(name, []byte("utf-8")) }

// unfoldSpecial are the octets that appendUnfolded does not take as they stand.
var unfoldSpecial = func() (table [256]bool) {
	for i := utf8.RuneSelf; i < len(table); i++ {
		table[i] = true
	}
	table['\r'], table['\n'], table[0] = true, true, true
	return table
}()

// appendUnfolded appends a value as UTF-8, each line end with the blanks behind it as one
// blank, NUL as U+FFFD.
func appendUnfolded(dst, value []byte) []byte {
	for len(value) > 0 {
		n := 0
		for n < len(value) && !unfoldSpecial[value[n]] {
			n++
		}
		dst, value = append(dst, value[:n]...), value[n:]
		if len(value) == 0 {
			break
		}
		switch c := value[0]; {
		case c == '\r' || c == '\n':
			for n = 1; n < len(value) && (value[n] == ' ' || value[n] == '\t' || value[n] == '\r' || value[n] == '\n'); n++ {
			}
			if n > 1 && (value[n-1] == ' ' || value[n-1] == '\t') {
				dst = append(dst, ' ')
			}
		case c == 0:
			n = 1
			dst = append(dst, "\uFFFD"...)
		default:
			for n = 1; n < len(value) && value[n] >= 0x80; n++ {
			}
			dst, _ = appendLenient(dst, value[:n], true)
		}
		value = value[n:]
	}
	return dst
}

// isBlank tells whether s is nothing but white space and line ends.
func isBlank(s []byte) bool {
	for _, c := range s {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return false
		}
	}
	return true
}
