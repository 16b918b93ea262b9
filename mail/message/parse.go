package message

import (
	"bytes"
	"io"
	"sync"
)

// Limits of what one message may cost. Beyond them no more parts begin, and the rest of the message
// belongs to the part that was last opened; what is nested deeper is opaque.
const (
	MaxParts     = 10100     // parts in all
	MaxDepth     = 128       // multiparts and message/rfc822 within each other
	MaxStructure = 3 << 19   // bytes of ENVELOPE and BODYSTRUCTURE, about
	maxDistinct  = 512 << 10 // of them without what is as in the part before
	MaxField     = 256 << 10 // bytes of one header field that are looked at
	maxBoundary  = 998       // bytes of a boundary
)

// Message is what Parse found.
type Message struct {
	Root  *Part
	Size  int64 // bytes
	Parts int   // in the tree, Root included

	index     []byte
	signature Signature
}

// Index returns the record to be kept beside the message; see OpenIndex.
func (m *Message) Index() []byte { return m.index }

// Signature returns the message's search signature, to be kept beside the Index:
// a few hundred octets as a rule, at most 16 KiB.
func (m *Message) Signature() Signature { return m.signature }

// Part is one node of the tree: the message itself, a part of a
// multipart, or the message in a message/rfc822.
type Part struct {
	Header, Body, End int64     // offsets of the header, of the body, and of what follows it
	Lines             int64     // line ends in the body
	Type, Subtype     string    // in lower case; text/plain when the header has none that is valid
	Params            []Param   // of Content-Type, decoded
	Encoding          string    // Content-Transfer-Encoding in lower case, "7bit" when absent
	Disposition       string    // in lower case, "" when absent
	DispositionParams []Param   // decoded
	ID, Description   string    // as they stand in the header, unfolded
	Languages         []string  // of Content-Language
	Location, MD5     string    // as they stand in the header, unfolded
	Envelope          *Envelope // of the message itself and of the message in a message/rfc822; else nil
	Children          []*Part   // of a multipart its parts, at least one; of a message/rfc822 the message in it

	head, tail, envelope textSpan // in parser.text
	depth                int
	parent               *Part
}

// Param returns a parameter of the Content-Type, decoded, "" when absent.
func (p *Part) Param(name string) string { return paramOf(p.Params, name) }

// Filename returns the decoded name that the sender gave the part, "" when none.
func (p *Part) Filename() string {
	if name := paramOf(p.DispositionParams, "filename"); name != "" {
		return name
	}
	return p.Param("name")
}

func paramOf(list []Param, name string) string {
	for _, q := range list {
		if q.Name == name {
			return q.Value
		}
	}
	return ""
}

// Kind is what matters of a part's type.
type Kind byte

const (
	Other Kind = iota
	TextPlain
	TextHTML
	TextOther
	TextCalendar
	Multipart
	Embedded // message/rfc822 and message/global: a message in a part
)

// IsText tells whether a part of that kind has text.
func (k Kind) IsText() bool { return k >= TextPlain && k <= TextCalendar }

// Kind returns the kind of the part's type.
func (p *Part) Kind() Kind {
	switch p.Type {
	case "text":
		switch p.Subtype {
		case "plain":
			return TextPlain
		case "html":
			return TextHTML
		case "calendar":
			return TextCalendar
		}
		return TextOther
	case "multipart":
		return Multipart
	case "message":
		switch p.Subtype {
		case "rfc822", "global":
			return Embedded
		}
		return TextOther
	case "application":
		if p.Subtype == "xhtml+xml" {
			return TextHTML
		}
	}
	return Other
}

// Parse reads the message of size bytes in r, once from its beginning to its end. The error is r's: no
// message is too bad to parse.
func Parse(r io.ReaderAt, size int64) (*Message, error) {
	p := parsers.Get().(*parser)
	defer p.release()
	if err := p.parse(r, size); err != nil {
		return nil, err
	}
	p.parts = nil // they are the caller's now
	return p.msg, nil
}

