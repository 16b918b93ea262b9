package journal

import (
	"container/list"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
)

// Open opens the journal in dir, which exists, and makes one when there is none.
// It calls replay with each batch from position from on (the zero Position: from
// the beginning) and with the position after it; payload is valid during the call only.
//
// What a power cut tore is cut off. Corrupt is returned, and nothing changed,
// when the log is damaged where it had been durable.
func Open(dir string, cfg Config, from Position, replay func(payload []byte, end Position) error, log *slog.Logger) (*Log, error) {
	l := &Log{
		dir: dir, cfg: cfg, log: log,
		held:  map[uint32]int64{},
		files: map[uint32]*Segment{},
		idle:  list.New(),
		buf:   make([]byte, bufSize),
		ahead: make(chan struct{}, 1),
	}
	l.waiting = l.buf[:0]
	if err := l.open(from, replay); err != nil {
		l.closeFiles()
		return nil, fmt.Errorf("journal %s: %w", dir, err)
	}
	l.filler.Go(l.fill)
	return l, nil
}

func (l *Log) open(from Position, replay func([]byte, Position) error) (err error) {
	if l.segments, err = listSegments(l.dir); err != nil {
		return err
	}
	if len(l.segments) == 0 && from == (Position{}) {
		return l.begin(1)
	}
	first := 0
	if from != (Position{}) {
		var found bool
		if first, found = slices.BinarySearch(l.segments, from.Segment); !found {
			return fmt.Errorf("segment %d, where the checkpoint is, is missing: %w", from.Segment, Corrupt)
		}
	} else {
		from.Segment = l.segments[0]
	}
	end, err := l.replay(l.segments[first:], from, replay)
	if err != nil {
		return err
	}
	return l.cut(end)
}

// replay reads the segments ids from position from and returns where the log ends.
func (l *Log) replay(ids []uint32, from Position, fn func([]byte, Position) error) (Position, error) {
	at := from
	for i, id := range ids {
		if id != at.Segment { // one that was made and never reached the folder
			return at, l.checkTail(ids[i:], at)
		}
		end, err := l.readSegment(at, fn)
		if err != nil {
			return at, err
		}
		if end.Segment == id {
			return end, l.checkTail(ids[i:], end)
		}
		at = end
	}
	return at, nil // the last one is sealed and the next was never made
}

// readSegment reads a segment from at on and returns where its records end, or
// the beginning of the next segment.
func (l *Log) readSegment(at Position, fn func([]byte, Position) error) (end Position, err error) {
	f, err := os.Open(segmentPath(l.dir, at.Segment))
	if err != nil {
		return at, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return at, err
	}
	if info.Size() < int64(at.Offset) {
		return at, fmt.Errorf("segment %d ends before the checkpoint at %v: %w", at.Segment, at, Corrupt)
	}
	if _, err := f.Seek(int64(at.Offset), io.SeekStart); err != nil {
		return at, err
	}
	end, err = readRecords(f, at, func(h header, payload []byte) error {
		if h.kind != kindBatch {
			return nil
		}
		return fn(payload, after(h))
	})
	if err != nil {
		return end, err
	}
	// A process that was killed left records in memory that no disk has yet:
	// what was replayed must not be lost later.
	return end, datasync(f)
}

func after(h header) Position {
	return Position{h.at.Segment, h.at.Offset + uint32(size(int64(h.length)))}
}

// checkTail looks in the segments ids for proof that what is cut off was durable.
func (l *Log) checkTail(ids []uint32, cut Position) error {
	for _, id := range ids {
		from := Position{Segment: id}
		if id == cut.Segment {
			from = cut
		}
		f, err := os.Open(segmentPath(l.dir, id))
		if err != nil {
			return err
		}
		_, err = f.Seek(int64(from.Offset), io.SeekStart)
		var (
			at   Position
			bad  bool
			err2 error
		)
		if err == nil {
			at, bad, err2 = provesSynced(f, from, cut)
		}
		f.Close()
		if err = errors.Join(err, err2); err != nil {
			return err
		}
		if bad {
			return fmt.Errorf("the record at %v is unreadable, that at %v says it had been synced: %w", cut, at, Corrupt)
		}
	}
	return nil
}

// cut makes end the end of the log.
func (l *Log) cut(end Position) error {
	i, found := slices.BinarySearch(l.segments, end.Segment)
	rest := l.segments[i:]
	if found {
		rest = rest[1:]
	}
	for _, id := range rest {
		l.log.Warn("journal: removing a segment after the torn end", "segment", id, "end", end)
		if err := os.Remove(segmentPath(l.dir, id)); err != nil {
			return err
		}
	}
	l.segments = l.segments[:len(l.segments)-len(rest)]
	if !found {
		err := l.begin(end.Segment)
		l.synced = l.written
		return err
	}
	f, err := os.OpenFile(segmentPath(l.dir, end.Segment), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() != int64(end.Offset) { // torn, or the zeros ahead
		err = f.Truncate(int64(end.Offset))
	}
	if err == nil {
		err = errors.Join(datasync(f), syncDir(l.dir))
	}
	if err != nil {
		f.Close()
		return err
	}
	l.head = l.addFile(end.Segment, f)
	l.written, l.synced, l.filled = end, end, int64(end.Offset)
	l.noteInFile()
	return nil
}
