package conn

import (
	"errors"
	"io"
	"math/bits"
	"sync"
)

// maxWindow is how far back a deflated stream may refer (RFC 1951 §2).
const maxWindow = 32 << 10

// errDeflate is the failure of a stream that is not what RFC 1951 says.
var errDeflate = errors.New("deflate: corrupt input")

// errStarved says that input is used up.
var errStarved = errors.New("deflate: more input needed")

// inflater reads a deflated stream (RFC 1951). Other than the standard library's it gives out each
// octet as soon as the bits that it is made of are there, at whatever place the sender
// flushed (RFC 4978 §4: Z_PARTIAL_FLUSH ends neither at a byte nor in a block of its own), and its window
// grows with what has come, so that a client of few words costs little memory. A failed read
// (a deadline that passed) can be repeated.
type inflater struct {
	r     io.Reader
	small [512]byte
	big   *[]byte // a larger buffer, while input comes in bulk
	pool  *buffers
	in    []byte // input that was read
	bits  uint64 // the next n bits
	n     uint

	win        []byte // ring of what came out, of a power of 2
	out, given uint64 // octets that came out, of them read by the caller

	step   func(*inflater) error
	final  bool // this is the last block
	stored int  // octets left of a stored block
	length int  // of a copy under way, from distance before
	dist   int

	lit, far *huffman // codes of the block: the fixed ones, or own
	own      *[2]huffman
	lens     []byte // code lengths of a block's head while it is read
	nlit     int
	ndist    int
	nclen    int
	err      error
}

func newInflater(r io.Reader, pool *buffers) *inflater {
	return &inflater{r: r, pool: pool, win: make([]byte, 1<<10), step: (*inflater).header}
}

// Read reads what is there, at least one octet.
func (z *inflater) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if z.out > z.given {
			from := int(z.given) & (len(z.win) - 1)
			n := min(int(z.out-z.given), len(z.win)-from)
			n = copy(p, z.win[from:from+n])
			z.given += uint64(n)
			return n, nil
		}
		if z.err != nil {
			return 0, z.err
		}
		err := z.run()
		switch {
		case err == nil || z.out > z.given && err == errStarved:
			continue
		case err != errStarved:
			z.err = err
			continue
		}
		if err := z.fill(); err != nil {
			return 0, err
		}
	}
}

// run decodes until the window is full of what was not read, or input is used up.
func (z *inflater) run() error {
	for z.out-z.given < maxWindow {
		if err := z.step(z); err != nil {
			return err
		}
	}
	return nil
}

// fill reads input. A connection that waits holds the small buffer alone.
func (z *inflater) fill() error {
	if z.big != nil && len(z.in) == 0 && !z.bulk() {
		z.pool.give(z.big)
		z.big = nil
	}
	buf := z.small[:]
	if z.big != nil {
		buf = *z.big
	}
	n, err := z.r.Read(buf)
	z.in = buf[:n]
	if n == 0 {
		return err
	}
	if n == len(buf) && z.big == nil {
		z.big = z.pool.take(midSize)
	}
	return nil
}

// bulk tells whether the last read filled its buffer, so that more is to be expected at once.
func (z *inflater) bulk() bool { return cap(z.in) == 0 }

// need makes sure that there are n bits, at most 48.
func (z *inflater) need(n uint) bool {
	z.refill()
	return z.n >= n
}

func (z *inflater) refill() {
	for z.n <= 56 && len(z.in) > 0 {
		z.bits |= uint64(z.in[0]) << z.n
		z.n += 8
		z.in = z.in[1:]
	}
}

func (z *inflater) drop(n uint) {
	z.bits >>= n
	z.n -= n
}

func (z *inflater) take(n uint) int {
	v := int(z.bits & (1<<n - 1))
	z.drop(n)
	return v
}

// put gives out one octet.
func (z *inflater) put(b byte) {
	if z.out == uint64(len(z.win)) && len(z.win) < maxWindow {
		z.win = append(z.win, make([]byte, len(z.win))...)
	}
	z.win[int(z.out)&(len(z.win)-1)] = b
	z.out++
}

