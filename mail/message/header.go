package message

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// mimeHeader is what the fields of MIME in one header say, as it stands there.
type mimeHeader struct {
	typ, subtype      string // "" when there is none that is valid
	params            []Param
	encoding          string
	disposition       string
	dispositionParams []Param
	languages         []string
	id, description   optional
	location, md5     optional
	seenType          bool
	seenDisposition   bool
}

func (h *mimeHeader) reset() { *h = mimeHeader{} }

// optional is the value of a field that may be absent.
type optional struct {
	s  string
	ok bool
}

// set keeps the first value.
func (o *optional) set(s string) {
	if !o.ok {
		*o = optional{s, true}
	}
}

// envelopeFields are the fields of an envelope as the header has them.
type envelopeFields struct {
	date, subject, inReplyTo, messageID optional
	from, sender, replyTo, to, cc, bcc  []Address
}

func (e *envelopeFields) reset() { *e = envelopeFields{} }

// header reads the header of a part; complete tells that it ended with an empty line and
// a body follows. message says whether it is that of a message.
func (p *parser) header(part *Part, message bool) (complete bool) {
	p.mime.reset()
	p.env.reset()
	top := part == p.msg.Root
	p.set = p.inBody
	if top {
		p.set = p.inHeader
	}
	p.field = p.field[:0]
	if top {
		p.kept.reset()
		p.record.utf8 = false
	}
	for p.next() {
		if top {
			p.kept.add(p.line, p.inside)
		}
		if !p.inside {
			if c := p.line[0]; c != ' ' && c != '\t' {
				p.endField(message, top)
				if c == '\n' || c == '\r' && string(p.line) == "\r\n" {
					complete = true
					break
				}
			}
		}
		if room := MaxField - len(p.field); room > 0 {
			p.field = append(p.field, p.line[:min(len(p.line), room)]...)
		}
	}
	if !complete {
		p.endField(message, top)
	}
	p.endHeader(part, message)
	return complete
}

// cutField takes a field apart: its name, and its value without leading blanks and the last line
// end. The name is nil when the line is no field.
func cutField(field []byte) (name, value []byte) {
	i := bytes.IndexByte(field, ':')
	if i <= 0 {
		return nil, field
	}
	name = bytes.TrimRight(field[:i], " \t")
	for _, c := range name {
		if c <= ' ' || c == 0x7f {
			return nil, field
		}
	}
	value = bytes.TrimRight(field[i+1:], "\r\n")
	for len(value) > 0 && (value[0] == ' ' || value[0] == '\t' || value[0] == '\r' || value[0] == '\n') {
		value = value[1:]
	}
	if len(name) == 0 {
		return nil, field
	}
	return name, value
}

// endField looks at the field that was read.
func (p *parser) endField(message, top bool) {
	if len(p.field) == 0 {
		return
	}
	if !p.record.utf8 && !isASCII(p.field) {
		p.record.utf8 = utf8.Valid(p.field) || len(p.field) == MaxField // a piece may end within a character
	}
	name, value := cutField(p.field)
	p.scratch = appendFieldText(p.scratch[:0], name, value)
	p.set.start()
	p.set.add(p.scratch)
	switch {
	case name == nil:
	case len(name) > 8 && equalFold(name[:8], "content-"):
		p.mimeField(name[8:], value)
	case message:
		p.messageField(name, value, top)
	}
	p.field = p.field[:0]
}

// appendFieldText appends a field as a search sees it: "Name: value", decoded, and
// decoded names of files too.
func appendFieldText(dst, name, value []byte) []byte {
	if name != nil {
		dst = append(dst, name...)
		dst = append(dst, ": "...)
	}
	dst = AppendDecoded(dst, value)
	if len(name) > 8 && bytes.IndexByte(value, '*') >= 0 && (equalFold(name, "content-type") || equalFold(name, "content-disposition")) {
		s := scanner{s: value}
		s.token(";")
		for _, q := range mergeParams(s.rawParams()) {
			if base, ok := strings.CutSuffix(q.Name, "*"); ok {
				dst = append(append(append(dst, "; "...), base...), '=')
				dst = append(dst, decodeExtended(q.Value)...)
			}
		}
	}
	return dst
}

// unfolded returns a value without its line ends.
func (p *parser) unfolded(value []byte) []byte {
	if bytes.IndexByte(value, '\n') < 0 && bytes.IndexByte(value, '\r') < 0 {
		return value
	}
	out := value[:0] // it lies in p.field, which is done with
	for _, c := range value {
		if c != '\r' && c != '\n' {
			out = append(out, c)
		}
	}
	return out
}

// messageField takes a field of the header of a message. Of Date, Subject and Message-ID the last
// one counts, addresses of several fields add up.
func (p *parser) messageField(name, value []byte, top bool) {
	e := &p.env
	var list *[]Address
	switch len(name) {
	case 2:
		if equalFold(name, "to") {
			list = &e.to
		} else if equalFold(name, "cc") {
			list = &e.cc
		}
	case 3:
		if equalFold(name, "bcc") {
			list = &e.bcc
		}
	case 4:
		if equalFold(name, "from") {
			list = &e.from
		} else if equalFold(name, "date") {
			e.date = optional{string(p.unfolded(value)), true}
		}
	case 6:
		if equalFold(name, "sender") {
			list = &e.sender
		}
	case 7:
		if equalFold(name, "subject") {
			e.subject = optional{string(p.unfolded(value)), true}
		}
	case 8:
		if equalFold(name, "reply-to") {
			list = &e.replyTo
		}
	case 10:
		if equalFold(name, "message-id") {
			e.messageID = optional{string(p.unfolded(value)), true}
		} else if top && equalFold(name, "references") {
			p.refs = bytes.Clone(value)
		}
	case 11:
		if equalFold(name, "in-reply-to") {
			e.inReplyTo = optional{string(p.unfolded(value)), true}
		}
	}
	if list != nil {
		ap := addressParser{scanner: scanner{s: p.unfolded(value)}, words: p.words[:0], joined: p.joined}
		*list = ap.list(*list)
		p.words, p.joined = ap.words, ap.joined
		p.cut = p.cut || len(*list) >= maxAddresses
	}
}

