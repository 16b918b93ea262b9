package journal

// A sync of a file that grew makes the file system write its own journal too,
// and with it what others have written. So the head is filled with zeros a little
// ahead of the records, in the background: a sync then takes about half the time.
// Only when very much is synced at once the size of the file does not matter, and
// writing all twice would: then it is not done.
const (
	aheadLow   = 512 << 10 // zeros that are left when more are written, at least
	aheadPiece = 256 << 10 // written while the lock is held
	aheadMost  = 256 << 10 // bytes a sync above which it is not worth it
)

// low is how many zeros are to be ahead: enough for the syncs that come while
// more are written. mu is held.
func (l *Log) low() int64 { return max(aheadLow, 2*l.perSync) }

// fillAhead asks for zeros when few are left. mu is held.
func (l *Log) fillAhead() {
	if l.filled-int64(l.written.Offset) >= l.low() || l.perSync > aheadMost || l.filled+aheadPiece > l.cfg.SegmentSize {
		return
	}
	select {
	case l.ahead <- struct{}{}:
	default:
	}
}

// fill writes zeros ahead of the records until the log is closed.
func (l *Log) fill() {
	zeros := make([]byte, aheadPiece)
	for range l.ahead {
		s := l.fillStep(zeros)
		if s == nil {
			continue
		}
		// Once the size is durable, the records' syncs need not make it so. If
		// this fails, a later sync of the same pages could pass unnoticed.
		err := datasync(s.file)
		s.Release()
		if err != nil {
			l.mu.Lock()
			l.fail(err)
			l.mu.Unlock()
		}
	}
}

// fillStep writes zeros until twice as many as needed are ahead. It returns the
// segment, to be synced and released; nil when there was nothing to do.
func (l *Log) fillStep(zeros []byte) (s *Segment) {
	for l.fillPiece(&s, zeros) {
	}
	return s
}

func (l *Log) fillPiece(s **Segment, zeros []byte) (more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil || *s != nil && *s != l.head ||
		l.filled-int64(l.written.Offset) >= 2*l.low() || l.filled+int64(len(zeros)) > l.cfg.SegmentSize {
		return false
	}
	if *s == nil {
		*s, _ = l.Acquire(l.head.id) // it is open: this cannot fail
	}
	if _, err := l.head.file.WriteAt(zeros, l.filled); err != nil {
		l.undo() // the disk is nearly full: the zeros can be done without
		return false
	}
	l.filled += int64(len(zeros))
	return true
}
