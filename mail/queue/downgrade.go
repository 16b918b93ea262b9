package queue

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"

	"atrium/mail/message"
)

// downgrade rewrites a message for a server that takes 7 bits only (RFC 6152 §3):
// the parts that have octets above 127 become quoted-printable (RFC 2045 §6.7), or
// base64 (§6.8) where that is shorter; everything else stays as it is.
//
// What is signed (RFC 1847 §2.1) is not touched: a message with octets above 127 in
// there goes back. To send it changed would break the signature, to send it as it is
// leaves that to a server that cuts off the eighth bit; and its author can do
// something about it, since RFC 1847 wants 7 bits there to begin with.
//
// Lines that are longer than a server must take are encoded too where that is asked: of messages that are ours, and so are
// signed again. Some servers refuse them, others fold them, which breaks signatures. Where they are signed they stay.
type downgrade struct {
	eightBit bool // octets above 127 are taken
	lines    bool // long lines are rewritten

	parts map[int]share // the leaf parts to be rewritten, by their order
}

// share is how much of a part is above 127, in octets.
type share struct{ eight, all int64 }

// dense tells whether base64 is shorter than quoted-printable: a third more, against two octets more for each above 127.
func (s share) dense() bool { return s.eight*6 > s.all }

// Bounds of what is rewritten.
const (
	maxPartHeader = 256 << 10
	maxParts      = 10000
	maxNesting    = 50
)

// errDowngrade tells why a message cannot be rewritten.
var errDowngrade = errors.New("cannot be converted")

// plan finds the parts that have octets above 127.
func (d *downgrade) plan(r io.Reader) error {
	d.parts = map[int]share{}
	w := &rewriter{d: d, r: bufio.NewReaderSize(r, 64<<10), planning: true, inHeader: true}
	_, err := io.Copy(io.Discard, w)
	return err
}

// reader yields the rewritten message.
func (d *downgrade) reader(r io.Reader) io.Reader {
	return &rewriter{d: d, r: bufio.NewReaderSize(r, 64<<10), inHeader: true}
}

// rewriter walks through the lines of a message.
type rewriter struct {
	d        *downgrade
	r        *bufio.Reader
	planning bool

	stack    []level
	leaf     int // number of the leaf under way, from 1
	inHeader bool
	within   bool // the middle of a line that is longer than the buffer
	header   []byte
	encode   bool // the part is being rewritten
	encoded  bool // it says that it is encoded: octets above 127 are a mistake
	q        quoted
	b        *sixtyFour // nil: q
	part     share      // of the leaf under way
	length   int        // of the line under way

	out []byte // what is to be read
	buf []byte // where it is written
	err error
}

// level is a multipart that is open.
type level struct {
	boundary string
	signed   bool
}

func (w *rewriter) Read(p []byte) (int, error) {
	for len(w.out) == 0 {
		if w.err != nil {
			return 0, w.err
		}
		line, err := w.r.ReadSlice('\n')
		whole := err == nil || err == io.EOF
		if w.out = w.buf[:0]; len(line) > 0 {
			w.line(line, whole)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			if err == io.EOF && w.err == nil && w.inHeader && len(w.header) > 0 {
				w.endHeader(nil)
			}
			if err == io.EOF && w.err == nil && w.encode && w.b != nil {
				w.out = w.b.end(w.out, true)
			}
			if w.err == nil {
				w.err = err
			}
		}
		w.buf = w.out
	}
	n := copy(p, w.out)
	w.out = w.out[n:]
	return n, nil
}

func (w *rewriter) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("%w: "+format, append([]any{errDowngrade}, args...)...)
	}
}

func (w *rewriter) put(p []byte) {
	if !w.planning {
		w.out = append(w.out, p...)
	}
}

// line takes a line, or a piece of one.
func (w *rewriter) line(line []byte, whole bool) {
	start := !w.within
	w.within = !whole
	if w.inHeader {
		if hasEight(line) && !w.d.eightBit {
			w.fail("a header has octets above 127")
			return
		}
		if len(w.header)+len(line) > maxPartHeader {
			w.fail("a header is too long")
			return
		}
		if start && len(w.stack) > 0 && w.boundary(line) { // a part without an end of its header
			return
		}
		if start && len(bytes.TrimRight(line, "\r\n")) == 0 {
			w.endHeader(line)
			return
		}
		w.header = append(w.header, line...)
		return
	}
	if start && len(w.stack) > 0 && bytes.HasPrefix(line, []byte("--")) && w.boundary(line) {
		return
	}
	if w.planning {
		w.look(line, start)
		return
	}
	switch {
	case w.encode && w.b != nil:
		w.out = w.b.append(w.out, line)
		return
	case w.encode:
		w.out = w.q.append(w.out, line)
		return
	}
	w.put(line)
}

