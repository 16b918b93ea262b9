package journal

import (
	"container/list"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
)

// Config has a Log's settings.
type Config struct {
	SegmentSize  int64 // bytes after which the next segment begins
	OpenSegments int   // segments kept open for reading while nobody reads them
	Hooks        Hooks // for tests
}

// Hooks let a test watch and break what the log does. Each may be nil; they are
// called with locks held.
type Hooks struct {
	Write  func() error   // after each write: its error is the write's
	Sync   func() error   // before each sync: its error is the sync's
	Synced func(Position) // after each sync: all before the position is durable
}

// DefaultConfig returns settings for a server.
func DefaultConfig() Config { return Config{SegmentSize: 64 << 20, OpenSegments: 64} }

// Validate reports every setting that is out of its bounds.
func (c *Config) Validate() (err error) {
	if c.SegmentSize < 64<<10 || c.SegmentSize > 1<<30 {
		err = errors.Join(err, fmt.Errorf("segment size: %d bytes, want 64 KiB to 1 GiB", c.SegmentSize))
	}
	if c.OpenSegments < 1 {
		err = errors.Join(err, fmt.Errorf("open segments: %d, want at least 1", c.OpenSegments))
	}
	return err
}

// bufSize is how much is written at once: bodies wait in memory for the batch that
// refers to them, or until they are so many bytes.
const bufSize = 512 << 10

// Log is an open journal. All methods may be called by many goroutines.
type Log struct {
	dir string
	cfg Config
	log *slog.Logger

	syncing sync.Mutex // held during a sync; taken before mu

	mu       sync.Mutex
	head     *Segment   // takes the next record
	written  Position   // where it goes
	waiting  []byte     // the end of what is before written, not in the file yet: a part of buf
	synced   Position   // all before is durable
	unsynced []*Segment // full segments that are not synced yet, referenced
	newFile  bool       // the folder is not synced since a segment was made
	segments []uint32   // all there are, ascending; the head is last
	held     map[uint32]int64
	counted  bool  // held is complete
	failed   error // Broken or Closed
	buf      []byte
	inFile   atomic.Uint64 // the end of what is in the files, segment << 32 | offset
	filled   int64         // the head's size, with the zeros ahead of written
	perSync  int64         // bytes made durable at once, on average
	ahead    chan struct{}
	filler   sync.WaitGroup

	filesMu     sync.Mutex
	files       map[uint32]*Segment
	idle        *list.List
	filesClosed bool
}

// begin makes segment id the head. mu is held, or nobody knows l yet.
func (l *Log) begin(id uint32) error {
	f, err := os.OpenFile(segmentPath(l.dir, id), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	l.filesMu.Lock()
	l.head = l.addFile(id, f)
	l.filesMu.Unlock()
	l.segments = append(l.segments, id)
	l.written, l.filled = Position{Segment: id}, 0
	l.noteInFile()
	l.newFile = true
	return nil
}

// fileEnd is the end of what is in the files. mu is held.
func (l *Log) fileEnd() Position {
	return Position{l.written.Segment, l.written.Offset - uint32(len(l.waiting))}
}

func (l *Log) noteInFile() {
	p := l.fileEnd()
	l.inFile.Store(uint64(p.Segment)<<32 | uint64(p.Offset))
}

// Written is where the next record goes, Synced how far the log is durable.
func (l *Log) Written() Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.written
}

// Synced is the position before which all is durable.
func (l *Log) Synced() Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.synced
}

