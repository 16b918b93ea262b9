package message

import (
	"bytes"
	"io"
	"iter"
	"slices"
	"strings"
)

// Section is what stands between the brackets of BODY[...] (RFC 9051 §6.4.5).
type Section struct {
	Path   []uint32
	What   What
	Fields []string // of HeaderFields and HeaderFieldsNot, in any case
}

// What is the last word of a section.
type What byte

const (
	All             What = iota // BODY[] and BODY[1.2]
	Header                      // of the message, or of the one in a message/rfc822
	HeaderFields                // those fields of it, and the empty line
	HeaderFieldsNot             // its other fields, and the empty line
	Text                        // its body
	MIME                        // the header of a part
)

// memoryMax is up to what size a header is read at once.
const memoryMax = 256 << 10

// byteRange is a piece of a message.
type byteRange struct{ from, to int64 }

// Content is the octets of a section, before they are read.
type Content struct {
	r      io.ReaderAt
	ranges []byteRange
	mem    []byte // instead of ranges: what was picked from a header in memory
	inMem  bool
	size   int64
	work   []byte

	fields *Section // what mask is for
	mask   uint64   // of the kept fields that it asks for, 0 when it asks for others
}

// Content is the octets of a section of the message in r. HeaderFields of the message itself come from the
// record when that has them; for others, and HeaderFieldsNot, the message is read here, else when the Content is written. ok is false when the
// message has no such part; FETCH then says NIL.
func (x *Index) Content(r io.ReaderAt, s *Section) (c Content, ok bool, err error) {
	ok, err = x.ContentInto(&c, r, s)
	return c, ok, err
}

// ContentInto is Content with the memory of an earlier Content; what that had is gone. A Section
// is not to be changed from one to the next.
func (x *Index) ContentInto(c *Content, r io.ReaderAt, s *Section) (ok bool, err error) {
	c.r, c.ranges, c.mem, c.inMem, c.size = r, c.ranges[:0], c.mem[:0], false, 0
	if s.What == HeaderFields && len(s.Path) == 0 && c.keptOf(x, s) {
		return true, nil
	}
	where, ok := x.locate(s)
	if !ok {
		return false, nil
	}
	if s.What != HeaderFields && s.What != HeaderFieldsNot {
		c.addRange(where.from, where.to)
		return true, nil
	}
	return true, c.pick(where, s.Fields, s.What == HeaderFieldsNot)
}

// keptOf takes the fields from the record; false when it has not all of them.
func (c *Content) keptOf(x *Index, s *Section) (ok bool) {
	if c.fields != s {
		c.fields = s
		c.mask, _ = keptMask(s.Fields)
	}
	if c.mask == 0 {
		return false
	}
	c.mem, ok = x.appendKept(c.mem, c.mask)
	c.inMem, c.size = ok, int64(len(c.mem))
	return ok
}

// locate finds a section, for picked fields the header from which to pick.
func (x *Index) locate(s *Section) (byteRange, bool) {
	if len(s.Path) == 0 { // no table needed
		switch s.What {
		case All:
			return byteRange{0, x.size}, true
		case Text:
			return byteRange{x.headerSize, x.size}, true
		case MIME:
			return byteRange{}, false
		}
		return byteRange{0, x.headerSize}, true
	}
	t, ok := x.find(s.Path)
	if !ok {
		return byteRange{}, false
	}
	switch s.What {
	case All:
		return byteRange{t.part.Body, t.part.End}, true
	case MIME:
		return byteRange{t.part.Header, t.part.Body}, true
	}
	if t.part.Kind != Embedded || !t.child(1) {
		return byteRange{}, false
	}
	if s.What == Text {
		return byteRange{t.part.Body, t.part.End}, true
	}
	return byteRange{t.part.Header, t.part.Body}, true
}

func (c *Content) addRange(from, to int64) {
	if from >= to {
		return
	}
	c.size += to - from
	if n := len(c.ranges); n > 0 && c.ranges[n-1].to == from {
		c.ranges[n-1].to = to
		return
	}
	c.ranges = append(c.ranges, byteRange{from, to})
}

// pick takes the fields of a header that are, or with not are not, in names, and the
// empty line at its end if there is one.
func (c *Content) pick(header byteRange, names []string, not bool) error {
	if n := header.to - header.from; n <= memoryMax {
		c.work = slices.Grow(c.work[:0], int(n))[:n]
		if _, err := c.r.ReadAt(c.work, header.from); err != nil && !(err == io.EOF) {
			return err
		}
		c.mem = AppendFields(c.mem, c.work, names, not)
		c.inMem, c.size = true, int64(len(c.mem))
		return nil
	}
	c.work = slices.Grow(c.work[:0], windowSize)[:windowSize]
	var in lines
	in.reset(c.r, header.from, header.to, c.work)
	picking, inside := false, false
	for {
		line, off, ok := in.next()
		if !ok {
			return in.err
		}
		if !inside && !isFold(line) {
			picking = isEmptyLine(line) || picked(line, names) != not
		}
		if picking && len(c.ranges) < maxRanges {
			c.addRange(off, off+int64(len(line)))
		}
		inside = line[len(line)-1] != '\n'
	}
}

// maxRanges bounds how many pieces a giant header is picked to.
const maxRanges = 64 << 10

func isFold(line []byte) bool { return line[0] == ' ' || line[0] == '\t' }