// mimeField takes a field whose name is Content- and name. The first of each counts.
func (p *parser) mimeField(name, value []byte) {
	h := &p.mime
	switch len(name) {
	case 2:
		if equalFold(name, "id") {
			h.id.set(clipped(p.unfolded(value)))
		}
	case 3:
		if equalFold(name, "md5") {
			h.md5.set(clipped(p.unfolded(value)))
		}
	case 4:
		if equalFold(name, "type") && !h.seenType {
			h.contentType(value)
		}
	case 8:
		if equalFold(name, "location") {
			h.location.set(clipped(p.unfolded(value)))
		} else if equalFold(name, "language") && h.languages == nil {
			h.language(value)
		}
	case 11:
		if equalFold(name, "description") {
			h.description.set(clipped(p.unfolded(value)))
		} else if equalFold(name, "disposition") && !h.seenDisposition {
			h.seenDisposition = true
			s := scanner{s: value}
			s.skip()
			h.disposition = intern(s.token(";="))
			h.dispositionParams = limited(mergeParams(s.rawParams()))
		}
	case 17:
		if equalFold(name, "transfer-encoding") && h.encoding == "" {
			s := scanner{s: value}
			s.skip()
			h.encoding = intern(s.token(";,"))
		}
	}
}

// maxValue bounds what a field or all parameters of a field add to the body structure.
const maxValue = 8 << 10

func clipped(s []byte) string { return string(s[:min(len(s), maxValue)]) }

// limited cuts a list of parameters that is too long.
func limited(list []Param) []Param {
	n := 0
	for i, q := range list {
		if n += len(q.Name) + len(q.Value); n > maxValue {
			return list[:i:i]
		}
	}
	return list
}

func (h *mimeHeader) contentType(value []byte) {
	s := scanner{s: value}
	s.skip()
	typ := s.token("/;=,")
	s.skip()
	if len(typ) == 0 || len(typ) > 127 {
		return
	}
	h.seenType = true
	var subtype []byte
	if s.peek() == '/' {
		s.i++
		s.skip()
		subtype = s.token(";=,")
	}
	params := limited(mergeParams(s.rawParams()))
	switch {
	case len(subtype) > 0 && len(subtype) <= 127:
		h.typ, h.subtype = intern(typ), intern(subtype)
	case equalFold(typ, "text"):
		h.typ, h.subtype = intern(typ), "plain"
	case equalFold(typ, "multipart"):
		h.typ, h.subtype = intern(typ), "mixed"
	default:
		h.typ, h.subtype = "application", "octet-stream"
	}
	h.params = params
}

func (h *mimeHeader) language(value []byte) {
	s := scanner{s: value}
	for s.skip(); !s.done() && len(h.languages) < 32; s.skip() {
		var tag []byte
		if s.peek() == '"' {
			tag = s.quoted(nil)
		} else {
			tag = s.token(",;")
		}
		if len(tag) > 0 && len(tag) <= 127 {
			h.languages = append(h.languages, intern(tag))
		}
		if s.skip(); s.peek() == ';' {
			break
		}
		if !s.done() && s.peek() == ',' {
			s.i++
		}
	}
}

// endHeader fills part with what its header said, and writes the text of it.
func (p *parser) endHeader(part *Part, message bool) {
	h := &p.mime
	if h.typ == "" {
		h.typ, h.subtype = "text", "plain"
		if parent := part.parent; parent != nil && parent.Type == "multipart" && parent.Subtype == "digest" && !message {
			h.typ, h.subtype = "message", "rfc822" // RFC 2046 §5.1.5
		}
	}
	part.Type, part.Subtype = lower(h.typ), lower(h.subtype)
	if k := part.Kind(); (k == Multipart || k == Embedded) && (part.depth >= MaxDepth || p.exhausted) {
		h.typ, h.subtype, h.params = "application", "octet-stream", nil
		part.Type, part.Subtype = h.typ, h.subtype
	}
	part.Params = decodeParams(h.params)
	part.Encoding = lower(h.encoding)
	if part.Encoding == "" {
		h.encoding, part.Encoding = "7bit", "7bit"
	}
	part.Disposition = lower(h.disposition)
	part.DispositionParams = decodeParams(h.dispositionParams)
	part.ID, part.Description = h.id.s, h.description.s
	part.Languages, part.Location, part.MD5 = h.languages, h.location.s, h.md5.s
	if message {
		part.Envelope = p.env.envelope()
		part.envelope = p.writeEnvelope(part == p.msg.Root)
	}
	p.writeStructure(part)
}

// Envelope has the fields of the IMAP envelope (RFC 9051 §7.5.2) as they stand
// in the header, unfolded.
type Envelope struct {
	Date, Subject                      string
	From, Sender, ReplyTo, To, Cc, Bcc []Address // Sender and ReplyTo not filled from From
	InReplyTo, MessageID               string
}

func (e *envelopeFields) envelope() *Envelope {
	return &Envelope{
		Date: e.date.s, Subject: e.subject.s, InReplyTo: e.inReplyTo.s, MessageID: e.messageID.s,
		From: e.from, Sender: e.sender, ReplyTo: e.replyTo, To: e.to, Cc: e.cc, Bcc: e.bcc,
	}
}
