package message

import (
	"math/bits"
	"unicode/utf8"
)

// A Signature is a version byte, and for the text of the header and that of the body
// each a byte that tells the size of a set and then the set: 1<<size bits, one for each three
// folded octets that stand together in the text, by a hash. Sequences with control
// characters (line ends) are left out.
const (
	signatureVersion = 1

	setMax   = 16   // a set has at most 1<<setMax bits
	setMin   = 6    // at least
	setEmpty = 0xfe // nothing is in the text
	setFull  = 0xff // anything may be
	setWords = 1 << setMax / 64

	// textMax bounds the text that goes into a set: what has more may hold anything.
	textMax = 4 << 20
)

// Signature is the set of the three-letter sequences in a message's decoded text, by which
// a search knows what messages it need not read. A nil Signature may contain anything.
type Signature []byte

// set collects the sequences of a text.
type set struct {
	bits  [setWords]uint64
	last  uint32 // the last three octets
	run   int    // how many of them count
	text  int    // octets seen
	check int    // text at which to look whether the set is full
	full  bool
	buf   []byte
}

func (s *set) reset() {
	if s.text > 0 {
		s.bits = [setWords]uint64{}
	}
	s.run, s.text, s.check, s.full = 0, 0, 64<<10, false
}

// start begins a text: no sequence spans it and what was before.
func (s *set) start() { s.run = 0 }

// add adds text in UTF-8 and tells whether more would matter.
func (s *set) add(text []byte) bool {
	if s.full {
		return false
	}
	s.text += len(text)
	for len(text) > 0 {
		text = text[s.addASCII(text):]
		n := 0
		for n < len(text) && text[n] >= utf8.RuneSelf {
			n++
		}
		if n > 0 {
			s.buf = AppendFolded(s.buf[:0], text[:n])
			s.addFolded(s.buf)
			text = text[n:]
		}
	}
	if s.text >= s.check {
		s.check = s.text + 64<<10
		s.full = s.text > textMax || s.load() > 3<<setMax/4
	}
	return !s.full
}

// addASCII adds text up to the first octet that is not ASCII and returns where that is.
func (s *set) addASCII(text []byte) (n int) {
	last, run := s.last, s.run
	for n < len(text) {
		for run < 2 && n < len(text) {
			c := setClass[text[n]]
			if c == notASCII {
				s.last, s.run = last, run
				return n
			}
			n++
			last = last<<8 | uint32(c)
			if run++; c < ' ' {
				run = 0
			}
		}
		for n < len(text) {
			c := setClass[text[n]]
			if c < ' ' {
				break
			}
			n++
			last = last<<8 | uint32(c)
			run = 3
			h := hash(last)
			s.bits[h>>6] |= 1 << (h & 63)
		}
		if n < len(text) {
			if setClass[text[n]] == notASCII {
				break
			}
			n++
			run = 0
		}
	}
	s.last, s.run = last, run
	return n
}

// setClass is foldASCII with notASCII for other octets. Nothing below the blank counts.
var setClass = func() (table [256]byte) {
	for i := range table {
		table[i] = notASCII
	}
	for i, c := range foldASCII {
		if table[i] = c; c == notASCII {
			table[i]++
		}
	}
	return table
}()

const notASCII = 0

func (s *set) addFolded(text []byte) {
	for _, c := range text {
		if c < ' ' {
			s.run = 0
			continue
		}
		s.last = s.last<<8 | uint32(c)
		if s.run++; s.run >= 3 {
			h := hash(s.last)
			s.bits[h>>6] |= 1 << (h & 63)
		}
	}
}

// hash turns the low three octets of k into setMax bits.
func hash(k uint32) uint32 { return (k << 8 * 0x9e3779b1) >> (32 - setMax) }

// load counts the bits.
func (s *set) load() (n int) {
	for _, w := range s.bits {
		n += bits.OnesCount64(w)
	}
	return n
}

// append appends the set, folded to the smallest size at which at most three
// eighths of its bits are set.
func (s *set) append(dst []byte) []byte {
	if s.full {
		return append(dst, setFull)
	}
	n := s.load()
	if n == 0 {
		return append(dst, setEmpty)
	}
	size := setMax
	for size > setMin && n <= 3<<(size-1)/8 {
		size--
	}
	dst = append(dst, byte(size))
	words := s.bits[:]
	for w := setWords; w > 1<<size/64; w /= 2 {
		for i := range w / 2 {
			words[i] |= words[i+w/2]
		}
	}
	for _, w := range words[:1<<size/64] {
		dst = append(dst, byte(w), byte(w>>8), byte(w>>16), byte(w>>24), byte(w>>32), byte(w>>40), byte(w>>48), byte(w>>56))
	}
	s.text = max(s.text, 1) // reset has work to do
	return dst
}

// sets takes a Signature apart; ok is false when it is none.
func (s Signature) sets() (header, body []byte, ok bool) {
	if len(s) < 1 || s[0] != signatureVersion {
		return nil, nil, false
	}
	header, rest, ok := cutSet(s[1:])
	if !ok {
		return nil, nil, false
	}
	body, rest, ok = cutSet(rest)
	return header, body, ok && len(rest) == 0
}

func cutSet(s []byte) (one, rest []byte, ok bool) {
	if len(s) == 0 {
		return nil, nil, false
	}
	if s[0] == setEmpty || s[0] == setFull {
		return s[:1], s[1:], true
	}
	if s[0] < setMin || s[0] > setMax {
		return nil, nil, false
	}
	n := 1 + 1<<s[0]/8
	if len(s) < n {
		return nil, nil, false
	}
	return s[:n], s[n:], true
}

// setHas tells whether all of hashes are in a set.
func setHas(set []byte, hashes []uint16) bool {
	switch set[0] {
	case setEmpty:
		return false
	case setFull:
		return true
	}
	mask := uint32(1)<<set[0] - 1
	for _, h := range hashes {
		i := uint32(h) & mask
		if set[1+i>>3]&(1<<(i&7)) == 0 {
			return false
		}
	}
	return true
}

// MayContain tells whether the text may contain needle; false is sure.
func (s Signature) MayContain(in Scope, needle string) bool {
	return NewMatcher(needle).MayMatch(s, in)
}

// hashes are those of folded text, without sequences that have control characters.
func hashes(folded []byte) []uint16 {
	var out []uint16
	for i := 0; i+3 <= len(folded); i++ {
		a, b, c := folded[i], folded[i+1], folded[i+2]
		if a >= ' ' && b >= ' ' && c >= ' ' {
			out = append(out, uint16(hash(uint32(a)<<16|uint32(b)<<8|uint32(c))))
		}
	}
	return out
}
