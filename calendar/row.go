package calendar

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"atrium/storage"
)

// Entry is what listings and sync show of an object; it comes from the row alone.
type Entry struct {
	Num         storage.Num
	Object      storage.ObjectID
	Name        string // last segment of its path, unescaped
	UID         string
	ETag        string    // without quotes
	ScheduleTag string    // without quotes; "" when it is no scheduling object (RFC 6638 §3.2.10)
	Component   string    // "VEVENT"
	Size        int64     // bytes
	Modified    time.Time // UTC, in seconds
	Modseq      uint64

	key      timeKey
	attached []string // managed attachments
}

// Limits of names, in bytes.
const (
	maxName = 900
	maxUID  = 1800
)

// rowVersion begins a row's data. Then follow, in this order: size, component,
// ETag (12 bytes), time of change, where the time index has it, name, UID,
// Schedule-Tag, managed attachments.
const rowVersion = 1

const etagBytes = 12

// etag names contents: as many bytes of their SHA-256 as make an accident
// impossible.
func etag(raw []byte) string {
	h := sha256.Sum256(raw)
	return base64.RawURLEncoding.EncodeToString(h[:etagBytes])
}

func (e *Entry) encode() ([]byte, error) {
	b := make([]byte, 0, 48+len(e.Name))
	b = append(b, rowVersion)
	b = binary.AppendUvarint(b, uint64(e.Size))
	b = append(b, componentCode(e.Component))
	tag, err := base64.RawURLEncoding.DecodeString(e.ETag)
	if err != nil || len(tag) != etagBytes {
		return nil, fmt.Errorf("ETag %.40q: %w", e.ETag, storage.Invalid)
	}
	b = append(b, tag...)
	b = binary.AppendVarint(b, e.Modified.Unix())
	b = append(b, e.key.level)
	b = binary.AppendVarint(b, e.key.start)
	b = appendString(b, e.Name)
	// Most clients make the name of the UID.
	if e.Name == e.UID+".ics" {
		b = append(b, 0)
	} else {
		b = binary.AppendUvarint(b, uint64(len(e.UID))+1)
		b = append(b, e.UID...)
	}
	b = appendString(b, e.ScheduleTag)
	for _, id := range e.attached {
		b = appendString(b, id)
	}
	return b, nil
}

func componentCode(name string) byte {
	for i, c := range Components {
		if c == name {
			return byte(i)
		}
	}
	return 0xff
}

// decodeRow reads a row. What does not decode shows itself as an entry without a name;
// atrium check tells.
func decodeRow(r storage.Row) (Entry, error) {
	e := Entry{Num: r.Num, Object: r.Object, Modseq: r.Modseq}
	d := decoder{b: r.Data}
	if d.byte() != rowVersion {
		return e, fmt.Errorf("calendar row %d: %w", r.Num, storage.Corrupt)
	}
	e.Size = int64(d.uint())
	if c := int(d.byte()); c < len(Components) {
		e.Component = Components[c]
	}
	e.ETag = base64.RawURLEncoding.EncodeToString(d.bytes(etagBytes))
	e.Modified = time.Unix(d.int(), 0).UTC()
	e.key.level = d.byte()
	e.key.start = d.int()
	e.Name = d.string()
	if n := d.uint(); n == 0 {
		e.UID = strings.TrimSuffix(e.Name, ".ics")
	} else {
		e.UID = string(d.bytes(n - 1))
	}
	e.ScheduleTag = d.string()
	for len(d.b) > 0 && !d.bad {
		e.attached = append(e.attached, d.string())
	}
	if d.bad {
		return e, fmt.Errorf("calendar row %d: %w", r.Num, storage.Corrupt)
	}
	return e, nil
}

// rowComponent reads only the component of a row.
func rowComponent(data []byte) byte {
	d := decoder{b: data}
	d.byte()
	d.uint()
	return d.byte()
}

func tally(data []byte) storage.Tally {
	d := decoder{b: data}
	d.byte()
	return storage.Tally{Bytes: int64(d.uint())}
}
