package message

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"io"
	"iter"
)

// An index record is
//
//	version, flags          one byte each
//	size, header size       of the message, uvarint
//	sent, zone              Unix seconds and minutes east, varint
//	lengths                 one uvarint for each section but the last, see section constants; its
//	                        lowest bit says that the section lies in ENVELOPE, at an offset that follows
//	sections                those that do not lie elsewhere, one behind the other
//
// Behind the flags it is compressed when it is long, which takes ten thousand parts or
// a thousand recipients.
//
// Version 1 has no section of kept fields.
const (
	indexVersion = 2

	flagReply   = 1 << 0 // the subject says that it is a reply or forward
	flagSent    = 1 << 1 // there is a date
	flagCut     = 1 << 2 // ENVELOPE has not all addresses
	flagDeflate = 1 << 3
	flagUTF8    = 1 << 4 // a header has UTF-8

	deflateFrom = 16 << 10
	maxInflated = 8 << 20
)

// The sections of a record.
const (
	secEnvelope = iota
	secStructure
	secSkips // where BODY leaves out what BODYSTRUCTURE has: gap and length, uvarint
	secParts // see appendPart
	secPreview
	secMessageID
	secReferences // length and id, with offset as above
	secSubject
	secSortFrom
	secSortTo
	secSortCc
	secShowFrom
	secShowTo
	secKept // see kept.append
	sections
)

// Fault is a class of failure.
type Fault string

func (f Fault) Error() string { return string(f) }

const (
	// UnknownEncoding means that a part's transfer encoding is none that can be undone.
	UnknownEncoding Fault = "unknown transfer encoding"
	// BadIndex means that a record is no Index of a version known here.
	BadIndex Fault = "index record unreadable"
)

// Index is an opened index record: a value to be passed around. Its accessors do not allocate; what they return
// lies in the record.
type Index struct {
	rec        []byte
	flags      byte
	zone       int32
	size       int64
	headerSize int64
	sent       int64
	sec        [sections]struct{ from, to uint32 }
}

// OpenIndex opens a record made by Message.Index, which must not be changed any more. The error is BadIndex.
func OpenIndex(rec []byte) (Index, error) {
	if len(rec) < 2 || rec[0] != indexVersion && rec[0] != 1 {
		return Index{}, BadIndex
	}
	known := sections
	if rec[0] == 1 {
		known = secKept
	}
	x := Index{rec: rec, flags: rec[1]}
	if x.flags&flagDeflate != 0 {
		var b bytes.Buffer
		b.Write(rec[:2])
		if n, err := io.Copy(&b, io.LimitReader(flate.NewReader(bytes.NewReader(rec[2:])), maxInflated)); err != nil || n == maxInflated {
			return Index{}, BadIndex
		}
		x.rec = b.Bytes()
	}
	r := varints{b: x.rec, i: 2}
	x.size = int64(r.uint())
	x.headerSize = int64(r.uint())
	x.sent = r.int()
	x.zone = int32(r.int()) * 60
	var lengths [sections]uint64
	var offsets [sections]uint64
	for i := range known {
		lengths[i] = r.uint()
		if lengths[i]&1 != 0 {
			offsets[i] = r.uint()
		}
	}
	if r.bad || x.size < 0 || x.headerSize < 0 || x.headerSize > x.size {
		return Index{}, BadIndex
	}
	at, end := uint64(r.i), uint64(len(x.rec))
	for i, n := range lengths[:known] {
		from := at
		if n&1 != 0 {
			from = uint64(x.sec[secEnvelope].from) + offsets[i]
		}
		if n >>= 1; n > end || from > end-n {
			return Index{}, BadIndex
		}
		x.sec[i].from, x.sec[i].to = uint32(from), uint32(from+n)
		if lengths[i]&1 == 0 {
			at += n
		}
	}
	return x, nil
}

func (x *Index) section(i int) []byte {
	s := x.sec[i]
	return x.rec[s.from:s.to:s.to]
}

// Size is RFC822.SIZE, HeaderSize the size of its header with the empty line, in octets.
func (x *Index) Size() int64 { return x.size }

// HeaderSize is the size of the header with the empty line in octets.
func (x *Index) HeaderSize() int64 { return x.headerSize }