// AppendBatch writes a batch, and with it what waits, and returns the position after
// it. record has HeaderSize bytes of room in front, which are written over; the payload
// follows. It is not durable before Sync.
func (l *Log) AppendBatch(record []byte) (end Position, err error) {
	n := len(record) - HeaderSize
	if n > MaxRecord {
		return end, fmt.Errorf("batch of %d bytes: %w", n, TooBig)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	full := size(int64(n))
	if err := l.room(full); err != nil {
		return end, err
	}
	together := len(l.waiting)+int(full) <= bufSize
	if !together {
		if err := l.flush(); err != nil {
			return end, err
		}
	}
	h := header{kindBatch, uint32(n), Sum(0, record[HeaderSize:]), l.written, l.synced}
	h.put(record)
	if !together {
		if err := l.write(0, append(record, padding(len(record))...)); err != nil {
			return end, err
		}
		return l.advance(h, full), nil
	}
	before, at := len(l.waiting), l.written
	l.waiting = append(append(l.waiting, record...), padding(len(record))...)
	l.written.Offset += uint32(full)
	if err := l.flush(); err != nil {
		l.waiting, l.written = l.waiting[:before], at
		return end, err
	}
	l.fillAhead()
	return l.written, nil
}

// AppendBody takes a body of n bytes that it reads from r, with its hash; sum
// is the Sum of the bytes. It returns where the body's first byte is. It is not
// durable before a Sync up to a position after it; in the file it is at the latest with
// the next batch.
func (l *Log) AppendBody(hash [HashSize]byte, n int64, sum uint32, r io.ReaderAt) (at Position, err error) {
	if n > MaxRecord-HashSize {
		return at, fmt.Errorf("body of %d bytes: %w", n, TooBig)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	full := size(n + HashSize)
	if err := l.room(full); err != nil {
		return at, err
	}
	if int64(len(l.waiting))+full > bufSize {
		if err := l.flush(); err != nil {
			return at, err
		}
	}
	h := header{kindBody, uint32(n + HashSize), Sum(sum, hash[:]), l.written, l.synced}
	if full > bufSize {
		err = l.writeBody(h, hash, n, r)
	} else {
		err = l.keepBody(h, hash, n, r)
	}
	if err != nil {
		return at, err
	}
	l.held[h.at.Segment] += full
	l.advance(h, full)
	return Position{h.at.Segment, h.at.Offset + HeaderSize}, nil
}

// keepBody puts a body's record behind what waits.
func (l *Log) keepBody(h header, hash [HashSize]byte, n int64, r io.ReaderAt) error {
	from := len(l.waiting)
	p := l.buf[from : from+HeaderSize+int(n)]
	h.put(p)
	if m, err := r.ReadAt(p[HeaderSize:], 0); m < int(n) {
		return fmt.Errorf("body: %w", err)
	}
	p = append(append(l.buf[:from+len(p)], hash[:]...), padding(HeaderSize+int(n)+HashSize)...)
	l.waiting = p
	return nil
}

// writeBody writes the record of a body that is too large to wait; nothing waits.
func (l *Log) writeBody(h header, hash [HashSize]byte, n int64, r io.ReaderAt) error {
	h.put(l.buf)
	const limit = bufSize - HashSize - align
	fill, done := HeaderSize, int64(0) // bytes in buf, and written before
	for read := int64(0); read < n; {
		step := min(n-read, int64(limit-fill))
		if m, err := r.ReadAt(l.buf[fill:fill+int(step)], read); m < int(step) {
			l.undo()
			return fmt.Errorf("body: %w", err)
		}
		read += step
		if fill += int(step); fill == limit {
			if err := l.write(done, l.buf[:fill]); err != nil {
				return err
			}
			done, fill = done+int64(fill), 0
		}
	}
	fill += copy(l.buf[fill:], hash[:])
	fill += copy(l.buf[fill:], padding(HeaderSize+int(n)+HashSize))
	return l.write(done, l.buf[:fill])
}

// flush writes what waits. When that fails it goes on waiting. mu is held.
func (l *Log) flush() error {
	if len(l.waiting) == 0 {
		return nil
	}
	if l.failed != nil {
		return l.failed
	}
	if err := l.write(0, l.waiting); err != nil {
		return err
	}
	l.waiting = l.buf[:0]
	l.noteInFile()
	return nil
}

// flushTo writes what waits when a reader wants what is before p.
func (l *Log) flushTo(p Position) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if end := l.fileEnd(); !end.Before(p) || p.Segment != end.Segment {
		return nil
	}
	return l.flush()
}

// room makes sure that the head takes n bytes more.
func (l *Log) room(n int64) error {
	if l.failed != nil {
		return l.failed
	}
	if l.written.Offset == 0 || int64(l.written.Offset)+n <= l.cfg.SegmentSize {
		return nil
	}
	if err := l.flush(); err != nil {
		return err
	}
	full, end := l.head, l.written
	seal := make([]byte, HeaderSize)
	header{kind: kindSeal, at: end, synced: l.synced}.put(seal)
	if err := l.write(0, seal); err != nil {
		return err
	}
	if err := l.begin(full.id + 1); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	l.unsynced = append(l.unsynced, full)
	// The zeros ahead are not needed any more. If they stay, they do no harm.
	full.file.Truncate(int64(end.Offset) + HeaderSize)
	return nil
}

// write writes p at off bytes after the end of what is in the head's file, or undoes the record.
func (l *Log) write(off int64, p []byte) error {
	off += int64(l.fileEnd().Offset)
	_, err := l.head.file.WriteAt(p, off)
	if hook := l.cfg.Hooks.Write; hook != nil && err == nil {
		err = hook()
	}
	if err != nil {
		l.undo()
		return fmt.Errorf("journal: %w", err)
	}
	l.filled = max(l.filled, off+int64(len(p)))
	return nil
}

// undo removes what was written of a record.
func (l *Log) undo() {
	l.filled = int64(l.fileEnd().Offset)
	if err := l.head.file.Truncate(l.filled); err != nil {
		l.fail(err)
	}
}

func (l *Log) advance(h header, n int64) Position {
	l.written = Position{h.at.Segment, h.at.Offset + uint32(n)}
	l.noteInFile()
	l.fillAhead()
	return l.written
}

func (l *Log) fail(err error) {
	if l.failed == nil {
		l.failed = fmt.Errorf("%w: %w", Broken, err)
		l.log.Error("journal is broken, no more writes until it is opened again", "err", err)
	}
}

// Sync returns when all before p is durable. Calls that come during a sync share
// the next one.
func (l *Log) Sync(p Position) error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	l.mu.Lock()
	if l.failed != nil || !l.synced.Before(p) {
		defer l.mu.Unlock()
		return l.failed
	}
	if l.fileEnd().Before(p) {
		if err := l.flush(); err != nil {
			l.mu.Unlock()
			return err
		}
	}
	target, newFile := l.fileEnd(), l.newFile // what waits is nobody's hurry
	full := l.unsynced
	l.unsynced, l.newFile = nil, false
	head := l.head
	l.mu.Unlock()

	var err error
	if hook := l.cfg.Hooks.Sync; hook != nil {
		err = hook()
	}
	for _, s := range append(full, head) {
		if err != nil {
			break
		}
		err = datasync(s.file)
	}
	if err == nil && newFile {
		err = syncDir(l.dir)
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range full {
		s.Release()
	}
	if err != nil {
		l.fail(err)
		return l.failed
	}
	l.perSync += (int64(target.Segment-l.synced.Segment)*l.cfg.SegmentSize +
		int64(target.Offset) - int64(l.synced.Offset) - l.perSync) / 8
	l.synced = target
	if hook := l.cfg.Hooks.Synced; hook != nil {
		hook(target)
	}
	return nil
}

// Close syncs what is written and closes the log. Segments that are acquired
// stay readable until they are released.
func (l *Log) Close() error {
	err := l.Sync(l.Written())
	if errors.Is(err, Closed) {
		return nil
	}
	l.mu.Lock()
	l.failed = Closed
	head, full := l.head, l.unsynced
	l.head, l.unsynced = nil, nil
	close(l.ahead)
	l.mu.Unlock()
	l.filler.Wait()
	l.closeFiles()
	for _, s := range append(full, head) {
		if s != nil {
			s.Release()
		}
	}
	return err
}
