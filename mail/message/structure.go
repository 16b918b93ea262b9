package message

import (
	"bytes"
	"strconv"
)

// This file writes IMAP's ENVELOPE and BODYSTRUCTURE (RFC 9051 §7.5.2), in the
// words that clients know from other servers: types and names as the sender wrote them, sizes in
// octets as stored.

// textSpan is a piece of parser.text.
type textSpan struct{ from, to int }

func (p *parser) span(s textSpan) []byte { return p.text[s.from:s.to] }

// appendString appends s as a quoted string, or as a literal when it has bytes that
// a quoted string cannot hold. Line ends are left out, NUL becomes U+FFFD.
func appendString[T []byte | string](dst []byte, s T) []byte {
	literal, extra := false, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == 0:
			literal = true
			extra += 2
		case c >= 0x80:
			literal = true
		case c == '\r' || c == '\n':
			extra--
		}
	}
	if !literal {
		dst = append(dst, '"')
		for i := range len(s) {
			switch c := s[i]; c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\r', '\n':
			default:
				dst = append(dst, c)
			}
		}
		return append(dst, '"')
	}
	dst = append(dst, '{')
	dst = strconv.AppendInt(dst, int64(len(s)+extra), 10)
	dst = append(dst, "}\r\n"...)
	for i := range len(s) {
		switch c := s[i]; c {
		case 0:
			dst = append(dst, "\uFFFD"...)
		case '\r', '\n':
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

func appendNil(dst []byte) []byte { return append(dst, "NIL"...) }

func appendOptional(dst []byte, o optional) []byte {
	if !o.ok {
		return appendNil(dst)
	}
	return appendString(dst, o.s)
}

// maxNested bounds the envelope of a message within the message, maxTop that of the message itself.
const (
	maxNested = 32 << 10
	maxTop    = 256 << 10
)

// writeEnvelope writes ENVELOPE.
func (p *parser) writeEnvelope(top bool) textSpan {
	e := &p.env
	limit := maxNested
	if top {
		limit = maxTop
	}
	b := p.text
	from := len(b)
	limit += from
	b = append(b, '(')
	b = appendOptional(b, e.date.clip(limit/16))
	b = append(b, ' ')
	subject := e.subject.clip(maxNested / 2)
	p.scratch = appendCollapsed(p.scratch[:0], []byte(subject.s))
	if subject.ok {
		b = appendString(b, p.scratch)
	} else {
		b = appendNil(b)
	}
	for _, list := range [...][]Address{e.from, orFrom(e.sender, e.from), orFrom(e.replyTo, e.from), e.to, e.cc, e.bcc} {
		b = append(b, ' ')
		b = p.appendAddresses(b, list, limit)
	}
	b = append(b, ' ')
	b = appendOptional(b, e.inReplyTo.clip(maxNested/4))
	b = append(b, ' ')
	b = appendOptional(b, e.messageID.clip(maxNested/4))
	p.text = append(b, ')')
	p.length += len(p.text) - from
	return textSpan{from, len(p.text)}
}

func (o optional) clip(n int) optional {
	o.s = o.s[:min(len(o.s), n)]
	return o
}

// orFrom: a missing Sender or Reply-To is the same as From (RFC 9051 §7.5.2).
func orFrom(list, from []Address) []Address {
	if len(list) == 0 {
		return from
	}
	return list
}

// What stands for the missing half of an address that is no group: an empty one would make it a group.
const (
	missingMailbox = "MISSING_MAILBOX"
	missingDomain  = "MISSING_DOMAIN"
)

func (p *parser) appendAddresses(b []byte, list []Address, limit int) []byte {
	if len(list) == 0 {
		return appendNil(b)
	}
	b = append(b, '(')
	open := false
	for i := range list {
		a := &list[i]
		if len(b)+len(a.Name)+len(a.Mailbox)+len(a.Host)+len(a.Route) > limit {
			p.cut = true
			break
		}
		b = append(b, '(')
		if a.Group {
			open = a.Mailbox != ""
			b = append(b, "NIL NIL "...)
			if open {
				p.scratch = appendCollapsed(p.scratch[:0], []byte(a.Mailbox))
				b = appendString(b, p.scratch)
			} else {
				b = appendNil(b)
			}
			b = append(b, " NIL)"...)
			continue
		}
		if a.Name == "" {
			b = appendNil(b)
		} else {
			p.scratch = appendCollapsed(p.scratch[:0], []byte(a.Name))
			b = appendString(b, p.scratch)
		}
		b = append(b, ' ')
		if a.Route == "" {
			b = appendNil(b)
		} else {
			b = appendString(b, a.Route)
		}
		b = append(b, ' ')
		b = appendString(b, or(a.Mailbox, missingMailbox))
		b = append(b, ' ')
		b = appendString(b, or(a.Host, missingDomain))
		b = append(b, ')')
	}
	if open { // the limit cut a group
		b = append(b, "(NIL NIL NIL NIL)"...)
	}
	if b[len(b)-1] == '(' {
		return appendNil(b[:len(b)-1])
	}
	return append(b, ')')
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// writeStructure writes what stands before and behind the sizes of a part in BODYSTRUCTURE.
func (p *parser) writeStructure(part *Part) {
	h := &p.mime
	from := len(p.text)
	b := p.text
	if part.Type == "multipart" {
		b = append(b, ' ')
		b = appendString(b, h.subtype)
		part.head = p.share(textSpan{from, len(b)}, b, p.last.head)
		from = len(p.text)
		b = append(p.text, ' ')
		b = appendParams(b, h.params)
	} else {
		b = appendString(b, h.typ)
		b = append(b, ' ')
		b = appendString(b, h.subtype)
		b = append(b, ' ')
		params := h.params
		if part.Type == "text" && part.Param("charset") == "" {
			params = append(params[:len(params):len(params)], Param{"charset", "us-ascii"})
		}
		b = appendParams(b, params)
		b = append(b, ' ')
		b = appendOptional(b, h.id)
		b = append(b, ' ')
		b = appendOptional(b, h.description)
		b = append(b, ' ')
		b = appendString(b, h.encoding)
		part.head = p.share(textSpan{from, len(b)}, b, p.last.head)
		from = len(p.text)
		b = append(p.text, ' ')
		b = appendOptional(b, h.md5)
	}
	b = append(b, ' ')
	if h.disposition == "" {
		b = appendNil(b)
	} else {
		b = append(b, '(')
		b = appendString(b, h.disposition)
		b = append(b, ' ')
		b = appendParams(b, h.dispositionParams)
		b = append(b, ')')
	}
	b = append(b, ' ')
	b = appendLanguages(b, h.languages)
	b = append(b, ' ')
	b = appendOptional(b, h.location)
	part.tail = p.share(textSpan{from, len(b)}, b, p.last.tail)
	p.last.head, p.last.tail = part.head, part.tail
	p.length += part.head.to - part.head.from + part.tail.to - part.tail.from + 24
}

// share keeps a piece of text at the end of b, unless it is the same as an earlier one.
func (p *parser) share(s textSpan, b []byte, earlier textSpan) textSpan {
	if earlier.to > 0 && bytes.Equal(b[s.from:s.to], b[earlier.from:earlier.to]) {
		p.text = b[:s.from]
		return earlier
	}
	p.text = b
	return s
}

func appendParams(b []byte, list []Param) []byte {
	if len(list) == 0 {
		return appendNil(b)
	}
	for i, q := range list {
		if i == 0 {
			b = append(b, '(')
		} else {
			b = append(b, ' ')
		}
		b = appendString(b, q.Name)
		b = append(b, ' ')
		b = appendString(b, q.Value)
	}
	return append(b, ')')
}

// appendLanguages appends the list of body-fld-lang.
func appendLanguages(b []byte, list []string) []byte {
	if len(list) == 0 {
		return appendNil(b)
	}
	for i, s := range list {
		if i == 0 {
			b = append(b, '(')
		} else {
			b = append(b, ' ')
		}
		b = appendString(b, s)
	}
	return append(b, ')')
}

// structure appends BODYSTRUCTURE of a part to b, and to skips what of it BODY leaves out.
func (p *parser) structure(b []byte, skips []textSpan, part *Part) ([]byte, []textSpan) {
	b = append(b, '(')
	kind := part.Kind()
	if kind == Multipart {
		for _, child := range part.Children {
			b, skips = p.structure(b, skips, child)
		}
		b = append(b, p.span(part.head)...)
	} else {
		b = append(b, p.span(part.head)...)
		b = append(b, ' ')
		b = strconv.AppendInt(b, part.End-part.Body, 10)
		if kind == Embedded {
			child := part.Children[0]
			b = append(b, ' ')
			b = append(b, p.span(child.envelope)...)
			b = append(b, ' ')
			b, skips = p.structure(b, skips, child)
		}
		if kind == Embedded || part.Type == "text" {
			b = append(b, ' ')
			b = strconv.AppendInt(b, part.Lines, 10)
		}
	}
	skips = append(skips, textSpan{len(b), len(b) + part.tail.to - part.tail.from})
	b = append(b, p.span(part.tail)...)
	return append(b, ')'), skips
}
