package mail

import (
	"fmt"
	"math/bits"
	"strings"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
)

// Flags is a set of flags: the system flags in the low bits, above them the
// keywords of the mailbox (see Keywords).
type Flags uint64

// The system flags (RFC 9051 §2.3.2). \Recent is not kept.
const (
	Seen Flags = 1 << iota
	Answered
	Flagged
	Deleted
	Draft

	System = Seen | Answered | Flagged | Deleted | Draft

	firstKeyword = 8 // its bit; those between are for system flags to come
)

// MaxKeywords is how many keywords the messages of one mailbox may have in all.
const MaxKeywords = 64 - firstKeyword

// Has tells whether all of want are in f.
func (f Flags) Has(want Flags) bool { return f&want == want }

// Keywords is a mailbox's table of keywords: the one at i has the bit
// Flags(1)<<(8+i). An empty one is free. It is not to be changed.
type Keywords []imap.Flag

// systemFlags has the names of the system flags by their bit.
var systemFlags = [...]imap.Flag{imap.FlagSeen, imap.FlagAnswered, imap.FlagFlagged, imap.FlagDeleted, imap.FlagDraft}

// systemFlag returns the bit of a system flag, 0 when it is none.
func systemFlag(name imap.Flag) Flags {
	for i, s := range systemFlags {
		if strings.EqualFold(string(s), string(name)) {
			return 1 << i
		}
	}
	return 0
}

// Find returns the bit of a flag or keyword, in any case of letters; 0 when no message of the
// mailbox has it.
func (k Keywords) Find(name imap.Flag) Flags {
	if strings.HasPrefix(string(name), `\`) {
		return systemFlag(name)
	}
	for i, s := range k {
		if s != "" && strings.EqualFold(string(s), string(name)) {
			return 1 << (firstKeyword + i)
		}
	}
	return 0
}

// Names appends the names of the flags in f to dst: system flags, then keywords.
func (k Keywords) Names(dst []imap.Flag, f Flags) []imap.Flag {
	for s := f & System; s != 0; s &= s - 1 {
		dst = append(dst, systemFlags[bits.TrailingZeros64(uint64(s))])
	}
	for s := f >> firstKeyword; s != 0; s &= s - 1 {
		if i := bits.TrailingZeros64(uint64(s)); i < len(k) && k[i] != "" {
			dst = append(dst, k[i])
		}
	}
	return dst
}

// Full tells whether no further keyword fits: PERMANENTFLAGS then lacks \*. A
// keyword that no message has any more gives its place up when one is needed.
func (k Keywords) Full() bool {
	if len(k) < MaxKeywords {
		return false
	}
	for _, s := range k {
		if s == "" {
			return false
		}
	}
	return true
}

// add returns the bits of names, adding keywords that are not there. grown is the
// table to keep then, nil when k is still right. used tells which bits messages have; it
// is asked only when the table is full.
func (k Keywords) add(names []imap.Flag, used func() (Flags, error)) (f Flags, grown Keywords, err error) {
	t := k
	for _, name := range names {
		if b := t.Find(name); b != 0 {
			f |= b
			continue
		}
		i := t.free()
		if i < 0 {
			in, err := used()
			if err != nil {
				return 0, nil, err
			}
			t, grown = t.keep(in|f), nil
			if i = t.free(); i < 0 {
				return 0, nil, fmt.Errorf("keyword %q: %w", name, TooManyKeywords)
			}
		}
		if grown == nil {
			t = append(make(Keywords, 0, len(t)+len(names)), t...)
		}
		if i == len(t) {
			t = append(t, "")
		}
		t[i] = name
		grown = t
		f |= 1 << (firstKeyword + i)
	}
	return f, grown, nil
}

// free returns the place of the next keyword, -1 when there is none.
func (k Keywords) free() int {
	for i, s := range k {
		if s == "" {
			return i
		}
	}
	if len(k) < MaxKeywords {
		return len(k)
	}
	return -1
}

// keep returns the table without the keywords that are not in used.
func (k Keywords) keep(used Flags) Keywords {
	t := make(Keywords, len(k))
	for i, s := range k {
		if used&(1<<(firstKeyword+i)) != 0 {
			t[i] = s
		}
	}
	return t
}

// CheckFlag returns Invalid unless name is a system flag that can be kept or a
// keyword (RFC 9051 §9: an atom, without a backslash), TooLarge when it is too long.
func (s *Store) CheckFlag(name imap.Flag) error {
	if systemFlag(name) != 0 {
		return nil
	}
	if len(name) > s.cfg.MaxKeyword {
		return fmt.Errorf("keyword %.40q…: %w", name, storage.TooLarge)
	}
	if name == "" {
		return fmt.Errorf("empty keyword: %w", storage.Invalid)
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`(){%*"\]`, c) >= 0 {
			return fmt.Errorf("flag %q: %w", name, storage.Invalid)
		}
	}
	return nil
}

func (s *Store) checkFlags(names []imap.Flag) error {
	for _, name := range names {
		if err := s.CheckFlag(name); err != nil {
			return err
		}
	}
	return nil
}
