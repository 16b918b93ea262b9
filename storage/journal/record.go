package journal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// Kind is a class of failure.
type Kind string

func (k Kind) Error() string { return string(k) }

const (
	// Corrupt means that a part of the log that had been synced does not check.
	Corrupt Kind = "journal damaged"
	// Broken means that a sync failed; the log takes nothing more until it is
	// opened again.
	Broken Kind = "journal broken"
	// TooBig means that a record is larger than MaxRecord.
	TooBig Kind = "journal record too big"
	// Closed means that the log was closed.
	Closed Kind = "journal closed"
)

// Position is a place in the log. The zero Position is before everything.
type Position struct {
	Segment uint32
	Offset  uint32 // bytes from the beginning of the segment
}

// Before tells whether p is before q.
func (p Position) Before(q Position) bool {
	return p.Segment < q.Segment || p.Segment == q.Segment && p.Offset < q.Offset
}

func (p Position) String() string { return fmt.Sprintf("%d:%d", p.Segment, p.Offset) }

const (
	// HeaderSize is the number of bytes before the payload of a record.
	HeaderSize = 32
	// MaxRecord is the largest payload of a record, in bytes.
	MaxRecord = 16 << 20
	// HashSize is the length of a body's hash.
	HashSize = 32

	kindBody  = 'b' // payload: the body's bytes, then its hash
	kindBatch = 't' // payload: what AppendBatch was given
	kindSeal  = 'z' // no payload: the log goes on in the next segment

	align = 8 // records begin at multiples of it, zeros fill the gap
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Sum continues a body's CRC-32C with p; it begins with 0.
func Sum(crc uint32, p []byte) uint32 { return crc32.Update(crc, castagnoli, p) }

// header is what each record begins with, little-endian:
//
//	 0  "AJ1" and the record's kind
//	 4  length of the payload
//	 8  CRC-32C of the payload
//	12  segment and offset of the record itself
//	20  segment and offset up to which the log was synced when it was written
//	28  CRC-32C of the 28 bytes before
type header struct {
	kind   byte
	length uint32
	sum    uint32
	at     Position
	synced Position
}

func (h header) put(p []byte) {
	copy(p, "AJ1")
	p[3] = h.kind
	binary.LittleEndian.PutUint32(p[4:], h.length)
	binary.LittleEndian.PutUint32(p[8:], h.sum)
	binary.LittleEndian.PutUint32(p[12:], h.at.Segment)
	binary.LittleEndian.PutUint32(p[16:], h.at.Offset)
	binary.LittleEndian.PutUint32(p[20:], h.synced.Segment)
	binary.LittleEndian.PutUint32(p[24:], h.synced.Offset)
	binary.LittleEndian.PutUint32(p[28:], Sum(0, p[:28]))
}

// parseHeader returns the header in p when it is whole, sane and belongs at at.
func parseHeader(p []byte, at Position) (h header, ok bool) {
	if len(p) < HeaderSize || string(p[:3]) != "AJ1" || Sum(0, p[:28]) != binary.LittleEndian.Uint32(p[28:]) {
		return h, false
	}
	h = header{
		kind:   p[3],
		length: binary.LittleEndian.Uint32(p[4:]),
		sum:    binary.LittleEndian.Uint32(p[8:]),
		at:     Position{binary.LittleEndian.Uint32(p[12:]), binary.LittleEndian.Uint32(p[16:])},
		synced: Position{binary.LittleEndian.Uint32(p[20:]), binary.LittleEndian.Uint32(p[24:])},
	}
	ok = h.at == at && h.length <= MaxRecord &&
		(h.kind == kindBatch || h.kind == kindBody && h.length >= HashSize || h.kind == kindSeal && h.length == 0)
	return h, ok
}

// size is how much room a record with a payload of n bytes takes.
func size(n int64) int64 { return (HeaderSize + n + align - 1) &^ (align - 1) }

// padding is what follows a record of n bytes, its header counted.
func padding(n int) []byte { return make([]byte, align)[:(align-n%align)%align] }

// readRecords reads records from r, whose first byte is at position at, and
// calls fn with each; payload is nil for bodies, whose checksum is verified all
// the same. It returns where the first record would be that does not check, or the
// position 0 of the next segment after a seal. Only reading itself and fn can fail.
func readRecords(r io.Reader, at Position, fn func(h header, payload []byte) error) (Position, error) {
	in := bufio.NewReaderSize(r, 256<<10)
	var head [HeaderSize]byte
	var buf []byte
	for {
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return at, ended(err)
		}
		h, ok := parseHeader(head[:], at)
		if !ok {
			return at, nil
		}
		if h.kind == kindSeal {
			return Position{Segment: at.Segment + 1}, nil
		}
		var (
			sum     uint32
			payload []byte
			err     error
		)
		if h.kind == kindBody {
			sum, err = sumOf(in, int64(h.length))
		} else {
			if payload, err = readPayload(in, buf, int(h.length)); err == nil {
				buf, sum = payload[:0], Sum(0, payload)
			}
		}
		if err != nil {
			return at, ended(err)
		}
		if sum != h.sum {
			return at, nil
		}
		full := size(int64(h.length))
		if _, err := in.Discard(int(full) - HeaderSize - int(h.length)); err != nil {
			return at, ended(err)
		}
		if err := fn(h, payload); err != nil {
			return at, err
		}
		at.Offset += uint32(full)
	}
}

// readPayload reads n bytes, growing the buffer as they come: a length is
// believed only as far as there are bytes.
func readPayload(in *bufio.Reader, buf []byte, n int) ([]byte, error) {
	buf = buf[:0]
	for len(buf) < n {
		step := min(n-len(buf), 1<<20)
		from := len(buf)
		if cap(buf) < from+step {
			buf = append(buf[:from], make([]byte, step)...)
		}
		buf = buf[:from+step]
		if _, err := io.ReadFull(in, buf[from:]); err != nil {
			return nil, err
		}
	}
	return buf, nil
}

func sumOf(in *bufio.Reader, n int64) (sum uint32, err error) {
	for n > 0 {
		p, err := in.Peek(int(min(n, int64(in.Size()))))
		if err != nil && len(p) == 0 {
			return 0, err
		}
		sum = Sum(sum, p)
		n -= int64(len(p))
		in.Discard(len(p))
	}
	return sum, nil
}

// ended returns nil when a read ended because there is nothing more.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// provesSynced looks in r, whose first byte is at position from, for a whole
// header that says that the log had been synced beyond cut.
func provesSynced(r io.Reader, from, cut Position) (Position, bool, error) {
	in := bufio.NewReaderSize(r, 256<<10)
	at := from
	for {
		p, err := in.Peek(HeaderSize)
		if err != nil {
			return at, false, ended(err)
		}
		if h, ok := parseHeader(p, at); ok && cut.Before(h.synced) {
			return at, true, nil
		}
		in.Discard(align)
		at.Offset += align
	}
}