// header reads the head of a block (RFC 1951 §3.2.3).
func (z *inflater) header() error {
	if z.final {
		return io.EOF
	}
	if !z.need(3) {
		return errStarved
	}
	z.final = z.take(1) == 1
	switch z.take(2) {
	case 0:
		z.drop(z.n % 8)
		z.step = (*inflater).storedHead
	case 1:
		fixed := fixedCodes()
		z.lit, z.far = &fixed[0], &fixed[1]
		z.step = (*inflater).symbol
	case 2:
		z.step = (*inflater).dynamicHead
	default:
		return errDeflate
	}
	return nil
}

func (z *inflater) storedHead() error {
	if !z.need(32) {
		return errStarved
	}
	n := z.take(16)
	if z.take(16) != n^0xffff {
		return errDeflate
	}
	z.stored, z.step = n, (*inflater).storedBody
	return nil
}

func (z *inflater) storedBody() error {
	if z.stored == 0 {
		z.step = (*inflater).header
		return nil
	}
	if !z.need(8) {
		return errStarved
	}
	for z.stored > 0 && z.n >= 8 && z.out-z.given < maxWindow {
		z.put(byte(z.take(8)))
		z.stored--
	}
	return nil
}

// codeOrder is the order in which the lengths of the code for lengths come.
var codeOrder = [...]byte{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// dynamicHead reads how many codes a block has (RFC 1951 §3.2.7).
func (z *inflater) dynamicHead() error {
	if !z.need(14) {
		return errStarved
	}
	z.nlit, z.ndist, z.nclen = z.take(5)+257, z.take(5)+1, z.take(4)+4
	if z.nlit > 286 || z.ndist > 30 {
		return errDeflate
	}
	z.lens = z.lens[:0]
	if z.own == nil {
		z.own = new([2]huffman)
	}
	z.step = (*inflater).codeLengths
	return nil
}

func (z *inflater) codeLengths() error {
	for len(z.lens) < z.nclen {
		if !z.need(3) {
			return errStarved
		}
		z.lens = append(z.lens, byte(z.take(3)))
	}
	var lens [19]byte
	for i, n := range z.lens {
		lens[codeOrder[i]] = n
	}
	if !z.own[0].build(lens[:]) {
		return errDeflate
	}
	z.lens, z.step = z.lens[:0], (*inflater).lengths
	return nil
}

// lengths reads the lengths of the block's codes, with the code in own[0].
func (z *inflater) lengths() error {
	all := z.nlit + z.ndist
	for len(z.lens) < all {
		z.refill()
		sym, used := z.own[0].decode(z.bits, z.n)
		if sym < 0 {
			return starvedOr(sym)
		}
		extra, times, value := uint(0), 1, byte(sym)
		switch sym {
		case 16:
			if len(z.lens) == 0 {
				return errDeflate
			}
			extra, times, value = 2, 3, z.lens[len(z.lens)-1]
		case 17:
			extra, times, value = 3, 3, 0
		case 18:
			extra, times, value = 7, 11, 0
		}
		if z.n < used+extra {
			return errStarved
		}
		z.drop(used)
		if times += z.take(extra); len(z.lens)+times > all {
			return errDeflate
		}
		for range times {
			z.lens = append(z.lens, value)
		}
	}
	if z.lens[256] == 0 || !z.own[0].build(z.lens[:z.nlit]) || !z.own[1].build(z.lens[z.nlit:]) {
		return errDeflate
	}
	z.lens = nil
	z.lit, z.far, z.step = &z.own[0], &z.own[1], (*inflater).symbol
	return nil
}

func starvedOr(sym int) error {
	if sym == starved {
		return errStarved
	}
	return errDeflate
}

// Bases and extra bits of lengths and distances (RFC 1951 §3.2.5).
var (
	lengthBase = [...]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthBits = [...]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase   = [...]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distBits   = [...]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
)

// symbol decodes one octet, one reference back or the end of the block. It takes bits only
// when all of them are there.
func (z *inflater) symbol() error {
	z.refill()
	sym, used := z.lit.decode(z.bits, z.n)
	switch {
	case sym < 0:
		return starvedOr(sym)
	case sym < 256:
		z.drop(used)
		z.put(byte(sym))
		return nil
	case sym == 256:
		z.drop(used)
		z.step = (*inflater).header
		return nil
	case sym > 285:
		return errDeflate
	}
	sym -= 257
	more := uint(lengthBits[sym])
	if z.n < used+more {
		return errStarved
	}
	length := int(lengthBase[sym]) + int(z.bits>>used&(1<<more-1))
	used += more
	far, farUsed := z.far.decode(z.bits>>used, z.n-used)
	if far < 0 {
		return starvedOr(far)
	}
	if far >= len(distBase) {
		return errDeflate
	}
	used += farUsed
	more = uint(distBits[far])
	if z.n < used+more {
		return errStarved
	}
	dist := int(distBase[far]) + int(z.bits>>used&(1<<more-1))
	if uint64(dist) > z.out {
		return errDeflate
	}
	z.drop(used + more)
	z.length, z.dist, z.step = length, dist, (*inflater).reference
	return nil
}

// reference copies from before, as far as the window takes it.
func (z *inflater) reference() error {
	for z.length > 0 && z.out-z.given < maxWindow {
		z.put(z.win[int(z.out-uint64(z.dist))&(len(z.win)-1)])
		z.length--
	}
	if z.length == 0 {
		z.step = (*inflater).symbol
	}
	return nil
}

// huffman is a canonical code of at most 15 bits.
type huffman struct {
	fast    [512]uint16 // by the next 9 bits: symbol<<4 | length, 0: a longer one
	count   [16]uint16  // codes of each length
	symbols [288]uint16 // in the order of codes
}

// What decode returns besides symbols.
const (
	starved = -1 // more bits are needed
	corrupt = -2 // there is no such code
)

// decode finds the symbol that the n bits begin with; bits above n are 0.
func (h *huffman) decode(b uint64, n uint) (sym int, used uint) {
	if e := h.fast[b&511]; e != 0 {
		if used = uint(e & 15); used > n {
			return starved, 0
		}
		return int(e >> 4), used
	}
	code, first, index := 0, 0, 0
	for l := uint(1); l <= 15; l++ {
		if l > n {
			return starved, 0
		}
		code |= int(b & 1)
		b >>= 1
		count := int(h.count[l])
		if code-count < first {
			return int(h.symbols[index+code-first]), l
		}
		index += count
		first = (first + count) << 1
		code <<= 1
	}
	return corrupt, 0
}

// build makes the code of symbols with those lengths. It must be complete, or have one
// code of one bit, or none.
func (h *huffman) build(lens []byte) bool {
	*h = huffman{}
	for _, l := range lens {
		h.count[l]++
	}
	used := len(lens) - int(h.count[0])
	h.count[0] = 0
	left := 1
	var next, place [16]int
	code, index := 0, 0
	for l := 1; l <= 15; l++ {
		if left = left<<1 - int(h.count[l]); left < 0 {
			return false
		}
		code = (code + int(h.count[l-1])) << 1
		next[l], place[l] = code, index
		index += int(h.count[l])
	}
	if left > 0 && used > 0 && (used > 1 || h.count[1] != 1) {
		return false
	}
	for sym, l := range lens {
		if l == 0 {
			continue
		}
		h.symbols[place[l]] = uint16(sym)
		place[l]++
		if l <= 9 {
			start := int(bits.Reverse16(uint16(next[l])) >> (16 - l))
			for i := start; i < len(h.fast); i += 1 << l {
				h.fast[i] = uint16(sym<<4) | uint16(l)
			}
		}
		next[l]++
	}
	return true
}

// fixedCodes are those of RFC 1951 §3.2.6.
var fixedCodes = sync.OnceValue(func() *[2]huffman {
	var lens [288]byte
	for i := range lens {
		switch {
		case i < 144:
			lens[i] = 8
		case i < 256:
			lens[i] = 9
		case i < 280:
			lens[i] = 7
		default:
			lens[i] = 8
		}
	}
	var far [32]byte
	for i := range far {
		far[i] = 5
	}
	var codes [2]huffman
	codes[0].build(lens[:])
	codes[1].build(far[:])
	return &codes
})
