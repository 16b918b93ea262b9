package message

import (
	"bytes"
	"encoding/base64"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// noAddress stands for an address that has no form in ASCII: nobody's, for ever (RFC 6761 §6.4).
const noAddress = "<invalid@internationalized-address.invalid>"

// Downgrade writes the message in r, whose index record is x, as one for clients that know
// no UTF-8 in headers: the surrogate message of RFC 6858. Fields that are not ASCII, in the headers of the message and
// of all its parts, are rewritten where they have a form in ASCII, else left out; all other octets
// are written as they are. An address without such a form becomes part of the name shown
// (§2.1). A field that is no UTF-8 either is no internationalized one and stays. The error is w's or r's.
func Downgrade(w io.Writer, r io.ReaderAt, x *Index) error {
	d := downgrader{w: w, r: r}
	at := int64(0)
	for p := range x.Parts() {
		if p.Header < at {
			continue // a damaged record
		}
		if err := d.copy(at, p.Header); err != nil {
			return err
		}
		if err := d.header(p.Header, p.Body); err != nil {
			return err
		}
		at = p.Body
	}
	return d.copy(at, x.Size())
}

// downgrader writes a surrogate message.
type downgrader struct {
	w     io.Writer
	r     io.ReaderAt
	buf   []byte
	field []byte
	out   []byte
}

// downgradeChunk is how much is read at once.
const downgradeChunk = 32 << 10

func (d *downgrader) copy(from, to int64) error {
	if to <= from {
		return nil
	}
	if d.buf == nil {
		d.buf = make([]byte, downgradeChunk)
	}
	_, err := io.CopyBuffer(struct{ io.Writer }{d.w}, struct{ io.Reader }{io.NewSectionReader(d.r, from, to-from)}, d.buf)
	return err
}

// header writes the header between two offsets.
func (d *downgrader) header(from, to int64) error {
	var l lines
	l.reset(d.r, from, to, make([]byte, downgradeChunk))
	d.field = d.field[:0]
	over, start := false, true // the field is too long; the line at hand begins
	for {
		line, _, ok := l.next()
		if !ok {
			break
		}
		if start && !isFold(line) {
			if err := d.endField(over); err != nil {
				return err
			}
			d.field, over = d.field[:0], false
		}
		if over = over || len(d.field)+len(line) > MaxField; !over {
			d.field = append(d.field, line...)
		}
		start = line[len(line)-1] == '\n'
	}
	if l.err != nil {
		return l.err
	}
	return d.endField(over)
}

// endField writes the field that was read, or what stands for it. One that is longer than any that
// is looked at is left out.
func (d *downgrader) endField(over bool) error {
	if len(d.field) == 0 || over {
		return nil
	}
	out := d.field
	if !isASCII(out) && utf8.Valid(out) {
		d.out = appendDowngraded(d.out[:0], out)
		out = d.out
	}
	_, err := d.w.Write(out)
	return err
}

// appendDowngraded appends a field in ASCII, nothing when it has no such form.
func appendDowngraded(dst, field []byte) []byte {
	name, value := cutField(field)
	if name == nil || !isASCII(name) {
		return dst
	}
	before := len(dst)
	dst = append(append(dst, name...), ": "...)
	if value = bytes.Map(withoutLineEnds, value); isASCII(value) {
		return append(append(dst, value...), "\r\n"...)
	}
	key := strings.ToLower(string(name))
	ok := true
	switch strings.TrimPrefix(key, "resent-") {
	case "from", "sender", "reply-to", "to", "cc", "bcc", "return-path", "disposition-notification-to", "delivered-to":
		dst, ok = appendASCIIAddresses(dst, value)
	case "content-type", "content-disposition":
		dst, ok = appendASCIIParams(dst, value)
	case "subject", "comments", "keywords", "content-description", "organization", "thread-topic":
		dst = appendEncodedWords(dst, AppendDecoded(nil, value))
	default:
		if ok = strings.HasPrefix(key, "x-"); ok {
			dst = appendEncodedWords(dst, AppendDecoded(nil, value))
		}
	}
	if !ok {
		return dst[:before]
	}
	return append(dst, "\r\n"...)
}

func withoutLineEnds(r rune) rune {
	if r == '\r' || r == '\n' {
		return -1
	}
	return r
}

// wordText is how many octets of text an encoded word has at most: with the rest of it, 75 (RFC 2047 §2).
const wordText = 45

// appendEncodedWords appends text as encoded words, each on a line.
func appendEncodedWords(dst, text []byte) []byte {
	for first := true; len(text) > 0; first = false {
		n := min(len(text), wordText)
		for n < len(text) && n > wordText-utf8.UTFMax && !utf8.RuneStart(text[n]) {
			n--
		}
		if !first {
			dst = append(dst, "\r\n "...)
		}
		dst = append(dst, "=?utf-8?B?"...)
		dst = base64.StdEncoding.AppendEncode(dst, text[:n])
		dst = append(dst, "?="...)
		text = text[n:]
	}
	return dst
}

// appendASCIIAddresses appends a list of addresses, each on a line.
func appendASCIIAddresses(dst, value []byte) (_ []byte, ok bool) {
	list := ParseAddresses(value)
	sep := ""
	for _, a := range list {
		if a.Group && a.Mailbox == "" {
			dst, sep = append(dst, ';'), ",\r\n "
			continue
		}
		dst = append(dst, sep...)
		sep = ",\r\n "
		if a.Group {
			dst, sep = append(appendPhrase(dst, Decode([]byte(a.Mailbox))), ':'), "\r\n "
			continue
		}
		name, addr := Decode([]byte(a.Name)), a.Addr()
		if isASCII(a.Mailbox) && !isASCII(a.Host) {
			if host, err := idna.Lookup.ToASCII(a.Host); err == nil {
				a.Host = host
				addr = a.Addr()
			}
		}
		if isASCII(addr) {
			addr = "<" + addr + ">"
		} else {
			if name != "" {
				addr = name + " <" + addr + ">"
			}
			name, addr = addr, noAddress
		}
		if name != "" {
			dst = append(appendPhrase(dst, name), "\r\n "...)
		}
		dst = append(dst, addr...)
	}
	return dst, len(list) > 0
}

// appendPhrase appends a name as a quoted string, or as encoded words.
func appendPhrase(dst []byte, name string) []byte {
	plain := isASCII(name)
	for i := range len(name) {
		plain = plain && name[i] >= ' ' && name[i] != 0x7f
	}
	if !plain {
		return appendEncodedWords(dst, []byte(name))
	}
	return appendQuoted(dst, name)
}

func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, s[i])
	}
	return append(dst, '"')
}

