package sift

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
	"slices"
	"strings"

	"atrium/mail/message"
	"atrium/storage"
)

// book has those to whom the user wrote, as hashes of their addresses, the one met the longest ago first.
type book []uint64

const (
	maxBook    = 5000
	recordBook = "junk/book"
)

func addressHash(address string) uint64 {
	h := fnv.New64a()
	io.WriteString(h, strings.ToLower(address))
	return h.Sum64()
}

func (b book) has(address string) bool {
	return address != "" && slices.Contains(b, addressHash(address))
}

// with adds an address; changed tells whether it was new.
func (b book) with(address string) (_ book, changed bool) {
	h := addressHash(address)
	if slices.Contains(b, h) {
		return b, false
	}
	if len(b) >= maxBook {
		b = b[len(b)-maxBook+1:]
	}
	return append(slices.Clip(b), h), true
}

func loadBook(v *storage.View) (book, error) {
	raw, err := v.Record(recordBook)
	if errors.Is(err, storage.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var b book
	for ; len(raw) >= 8; raw = raw[8:] {
		b = append(b, binary.BigEndian.Uint64(raw))
	}
	return b, nil
}

func (b book) encode() []byte {
	out := make([]byte, 0, 8*len(b))
	for _, h := range b {
		out = binary.BigEndian.AppendUint64(out, h)
	}
	return out
}

type readerAt = io.ReaderAt

// addresses returns the addresses in fields of a message's header, in lower case, 100 at most.
func addresses(x *message.Index, r readerAt, names ...string) (out []string) {
	head := make([]byte, min(x.HeaderSize(), 256<<10))
	n, _ := r.ReadAt(head, 0)
	for f := range message.Fields(head[:n]) {
		if !slices.Contains(names, strings.ToLower(string(f.Name))) {
			continue
		}
		for _, a := range message.ParseAddresses(f.Value) {
			if a.Host != "" && !a.Group && len(out) < 100 {
				out = append(out, strings.ToLower(a.Addr()))
			}
		}
	}
	return out
}
