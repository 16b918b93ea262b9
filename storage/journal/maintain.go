package journal

import (
	"fmt"
	"maps"
	"slices"
)

// Hold adds n bytes of bodies to what a segment holds. AppendBody does it for
// new bodies; the owner of the bodies does it for those of earlier runs.
func (l *Log) Hold(segment uint32, n int64) {
	l.mu.Lock()
	l.held[segment] += n
	l.mu.Unlock()
}

// Unhold takes n bytes of bodies from what a segment holds: they are not needed
// any more.
func (l *Log) Unhold(segment uint32, n int64) { l.Hold(segment, -n) }

// Counted says that the owner of the bodies has called Hold for all of earlier
// runs. Trim removes nothing before.
func (l *Log) Counted() {
	l.mu.Lock()
	l.counted = true
	l.mu.Unlock()
}

// BodySize is what a body of n bytes takes in the log and what Hold counts for it.
func BodySize(n int64) int64 { return size(n + HashSize) }

// Trim removes the segments that are wholly before p and hold no body.
func (l *Log) Trim(p Position) (removed []uint32, err error) {
	l.mu.Lock()
	if l.counted && l.failed == nil {
		limit := min(p.Segment, l.synced.Segment, l.head.id)
		l.segments = slices.DeleteFunc(l.segments, func(id uint32) bool {
			if id >= limit || l.held[id] > 0 {
				return false
			}
			removed = append(removed, id)
			delete(l.held, id)
			return true
		})
	}
	l.mu.Unlock()
	for _, id := range removed {
		if e := l.forget(id); e != nil {
			err = fmt.Errorf("journal: %w", e)
		}
	}
	return removed, err
}

// Usage is what a segment takes and what its bodies take of it, in bytes.
type Usage struct {
	Segment    uint32
	Size, Held int64
}

// Usage lists the segments before the head, ascending; nothing while it is not
// known what they hold.
func (l *Log) Usage() (list []Usage, err error) {
	l.mu.Lock()
	ids := slices.Clone(l.segments[:len(l.segments)-1])
	held := maps.Clone(l.held)
	counted := l.counted
	l.mu.Unlock()
	if !counted {
		return nil, nil
	}
	for _, id := range ids {
		s, err := l.Acquire(id)
		if err != nil {
			continue // removed meanwhile
		}
		info, err := s.file.Stat()
		s.Release()
		if err != nil {
			return nil, err
		}
		list = append(list, Usage{id, info.Size(), held[id]})
	}
	return list, nil
}

// Bodies calls fn with the hash, the place and the size of each body in a full
// segment, in their order there. Their checksums are not verified.
func (l *Log) Bodies(segment uint32, fn func(hash [HashSize]byte, at Position, n int64) error) error {
	s, err := l.Acquire(segment)
	if err != nil {
		return err
	}
	defer s.Release()
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	at := Position{Segment: segment}
	var head [HeaderSize]byte
	for int64(at.Offset)+HeaderSize <= info.Size() {
		if _, err := s.ReadAt(head[:], int64(at.Offset)); err != nil {
			return err
		}
		h, ok := parseHeader(head[:], at)
		if !ok {
			return fmt.Errorf("record at %v: %w", at, Corrupt)
		}
		if h.kind == kindBody {
			var hash [HashSize]byte
			n := int64(h.length) - HashSize
			if _, err := s.ReadAt(hash[:], int64(at.Offset)+HeaderSize+n); err != nil {
				return err
			}
			if err := fn(hash, Position{segment, at.Offset + HeaderSize}, n); err != nil {
				return err
			}
		}
		if at = after(h); h.kind == kindSeal {
			return nil
		}
	}
	return nil
}

// ReadBody reads the body at at into buf, which has its length, and verifies the
// record's checksum. It returns the body's Sum.
func (l *Log) ReadBody(at Position, buf []byte) (uint32, error) {
	s, err := l.Acquire(at.Segment)
	if err != nil {
		return 0, err
	}
	defer s.Release()
	from := Position{at.Segment, at.Offset - HeaderSize}
	var head [HeaderSize]byte
	var hash [HashSize]byte
	if _, err := s.ReadAt(head[:], int64(from.Offset)); err != nil {
		return 0, err
	}
	if _, err := s.ReadAt(buf, int64(at.Offset)); err != nil {
		return 0, err
	}
	if _, err := s.ReadAt(hash[:], int64(at.Offset)+int64(len(buf))); err != nil {
		return 0, err
	}
	sum := Sum(0, buf)
	h, ok := parseHeader(head[:], from)
	if !ok || h.kind != kindBody || int(h.length) != len(buf)+HashSize || h.sum != Sum(sum, hash[:]) {
		return 0, fmt.Errorf("body at %v: %w", at, Corrupt)
	}
	return sum, nil
}
