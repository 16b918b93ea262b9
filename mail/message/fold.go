package message

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// AppendFolded appends text, which is UTF-8, folded so that what
// i;unicode-casemap (RFC 5051) takes for equal is equal by octets: title case, then
// compatibility decomposition. Letters that come out of the decomposition are turned to
// title case as well, so that a ligature equals its letters. Octets that
// are not UTF-8 stay.
func AppendFolded(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			dst = append(dst, foldASCII[c])
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 {
			dst = append(dst, c)
		} else {
			dst = appendFoldedRune(dst, r)
		}
		i += n
	}
	return dst
}

var foldASCII = func() (table [utf8.RuneSelf]byte) {
	for i := range table {
		c := byte(i)
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		table[i] = c
	}
	return table
}()

const foldTableEnd = 0x530 // Latin, Greek, Cyrillic

var foldTable = func() (table [foldTableEnd]string) {
	for r := rune(utf8.RuneSelf); r < foldTableEnd; r++ {
		table[r] = string(foldRune(nil, r))
	}
	return table
}()

func appendFoldedRune(dst []byte, r rune) []byte {
	switch {
	case r < utf8.RuneSelf:
		return append(dst, foldASCII[r])
	case r < foldTableEnd:
		return append(dst, foldTable[r]...)
	case 0x3400 <= r && r < 0xa000: // ideographs have neither case nor decomposition
		return utf8.AppendRune(dst, r)
	}
	return foldRune(dst, r)
}

func foldRune(dst []byte, r rune) []byte {
	if 0xac00 <= r && r < 0xd7a4 { // Hangul syllables decompose by rule (Unicode §3.12)
		s := r - 0xac00
		dst = utf8.AppendRune(dst, 0x1100+s/588)
		dst = utf8.AppendRune(dst, 0x1161+s%588/28)
		if t := s % 28; t > 0 {
			dst = utf8.AppendRune(dst, 0x11a7+t)
		}
		return dst
	}
	var one [utf8.UTFMax]byte
	r = unicode.ToTitle(r)
	parts := norm.NFKD.Properties(one[:utf8.EncodeRune(one[:], r)]).Decomposition()
	if parts == nil {
		return utf8.AppendRune(dst, r)
	}
	for len(parts) > 0 {
		p, n := utf8.DecodeRune(parts)
		dst = utf8.AppendRune(dst, unicode.ToTitle(p))
		parts = parts[n:]
	}
	return dst
}
