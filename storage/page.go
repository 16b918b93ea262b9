package storage

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sort"
)

// A collection's rows lie in pages of up to pageRows rows, and the pages are
// listed in superpages of up to superPages pages, which the collection's record
// lists: a tree of fixed depth that grows at its end only, since rows are only
// ever added there. A change of one row writes one page, one superpage and the
// collection's record.
const (
	pageRows   = 128
	pageBytes  = 6 << 10 // a page that is so full takes no further row
	superPages = 128
	maxRowData = 4 << 10
)

// A page's record: version, number of rows (2 bytes, little-endian, so that a row
// can be added without touching the rest), base object, base modseq, rows. All numbers of a row
// are relative to the page's, so that any row can be read alone.
const pageCountAt = 1

// newPage appends the record of a page without rows.
func newPage(b []byte, o ObjectID, modseq uint64) []byte {
	b = append(b, pageVersion, 0, 0)
	b = binary.AppendUvarint(b, uint64(o))
	return binary.AppendUvarint(b, modseq)
}

// pageHead reads a page's head; rest begins with its first row.
func pageHead(b []byte) (count int, base ObjectID, modseq uint64, rest []byte, ok bool) {
	d := open(b, pageVersion)
	n := d.take(2)
	base, modseq = ObjectID(d.uint()), d.uint()
	if d.bad {
		return 0, 0, 0, nil, false
	}
	return int(binary.LittleEndian.Uint16(n)), base, modseq, d.b, true
}

func appendRow(b []byte, first Num, base ObjectID, modseq uint64, r *Row) []byte {
	b = binary.AppendUvarint(b, uint64(r.Num-first))
	b = binary.AppendVarint(b, int64(r.Object-base))
	b = binary.AppendUvarint(b, r.Modseq-modseq)
	b = binary.AppendUvarint(b, r.Modseq-r.Created)
	return appendBytes(b, r.Data)
}

// readRow reads the row at the start of b and returns its length in bytes, 0 when it
// is damaged. Row.Data is a part of b.
func readRow(b []byte, first Num, base ObjectID, modseq uint64, r *Row) int {
	i := 0
	var v [5]uint64
	for k := range v {
		if i < len(b) && b[i] < 0x80 {
			v[k] = uint64(b[i])
			i++
			continue
		}
		x, n := binary.Uvarint(b[i:])
		if n <= 0 {
			return 0
		}
		v[k] = x
		i += n
	}
	if v[4] > uint64(len(b)-i) {
		return 0
	}
	end := i + int(v[4])
	r.Num = first + Num(v[0])
	r.Object = base + ObjectID(int64(v[1]>>1)^-int64(v[1]&1))
	r.Modseq = modseq + v[2]
	r.Created = r.Modseq - v[3]
	r.Data = b[i:end:end]
	return end
}

// rowSize returns what readRow does without reading the row.
func rowSize(b []byte) int {
	i := 0
	for range 4 {
		from := i
		for i < len(b) && b[i] >= 0x80 {
			i++
		}
		if i++; i > len(b) || i-from > binary.MaxVarintLen64 || i-from == binary.MaxVarintLen64 && b[i-1] > 1 {
			return 0
		}
	}
	if i < len(b) && b[i] < 0x80 {
		if n := int(b[i]) + 1; n <= len(b)-i {
			return i + n
		}
		return 0
	}
	v, n := binary.Uvarint(b[i:])
	if n <= 0 || v > uint64(len(b)-i-n) {
		return 0
	}
	return i + n + int(v)
}

// page is one page in memory. It never changes.
type page struct {
	entry
	raw    []byte // the rows
	base   ObjectID
	modseq uint64
	offs   []uint16 // where each row begins in raw
	wide   []uint32 // the same for pages of more than 64 KiB
}

func loadPage(e entry, key, value []byte) (*page, error) {
	n, base, modseq, rest, ok := pageHead(value)
	p := &page{entry: e, base: base, modseq: modseq}
	if !ok || n != e.count || n > pageRows {
		return nil, fmt.Errorf("page %x: %w", key, Corrupt)
	}
	p.raw = append(make([]byte, 0, len(rest)), rest...)
	if len(rest) < 1<<16 {
		p.offs = make([]uint16, n)
	} else {
		p.wide = make([]uint32, n)
	}
	at := 0
	for i := range n {
		if p.offs != nil {
			p.offs[i] = uint16(at)
		} else {
			p.wide[i] = uint32(at)
		}
		m := rowSize(p.raw[at:])
		if m == 0 {
			return nil, fmt.Errorf("page %x, row %d: %w", key, i, Corrupt)
		}
		at += m
	}
	return p, nil
}

func (p *page) off(i int) int {
	if p.offs != nil {
		return int(p.offs[i])
	}
	return int(p.wide[i])
}

func (p *page) row(i int) (r Row) {
	readRow(p.raw[p.off(i):], p.first, p.base, p.modseq, &r)
	return r
}

func (p *page) num(i int) Num {
	v, _ := binary.Uvarint(p.raw[p.off(i):])
	return p.first + Num(v)
}

// find returns the index of the first row whose Num is n or higher.
func (p *page) find(n Num) int {
	return sort.Search(p.count, func(i int) bool { return p.num(i) >= n })
}

// size is what the page costs in memory, about.
func (p *page) size() int64 { return int64(len(p.raw)+2*len(p.offs)+4*len(p.wide)) + 160 }

// decodeRows appends all rows of a page's record to rows. Their Data are parts of value.
func decodeRows(rows []Row, e entry, key, value []byte) ([]Row, error) {
	n, base, modseq, b, ok := pageHead(value)
	if !ok || n != e.count {
		return nil, fmt.Errorf("page %x: %w", key, Corrupt)
	}
	at := len(rows)
	rows = slices.Grow(rows, n)[:at+n]
	for i := range n {
		m := readRow(b, e.first, base, modseq, &rows[at+i])
		if m == 0 {
			return nil, fmt.Errorf("page %x, row %d: %w", key, i, Corrupt)
		}
		b = b[m:]
	}
	return rows, nil
}

func encodeRows(first Num, rows []Row) []byte {
	low, size := rows[0].Modseq, 32
	for i := range rows {
		low = min(low, rows[i].Modseq)
		size += len(rows[i].Data) + 10 // and what is longer makes it grow
	}
	b := newPage(make([]byte, 0, size), rows[0].Object, low)
	for i := range rows {
		b = appendRow(b, first, rows[0].Object, low, &rows[i])
	}
	binary.LittleEndian.PutUint16(b[pageCountAt:], uint16(len(rows)))
	return b
}
