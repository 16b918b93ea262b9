package junk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"

	"atrium/storage"
)

// Layout of the table: buckets of entries, each the hash's remainder (4 bytes) and the
// two counts (2 bytes each), ascending.
const (
	buckets   = 512
	perBucket = 128
	entrySize = 8
	maxLearnt = 8000 // messages of both sorts; beyond, all counts are halved

	recordMeta = "junk/model"
	recordPage = "junk/page/"
)

// Model is what was learnt of one account's mail. The zero Model has learnt nothing.
type Model struct {
	Junk, Good int // messages that were learnt
	pages      [buckets][]byte
	dirty      map[int]bool // pages that Save writes
}

// Load reads the model of an account.
func Load(v *storage.View) (*Model, error) {
	m := &Model{}
	b, err := v.Record(recordMeta)
	switch {
	case errors.Is(err, storage.NotFound):
		return m, nil
	case err != nil:
		return nil, err
	case len(b) != 9 || b[0] != 1:
		return nil, fmt.Errorf("junk model: %w", storage.Corrupt)
	}
	m.Junk, m.Good = int(binary.BigEndian.Uint32(b[1:])), int(binary.BigEndian.Uint32(b[5:]))
	for name, b := range v.Records(recordPage) {
		if i, ok := pageOf(name); ok && len(b)%entrySize == 0 && len(b) <= perBucket*entrySize {
			m.pages[i] = slices.Clone(b)
		}
	}
	return m, nil
}

func pageName(i int) string { return fmt.Sprintf("%s%03x", recordPage, i) }

func pageOf(name string) (i int, ok bool) {
	_, err := fmt.Sscanf(name, recordPage+"%03x", &i)
	return i, err == nil && i >= 0 && i < buckets
}

// Save writes what training changed.
func (m *Model) Save(tx *storage.Tx) error {
	for i := range m.dirty {
		if err := tx.SetRecord(pageName(i), m.pages[i]); err != nil {
			return err
		}
	}
	b := append(make([]byte, 0, 9), 1)
	b = binary.BigEndian.AppendUint32(b, uint32(m.Junk))
	b = binary.BigEndian.AppendUint32(b, uint32(m.Good))
	return tx.SetRecord(recordMeta, b)
}

// Reset forgets all.
func Reset(tx *storage.Tx) error {
	for i := range buckets {
		if err := tx.SetRecord(pageName(i), nil); err != nil {
			return err
		}
	}
	return tx.SetRecord(recordMeta, nil)
}

// Saved is the model once it was written.
func (m *Model) Saved() *Model {
	c := *m
	c.dirty = nil
	return &c
}

// Tokens is how many tokens the model has.
func (m *Model) Tokens() (n int) {
	for _, p := range m.pages {
		n += len(p) / entrySize
	}
	return n
}

// Ready tells whether so many messages of each sort were learnt.
func (m *Model) Ready(atLeast int) bool { return m.Junk >= atLeast && m.Good >= atLeast }

// find returns where a token is in its page, or would be.
func find(page []byte, key uint32) (at int, ok bool) {
	n := len(page) / entrySize
	at = sort.Search(n, func(i int) bool { return binary.BigEndian.Uint32(page[i*entrySize:]) >= key })
	return at, at < n && binary.BigEndian.Uint32(page[at*entrySize:]) == key
}

func place(t Token) (page int, key uint32) { return int(t % buckets), uint32(t >> 32) }

// counts tells in how many messages of each sort a token was.
func (m *Model) counts(t Token) (junk, good int) {
	i, key := place(t)
	at, ok := find(m.pages[i], key)
	if !ok {
		return 0, 0
	}
	e := m.pages[i][at*entrySize:]
	return int(binary.BigEndian.Uint16(e[4:])), int(binary.BigEndian.Uint16(e[6:]))
}

// Train returns the model with one message more, or with n of -1 one less, of a sort.
func (m *Model) Train(words []Word, isJunk bool, n int) *Model {
	c := &Model{Junk: m.Junk, Good: m.Good, pages: m.pages, dirty: map[int]bool{}}
	for i := range m.dirty {
		c.dirty[i] = true
	}
	if isJunk {
		c.Junk = max(c.Junk+n, 0)
	} else {
		c.Good = max(c.Good+n, 0)
	}
	fresh := map[int]bool{}
	for _, w := range words {
		i, key := place(w.Token)
		if !fresh[i] {
			fresh[i], c.dirty[i] = true, true
			c.pages[i] = slices.Clone(c.pages[i])
		}
		c.pages[i] = bump(c.pages[i], key, isJunk, n)
	}
	if c.Junk+c.Good > maxLearnt {
		c.halve()
	}
	return c
}