// Records reads a message as Parse does, for its Index and its Signature only.
func Records(r io.ReaderAt, size int64) (index []byte, s Signature, err error) {
	p := parsers.Get().(*parser)
	defer p.release()
	if err := p.parse(r, size); err != nil {
		return nil, nil, err
	}
	return p.msg.index, p.msg.signature, nil
}

func (p *parser) parse(r io.ReaderAt, size int64) error {
	p.in.reset(r, 0, size, p.window)
	p.msg = &Message{Size: size}
	root := p.newPart(nil)
	p.msg.Root = root
	p.part(root, true)
	if p.in.err != nil {
		return p.in.err
	}
	p.msg.index = p.buildIndex()
	sig := append(p.scratch[:0], signatureVersion)
	sig = p.inHeader.append(sig)
	sig = p.inBody.append(sig)
	p.msg.signature = bytes.Clone(sig)
	p.scratch = sig
	return nil
}

// parser walks a message. Its memory is used again and again.
type parser struct {
	in     lines
	window []byte
	msg    *Message

	line      []byte   // the line at hand, or a piece of it
	off       int64    // where it begins
	lf        int64    // line ends before it
	eol       int      // length of the line end before it
	inside    bool     // it continues a line
	lastCR    bool     // the piece before it ended in CR
	stack     []string // boundaries of the multiparts that are open
	hit       int      // which of them ended the part, -1: the message ended
	closing   bool     // with its last boundary
	embedded  int      // depth of message/rfc822
	exhausted bool     // no more parts

	field  []byte     // the header field at hand, folded
	mime   mimeHeader // of the part at hand
	env    envelopeFields
	kept   kept                          // of the message itself
	refs   []byte                        // the value of References of the message itself
	text   []byte                        // pieces of ENVELOPE and BODYSTRUCTURE
	length int                           // of all of them together
	last   struct{ head, tail textSpan } // of the part before
	words  []byte
	joined []byte
	cut    bool   // an envelope is not whole
	parts  []Part // room for parts

	stream   textStream
	batch    int // where in the window the text begins that stream did not get yet
	feeding  bool
	set      *set // where text goes
	inHeader *set
	inBody   *set
	preview  previewer
	scratch  []byte
	out      []byte
	record   indexWriter
}

var parsers = sync.Pool{New: func() any {
	p := &parser{window: make([]byte, windowSize), inHeader: new(set), inBody: new(set)}
	p.stream.sink = p.takeText
	p.in.moved = p.flushBatch
	p.inHeader.reset()
	p.inBody.reset()
	return p
}}

// release makes p ready for the next message and gives it back.
func (p *parser) release() {
	for _, b := range []*[]byte{&p.field, &p.text, &p.scratch, &p.out, &p.stream.a, &p.stream.b, &p.stream.c} {
		if cap(*b) > 256<<10 { // a giant does not stay
			*b = nil
		}
		*b = (*b)[:0]
	}
	clear(p.stack)
	clear(p.parts)
	p.in.reset(nil, 0, 0, p.window)
	p.inHeader.reset()
	p.inBody.reset()
	p.stream.reset(Other, Identity, "")
	*p = parser{
		in: p.in, window: p.window, stack: p.stack[:0], field: p.field, text: p.text, stream: p.stream, scratch: p.scratch, parts: p.parts[:0],
		out: p.out, inHeader: p.inHeader, inBody: p.inBody, record: p.record, kept: p.kept, words: p.words[:0], joined: p.joined[:0], preview: previewer{
			main: collapser{buf: p.preview.main.buf[:0]}, quoted: collapser{buf: p.preview.quoted.buf[:0]},
			best: p.preview.best[:0],
		},
	}
	parsers.Put(p)
}

