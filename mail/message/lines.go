package message

import (
	"bytes"
	"io"
)

// windowSize bounds how much of a message is in memory at once. A longer line comes
// in pieces.
const windowSize = 32 << 10

// lines reads a part of a message line by line. Only LF ends a line; a CR
// before it belongs to the line end.
type lines struct {
	r          io.ReaderAt
	off        int64 // of the next unread byte
	end        int64 // where to stop
	buf        []byte
	pos, limit int // buf[pos:limit] is read but not handed out; it begins at off
	err        error
	moved      func() // called before what was handed out is overwritten; may be nil
}

// reset begins reading at off; buf is the window to use.
func (l *lines) reset(r io.ReaderAt, off, end int64, buf []byte) {
	*l = lines{r: r, off: off, end: end, buf: buf, moved: l.moved}
}

// next returns the next line with its line end, or a piece of a line that is
// longer than the window. It is valid until the call after. ok is false at the end
// and after a failure.
func (l *lines) next() (line []byte, off int64, ok bool) {
	if i := bytes.IndexByte(l.buf[l.pos:l.limit], '\n'); i >= 0 {
		return l.take(i + 1)
	}
	for {
		seen := l.limit - l.pos
		if !l.fill() {
			break
		}
		if i := bytes.IndexByte(l.buf[l.pos+seen:l.limit], '\n'); i >= 0 {
			return l.take(seen + i + 1)
		}
	}
	if l.err != nil || l.pos == l.limit {
		return nil, l.off, false
	}
	return l.take(l.limit - l.pos)
}

// ahead is what is in the window and was not handed out.
func (l *lines) ahead() []byte { return l.buf[l.pos:l.limit] }

func (l *lines) take(n int) ([]byte, int64, bool) {
	line, off := l.buf[l.pos:l.pos+n], l.off
	l.pos += n
	l.off += int64(n)
	return line, off, true
}

// fill reads more into the window; false when it is full or there is no more.
func (l *lines) fill() bool {
	if l.pos > 0 {
		if l.moved != nil {
			l.moved()
		}
		l.limit = copy(l.buf, l.buf[l.pos:l.limit])
		l.pos = 0
	}
	left := l.end - l.off - int64(l.limit)
	if left <= 0 || l.limit == len(l.buf) || l.err != nil {
		return false
	}
	want := l.buf[l.limit:min(int64(len(l.buf)), int64(l.limit)+left)]
	n, err := l.r.ReadAt(want, l.off+int64(l.limit))
	l.limit += n
	if n < len(want) {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		l.err = err
		return false
	}
	return true
}
