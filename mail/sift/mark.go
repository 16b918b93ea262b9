package sift

import (
	"encoding/binary"
	"math"
)

// sort is what a message was learnt to be.
type sort byte

const (
	unlearnt sort = iota
	isJunk
	isGood
)

// mark is kept beside a message (mail.JunkFacet).
type mark struct {
	filed   bool // it was delivered into Junk
	learnt  sort
	keyword bool    // a keyword told, not the mailbox
	score   float64 // at delivery
}

const markVersion = 1

func (m mark) encode() []byte {
	b := []byte{markVersion, 0, byte(m.learnt)}
	if m.filed {
		b[1] |= 1
	}
	if m.keyword {
		b[1] |= 2
	}
	return binary.BigEndian.AppendUint16(b, uint16(math.Round(m.score*10000)))
}

// decodeMark reads a mark; what is none counts as the zero one.
func decodeMark(b []byte) (m mark) {
	if len(b) != 5 || b[0] != markVersion || b[2] > byte(isGood) {
		return m
	}
	return mark{filed: b[1]&1 != 0, keyword: b[1]&2 != 0, learnt: sort(b[2]), score: float64(binary.BigEndian.Uint16(b[3:])) / 10000}
}
