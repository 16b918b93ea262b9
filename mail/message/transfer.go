package message

import "bytes"

// Encoding is a content transfer encoding (RFC 2045 §6).
type Encoding byte

const (
	Identity Encoding = iota // 7bit, 8bit, binary
	Base64
	QuotedPrintable
	UUEncode
	Unknown
)

// encodingOf reads the value of Content-Transfer-Encoding.
func encodingOf(name string) Encoding {
	switch name {
	case "", "7bit", "8bit", "binary", "7-bit", "8-bit":
		return Identity
	case "base64":
		return Base64
	case "quoted-printable":
		return QuotedPrintable
	case "x-uuencode", "uuencode", "x-uue", "uue":
		return UUEncode
	}
	return Unknown
}

// transfer undoes a transfer encoding in a stream. What is no code is
// passed over (Base64) or taken as it stands (QuotedPrintable).
type transfer struct {
	enc  Encoding
	acc  uint32 // Base64: bits
	n    int    // Base64: digits in acc
	hold []byte // input whose meaning depends on what follows
	body bool   // UUEncode: after begin
}

// holdMax bounds how much input waits for what follows it.
const holdMax = 256

func (t *transfer) reset(enc Encoding) { *t = transfer{enc: enc, hold: t.hold[:0]} }

// decode appends what src decodes to. With Identity it returns src itself, dst unused.
func (t *transfer) decode(dst, src []byte) []byte {
	switch t.enc {
	case Base64:
		return t.base64(dst, src)
	case QuotedPrintable, UUEncode:
		return t.byLine(dst, src)
	}
	return src
}

// flush appends what is left at the end of the stream.
func (t *transfer) flush(dst []byte) []byte {
	switch {
	case t.enc == Base64:
		dst = t.endGroup(dst)
	case len(t.hold) > 0:
		dst = t.line(dst, t.hold)
	}
	t.hold = t.hold[:0]
	return dst
}

const (
	digitSkip = 0x40 // no digit
	digitPad  = 0x41
)

var base64Digits = func() (table [256]byte) {
	for i := range table {
		table[i] = digitSkip
	}
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i := range len(digits) {
		table[digits[i]] = byte(i)
	}
	table['='] = digitPad
	return table
}()

func (t *transfer) base64(dst, src []byte) []byte {
	for len(src) > 0 {
		if t.n == 0 {
			dst, src = base64Groups(dst, src)
			if len(src) == 0 {
				break
			}
		}
		d := base64Digits[src[0]]
		src = src[1:]
		switch d {
		case digitSkip:
		case digitPad:
			dst = t.endGroup(dst)
		default:
			t.acc = t.acc<<6 | uint32(d)
			if t.n++; t.n == 4 {
				dst = append(dst, byte(t.acc>>16), byte(t.acc>>8), byte(t.acc))
				t.acc, t.n = 0, 0
			}
		}
	}
	return dst
}

// base64Groups decodes groups of four digits as long as there is nothing between them.
func base64Groups(dst, src []byte) (_, rest []byte) {
	for len(src) >= 4 {
		a, b, c, d := base64Digits[src[0]], base64Digits[src[1]], base64Digits[src[2]], base64Digits[src[3]]
		if (a|b|c|d)&0xc0 != 0 {
			break
		}
		v := uint32(a)<<18 | uint32(b)<<12 | uint32(c)<<6 | uint32(d)
		dst = append(dst, byte(v>>16), byte(v>>8), byte(v))
		src = src[4:]
	}
	return dst, src
}

// endGroup ends a group that has fewer than four digits.
func (t *transfer) endGroup(dst []byte) []byte {
	switch t.n {
	case 2:
		dst = append(dst, byte(t.acc>>4))
	case 3:
		dst = append(dst, byte(t.acc>>10), byte(t.acc>>2))
	}
	t.acc, t.n = 0, 0
	return dst
}

// line decodes a line of an encoding that has them.
func (t *transfer) line(dst, line []byte) []byte {
	if t.enc == QuotedPrintable {
		return quotedLine(dst, line)
	}
	return t.uuLine(dst, line)
}

