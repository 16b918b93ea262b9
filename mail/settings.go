package mail

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
)

// settings is what a mailbox keeps in its collection's data: a version byte,
// then numbers: UIDVALIDITY, uses as bits, options, the number of keywords, and each
// keyword with its length before it.
type settings struct {
	uidValidity uint32
	uses        uint64
	options     uint64 // privateSeen
	keywords    Keywords
}

const settingsVersion = 1

// uses are the special uses by their bit (RFC 6154 §2, RFC 8457); the order never changes.
var uses = [...]imap.MailboxAttr{imap.MailboxAttrArchive, imap.MailboxAttrDrafts, imap.MailboxAttrJunk,
	imap.MailboxAttrSent, imap.MailboxAttrTrash, imap.MailboxAttrImportant}

// useBits returns the bits of special uses. BadUse means that one is unknown or, as \All
// and \Flagged, the name of a view that no mailbox of this store is.
func useBits(attrs []imap.MailboxAttr) (b uint64, err error) {
next:
	for _, attr := range attrs {
		for i, u := range uses {
			if strings.EqualFold(string(u), string(attr)) {
				b |= 1 << i
				continue next
			}
		}
		return 0, fmt.Errorf("special use %q: %w", attr, BadUse)
	}
	return b, nil
}

func useAttrs(b uint64) (attrs []imap.MailboxAttr) {
	for ; b != 0; b &= b - 1 {
		if i := bits.TrailingZeros64(b); i < len(uses) {
			attrs = append(attrs, uses[i])
		}
	}
	return attrs
}

func (s *settings) encode() []byte {
	b := append(make([]byte, 0, 16+16*len(s.keywords)), settingsVersion)
	b = binary.AppendUvarint(b, uint64(s.uidValidity))
	b = binary.AppendUvarint(b, s.uses)
	b = binary.AppendUvarint(b, s.options)
	b = binary.AppendUvarint(b, uint64(len(s.keywords)))
	for _, k := range s.keywords {
		b = binary.AppendUvarint(b, uint64(len(k)))
		b = append(b, k...)
	}
	return b
}

// settingsOf decodes a collection's data.
func settingsOf(c *storage.Collection) (s settings, err error) {
	corrupt := fmt.Errorf("settings of mailbox %q: %w", c.Name, storage.Corrupt)
	if len(c.Data) == 0 || c.Data[0] != settingsVersion {
		return s, corrupt
	}
	b := c.Data[1:]
	var v [4]uint64
	for i := range v {
		x, n := binary.Uvarint(b)
		if n <= 0 {
			return s, corrupt
		}
		v[i], b = x, b[n:]
	}
	s.uidValidity, s.uses, s.options = uint32(v[0]), v[1], v[2]
	if v[3] > MaxKeywords {
		return s, corrupt
	}
	if v[3] > 0 {
		s.keywords = make(Keywords, v[3])
	}
	for i := range s.keywords {
		x, n := binary.Uvarint(b)
		if n <= 0 || x > uint64(len(b)-n) {
			return s, corrupt
		}
		s.keywords[i] = imap.Flag(b[n : n+int(x)])
		b = b[n+int(x):]
	}
	return s, nil
}

// mailHead is the record of an account's mail: version, then the last UIDVALIDITY
// given out, the number of mailboxes, and where it has a limit of its own that limit and 1.
type mailHead struct {
	uidValidity uint32
	mailboxes   uint32
	limit       uint32 // 0: Config.MaxMailboxes
}

// most is how many mailboxes the account may have.
func (h *mailHead) most(c *Config) int {
	if h.limit == 0 {
		return c.MaxMailboxes
	}
	return int(h.limit - 1)
}

const (
	headRecord  = "mail/head"
	headVersion = 1
	subPrefix   = "mail/subscription/"
)

func readHead(v *storage.View) (h mailHead, err error) {
	b, err := v.Record(headRecord)
	switch {
	case errors.Is(err, storage.NotFound):
		return h, nil
	case err != nil:
		return h, err
	case len(b) != 9 && len(b) != 13 || b[0] != headVersion:
		return h, fmt.Errorf("record %q: %w", headRecord, storage.Corrupt)
	case len(b) == 13:
		h.limit = binary.BigEndian.Uint32(b[9:])
	}
	h.uidValidity, h.mailboxes = binary.BigEndian.Uint32(b[1:]), binary.BigEndian.Uint32(b[5:])
	return h, nil
}

func (h mailHead) write(tx *storage.Tx) error {
	b := binary.BigEndian.AppendUint32([]byte{headVersion}, h.uidValidity)
	b = binary.BigEndian.AppendUint32(b, h.mailboxes)
	if h.limit > 0 {
		b = binary.BigEndian.AppendUint32(b, h.limit)
	}
	return tx.SetRecord(headRecord, b)
}

// take returns the next UIDVALIDITY. It follows the clock, so that it ascends even where
// an account was restored from an older copy.
func (h *mailHead) take(now time.Time) uint32 {
	h.uidValidity = max(h.uidValidity+1, uint32(now.Unix()))
	return h.uidValidity
}