// look plans by a line of a body, or a piece of one.
func (w *rewriter) look(line []byte, start bool) {
	if start {
		w.length = 0
	}
	w.length += len(line)
	w.part.all += int64(len(line))
	_, marked := w.d.parts[w.leaf]
	if hasEight(line) {
		for _, b := range line {
			w.part.eight += int64(b >> 7)
		}
		if !w.d.eightBit {
			w.check()
			marked = true
		}
	}
	if w.d.lines && w.length > maxLine+2 && w.leaf > 0 && !w.encoded && !w.signed() {
		marked = true
	}
	if marked && w.err == nil {
		w.d.parts[w.leaf] = w.part
	}
}

// check fails where the leaf under way cannot be rewritten.
func (w *rewriter) check() {
	switch {
	case w.leaf == 0 || w.encoded:
		w.fail("octets above 127 where there must be none")
	case w.signed():
		w.fail("a signed part would have to be changed")
	}
}

func (w *rewriter) signed() bool {
	for _, l := range w.stack {
		if l.signed {
			return true
		}
	}
	return false
}

// boundary handles a line that may be a boundary, RFC 2046 §5.1.1.
func (w *rewriter) boundary(line []byte) bool {
	text := string(bytes.TrimRight(line, " \t\r\n"))
	if !strings.HasPrefix(text, "--") {
		return false
	}
	for i := len(w.stack) - 1; i >= 0; i-- {
		b := "--" + w.stack[i].boundary
		if text != b && text != b+"--" {
			continue
		}
		if w.inHeader && len(w.header) > 0 {
			w.put(w.header)
		}
		if w.encode && w.b != nil {
			w.out = w.b.end(w.out, false)
		}
		w.part = share{}
		w.header, w.encode, w.encoded = w.header[:0], false, false
		w.put(line)
		if text == b {
			w.stack, w.inHeader = w.stack[:i+1], true
		} else {
			w.stack, w.inHeader = w.stack[:i], false
			w.leaf++ // what follows is no part; octets above 127 in it are quoted away by no one
			w.encoded = true
		}
		return true
	}
	return false
}

// endHeader decides what becomes of the part that begins.
func (w *rewriter) endHeader(empty []byte) {
	head := w.header
	w.header = nil
	w.inHeader, w.encode, w.encoded, w.part = false, false, false, share{}
	contentType, params, err := mime.ParseMediaType(fieldOf(head, "content-type"))
	if contentType == "" || err != nil && params == nil {
		contentType = "text/plain"
	}
	encoding := strings.ToLower(fieldOf(head, "content-transfer-encoding"))
	plain := encoding == "" || encoding == "7bit" || encoding == "8bit" || encoding == "binary"
	if w.leaf++; w.leaf > maxParts || len(w.stack) > maxNesting {
		w.fail("too many parts")
		return
	}
	container := ""
	switch {
	case strings.HasPrefix(contentType, "multipart/") && params["boundary"] != "":
		w.stack = append(w.stack, level{params["boundary"], contentType == "multipart/signed"})
		w.encoded = true // in front of the first part nothing may be rewritten
		container = "7bit"
	case contentType == "message/rfc822" && plain:
		w.inHeader = true
		container = "7bit"
	default:
		// parts that must be 7bit whatever is done to them: RFC 2046 §5.2.2.1, §5.2.3
		w.encoded = !plain || contentType == "message/partial" || contentType == "message/external-body"
		_, w.encode = w.d.parts[w.leaf]
		w.encode = w.encode && !w.planning
	}
	switch {
	case w.planning:
	case w.encode && w.d.parts[w.leaf].dense():
		w.put(withEncoding(head, "base64", w.leaf == 1))
		w.b = &sixtyFour{}
	case w.encode:
		w.put(withEncoding(head, "quoted-printable", w.leaf == 1))
		w.q, w.b = quoted{}, nil
	case container != "" && !w.d.eightBit && (encoding == "8bit" || encoding == "binary") && !w.signed():
		w.put(withEncoding(head, container, w.leaf == 1))
	default:
		w.put(head)
	}
	w.put(empty)
}

