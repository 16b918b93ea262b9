package journal

import (
	"container/list"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const suffix = ".journal"

func segmentPath(dir string, id uint32) string {
	return filepath.Join(dir, fmt.Sprintf("%010d%s", id, suffix))
}

// listSegments returns the numbers of the segments in dir, ascending.
func listSegments(dir string) (ids []uint32, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok {
			continue
		}
		id, err := strconv.ParseUint(name, 10, 32)
		if err != nil || id == 0 {
			return nil, fmt.Errorf("%s: not a segment's name", filepath.Join(dir, e.Name()))
		}
		ids = append(ids, uint32(id))
	}
	slices.Sort(ids)
	return ids, nil
}

// Segment is a segment open for reading. Release it after use.
type Segment struct {
	log  *Log
	id   uint32
	file *os.File

	refs int           // guarded by log.filesMu, as is idle
	idle *list.Element // in log.idle while refs is 0
	gone bool          // removed: closed when refs becomes 0
}

// ID is the segment's number.
func (s *Segment) ID() uint32 { return s.id }

// ReadAt reads from the segment. It works also when the segment was removed meanwhile.
func (s *Segment) ReadAt(p []byte, off int64) (int, error) {
	if uint64(s.id)<<32+uint64(off)+uint64(len(p)) > s.log.inFile.Load() {
		if err := s.log.flushTo(Position{s.id, uint32(off) + uint32(len(p))}); err != nil {
			return 0, err
		}
	}
	return s.file.ReadAt(p, off)
}

// Acquire returns a segment for reading; the error is fs.ErrNotExist when it was
// removed.
func (l *Log) Acquire(id uint32) (*Segment, error) {
	l.filesMu.Lock()
	defer l.filesMu.Unlock()
	if s := l.files[id]; s != nil {
		if s.idle != nil {
			l.idle.Remove(s.idle)
			s.idle = nil
		}
		s.refs++
		return s, nil
	}
	if l.filesClosed {
		return nil, Closed
	}
	f, err := os.Open(segmentPath(l.dir, id))
	if err != nil {
		return nil, err
	}
	return l.addFile(id, f), nil
}

// addFile puts an open file into the table with one reference. filesMu is held.
func (l *Log) addFile(id uint32, f *os.File) *Segment {
	s := &Segment{log: l, id: id, file: f, refs: 1}
	l.files[id] = s
	return s
}

// Release ends the use of s.
func (s *Segment) Release() {
	l := s.log
	l.filesMu.Lock()
	defer l.filesMu.Unlock()
	if s.refs--; s.refs > 0 {
		return
	}
	if s.gone || l.filesClosed {
		s.file.Close()
		if l.files[s.id] == s {
			delete(l.files, s.id)
		}
		return
	}
	s.idle = l.idle.PushBack(s)
	for l.idle.Len() > l.cfg.OpenSegments {
		oldest := l.idle.Remove(l.idle.Front()).(*Segment)
		oldest.file.Close()
		delete(l.files, oldest.id)
	}
}

// forget removes a segment's file and closes it as soon as nobody reads it.
func (l *Log) forget(id uint32) error {
	l.filesMu.Lock()
	if s := l.files[id]; s != nil {
		delete(l.files, id)
		s.gone = true
		if s.idle != nil {
			l.idle.Remove(s.idle)
			s.file.Close()
		}
	}
	l.filesMu.Unlock()
	if err := os.Remove(segmentPath(l.dir, id)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (l *Log) closeFiles() {
	l.filesMu.Lock()
	defer l.filesMu.Unlock()
	l.filesClosed = true
	for l.idle.Len() > 0 {
		s := l.idle.Remove(l.idle.Front()).(*Segment)
		s.file.Close()
		delete(l.files, s.id)
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
