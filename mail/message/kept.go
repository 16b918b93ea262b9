package message

import (
	"bytes"
	"encoding/binary"
)

// keptFields are the header fields that mail programs ask for when they list
// messages: BODY[HEADER.FIELDS (…)] of no others is answered from the index record. Fields
// that are long and asked for by few (Received, DKIM-Signature,
// Authentication-Results) are not among them. A field's number is its place, from 1; new
// ones go to the end, there are at most 63.
var keptFields = [...]string{
	"from", "to", "cc", "bcc", "sender", "reply-to", "subject", "date", "message-id", "in-reply-to", "references", "newsgroups",
	"content-type", "content-transfer-encoding", "content-disposition", "content-description", "content-language", "mime-version",
	"priority", "x-priority", "importance", "x-msmail-priority", "disposition-notification-to", "return-receipt-to",
	"list-id", "list-post", "list-unsubscribe", "list-unsubscribe-post", "list-subscribe", "mailing-list", "x-mailing-list", "x-beenthere", "x-loop",
	"return-path", "delivered-to", "x-original-to", "envelope-to", "mail-followup-to", "mail-reply-to", "resent-from", "resent-date",
	"lines", "x-label", "x-mailer", "user-agent", "auto-submitted", "precedence", "x-spam-flag",
	"x-tuid", "x-k9mail-identity", "chat-version", "x-uniform-type-identifier", "x-universally-unique-identifier", "x-evolution-source",
}

const (
	keptMax   = 4 << 10 // octets of all kept fields of one message
	emptyLine = 0       // stands for the empty line among the numbers
	notKept   = 0xff
)

var keptNumbers = func() map[string]byte {
	m := make(map[string]byte, len(keptFields))
	for i, name := range keptFields {
		m[name] = byte(i + 1)
	}
	return m
}()

// keptNumber is the number of a field, notKept when it has none.
func keptNumber[T string | []byte](name T) byte {
	var buf [40]byte
	if len(name) > len(buf) {
		return notKept
	}
	low := appendLower(buf[:0], []byte(name))
	if n, ok := keptNumbers[string(low)]; ok {
		return n
	}
	return notKept
}

// keptMask is the set of the numbers of fields and of the empty line; ok is false when a field
// is not kept.
func keptMask(fields []string) (mask uint64, ok bool) {
	mask = 1 << emptyLine
	for _, name := range fields {
		n := keptNumber(name)
		if n == notKept {
			return 0, false
		}
		mask |= 1 << n
	}
	return mask, true
}

// kept collects the kept fields of a header, each from its first line to the line before
// the next field, as they stand there. What AppendFields picks is the measure.
type kept struct {
	table []byte // number and length of each
	text  []byte
	at    int  // where the field at hand begins in text
	field byte // its number
	lost  bool // they are too many, or the header is odd
}

func (k *kept) reset() { *k = kept{table: k.table[:0], text: k.text[:0], field: notKept} }

// add takes the next line of the header, or a piece of it when inside.
func (k *kept) add(line []byte, inside bool) {
	if k.lost {
		return
	}
	if !inside && !isFold(line) {
		k.end()
		k.begin(line)
	}
	if k.field == notKept {
		return
	}
	if k.text = append(k.text, line...); len(k.text) > keptMax {
		k.lost = true
	}
}

func (k *kept) begin(line []byte) {
	k.at = len(k.text)
	if isEmptyLine(line) {
		k.field = emptyLine
		return
	}
	k.field = notKept
	i := bytes.IndexByte(line, ':')
	if i < 0 {
		k.lost = line[len(line)-1] != '\n' && len(line) > 1<<10 // it may come in the next piece
		return
	}
	for i > 0 && (line[i-1] == ' ' || line[i-1] == '\t') {
		i--
	}
	k.field = keptNumber(line[:i])
}

func (k *kept) end() {
	if k.field != notKept {
		k.table = append(k.table, k.field)
		k.table = binary.AppendUvarint(k.table, uint64(len(k.text)-k.at))
		k.field = notKept
	}
}

// append appends the section of the index record: how many fields were known (one byte), the length
// of the table (uvarint), the table, the text. When they are lost it appends nothing.
func (k *kept) append(dst []byte) []byte {
	if k.end(); k.lost {
		return dst
	}
	dst = append(dst, byte(len(keptFields)))
	dst = binary.AppendUvarint(dst, uint64(len(k.table)))
	dst = append(dst, k.table...)
	return append(dst, k.text...)
}

// appendKept appends those of the kept fields that are in mask; ok is false when the record
// does not know them all.
func (x *Index) appendKept(dst []byte, mask uint64) (_ []byte, ok bool) {
	sec := x.section(secKept)
	if len(sec) == 0 || mask>>1>>min(sec[0], 63) != 0 {
		return dst, false
	}
	r := varints{b: sec, i: 1}
	n := r.uint()
	if r.bad || n > uint64(len(sec)-r.i) {
		return dst, false
	}
	text := sec[r.i+int(n):]
	before := len(dst)
	for r.b = sec[:r.i+int(n)]; r.i < len(r.b); {
		number, length := r.byte(), r.uint()
		if r.bad || length > uint64(len(text)) {
			return dst[:before], false
		}
		if mask>>min(number, 63)&1 != 0 {
			dst = append(dst, text[:length]...)
		}
		text = text[length:]
	}
	return dst, true
}
