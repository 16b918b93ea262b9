package wire

import (
	"slices"
	"sort"
	"strconv"
)

// Range is the numbers From to To. As it is read, To 0 is "*", and with it
// From may be 0 too; Resolve puts numbers there.
type Range struct{ From, To uint32 }

// Set is a set of message numbers or UIDs.
type Set []Range

// Resolve returns the set in order, without overlaps, with max for "*". RFC 9051 §9: "*" is the
// largest number in use, so that 5:* has at least that one. An empty mailbox (max 0) makes it empty
// but for the numbers that are written out.
func (s Set) Resolve(max uint32) Set {
	out := make(Set, 0, len(s))
	for _, x := range s {
		if x.To == 0 {
			if max == 0 {
				continue
			}
			x.To = max
			if x.From == 0 {
				x.From = max
			}
		}
		if x.From > x.To {
			x.From, x.To = x.To, x.From
		}
		out = append(out, x)
	}
	return out.normal()
}

// normal sorts and joins the ranges, in place.
func (s Set) normal() Set {
	if !slices.IsSortedFunc(s, func(a, b Range) int { return cmp(a.From, b.From) }) {
		slices.SortFunc(s, func(a, b Range) int { return cmp(a.From, b.From) })
	}
	out := s[:0]
	for _, x := range s {
		if n := len(out); n > 0 && uint64(x.From) <= uint64(out[n-1].To)+1 {
			out[n-1].To = max(out[n-1].To, x.To)
			continue
		}
		out = append(out, x)
	}
	return out
}

func cmp(a, b uint32) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Add adds a number; ascending calls are cheap and keep the set in order.
func (s *Set) Add(n uint32) {
	if k := len(*s); k > 0 && (*s)[k-1].To+1 == n {
		(*s)[k-1].To = n
		return
	}
	*s = append(*s, Range{n, n})
}

// Sorted returns the set in order and without overlaps; s changes.
func (s Set) Sorted() Set { return s.normal() }

// Has tells whether a resolved set has n.
func (s Set) Has(n uint32) bool {
	i := sort.Search(len(s), func(i int) bool { return s[i].To >= n })
	return i < len(s) && s[i].From <= n
}

// Len counts the numbers of a resolved set.
func (s Set) Len() int {
	n := 0
	for _, x := range s {
		n += int(x.To-x.From) + 1
	}
	return n
}

// All yields the numbers of a resolved set.
func (s Set) All(yield func(uint32) bool) {
	for _, x := range s {
		for n := uint64(x.From); n <= uint64(x.To); n++ {
			if !yield(uint32(n)) {
				return
			}
		}
	}
}

// AppendSet appends a set: 1:3,5.
func AppendSet(dst []byte, s Set) []byte {
	for i, x := range s {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendSetNumber(dst, x.From)
		if x.To != x.From {
			dst = append(dst, ':')
			dst = appendSetNumber(dst, x.To)
		}
	}
	return dst
}

func appendSetNumber(dst []byte, n uint32) []byte {
	if n == 0 {
		return append(dst, '*')
	}
	return strconv.AppendUint(dst, uint64(n), 10)
}