func isEmptyLine(line []byte) bool {
	return line[0] == '\n' || len(line) == 2 && line[0] == '\r' && line[1] == '\n'
}

// picked tells whether the field that a line begins is one of names.
func picked(line []byte, names []string) bool {
	for _, name := range names {
		if len(line) <= len(name) || !hasName(line, name) {
			continue
		}
		rest := line[len(name):]
		for len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t') {
			rest = rest[1:]
		}
		if len(rest) > 0 && rest[0] == ':' {
			return true
		}
	}
	return false
}

func hasName(line []byte, name string) bool {
	for i := range len(name) {
		a, b := line[i], name[i]
		if a != b && (a|0x20 != b|0x20 || a|0x20 < 'a' || a|0x20 > 'z') {
			return false
		}
	}
	return true
}

// AppendFields appends the fields of a header that are, or with not are not, in names, as they
// stand there, and the empty line at its end if it has one.
func AppendFields(dst, header []byte, names []string, not bool) []byte {
	from := 0 // of what is picked and not copied yet
	picking := false
	for i := 0; i < len(header); {
		end := bytes.IndexByte(header[i:], '\n') + 1
		if end == 0 {
			end = len(header) - i
		}
		line := header[i : i+end]
		if !isFold(line) {
			now := isEmptyLine(line) || picked(line, names) != not
			switch {
			case now && !picking:
				from = i
			case !now && picking:
				dst = append(dst, header[from:i]...)
			}
			picking = now
		}
		i += end
	}
	if picking {
		dst = append(dst, header[from:]...)
	}
	return dst
}

// Size is how many octets WriteTo writes.
func (c *Content) Size() int64 { return c.size }

// Cut makes c its n octets from offset off on, or as many of them as there are: BODY[...]<off.n>.
func (c *Content) Cut(off, n int64) {
	off = min(max(off, 0), c.size)
	n = min(max(n, 0), c.size-off)
	if c.inMem {
		c.mem = c.mem[off : off+n]
		c.size = n
		return
	}
	out := c.ranges[:0]
	for _, q := range c.ranges {
		length := q.to - q.from
		skip := min(off, length)
		off -= skip
		take := min(n, length-skip)
		n -= take
		if take > 0 {
			out = append(out, byteRange{q.from + skip, q.from + skip + take})
		}
	}
	c.ranges = out
	c.size = 0
	for _, q := range out {
		c.size += q.to - q.from
	}
}

// WriteTo writes the octets.
func (c *Content) WriteTo(w io.Writer) (n int64, err error) {
	if c.inMem {
		k, err := w.Write(c.mem)
		return int64(k), err
	}
	if len(c.work) < windowSize {
		c.work = slices.Grow(c.work[:0], windowSize)[:windowSize]
	}
	for _, q := range c.ranges {
		for q.from < q.to {
			b := c.work[:min(int64(len(c.work)), q.to-q.from)]
			k, err := c.r.ReadAt(b, q.from)
			if k < len(b) {
				if err == nil || err == io.EOF {
					err = io.ErrUnexpectedEOF
				}
				return n, err
			}
			k, err = w.Write(b)
			n += int64(k)
			if err != nil {
				return n, err
			}
			q.from += int64(k)
		}
	}
	return n, nil
}

// Append appends the octets to dst. It is for sections that are small.
func (c *Content) Append(dst []byte) ([]byte, error) {
	if c.inMem {
		return append(dst, c.mem...), nil
	}
	for _, q := range c.ranges {
		at := len(dst)
		dst = slices.Grow(dst, int(q.to-q.from))[:at+int(q.to-q.from)]
		if k, err := c.r.ReadAt(dst[at:], q.from); k < len(dst)-at {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return dst[:at], err
		}
	}
	return dst, nil
}

// Field is one field of a header.
type Field struct {
	Raw   []byte // all of it with its line end
	Name  []byte // nil when the line is no field
	Value []byte // folded as it is, without leading blanks and the last line end
}

// NextField takes the first field off a header; ok is false at the empty line that ends
// it, which rest then begins with, and when nothing is left.
func NextField(header []byte) (f Field, rest []byte, ok bool) {
	if len(header) == 0 || isEmptyLine(header) || header[0] == '\r' && len(header) > 1 && header[1] == '\n' {
		return Field{}, header, false
	}
	end := 0
	for {
		i := bytes.IndexByte(header[end:], '\n')
		if i < 0 {
			end = len(header)
			break
		}
		if end += i + 1; end >= len(header) || !isFold(header[end:]) {
			break
		}
	}
	f.Raw, rest = header[:end:end], header[end:]
	f.Name, f.Value = cutField(f.Raw)
	return f, rest, true
}

// Fields yields the fields of a header, its body not with it.
func Fields(header []byte) iter.Seq[Field] {
	return func(yield func(Field) bool) {
		for {
			f, rest, ok := NextField(header)
			if !ok || !yield(f) {
				return
			}
			header = rest
		}
	}
}

// HeaderField returns the value of the first field of that name, folded as it stands there.
func HeaderField(header []byte, name string) (value []byte, ok bool) {
	for {
		f, rest, more := NextField(header)
		if !more {
			return nil, false
		}
		if f.Name != nil && strings.EqualFold(string(f.Name), name) {
			return f.Value, true
		}
		header = rest
	}
}
