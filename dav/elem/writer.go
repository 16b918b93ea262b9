package elem

import (
	"encoding/binary"
	"encoding/xml"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Writer appends XML to a buffer. Str takes markup as it is; everything that is
// not written in the code goes through Text or Attr.
type Writer struct{ buf []byte }

// Bytes is what was written.
func (w *Writer) Bytes() []byte { return w.buf }

// Len is the length of what was written; Cut takes back what was written after
// such a length.
func (w *Writer) Len() int      { return len(w.buf) }
func (w *Writer) Cut(n int)     { w.buf = w.buf[:n] }
func (w *Writer) Reset()        { w.buf = w.buf[:0] }
func (w *Writer) Str(s string)  { w.buf = append(w.buf, s...) }
func (w *Writer) Raw(b []byte)  { w.buf = append(w.buf, b...) }
func (w *Writer) Int(n int64)   { w.buf = strconv.AppendInt(w.buf, n, 10) }
func (w *Writer) Uint(n uint64) { w.buf = strconv.AppendUint(w.buf, n, 10) }

// Text writes character data.
func (w *Writer) Text(s string) { w.buf = appendText(w.buf, s) }

// TextBytes writes character data.
func (w *Writer) TextBytes(b []byte) {
	w.buf = slices.Grow(w.buf, len(b)+len(b)/16) // a line end in 80 bytes grows by 4
	for len(b) > 0 {
		n := plainPrefix(b)
		w.buf = append(w.buf, b[:n]...)
		b = b[n:]
		// What stopped it, with what stands close by.
		n = min(len(b), 8)
		for n < len(b) && b[n]&0xc0 == 0x80 && n < 8+utf8.UTFMax {
			n++ // not inside a character
		}
		w.buf = appendText(w.buf, b[:n])
		b = b[n:]
	}
}

// plainPrefix is how many bytes at the start of b may stand as they are, found eight at once; there may be a few more.
func plainPrefix(b []byte) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		amp, angle, del := x^'&'*ones, x&^(2*ones)^'<'*ones, x^0x7f*ones
		// The high bits tell of bytes that are not ASCII, below a blank, or one of those.
		bad := x | (x-' '*ones)&^x | (amp-ones)&^amp | (angle-ones)&^angle | (del-ones)&^del
		if bad&highs != 0 {
			break
		}
	}
	return i
}

// Attr writes the inside of an attribute's quotes.
func (w *Writer) Attr(s string) { w.buf = appendAttr(w.buf, s) }

// Elem writes an element of one of the declared namespaces, "D:href", that holds text.
func (w *Writer) Elem(name, text string) {
	w.buf = append(append(append(w.buf, '<'), name...), '>')
	w.buf = appendText(w.buf, text)
	w.buf = append(append(append(w.buf, "</"...), name...), '>')
}

// Href writes a DAV:href. The path is percent-encoded already.
func (w *Writer) Href(path string) { w.Elem("D:href", path) }

// Empty writes an empty element of any name.
func (w *Writer) Empty(n xml.Name) {
	w.Str("<")
	w.Str(TagOf(n).Start)
	w.Str("/>")
}

// special marks the bytes that may not stand as they are in text: the markup
// characters, controls, and whatever is not ASCII, to be looked at more closely.
var special = func() (t [256]bool) {
	for i := range t {
		t[i] = i < 0x20 && i != '\t' && i != '\n' || i == '&' || i == '<' || i == '>' || i >= 0x7f
	}
	return t
}()

// appendText escapes s so that a parser's normalisation of line ends does not
// change it (XML 1.0 §2.11); what XML cannot hold becomes U+FFFD.
func appendText[T string | []byte](b []byte, s T) []byte {
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if !special[c] {
			i++
			continue
		}
		var put string
		size := 1
		switch {
		case c == '\r':
			put = "&#13;"
		case c == '&':
			put = "&amp;"
		case c == '<':
			put = "&lt;"
		case c == '>':
			put = "&gt;"
		case c == 0x7f:
		case c < 0x20:
			put = "\uFFFD"
		default:
			var r rune
			r, size = decode(s[i:min(i+utf8.UTFMax, len(s))])
			if r == utf8.RuneError && size == 1 || r == 0xfffe || r == 0xffff {
				put = "\uFFFD"
			}
		}
		if put != "" {
			b = append(b, s[from:i]...)
			b = append(b, put...)
			from = i + size
		}
		i += size
	}
	return append(b, s[from:]...)
}

func decode[T string | []byte](s T) (rune, int) { return utf8.DecodeRuneInString(string(s)) }

// appendAttr escapes s for double quotes.
func appendAttr(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"':
			b = append(b, "&quot;"...)
		case '\t', '\n':
			b = append(b, "&#"...)
			b = append(strconv.AppendInt(b, int64(c), 10), ';')
		default:
			j := i
			for j < len(s) && s[j] != '"' && s[j] != '\t' && s[j] != '\n' {
				j++
			}
			b = appendText(b, s[i:j])
			i = j - 1
		}
	}
	return b
}

// ErrorBody writes what follows `<D:error xmlns:D="DAV:"`: the condition's element
// alone, with a href when there is one.
func (w *Writer) ErrorBody(condition xml.Name, href string) {
	tag := TagOf(condition)
	for _, p := range prefixes[1:] {
		if p.space == condition.Space {
			w.Str(" xmlns:" + p.prefix + `="` + p.space + `"`)
		}
	}
	w.Str("><" + tag.Start)
	if href == "" {
		w.Str("/></D:error>")
		return
	}
	w.Str(">")
	w.Href(href)
	w.Str("</" + tag.End + "></D:error>")
}

// Declare writes the namespace declarations of an answer's root.
func (w *Writer) Declare() { w.Str(declarations) }