// newPart makes a part that begins at the line to come.
func (p *parser) newPart(parent *Part) *Part {
	if len(p.parts) == cap(p.parts) {
		p.parts = make([]Part, 0, min(8+p.msg.Parts, 256))
	}
	p.parts = append(p.parts, Part{Header: p.in.off})
	part := &p.parts[len(p.parts)-1]
	if parent != nil {
		part.depth, part.parent = parent.depth+1, parent
		parent.Children = append(parent.Children, part)
	}
	p.msg.Parts++
	p.exhausted = p.msg.Parts >= MaxParts || len(p.text) > maxDistinct || p.length > MaxStructure
	return part
}

// next takes the next line. It is false at a boundary, the end of the message
// and after a failure.
func (p *parser) next() bool {
	if n := len(p.line); n > 0 {
		p.inside = p.line[n-1] != '\n'
		if p.inside {
			p.lastCR = p.line[n-1] == '\r'
		} else {
			p.lf++
			p.eol = 1
			if n > 1 && p.line[n-2] == '\r' || n == 1 && p.lastCR {
				p.eol = 2
			}
			p.lastCR = false
		}
	}
	var ok bool
	p.line, p.off, ok = p.in.next()
	if !ok {
		p.hit = -1
		return false
	}
	return p.inside || !p.atBoundary()
}

// pass takes lines up to the next boundary.
func (p *parser) pass() {
	for p.next() {
		p.bulk()
	}
}

// bulk takes the lines in the window behind the one at hand, which is no boundary, as long as
// none begins like one. What is left of them as the line at hand is the end of the last.
func (p *parser) bulk() {
	if n := len(p.line); n == 0 || p.line[n-1] != '\n' {
		return
	}
	w := p.in.ahead()
	end := -1
	if len(p.stack) > 0 {
		end = dashes(w)
	}
	if end < 0 {
		end = bytes.LastIndexByte(w, '\n') + 1
	}
	if end == 0 {
		return
	}
	p.lf += int64(bytes.Count(w[:end], newline)) // the line at hand had one, the last is counted by next
	p.line, p.lastCR = w[max(end-2, 0):end], false
	p.in.take(end)
}

var (
	newline    = []byte("\n")
	dashedLine = []byte("\n--")
)

// dashes is where the first line of w that begins with two dashes begins, -1 when there is none.
func dashes(w []byte) int {
	if bytes.HasPrefix(w, dashedLine[1:]) {
		return 0
	}
	from := 0
	for range 16 { // a body in base64 has no dash at all, others have many
		i := bytes.IndexByte(w[from:], '-')
		if i < 0 {
			return -1
		}
		i += from
		if i > 0 && w[i-1] == '\n' && i+1 < len(w) && w[i+1] == '-' {
			return i
		}
		from = i + 1
	}
	i := bytes.Index(w[from:], dashedLine)
	if i < 0 {
		return -1
	}
	return from + i + 1
}

// atBoundary tells whether the line is a boundary of an open multipart. The longest
// that the line begins with counts (RFC 2046 §5.1.1 lets anything follow).
func (p *parser) atBoundary() bool {
	if len(p.stack) == 0 || len(p.line) < 3 || p.line[0] != '-' || p.line[1] != '-' {
		return false
	}
	rest := p.line[2:]
	best := -1
	var tail []byte
	for i := len(p.stack) - 1; i >= 0; i-- {
		b := p.stack[i]
		if len(b) > len(rest) || string(rest[:len(b)]) != b || best >= 0 && len(b) <= len(p.stack[best]) {
			continue
		}
		best, tail = i, rest[len(b):]
		if t := bytes.TrimRight(tail, " \t\r\n"); len(t) == 0 || string(t) == "--" {
			break
		}
	}
	if best < 0 {
		return false
	}
	closing := bytes.HasPrefix(tail, []byte("--"))
	if p.exhausted && !closing {
		return false
	}
	p.hit, p.closing = best, closing
	return true
}

// end is where the part ends that next has ended, and how many line ends there are before: the line end before a
// boundary belongs to the boundary (RFC 2046 §5.1.1).
func (p *parser) end() (off, lf int64) {
	switch {
	case p.hit < 0:
		return p.in.off, p.lf
	case p.eol == 0:
		return p.off, p.lf
	}
	return p.off - int64(p.eol), p.lf - 1
}

