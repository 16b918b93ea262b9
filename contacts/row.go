package contacts

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"atrium/storage"
)

// Schema is the sort of collection that address books are. Its Tally counts the
// bytes of cards.
var Schema = storage.Schema{Code: 3, Name: "address book", Tally: func(b []byte) storage.Tally {
	if len(b) == 0 || b[0] != rowVersion {
		return storage.Tally{}
	}
	size, _ := binary.Uvarint(b[1:])
	return storage.Tally{Bytes: int64(size)}
}}

// A row's data: version, size, time in Unix seconds, ETag (16 bytes), name, UID.
const (
	rowVersion = 1
	etagLen    = 16
)

func encodeRow(e *Entry) ([]byte, error) {
	tag, err := hex.DecodeString(e.ETag)
	if err != nil || len(tag) != etagLen {
		return nil, fmt.Errorf("etag %q: %w", e.ETag, storage.Invalid)
	}
	b := append(make([]byte, 0, 40+len(e.Name)+len(e.UID)), rowVersion)
	b = binary.AppendUvarint(b, uint64(e.Size))
	b = binary.AppendUvarint(b, uint64(e.Modified.Unix()))
	b = append(b, tag...)
	b = append(binary.AppendUvarint(b, uint64(len(e.Name))), e.Name...)
	return append(binary.AppendUvarint(b, uint64(len(e.UID))), e.UID...), nil
}

// decodeRow fills in what the row's data hold.
func decodeRow(b []byte, e *Entry) bool {
	if len(b) == 0 || b[0] != rowVersion {
		return false
	}
	b = b[1:]
	ok := true
	num := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			ok, b = false, nil
			return 0
		}
		b = b[n:]
		return v
	}
	take := func(n uint64) []byte {
		if n > uint64(len(b)) {
			ok, b = false, nil
			return nil
		}
		v := b[:n]
		b = b[n:]
		return v
	}
	e.Size = int64(num())
	e.Modified = time.Unix(int64(num()), 0).UTC()
	e.ETag = hex.EncodeToString(take(etagLen))
	e.Name = string(take(num()))
	e.UID = string(take(num()))
	return ok
}

func entryOf(r *storage.Row) (e Entry, err error) {
	e.Num, e.Object, e.Modseq = r.Num, r.Object, r.Modseq
	if !decodeRow(r.Data, &e) {
		return e, fmt.Errorf("card %d: %w", r.Num, storage.Corrupt)
	}
	return e, nil
}

// etagOf is the ETag of octets.
func etagOf(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:etagLen])
}

// Keys of the index: a name and a UID lead to a row, a row's number to the digest that
// filters look at. What is too long for a key is there by its hash.
const longest = 800

func indexKey(kind byte, s string) []byte {
	if len(s) > longest {
		sum := sha256.Sum256([]byte(s))
		return append([]byte{kind, 0xff}, sum[:]...) // no UTF-8 text begins so
	}
	return append([]byte{kind}, s...)
}

func nameKey(name string) []byte { return indexKey('n', name) }
func uidKey(uid string) []byte   { return indexKey('u', uid) }

func digestKey(n storage.Num) []byte {
	return binary.BigEndian.AppendUint32([]byte{digestTag}, uint32(n))
}

// digestTag begins the keys of digests.
const digestTag = 'd'

func numValue(n storage.Num) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
