package message

import (
	"bytes"
	"html"
	"slices"
	"strconv"
	"unicode/utf8"
)

// htmlText takes the tags out of HTML in a stream of UTF-8 and undoes its
// entities. White space runs and tags that are not inline become one blank. What script
// and style elements hold is dropped.
type htmlText struct {
	state   htmlState
	quote   byte   // within a tag: the quote that is open
	last    byte   // within a tag: the last byte that was no blank
	closing bool   // the tag began with </
	name    []byte // of the tag, in lower case; of an entity
	skip    string // drop text until the end tag of this element
	dashes  int    // in a comment
	length  int    // of the tag so far
	blank   bool   // a blank is due before the next text
	begun   bool   // something was written
}

type htmlState byte

const (
	htmlData    htmlState = iota
	htmlOpen              // after <
	htmlName              // in a tag's name
	htmlTag               // in a tag, after its name
	htmlBang              // in <!
	htmlComment           // in <!--
	htmlEntity            // after &
)

const (
	maxTag    = 64 << 10 // bytes of a tag; a longer one is over
	maxName   = 32
	inlineCap = 8 // no name of an inline element is longer
)

// HTMLText returns the text of HTML in UTF-8: without tags, its entities undone, in which runs of white
// space are one blank.
func HTMLText(src []byte) []byte {
	var h htmlText
	return h.flush(h.decode(nil, src))
}

func (h *htmlText) reset() { *h = htmlText{name: h.name[:0]} }

// inline elements do not part words.
func inline(name []byte) bool {
	if len(name) > inlineCap {
		return false
	}
	switch string(name) {
	case "a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "del", "dfn", "em", "font", "i", "ins", "kbd", "mark",
		"o:p", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "tt", "u", "var", "wbr":
		return true
	}
	return false
}

// decode appends the text of src.
func (h *htmlText) decode(dst, src []byte) []byte {
	for i := 0; i < len(src); i++ {
		c := src[i]
		switch h.state {
		case htmlData:
			n := h.data(&dst, src[i:])
			i += n - 1
		case htmlOpen:
			dst = h.open(dst, c)
		case htmlName:
			h.tagName(c)
		case htmlTag:
			if h.quote != 0 && c != h.quote { // to the end of the quote at once
				if n := bytes.IndexByte(src[i:], h.quote); n > 0 && h.length+n < maxTag {
					h.length += n
					i += n
					c = h.quote
				}
			}
			h.tag(c)
		case htmlBang:
			if c == '-' && h.dashes < 2 {
				if h.dashes++; h.dashes == 2 {
					h.state, h.dashes = htmlComment, 0
				}
				break
			}
			h.dashes = 2
			if c == '>' {
				h.state = htmlData
			}
		case htmlComment:
			switch {
			case c == '-':
				h.dashes++
			case c == '>' && h.dashes >= 2:
				h.state = htmlData
			default:
				h.dashes = 0
			}
		case htmlEntity:
			var again bool
			if dst, again = h.entity(dst, c); again {
				i--
			}
		}
	}
	return dst
}

// flush appends what is left at the end.
func (h *htmlText) flush(dst []byte) []byte {
	switch h.state {
	case htmlEntity:
		dst = h.endEntity(dst)
	case htmlOpen:
		dst = h.put(dst, '<')
	}
	return dst
}

// data takes text up to the next tag or entity and returns how much it took.
func (h *htmlText) data(dst *[]byte, src []byte) int {
	if h.skip != "" {
		for i, c := range src {
			if c == '<' {
				h.state = htmlOpen
				return i + 1
			}
		}
		return len(src)
	}
	out := slices.Grow(*dst, min(len(src), htmlStep)+1)
	n := len(out)
	out = out[:cap(out)]
	blank, i := h.blank, 0
loop:
	for i < len(src) && len(out)-n >= 2 {
		c := src[i]
		i++
		if !htmlSpecial[c] {
			if blank {
				if h.begun {
					out[n] = ' '
					n++
				}
				blank = false
			}
			h.begun = true
			out[n] = c
			n++
			continue
		}
		switch c {
		case '<':
			h.state = htmlOpen
			break loop
		case '&':
			h.state, h.name = htmlEntity, h.name[:0]
			break loop
		}
		blank = true
	}
	h.blank = blank
	*dst = out[:n]
	return i
}

// htmlStep is how much text makes room for itself at once.
const htmlStep = 2 << 10

// htmlSpecial are the bytes that end a word of text.
var htmlSpecial = [256]bool{'<': true, '&': true, ' ': true, '\t': true, '\r': true, '\n': true, '\f': true}

