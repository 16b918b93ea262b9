package wire

import (
	"encoding/base64"
	"unicode/utf16"
	"unicode/utf8"
)

// utf7Encoding is the modified Base64 of RFC 3501 §5.1.3.
var utf7Encoding = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding)

// DecodeUTF7 decodes a mailbox name from modified UTF-7 (RFC 3501 §5.1.3). ok
// is false when it is none.
func DecodeUTF7(s string) (string, bool) {
	plain := true
	for i := 0; i < len(s); i++ {
		if c := s[i]; c == '&' || c < 0x20 || c > 0x7e {
			plain = false
			break
		}
	}
	if plain {
		return s, true
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c < 0x20 || c > 0x7e {
			return "", false
		}
		if c != '&' {
			out = append(out, c)
			continue
		}
		end := i + 1
		for end < len(s) && s[end] != '-' {
			end++
		}
		if end == len(s) {
			return "", false
		}
		if end == i+1 {
			out = append(out, '&')
			i = end
			continue
		}
		var ok bool
		if out, ok = appendUTF16(out, s[i+1:end]); !ok {
			return "", false
		}
		i = end
	}
	return string(out), true
}

func appendUTF16(out []byte, s string) ([]byte, bool) {
	raw, err := utf7Encoding.DecodeString(s)
	if err != nil || len(raw)%2 != 0 || len(raw) == 0 {
		return nil, false
	}
	for i := 0; i < len(raw); i += 2 {
		c := rune(raw[i])<<8 | rune(raw[i+1])
		if utf16.IsSurrogate(c) {
			if i += 2; i+1 >= len(raw) {
				return nil, false
			}
			c = utf16.DecodeRune(c, rune(raw[i])<<8|rune(raw[i+1]))
			if c == utf8.RuneError {
				return nil, false
			}
		}
		if c < 0x20 || c == 0x7f {
			return nil, false
		}
		out = utf8.AppendRune(out, c)
	}
	return out, true
}

// AppendUTF7 appends a mailbox name in modified UTF-7.
func AppendUTF7(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c == '&' {
			dst = append(dst, '&', '-')
			i++
			continue
		}
		if c >= 0x20 && c <= 0x7e {
			dst = append(dst, c)
			i++
			continue
		}
		var raw []byte
		for i < len(s) && (s[i] < 0x20 || s[i] > 0x7e) {
			c, n := utf8.DecodeRuneInString(s[i:])
			i += n
			if c >= 0x10000 {
				a, b := utf16.EncodeRune(c)
				raw = append(raw, byte(a>>8), byte(a))
				c = b
			}
			raw = append(raw, byte(c>>8), byte(c))
		}
		dst = append(dst, '&')
		dst = utf7Encoding.AppendEncode(dst, raw)
		dst = append(dst, '-')
	}
	return dst
}