// bump changes a count in a page of its own.
func bump(page []byte, key uint32, isJunk bool, n int) []byte {
	at, ok := find(page, key)
	if !ok {
		if n < 0 {
			return page
		}
		if len(page) >= perBucket*entrySize {
			page = evict(page)
			at, _ = find(page, key)
		}
		page = slices.Insert(page, at*entrySize, make([]byte, entrySize)...)
		binary.BigEndian.PutUint32(page[at*entrySize:], key)
	}
	off := at*entrySize + 6
	if isJunk {
		off -= 2
	}
	v := int(binary.BigEndian.Uint16(page[off:])) + n
	binary.BigEndian.PutUint16(page[off:], uint16(min(max(v, 0), math.MaxUint16)))
	return page
}

// evict takes out the entry that was seen least.
func evict(page []byte) []byte {
	worst, least := 0, math.MaxInt
	for i := 0; i < len(page); i += entrySize {
		if n := int(binary.BigEndian.Uint16(page[i+4:])) + int(binary.BigEndian.Uint16(page[i+6:])); n < least {
			worst, least = i, n
		}
	}
	return slices.Delete(page, worst, worst+entrySize)
}

// halve lets what was learnt fade.
func (m *Model) halve() {
	m.Junk, m.Good = m.Junk/2, m.Good/2
	for i, p := range m.pages {
		var out []byte
		for j := 0; j < len(p); j += entrySize {
			a, b := binary.BigEndian.Uint16(p[j+4:])/2, binary.BigEndian.Uint16(p[j+6:])/2
			if a+b == 0 {
				continue
			}
			out = append(out, p[j:j+4]...)
			out = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(out, a), b)
		}
		m.pages[i], m.dirty[i] = out, true
	}
}

// What Score goes by: the strength and value of what is believed of an unknown
// token, how far from it a token must be to count, and how many count at most.
const (
	strength  = 0.45
	unknown   = 0.5
	deviation = 0.1
	maxClues  = 150
)

// Clue is a token with its probability.
type Clue struct {
	Text string
	P    float64
}

// Score is the probability that a message is junk, with the clues that decided, the strongest first.
func (m *Model) Score(words []Word) (p float64, clues []Clue) {
	for _, w := range words {
		junk, good := m.counts(w.Token)
		if junk+good == 0 || m.Junk == 0 || m.Good == 0 {
			continue
		}
		bad, fine := min(float64(junk)/float64(m.Junk), 1), min(float64(good)/float64(m.Good), 1)
		n := float64(junk + good)
		f := (strength*unknown + n*bad/(bad+fine)) / (strength + n)
		if math.Abs(f-0.5) >= deviation {
			clues = append(clues, Clue{w.Text, f})
		}
	}
	slices.SortStableFunc(clues, func(a, b Clue) int {
		switch d := math.Abs(b.P-0.5) - math.Abs(a.P-0.5); {
		case d < 0:
			return -1
		case d > 0:
			return 1
		}
		return 0
	})
	clues = clues[:min(len(clues), maxClues)]
	if len(clues) == 0 {
		return 0.5, nil
	}
	var junk, good float64
	for _, c := range clues {
		junk += math.Log(1 - c.P)
		good += math.Log(c.P)
	}
	s := 1 - chi2(-2*junk, 2*len(clues))
	h := 1 - chi2(-2*good, 2*len(clues))
	return (s - h + 1) / 2, clues
}

// chi2 is the probability that chi-square with an even number of degrees of freedom is at least x.
func chi2(x float64, degrees int) float64 {
	half := x / 2
	term := math.Exp(-half)
	sum := term
	if term == 0 {
		// So improbable that the sum must be made in logarithms.
		log := -half
		best := log
		logs := []float64{log}
		for i := 1; i < degrees/2; i++ {
			log += math.Log(half / float64(i))
			logs = append(logs, log)
			best = max(best, log)
		}
		sum = 0
		for _, l := range logs {
			sum += math.Exp(l - best)
		}
		return min(math.Exp(best+math.Log(sum)), 1)
	}
	for i := 1; i < degrees/2; i++ {
		term *= half / float64(i)
		sum += term
	}
	return min(sum, 1)
}