// appendASCIIParams appends a value with parameters, those that are not ASCII as RFC 2231 has them.
func appendASCIIParams(dst, value []byte) (_ []byte, ok bool) {
	s := scanner{s: value}
	s.skip()
	main := bytes.TrimSpace(s.token(";"))
	if !isASCII(main) {
		return dst, false
	}
	dst = append(dst, main...)
	for _, p := range mergeParams(s.rawParams()) {
		if !isASCII(p.Name) {
			continue
		}
		extended := strings.HasSuffix(p.Name, "*")
		switch {
		case extended && !isASCII(p.Value):
			continue
		case extended:
			dst = append(append(append(append(dst, ";\r\n "...), p.Name...), '='), p.Value...)
		case isASCII(p.Value):
			dst = append(append(append(dst, ";\r\n "...), p.Name...), '=')
			dst = appendQuoted(dst, p.Value)
		default:
			dst = appendExtended(dst, p.Name, p.Value)
		}
	}
	return dst, true
}

// appendExtended appends a parameter in UTF-8, in pieces when it is long (RFC 2231 §3, §4).
func appendExtended(dst []byte, name, value string) []byte {
	const piece = 24 // octets, of up to three characters each
	pieces := len(value) > piece
	for n := 0; len(value) > 0; n++ {
		k := min(len(value), piece)
		dst = append(append(append(dst, ";\r\n "...), name...), '*')
		if pieces {
			dst = append(strconv.AppendInt(dst, int64(n), 10), '*')
		}
		dst = append(dst, '=')
		if n == 0 {
			dst = append(dst, "utf-8''"...)
		}
		for i := range k {
			c := value[i]
			if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '-' || c == '_' {
				dst = append(dst, c)
				continue
			}
			const digits = "0123456789ABCDEF"
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
		value = value[k:]
	}
	return dst
}