// withEncoding returns a header, on top the message's own, with another Content-Transfer-Encoding.
func withEncoding(head []byte, encoding string, top bool) []byte {
	var out []byte
	rest, version := head, false
	for {
		f, next, ok := message.NextField(rest)
		if !ok {
			break
		}
		name := strings.ToLower(strings.TrimRight(string(f.Name), " \t"))
		version = version || name == "mime-version"
		if name != "content-transfer-encoding" {
			out = append(out, f.Raw...)
		}
		rest = next
	}
	out = append(out, "Content-Transfer-Encoding: "+encoding+"\r\n"...)
	if top && !version {
		out = append(out, "MIME-Version: 1.0\r\n"...)
	}
	return append(out, rest...)
}

// sixtyFour encodes base64, RFC 2045 §6.8. The line end in front of a boundary is the
// boundary's, RFC 2046 §5.1.1: the last one is held back.
type sixtyFour struct {
	group []byte // less than a line's
	held  []byte
}

// perLine are the octets that make a line of 76 characters.
const perLine = 57

func (s *sixtyFour) append(dst, p []byte) []byte {
	if len(s.held) == 1 && len(p) == 1 && p[0] == '\n' { // the buffer ended between CR and LF
		s.held = append(s.held, '\n')
		return dst
	}
	dst = s.put(dst, s.held)
	n := len(p)
	switch {
	case bytes.HasSuffix(p, []byte("\r\n")):
		n -= 2
	case bytes.HasSuffix(p, []byte("\r")):
		n--
	}
	s.held = append(s.held[:0], p[n:]...)
	return s.put(dst, p[:n])
}

func (s *sixtyFour) put(dst, p []byte) []byte {
	for len(p) > 0 {
		n := min(perLine-len(s.group), len(p))
		s.group = append(s.group, p[:n]...)
		p = p[n:]
		if len(s.group) == perLine {
			dst = append(base64.StdEncoding.AppendEncode(dst, s.group), '\r', '\n')
			s.group = s.group[:0]
		}
	}
	return dst
}

// end ends the encoded text: at a boundary, or with everything.
func (s *sixtyFour) end(dst []byte, all bool) []byte {
	if all {
		dst = s.put(dst, s.held)
	}
	if len(s.group) > 0 {
		dst = append(base64.StdEncoding.AppendEncode(dst, s.group), '\r', '\n')
	}
	*s = sixtyFour{}
	return dst
}

// quoted encodes quoted-printable, RFC 2045 §6.7.
type quoted struct {
	column int
	blank  byte // one that is held back: it may end the line; 0: none
	cr     bool // a CR is held back
}

const hexDigits = "0123456789ABCDEF"

func (q *quoted) append(dst, p []byte) []byte {
	for _, b := range p {
		if q.cr {
			q.cr = false
			if b == '\n' {
				if q.blank != 0 { // no blank may end a line
					dst = q.octet(dst, q.blank, true)
				}
				q.blank, q.column = 0, 0
				dst = append(dst, '\r', '\n')
				continue
			}
			dst = q.flush(dst)
			dst = q.octet(dst, '\r', true)
		}
		if b == '\r' {
			q.cr = true
			continue
		}
		dst = q.flush(dst)
		if b == ' ' || b == '\t' {
			q.blank = b
			continue
		}
		dst = q.octet(dst, b, b < '!' || b > '~' || b == '=' || q.column == 0 && (b == '.' || b == 'F'))
	}
	return dst
}

// flush writes the blank that is held back.
func (q *quoted) flush(dst []byte) []byte {
	if q.blank != 0 {
		dst = q.octet(dst, q.blank, false)
		q.blank = 0
	}
	return dst
}

// octet writes one octet, after a soft line break where the line is full.
func (q *quoted) octet(dst []byte, b byte, encoded bool) []byte {
	n := 1
	if encoded {
		n = 3
	}
	if q.column+n > 75 {
		dst = append(dst, '=', '\r', '\n')
		q.column = 0
	}
	q.column += n
	if encoded {
		return append(dst, '=', hexDigits[b>>4], hexDigits[b&15])
	}
	return append(dst, b)
}