// put writes one byte of text, after a blank if one is due.
func (h *htmlText) put(dst []byte, c byte) []byte {
	if h.blank {
		if h.begun {
			dst = append(dst, ' ')
		}
		h.blank = false
	}
	h.begun = true
	return append(dst, c)
}

func (h *htmlText) open(dst []byte, c byte) []byte {
	h.name, h.closing, h.quote, h.last, h.length = h.name[:0], false, 0, 0, 0
	switch {
	case c == '/':
		h.closing, h.state = true, htmlName
	case h.skip != "": // only an end tag counts
		if c != '<' {
			h.state = htmlData
		}
	case c == '!' || c == '?':
		h.state, h.dashes = htmlBang, 0
	case 'a' <= c|0x20 && c|0x20 <= 'z':
		h.state = htmlName
		h.tagName(c)
	default: // a less-than sign
		h.state = htmlData
		dst = h.put(dst, '<')
		h.data(&dst, []byte{c})
	}
	return dst
}

func (h *htmlText) tagName(c byte) {
	switch {
	case c == '>':
		h.endTag()
	case c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '/':
		h.state = htmlTag
	case len(h.name) < maxName:
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		h.name = append(h.name, c)
	default:
		h.state = htmlTag
	}
}

func (h *htmlText) tag(c byte) {
	h.length++
	switch {
	case h.length > maxTag:
		h.endTag()
	case h.quote != 0:
		if c == h.quote {
			h.quote, h.last = 0, c
		}
	case c == '>':
		h.endTag()
	case (c == '"' || c == '\'') && h.last == '=':
		h.quote = c
	case c != ' ' && c != '\t' && c != '\r' && c != '\n':
		h.last = c
	}
}

func (h *htmlText) endTag() {
	h.state = htmlData
	if h.skip != "" {
		if h.closing && string(h.name) == h.skip {
			h.skip = ""
		}
		return
	}
	switch string(h.name) {
	case "script":
		h.skip = "script"
	case "style":
		h.skip = "style"
	default:
		h.blank = h.blank || !inline(h.name)
	}
	if h.closing {
		h.skip = ""
	}
}

// entity takes one more byte of an entity; again says that the byte is not part of it.
func (h *htmlText) entity(dst []byte, c byte) (_ []byte, again bool) {
	word := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '#' && len(h.name) == 0
	if word && len(h.name) < maxName {
		h.name = append(h.name, c)
		return dst, false
	}
	if c == ';' {
		h.name = append(h.name, c)
	}
	dst = h.endEntity(dst)
	h.state = htmlData
	return dst, c != ';'
}

// endEntity writes what the entity in name stands for, or name itself.
func (h *htmlText) endEntity(dst []byte) []byte {
	if len(h.name) > 1 && h.name[0] == '#' {
		if r, ok := numericEntity(h.name[1:]); ok {
			return h.putRune(dst, r)
		}
	}
	switch string(h.name) {
	case "nbsp;":
		return h.putRune(dst, ' ')
	case "amp;":
		return h.put(dst, '&')
	case "lt;":
		return h.put(dst, '<')
	case "gt;":
		return h.put(dst, '>')
	case "quot;":
		return h.put(dst, '"')
	}
	var s string
	if len(h.name) > 0 {
		s = html.UnescapeString("&" + string(h.name))
	} else {
		s = "&"
	}
	for _, r := range s {
		dst = h.putRune(dst, r)
	}
	return dst
}

func (h *htmlText) putRune(dst []byte, r rune) []byte {
	switch {
	case r == ' ' || r == '\u00a0' || r == '\n' || r == '\t' || r == '\r':
		h.blank = true
		return dst
	case r < utf8.RuneSelf:
		return h.put(dst, byte(r))
	}
	dst = h.put(dst, ' ')
	return utf8.AppendRune(dst[:len(dst)-1], r)
}

// numericEntity reads "65;" and "x41;".
func numericEntity(s []byte) (rune, bool) {
	if s[len(s)-1] == ';' {
		s = s[:len(s)-1]
	}
	base := 10
	if len(s) > 0 && (s[0] == 'x' || s[0] == 'X') {
		s, base = s[1:], 16
	}
	n, err := strconv.ParseUint(string(s), base, 32)
	if err != nil || n == 0 || n > utf8.MaxRune || !utf8.ValidRune(rune(n)) {
		return 0, false
	}
	if n >= 0x80 && n < 0xa0 { // what browsers do with Windows-1252
		s := html.UnescapeString("&#" + strconv.Itoa(int(n)) + ";")
		r, _ := utf8.DecodeRuneInString(s)
		return r, true
	}
	return rune(n), true
}
