package message

import "iter"

// PartInfo is a part as an Index has it.
type PartInfo struct {
	Header, Body, End int64 // offsets, as in Part
	Kind              Kind
	Encoding          Encoding
	Charset           string // of a text part, in lower case; empty when not given
	Depth             int    // 0 is the message
}

// Parts yields all parts in the order in which they stand in the message.
func (x *Index) Parts() iter.Seq[PartInfo] {
	return func(yield func(PartInfo) bool) {
		t := x.table()
		for t.next() && yield(t.part) {
		}
	}
}

// partTable reads the table of parts.
type partTable struct {
	varints
	size int64
	part PartInfo
}

func (x *Index) table() partTable {
	return partTable{varints: varints{b: x.section(secParts)}, size: x.size}
}

// next goes to the next part. Offsets that a damaged record has outside the message end the table.
func (t *partTable) next() bool {
	if t.i >= len(t.b) {
		return false
	}
	p := PartInfo{Header: t.part.Header + t.int()}
	p.Body = p.Header + int64(t.uint())
	p.End = p.Body + int64(t.uint())
	code := t.byte()
	p.Kind, p.Encoding = Kind(code&0xf), Encoding(code>>4)
	p.Depth = int(t.uint())
	if p.Kind.IsText() {
		c := t.byte()
		switch {
		case int(c) < len(charsetCodes):
			p.Charset = charsetCodes[c]
		case c == charsetOther:
			n := int(t.byte())
			if n > len(t.b)-t.i {
				return false
			}
			p.Charset = intern(t.b[t.i : t.i+n])
			t.i += n
		}
	}
	if t.bad || p.Header < 0 || p.Body < p.Header || p.End < p.Body || p.End > t.size || p.Depth < 0 {
		t.i = len(t.b)
		return false
	}
	t.part = p
	return true
}

// child goes to the n-th (from 1) part right below the current one.
func (t *partTable) child(n uint32) bool {
	depth := t.part.Depth
	for t.next() && t.part.Depth > depth {
		if t.part.Depth == depth+1 {
			if n--; n == 0 {
				return true
			}
		}
	}
	return false
}

// Part returns the part with that number (RFC 9051 §6.4.5.1); with an empty path, the message itself.
//
// A message whose body is no multipart has one part, 1: its body.
func (x *Index) Part(path []uint32) (PartInfo, bool) {
	t, ok := x.find(path)
	return t.part, ok
}

func (x *Index) find(path []uint32) (partTable, bool) {
	t := x.table()
	if !t.next() {
		return t, false
	}
	message := true // the part at hand is a message, not a part of one
	for _, n := range path {
		if n == 0 {
			return t, false
		}
		if !message && t.part.Kind == Embedded {
			if !t.child(1) {
				return t, false
			}
			message = true
		}
		switch {
		case t.part.Kind == Multipart:
			if !t.child(n) {
				return t, false
			}
		case !message || n != 1:
			return t, false
		}
		message = false
	}
	return t, true
}
