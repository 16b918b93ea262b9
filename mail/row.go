package mail

import (
	"encoding/binary"
	"strconv"
	"time"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
)

// Message is one row of a mailbox: all that is known without looking into the
// message. It is a value; nothing in it is allocated.
type Message struct {
	UID     imap.UID
	Object  storage.ObjectID
	Thread  storage.ObjectID // see ThreadID; 0: none
	Modseq  uint64           // of the last change of its flags, or of its coming (RFC 7162)
	Created uint64           // modseq at which it came into the mailbox
	Flags   Flags
	Size    int64 // RFC822.SIZE in bytes
	Date    int64 // INTERNALDATE in Unix seconds
	Zone    int16 // of INTERNALDATE, minutes east of UTC
	UTF8    bool  // a header has UTF-8 (RFC 6532), see message.Downgrade
	Saved   int64 // SAVEDATE in Unix seconds (RFC 8514)
}

// InternalDate returns INTERNALDATE in the zone that it was given in.
func (m *Message) InternalDate() time.Time {
	return time.Unix(m.Date, 0).In(time.FixedZone("", int(m.Zone)*60))
}

// EmailID names the message's content in its owner's account (RFC 8474 §5.1): its copies
// have the same.
func EmailID(owner storage.AccountID, o storage.ObjectID) string {
	return objectID('E', uint64(owner), uint64(o))
}

// MailboxID names a mailbox for ever (RFC 8474 §4).
func MailboxID(owner storage.AccountID, id ID) string {
	return objectID('M', uint64(owner), uint64(id))
}

func objectID(kind byte, owner, n uint64) string {
	b := append(make([]byte, 0, 32), kind)
	b = strconv.AppendUint(b, owner, 36)
	return string(strconv.AppendUint(append(b, '-'), n, 36))
}

// A row's data: one byte with the version in the upper three bits and the system
// flags in the others, then numbers: keywords, size, date, zone, saved less date, and, where there is
// a thread, the object less the thread.
const rowVersion = 1

// markUTF8 is added to the number of the zone, which is less, as it is stored.
const markUTF8 = 1 << 16

func appendRow(b []byte, m *Message) []byte {
	b = append(b, rowVersion<<5|byte(m.Flags&System))
	b = binary.AppendUvarint(b, uint64(m.Flags>>firstKeyword))
	b = binary.AppendUvarint(b, uint64(m.Size))
	b = binary.AppendVarint(b, m.Date)
	zone := uint64(uint16(m.Zone<<1 ^ m.Zone>>15))
	if m.UTF8 {
		zone |= markUTF8
	}
	b = binary.AppendUvarint(b, zone)
	b = binary.AppendVarint(b, m.Saved-m.Date)
	if m.Thread != 0 {
		b = binary.AppendUvarint(b, uint64(m.Object-m.Thread))
	}
	return b
}

// decodeRow reads a row into m. ok is false when it is damaged; m then has
// what could be read.
func decodeRow(r *storage.Row, m *Message) (ok bool) {
	*m = Message{UID: imap.UID(r.Num), Object: r.Object, Modseq: r.Modseq, Created: r.Created}
	b := r.Data
	if len(b) < 6 || b[0]>>5 != rowVersion {
		return false
	}
	m.Flags = Flags(b[0]) & System
	i := 1
	var v [5]uint64
	for k := range v {
		if i < len(b) && b[i] < 0x80 {
			v[k] = uint64(b[i])
			i++
			continue
		}
		x, n := binary.Uvarint(b[i:])
		if n <= 0 {
			return false
		}
		v[k] = x
		i += n
	}
	m.Flags |= Flags(v[0] << firstKeyword)
	m.Size = int64(v[1])
	m.Date = zigzag(v[2])
	m.Zone = int16(zigzag(v[3] & (markUTF8 - 1)))
	m.UTF8 = v[3]&markUTF8 != 0
	m.Saved = m.Date + zigzag(v[4])
	if i < len(b) {
		x, n := binary.Uvarint(b[i:])
		if n <= 0 {
			return false
		}
		m.Thread = m.Object - storage.ObjectID(x)
	}
	return true
}

func zigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }

// rowFlags reads a row's flags alone.
func rowFlags(b []byte) Flags {
	if len(b) < 2 || b[0]>>5 != rowVersion {
		return 0
	}
	f := Flags(b[0]) & System
	if b[1] < 0x80 {
		return f | Flags(b[1])<<firstKeyword
	}
	v, _ := binary.Uvarint(b[1:])
	return f | Flags(v<<firstKeyword)
}

// withFlags returns a copy of a row's data with other flags; ok is false when it is
// damaged.
func withFlags(b []byte, f Flags) (out []byte, ok bool) {
	return appendWithFlags(make([]byte, 0, len(b)+8), b, f)
}

// appendWithFlags appends what withFlags returns.
func appendWithFlags(out, b []byte, f Flags) ([]byte, bool) {
	if len(b) < 2 || b[0]>>5 != rowVersion {
		return nil, false
	}
	_, n := binary.Uvarint(b[1:])
	if n <= 0 {
		return nil, false
	}
	out = append(out, rowVersion<<5|byte(f&System))
	out = binary.AppendUvarint(out, uint64(f>>firstKeyword))
	return append(out, b[1+n:]...), true
}

// tally counts a row (see Schema).
func tally(b []byte) (t storage.Tally) {
	if len(b) < 2 || b[0]>>5 != rowVersion {
		return t
	}
	f := Flags(b[0])
	if f&Seen == 0 {
		t.A = 1
	}
	if f&Deleted != 0 {
		t.B = 1
	}
	_, n := binary.Uvarint(b[1:])
	if n > 0 {
		size, _ := binary.Uvarint(b[1+n:])
		t.Bytes = int64(size)
	}
	return t
}
