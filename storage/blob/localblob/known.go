package localblob

import (
	"encoding/binary"

	"atrium/storage/blob"
)

// known tells of most bodies that the store does not have that it does not: a body that
// arrives is a new one as a rule, and need not be looked for. It is a list of Bloom filters, each
// for twice as many bodies as the one before, of 10 bits a body: some one in a
// hundred that are not there is looked for all the same. Bodies that were removed
// stay until the next start.
type known struct {
	filters []filter
	room    int  // bodies that go into the last one
	whole   bool // the bodies of earlier runs are in it
}

// filter has blocks of 512 bits; a body has its bits in one.
type filter [][8]uint64

const (
	knownFirst = 50_000 // bodies of the first filter, some 60 KiB
	knownBits  = 6      // bits a body
)

func (k *known) add(h blob.Hash) {
	if k.room == 0 {
		k.room = knownFirst << len(k.filters)
		k.filters = append(k.filters, make(filter, k.room*10/512+1))
	}
	k.room--
	b := k.filters[len(k.filters)-1].block(h)
	for i := range knownBits {
		bit := place(h, i)
		b[bit>>6] |= 1 << (bit & 63)
	}
}

// may tells whether the store may have a body.
func (k *known) may(h blob.Hash) bool {
	if !k.whole {
		return true
	}
	for _, f := range k.filters {
		if f.has(h) {
			return true
		}
	}
	return false
}

func (f filter) block(h blob.Hash) *[8]uint64 {
	return &f[binary.LittleEndian.Uint64(h[:])%uint64(len(f))]
}

func (f filter) has(h blob.Hash) bool {
	b := f.block(h)
	for i := range knownBits {
		if bit := place(h, i); b[bit>>6]>>(bit&63)&1 == 0 {
			return false
		}
	}
	return true
}

// place is the i-th of a body's bits in its block: the octets of a SHA-256 are
// as good as any hash.
func place(h blob.Hash, i int) uint16 { return binary.LittleEndian.Uint16(h[8+2*i:]) & 511 }