// part reads a part to its end: the next boundary of a multipart that it is in, or the end of the message.
// message says that it has the header of a message and not only one of MIME.
func (p *parser) part(part *Part, message bool) {
	complete := p.header(part, message)
	lf := p.lf
	if complete {
		part.Body = p.in.off
		lf++ // the empty line
	} else {
		part.Body, lf = p.end()
		part.Body = max(part.Body, part.Header)
	}
	switch kind := part.Kind(); {
	case kind == Multipart:
		p.multipart(part, complete, lf)
	case kind == Embedded:
		child := p.newPart(part)
		if child.Header = part.Body; complete {
			p.embedded++
			p.part(child, true)
			p.embedded--
		} else {
			p.empty(child, true)
		}
	case complete:
		p.leaf(part, kind)
	}
	end, endLF := p.end()
	part.End = max(end, part.Body)
	if n := len(part.Children); n > 0 { // the empty line of its header may be the boundary's
		part.End = max(part.End, part.Children[n-1].End)
	}
	part.Lines = max(endLF-lf, 0)
}

// empty makes part one without header and body, at its Header.
func (p *parser) empty(part *Part, message bool) {
	part.Body, part.End = part.Header, part.Header
	p.mime.reset()
	p.mime.typ, p.mime.subtype = "text", "plain" // in a multipart/digest too
	p.env.reset()
	p.endHeader(part, message)
}

// leaf passes over the body of a part without parts, and looks at its text.
func (p *parser) leaf(part *Part, kind Kind) {
	if !kind.IsText() {
		p.pass()
		return
	}
	p.set = p.inBody
	p.set.start()
	p.preview.begin(part, kind, p.embedded)
	p.stream.reset(kind, encodingOf(part.Encoding), lower(part.Param("charset")))
	p.feed()
	p.preview.end()
}

// feed gives the lines up to the next boundary to the stream.
func (p *parser) feed() {
	p.feeding = true
	p.batch = p.in.pos
	p.pass()
	if p.feeding {
		p.stream.write(p.in.buf[p.batch : p.in.pos-len(p.line)])
	}
	p.stream.flush()
	p.feeding = false
}

// flushBatch is called before the window moves on.
func (p *parser) flushBatch() {
	if p.feeding {
		p.feeding = p.stream.write(p.in.buf[p.batch:p.in.pos])
		p.batch = 0
	}
}

// takeText takes decoded text and tells whether more of it matters.
func (p *parser) takeText(text []byte) bool {
	more := p.preview.add(text)
	return p.set.add(text) || more
}

// multipart reads the parts of a multipart, and what is before and behind them. When there are none it
// makes one of plain text of what stands in their place, the preamble. lf is how many line ends there are before the body.
func (p *parser) multipart(part *Part, complete bool, lf int64) {
	boundary := trimRight(part.Param("boundary"))
	p.set = p.inBody
	p.set.start()
	p.stream.reset(TextPlain, Identity, "")
	end, endLF := part.Body, lf
	switch {
	case !complete:
	case boundary == "" || len(boundary) > maxBoundary:
		p.preview.begin(part, TextPlain, p.embedded)
		p.feed()
		p.preview.end()
		end, endLF = p.end()
	default:
		p.stack = append(p.stack, boundary)
		level := len(p.stack) - 1
		p.feed()
		end, endLF = p.end()
		for p.hit == level && !p.closing {
			p.part(p.newPart(part), false)
		}
		p.stack = p.stack[:level]
		if p.hit == level {
			p.pass()
		}
	}
	if len(part.Children) == 0 {
		child := p.newPart(part)
		child.Header = part.Body
		p.empty(child, false)
		child.End, child.Lines = max(end, part.Body), max(endLF-lf, 0)
	}
}

// trimRight cuts blanks from the end: no boundary ends in one.
func trimRight(s string) string {
	for len(s) > 0 && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}