// byLine decodes whole lines. The tail of a line that does not end in
// src waits in hold, as much of it as can change its meaning.
func (t *transfer) byLine(dst, src []byte) []byte {
	for len(src) > 0 {
		i := bytes.IndexByte(src, '\n')
		if i < 0 {
			break
		}
		if len(t.hold) > 0 {
			t.hold = append(t.hold, src[:i+1]...)
			dst = t.line(dst, t.hold)
			t.hold = t.hold[:0]
		} else {
			dst = t.line(dst, src[:i+1])
		}
		src = src[i+1:]
	}
	if len(src) == 0 {
		return dst
	}
	t.hold = append(t.hold, src...)
	if t.enc == QuotedPrintable {
		if n := len(t.hold) - openTail(t.hold); n > 0 {
			dst = quotedLine(dst, t.hold[:n])
			t.hold = append(t.hold[:0], t.hold[n:]...)
		}
	}
	if len(t.hold) > holdMax { // no line of this encoding is so long
		dst = t.line(dst, t.hold)
		t.hold = t.hold[:0]
	}
	return dst
}

// openTail is how many bytes at the end of s mean something else when a line
// end or a hexadecimal digit follows: blanks, CR, and an unfinished escape.
func openTail(s []byte) int {
	n := len(s)
	for n > 0 && (s[n-1] == ' ' || s[n-1] == '\t' || s[n-1] == '\r') {
		n--
	}
	if n > 0 && s[n-1] == '=' {
		n--
	} else if n == len(s) && n > 1 && s[n-2] == '=' {
		n -= 2
	}
	return len(s) - n
}

// quotedLine decodes a line of quoted-printable, or a piece of one without its end.
func quotedLine(dst, line []byte) []byte {
	text, end := line, line[len(line):]
	if n := len(line); n > 0 && line[n-1] == '\n' {
		if n--; n > 0 && line[n-1] == '\r' {
			n--
		}
		end = line[n:]
		for n > 0 && (line[n-1] == ' ' || line[n-1] == '\t') { // RFC 2045 §6.7 rule 3
			n--
		}
		text = line[:n]
	}
	switch n := len(text); {
	case n > 0 && text[n-1] == '=':
		text, end = text[:n-1], nil // soft line break
	case n+len(end) == len(line):
		text, end = line, nil // no escape goes beyond a line end
	}
	for {
		i := bytes.IndexByte(text, '=')
		if i < 0 {
			break
		}
		dst = append(dst, text[:i]...)
		if b, ok := hexByte(text[i+1:]); ok {
			dst = append(dst, b)
			text = text[i+3:]
			continue
		}
		dst = append(dst, '=')
		text = text[i+1:]
	}
	dst = append(dst, text...)
	return append(dst, end...)
}

// hexByte reads two hexadecimal digits.
func hexByte(s []byte) (byte, bool) {
	if len(s) < 2 {
		return 0, false
	}
	h, l := hexDigit(s[0]), hexDigit(s[1])
	return h<<4 | l, h|l < 16
}

func hexDigit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

// uuLine decodes a line of uuencode.
func (t *transfer) uuLine(dst, line []byte) []byte {
	line = bytes.TrimRight(line, "\r\n")
	switch {
	case !t.body:
		t.body = bytes.HasPrefix(line, []byte("begin "))
		return dst
	case len(line) == 0:
		return dst
	case string(line) == "end":
		t.body = false
		return dst
	}
	n := int(line[0]-' ') & 0x3f
	line = line[1:]
	digit := func(i int) byte {
		if i < len(line) {
			return (line[i] - ' ') & 0x3f
		}
		return 0
	}
	for i := 0; n > 0; i, n = i+4, n-3 {
		a, b, c, d := digit(i), digit(i+1), digit(i+2), digit(i+3)
		group := [3]byte{a<<2 | b>>4, b<<4 | c>>2, c<<6 | d}
		dst = append(dst, group[:min(n, 3)]...)
	}
	return dst
}
