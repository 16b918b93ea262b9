package message

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
)

// indexWriter builds an index record.
type indexWriter struct {
	head, data []byte
	envelope   []byte
	skips      []textSpan
	fold, tmp  []byte
	utf8       bool // a header has UTF-8
}

// add adds the next section; inEnvelope looks whether it stands in ENVELOPE already.
func (w *indexWriter) add(b []byte, inEnvelope bool) {
	if inEnvelope && len(b) > 4 {
		if at := bytes.Index(w.envelope, b); at >= 0 {
			w.head = binary.AppendUvarint(w.head, uint64(len(b))<<1|1)
			w.head = binary.AppendUvarint(w.head, uint64(at))
			return
		}
	}
	w.head = binary.AppendUvarint(w.head, uint64(len(b))<<1)
	w.data = append(w.data, b...)
}

const (
	maxIDs    = 200     // message ids that are kept
	maxIDText = 8 << 10 // octets of all of them
	maxKey    = 255     // octets of a sort key
	maxBase   = 2 << 10 // octets of a subject of which the base is sought
)

// buildIndex makes the record of the message.
func (p *parser) buildIndex() []byte {
	w, m, root := &p.record, p.msg, p.msg.Root
	w.envelope = p.span(root.envelope)
	w.head, w.data, w.skips = append(w.head[:0], indexVersion, 0), w.data[:0], w.skips[:0]
	var flags byte
	if p.cut {
		flags |= flagCut
	}
	if w.utf8 {
		flags |= flagUTF8
	}
	w.head = binary.AppendUvarint(w.head, uint64(m.Size))
	w.head = binary.AppendUvarint(w.head, uint64(root.Body))
	env := root.Envelope
	var sent, zone int64
	if t, ok := ParseDate([]byte(env.Date)); ok {
		_, seconds := t.Zone()
		flags |= flagSent
		sent, zone = t.Unix(), int64(seconds/60)
	}
	w.head = binary.AppendVarint(w.head, sent)
	w.head = binary.AppendVarint(w.head, zone)

	w.add(w.envelope, false)
	p.out, w.skips = p.structure(p.out[:0], w.skips, root)
	w.add(p.out, false)
	w.add(w.skipText(), false)
	w.tmp = appendParts(w.tmp[:0], root)
	w.add(w.tmp, false)
	w.add(p.preview.best, false)
	w.add(messageID([]byte(env.MessageID)), true)
	w.add(w.references(p.refs, env.InReplyTo), false)

	base, reply := p.baseSubject(env.Subject)
	if reply {
		flags |= flagReply
	}
	w.add(base, false)
	for _, list := range [...][]Address{env.From, env.To, env.Cc} {
		w.add(w.sortKey(list, false), false)
	}
	for _, list := range [...][]Address{env.From, env.To} {
		w.add(w.sortKey(list, true), false)
	}
	w.tmp = p.kept.append(w.tmp[:0])
	w.add(w.tmp, false)
	w.head[1] = flags
	if len(w.head)+len(w.data) <= deflateFrom {
		return append(bytes.Clone(w.head), w.data...)
	}
	w.head[1] |= flagDeflate
	var b bytes.Buffer
	b.Write(w.head[:2])
	z, _ := flate.NewWriter(&b, 3)
	z.Write(w.head[2:])
	z.Write(w.data)
	z.Close()
	*w = indexWriter{} // a giant does not stay
	return b.Bytes()
}

func (w *indexWriter) skipText() []byte {
	w.tmp = w.tmp[:0]
	at := 0
	for _, s := range w.skips {
		w.tmp = binary.AppendUvarint(w.tmp, uint64(s.from-at))
		w.tmp = binary.AppendUvarint(w.tmp, uint64(s.to-s.from))
		at = s.to
	}
	return w.tmp
}

func (w *indexWriter) references(refs []byte, inReplyTo string) []byte {
	w.tmp = w.tmp[:0]
	id, rest, ok := nextID(refs)
	if !ok {
		if id, _, ok = nextID([]byte(inReplyTo)); ok {
			rest = nil
		}
	}
	for n := 0; ok && n < maxIDs && len(w.tmp)+len(id) < maxIDText; n++ {
		if at := bytes.Index(w.envelope, id); at >= 0 {
			w.tmp = binary.AppendUvarint(w.tmp, uint64(len(id))<<1|1)
			w.tmp = binary.AppendUvarint(w.tmp, uint64(at))
		} else {
			w.tmp = binary.AppendUvarint(w.tmp, uint64(len(id))<<1)
			w.tmp = append(w.tmp, id...)
		}
		id, rest, ok = nextID(rest)
	}
	return w.tmp
}

func (p *parser) baseSubject(subject string) (folded []byte, reply bool) {
	w := &p.record
	w.tmp = AppendDecoded(w.tmp[:0], []byte(subject[:min(len(subject), maxBase)]))
	p.scratch = appendCollapsed(p.scratch[:0], w.tmp)
	base, reply := baseSubject(p.scratch)
	w.fold = AppendFolded(w.fold[:0], base)
	return w.fold, reply
}

// sortKey is the folded local part of the first address, or with show its name or address.
func (w *indexWriter) sortKey(list []Address, show bool) []byte {
	if len(list) == 0 {
		return nil
	}
	a := list[0]
	key := a.Mailbox
	if show && !a.Group {
		if key = a.Name; key == "" {
			key = a.Mailbox + "@" + a.Host
		}
	}
	w.tmp = AppendDecoded(w.tmp[:0], []byte(key[:min(len(key), maxKey)]))
	w.fold = AppendFolded(w.fold[:0], w.tmp)
	return w.fold
}

// appendParts appends the table of a part and all below it, parents first:
//
//	header - header of the part before, body - header, end - body   uvarint
//	kind | encoding << 4                                             one byte
//	depth                                                            uvarint
//	charset, of a text part                                          one byte, see charsetCodes
func appendParts(b []byte, root *Part) []byte {
	var before int64
	var walk func(p *Part)
	walk = func(p *Part) {
		b = binary.AppendVarint(b, p.Header-before)
		before = p.Header
		b = binary.AppendUvarint(b, uint64(p.Body-p.Header))
		b = binary.AppendUvarint(b, uint64(p.End-p.Body))
		kind := p.Kind()
		b = append(b, byte(kind)|byte(encodingOf(p.Encoding))<<4)
		b = binary.AppendUvarint(b, uint64(p.depth))
		if kind.IsText() {
			b = appendCharsetCode(b, lower(p.Param("charset")))
		}
		for _, child := range p.Children {
			walk(child)
		}
	}
	walk(root)
	return b
}

// charsetCodes are the charsets that take one byte; others have the code
// charsetOther and their name behind it, with its length in one byte. New ones go to the end.
var charsetCodes = [...]string{
	"", "us-ascii", "utf-8", "iso-8859-1", "iso-8859-15", "windows-1252", "windows-1251", "koi8-r", "iso-2022-jp", "gb2312",
	"gbk", "big5", "iso-8859-2", "shift_jis", "euc-kr", "windows-1250",
}

const charsetOther = 0xff

func appendCharsetCode(b []byte, name string) []byte {
	for i, known := range charsetCodes {
		if name == known {
			return append(b, byte(i))
		}
	}
	name = name[:min(len(name), maxCharset)]
	b = append(b, charsetOther, byte(len(name)))
	return append(b, name...)
}
