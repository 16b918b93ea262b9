package message

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode/utf32"
	"golang.org/x/text/transform"
)

// charset turns text in some charset into UTF-8 in a stream. What is in
// no known charset, and what is not UTF-8 where it ought to be, is taken as Windows-1252:
// readable more often than not.
type charset struct {
	t     transform.Transformer // nil: UTF-8
	ascii bool                  // bytes below 0x80 stand for themselves
	hold  []byte                // an unfinished sequence
}

// charsetNames are names in use that the registers do not have.
var charsetNames = map[string]encoding.Encoding{
	"hz-gb-2312": simplifiedchinese.HZGB2312,
	"hz":         simplifiedchinese.HZGB2312,
	"utf-32":     utf32.UTF32(utf32.BigEndian, utf32.UseBOM),
	"utf-32be":   utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM),
	"utf-32le":   utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM),
	"cp850":      charmap.CodePage850,
	"cp437":      charmap.CodePage437,
	"cp1250":     charmap.Windows1250,
	"cp1251":     charmap.Windows1251,
	"cp1252":     charmap.Windows1252,
	"macintosh":  charmap.Macintosh,
}

// isUTF8 tells whether a charset (in lower case) is UTF-8 or a part of it, or not given.
func isUTF8(name string) bool {
	switch name {
	case "", "utf-8", "us-ascii", "utf8", "ascii", "ansi_x3.4-1968", "iso-ir-6", "us", "unknown-8bit", "x-unknown", "unknown", "default":
		return true
	}
	return false
}

// reset makes c ready for text in the named charset (in lower case).
func (c *charset) reset(name string) {
	*c = charset{ascii: true, hold: c.hold[:0]}
	if isUTF8(name) || len(name) > 64 {
		return
	}
	if name == "utf-7" || name == "unicode-1-1-utf-7" {
		c.t, c.ascii = new(utf7), false
		return
	}
	e := charsetNames[name]
	if e == nil {
		e, _ = htmlindex.Get(name)
	}
	if e == nil || e == encoding.Replacement {
		e, _ = ianaindex.MIME.Encoding(name)
	}
	if e == nil || e == encoding.Replacement {
		return
	}
	c.t = e.NewDecoder().Transformer
	for _, stateful := range []string{"utf-16", "utf-32", "iso-2022", "hz", "ucs", "iso-10646", "ebcdic", "ibm037", "ibm01140", "cp037"} {
		if strings.Contains(name, stateful) {
			c.ascii = false
		}
	}
}

// plain tells whether b may pass as it is.
func (c *charset) plain(b []byte) bool {
	return c.ascii && len(c.hold) == 0 && (c.t == nil && utf8.Valid(b) || c.t != nil && isASCII(b))
}

// decode appends src as UTF-8; last says that no more follows.
func (c *charset) decode(dst, src []byte, last bool) []byte {
	if c.plain(src) {
		return append(dst, src...)
	}
	if len(c.hold) > 0 {
		c.hold = append(c.hold, src...)
		src = c.hold
	}
	if c.t == nil {
		dst, src = appendLenient(dst, src, last)
	} else {
		dst, src = c.transform(dst, src, last)
	}
	c.hold = append(c.hold[:0], src...)
	return dst
}

// transform appends src as UTF-8 and returns what it could not use yet.
func (c *charset) transform(dst, src []byte, last bool) (_, rest []byte) {
	for len(src) > 0 {
		if cap(dst)-len(dst) < 64 {
			dst = append(dst, make([]byte, len(src)+64)...)[:len(dst)]
		}
		nd, ns, err := c.t.Transform(dst[len(dst):cap(dst)], src, last)
		dst, src = dst[:len(dst)+nd], src[ns:]
		switch {
		case err == transform.ErrShortDst:
			dst = append(dst, make([]byte, len(src)+64)...)[:len(dst)]
		case err == transform.ErrShortSrc && !last && len(src) <= 16:
			return dst, src
		case err != nil: // a decoder that gives up: one byte is lost
			dst = append(dst, "\uFFFD"...)
			src = src[1:]
		case ns == 0 && nd == 0:
			return dst, nil
		}
	}
	return dst, nil
}

// appendLenient appends src, bytes that are not UTF-8 as Windows-1252, and returns
// an unfinished sequence at its end unless last.
func appendLenient(dst, src []byte, last bool) (_, rest []byte) {
	for len(src) > 0 {
		n := validPrefix(src)
		dst, src = append(dst, src[:n]...), src[n:]
		if len(src) == 0 {
			break
		}
		if !last && !utf8.FullRune(src) {
			return dst, src
		}
		dst = utf8.AppendRune(dst, charmap.Windows1252.DecodeByte(src[0]))
		src = src[1:]
	}
	return dst, nil
}

const highBits = 0x8080808080808080 // set in octets that are not ASCII

// validPrefix is the length of the longest prefix that is UTF-8.
func validPrefix(b []byte) int {
	for i := 0; i < len(b); {
		if b[i] < utf8.RuneSelf {
			for len(b)-i >= 8 && binary.LittleEndian.Uint64(b[i:])&highBits == 0 {
				i += 8
			}
			for i < len(b) && b[i] < utf8.RuneSelf {
				i++
			}
			continue
		}
		_, n := utf8.DecodeRune(b[i:])
		if n == 1 {
			return i
		}
		i += n
	}
	return len(b)
}

// isASCII tells whether b has no byte above 0x7f.
func isASCII[T []byte | string](b T) bool {
	for len(b) >= 8 {
		if (b[0]|b[1]|b[2]|b[3]|b[4]|b[5]|b[6]|b[7])&0x80 != 0 {
			return false
		}
		b = b[8:]
	}
	for i := range len(b) {
		if b[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// utf7 decodes UTF-7 (RFC 2152).
type utf7 struct {
	shifted bool
	fresh   bool // nothing yet since '+'
	acc     uint32
	bits    int
	high    rune // a high surrogate that waits
}

func (u *utf7) Reset() { *u = utf7{} }

// Transform implements transform.Transformer.
func (u *utf7) Transform(dst, src []byte, _ bool) (nd, ns int, err error) {
	for ; ns < len(src); ns++ {
		if len(dst)-nd < 2*utf8.UTFMax {
			return nd, ns, transform.ErrShortDst
		}
		b := src[ns]
		if !u.shifted {
			if b == '+' {
				*u = utf7{shifted: true, fresh: true}
				continue
			}
			nd += utf8.EncodeRune(dst[nd:], charmap.Windows1252.DecodeByte(b))
			continue
		}
		if d := base64Digits[b]; d < 64 {
			u.fresh = false
			u.acc, u.bits = u.acc<<6|uint32(d), u.bits+6
			if u.bits >= 16 {
				u.bits -= 16
				nd += u.put(dst[nd:], rune(u.acc>>u.bits&0xffff))
			}
			continue
		}
		u.shifted = false
		switch {
		case b == '-' && u.fresh:
			dst[nd] = '+'
			nd++
		case b != '-':
			nd += utf8.EncodeRune(dst[nd:], charmap.Windows1252.DecodeByte(b))
		}
	}
	return nd, ns, nil
}

// put writes one UTF-16 unit.
func (u *utf7) put(dst []byte, unit rune) int {
	high := u.high
	u.high = 0
	switch {
	case unit >= 0xd800 && unit < 0xdc00:
		u.high = unit
		return 0
	case unit >= 0xdc00 && unit < 0xe000:
		if high == 0 {
			unit = utf8.RuneError
		} else {
			unit = (high-0xd800)<<10 + (unit - 0xdc00) + 0x10000
		}
	}
	return utf8.EncodeRune(dst, unit)
}