// Envelope is the text of ENVELOPE (RFC 9051 §7.5.2) with its parentheses. Strings with 8-bit data are
// literals.
func (x *Index) Envelope() []byte { return x.section(secEnvelope) }

// BodyStructure is the text of BODYSTRUCTURE with its parentheses.
func (x *Index) BodyStructure() []byte { return x.section(secStructure) }

// AppendBody appends the text of BODY: BODYSTRUCTURE without extension data.
func (x *Index) AppendBody(dst []byte) []byte {
	text := x.BodyStructure()
	r := varints{b: x.section(secSkips)}
	for len(r.b) > r.i {
		gap, skip := r.uint(), r.uint()
		if r.bad || gap > uint64(len(text)) || skip > uint64(len(text))-gap {
			break
		}
		dst = append(dst, text[:gap]...)
		text = text[gap+skip:]
	}
	return append(dst, text...)
}

// Preview is the text of PREVIEW (RFC 8970): at most 200 characters of UTF-8 in one line.
func (x *Index) Preview() []byte { return x.section(secPreview) }

// Sent is the moment in the Date field in Unix seconds, with its zone in seconds east
// of UTC; ok is false when there is no date that can be understood.
func (x *Index) Sent() (unix int64, zone int, ok bool) {
	return x.sent, int(x.zone), x.flags&flagSent != 0
}

// MessageID is the Message-ID without brackets, empty when there is none.
func (x *Index) MessageID() []byte { return x.section(secMessageID) }

// References yields the ids of the message's ancestors, oldest first: those in
// References, or the first one in In-Reply-To (RFC 5256 §3).
func (x *Index) References() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		env := x.Envelope()
		r := varints{b: x.section(secReferences)}
		for r.i < len(r.b) {
			n := r.uint()
			from := env
			if n&1 != 0 {
				off := r.uint()
				if off > uint64(len(env)) {
					return
				}
				from = env[off:]
			} else {
				from = r.b[r.i:]
			}
			if r.bad || n>>1 > uint64(len(from)) {
				return
			}
			if n&1 == 0 {
				r.i += int(n >> 1)
			}
			if !yield(from[: n>>1 : n>>1]) {
				return
			}
		}
	}
}

// BaseSubject is the base subject (RFC 5256 §2.1), decoded and folded by i;unicode-casemap, so that
// it compares by octets.
func (x *Index) BaseSubject() []byte { return x.section(secSubject) }

// UTF8 tells whether a header, of the message or of a part, has fields in UTF-8 (RFC 6532); records made
// by earlier versions do not know it. See Downgrade.
func (x *Index) UTF8() bool { return x.flags&flagUTF8 != 0 }

// IsReply tells whether the subject says that this is a reply or a forward (RFC 5256 §2.1).
func (x *Index) IsReply() bool { return x.flags&flagReply != 0 }

// SortFrom, SortTo and SortCc are the sort keys of RFC 5256: the local part of the first
// address, folded as BaseSubject is.
func (x *Index) SortFrom() []byte { return x.section(secSortFrom) }
func (x *Index) SortTo() []byte   { return x.section(secSortTo) }
func (x *Index) SortCc() []byte   { return x.section(secSortCc) }

// DisplayFrom and DisplayTo are the sort keys of RFC 5957: name, or address, of the first address, folded
// as BaseSubject is.
func (x *Index) DisplayFrom() []byte { return x.section(secShowFrom) }
func (x *Index) DisplayTo() []byte   { return x.section(secShowTo) }

// varints reads numbers. After the first mistake all are 0.
type varints struct {
	b   []byte
	i   int
	bad bool
}

func (r *varints) uint() uint64 {
	if r.i < len(r.b) && r.b[r.i] < 0x80 {
		r.i++
		return uint64(r.b[r.i-1])
	}
	v, n := binary.Uvarint(r.b[min(r.i, len(r.b)):])
	if n <= 0 {
		r.bad, r.i = true, len(r.b)
		return 0
	}
	r.i += n
	return v
}

func (r *varints) int() int64 {
	u := r.uint()
	return int64(u>>1) ^ -int64(u&1)
}

func (r *varints) byte() byte {
	if r.i >= len(r.b) {
		r.bad = true
		return 0
	}
	r.i++
	return r.b[r.i-1]
}
