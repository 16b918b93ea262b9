package dav

import (
	"io"
	"unicode/utf8"
)

// ReadText reads a body of vCard or iCalendar whole, like ReadBody, and mends what cannot be told in XML and is
// no fault of the data: a character that a fold has cut in two is put together again before the fold
// (RFC 5545 §3.1 asks for that), control characters that came in by copy and paste are left out. altered tells
// that these are not the octets that were sent; the answer then has no ETag (RFC 4791 §5.3.4, RFC 6352 §6.3.2.3).
func ReadText(body io.Reader, size int64) (text []byte, altered bool, err error) {
	b, err := ReadBody(body, size)
	if err != nil || clean(b) {
		return b, false, err
	}
	return mend(b), true, nil
}

// clean tells that there is nothing to mend.
func clean(b []byte) bool {
	for _, c := range b {
		if stray(c) {
			return false
		}
	}
	return utf8.Valid(b)
}

// stray tells which octets no content line may have (RFC 5545 §3.1).
func stray(c byte) bool { return c < ' ' && c != '\t' && c != '\r' && c != '\n' }

// mend returns b without stray octets and with characters whole.
func mend(b []byte) []byte {
	out := make([]byte, 0, len(b)+8)
	for at := 0; at < len(b); {
		c := b[at]
		if c < utf8.RuneSelf {
			if !stray(c) {
				out = append(out, c)
			}
			at++
			continue
		}
		if _, n := utf8.DecodeRune(b[at:]); n > 1 {
			out = append(out, b[at:at+n]...)
			at += n
		} else if whole, n := joined(b[at:]); n > 0 {
			out = append(append(out, whole...), "\r\n "...)
			at += n
		} else { // what is not UTF-8 the parser refuses
			out = append(out, c)
			at++
		}
	}
	return out
}

// joined is the character at the beginning of b without the folds in it, n the octets that it has with them;
// 0: there is none.
func joined(b []byte) (whole []byte, n int) {
	for n < len(b) && len(whole) < utf8.UTFMax {
		whole = append(whole, b[n])
		n++
		if utf8.Valid(whole) {
			return whole, n
		}
		switch rest := b[n:]; {
		case len(rest) > 2 && rest[0] == '\r' && rest[1] == '\n' && (rest[2] == ' ' || rest[2] == '\t'):
			n += 3
		case len(rest) > 1 && rest[0] == '\n' && (rest[1] == ' ' || rest[1] == '\t'):
			n += 2
		}
	}
	return nil, 0
}
