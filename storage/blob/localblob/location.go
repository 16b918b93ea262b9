package localblob

import (
	"encoding/binary"
	"fmt"

	"atrium/storage/blob"
	"atrium/storage/journal"
)

// location says where a body is: at a position of the journal, or in its file.
type location struct {
	large bool
	at    journal.Position // of the first byte
	size  int64
}

// keyBody begins the index's keys: it and the hash.
const keyBody = 'b'

func bodyKey(h blob.Hash) []byte { return append([]byte{keyBody}, h[:]...) }

// An entry's value: version and kind, the size (uvarint), and in the journal
// segment and offset (uvarints).
const (
	inJournal = 1
	inFile    = 2
)

func (l location) encode() []byte {
	if l.large {
		return binary.AppendUvarint([]byte{inFile}, uint64(l.size))
	}
	b := binary.AppendUvarint(append(make([]byte, 0, 16), inJournal), uint64(l.size))
	b = binary.AppendUvarint(b, uint64(l.at.Segment))
	return binary.AppendUvarint(b, uint64(l.at.Offset))
}

func parseLocation(p []byte) (l location, err error) {
	bad := func() error { return fmt.Errorf("index entry %x: %w", p, blob.Corrupt) }
	if len(p) == 0 || p[0] != inJournal && p[0] != inFile {
		return l, bad()
	}
	var v [3]uint64
	rest, n := p[1:], 3
	if l.large = p[0] == inFile; l.large {
		n = 1
	}
	for i := range n {
		used := 0
		if v[i], used = binary.Uvarint(rest); used <= 0 {
			return l, bad()
		}
		rest = rest[used:]
	}
	if len(rest) > 0 || v[0] > 1<<62 || v[1] >= 1<<32 || v[2] >= 1<<32 {
		return l, bad()
	}
	l.size, l.at = int64(v[0]), journal.Position{Segment: uint32(v[1]), Offset: uint32(v[2])}
	return l, nil
}

func parseEntry(key, value []byte) (h blob.Hash, l location, err error) {
	if len(key) != 1+len(h) {
		return h, l, fmt.Errorf("index key %x: %w", key, blob.Corrupt)
	}
	copy(h[:], key[1:])
	l, err = parseLocation(value)
	return h, l, err
}
