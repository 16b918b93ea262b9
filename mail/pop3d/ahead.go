package pop3d

import (
	"errors"
	"strconv"
	"sync"
	"time"

	"atrium/mail/conn"
)

// Clients fetch one message after another: while one is on its way, the next is made ready to be sent.
const (
	aheadBytes = 64 << 10    // of a message that is made ready
	aheads     = 256         // messages of all sessions that are ready
	aheadTime  = time.Second // a message stays ready so long
)

// ready is a message that is as RETR sends it.
type ready struct {
	pos  int
	size int64
	out  []byte
}

var readyPool = sync.Pool{New: func() any { return &ready{out: make([]byte, 0, aheadBytes+aheadBytes/16)} }}

func (r *ready) Write(p []byte) (int, error) {
	r.out = append(r.out, p...)
	return len(p), nil
}

// wait waits for a command. Before, what was answered is sent, and the message that may be asked for next
// is made ready.
func (s *session) wait() error {
	if s.next > 0 && s.c.Buffered() == 0 && s.c.Flush() == nil {
		s.readAhead(s.next)
	}
	s.next = 0
	if s.ahead != nil {
		if err := s.c.Wait(nil, min(aheadTime, s.patience())); !errors.Is(err, conn.TimedOut) {
			return err
		}
		s.forget()
	}
	return s.c.Wait(nil, s.patience())
}

// readAhead makes the message at a position ready, or the next one that is not deleted. Should it fail,
// RETR will tell.
func (s *session) readAhead(pos int) {
	d := s.drop
	for d != nil && pos < d.len() && d.deleted[pos] {
		pos++
	}
	if d == nil || pos >= d.len() || s.ahead != nil && s.ahead.pos == pos {
		return
	}
	s.forget()
	m := d.at(pos)
	if m.Size > aheadBytes || s.surrogate(&m) {
		return
	}
	if s.aheads.Add(1) > aheads {
		s.aheads.Add(-1)
		return
	}
	r := readyPool.Get().(*ready)
	r.pos, r.out, s.ahead = pos, r.out[:0], r
	body, err := d.box.Body(s.c.Context(), d.key.id, m)
	if err == nil {
		defer body.Close()
		r.size = body.Size()
		w := stuffer{w: r, bol: true}
		if _, err = body.WriteTo(&w); err == nil {
			err = w.close()
		}
	}
	if err != nil {
		s.forget()
	}
}

// forget gives up the message that is ready.
func (s *session) forget() {
	if s.ahead == nil {
		return
	}
	if cap(s.ahead.out) <= 2*aheadBytes {
		readyPool.Put(s.ahead)
	}
	s.ahead = nil
	s.aheads.Add(-1)
}

// sendReady sends the message at a position if it is ready.
func (s *session) sendReady(pos int) (sent bool, err error) {
	if s.ahead == nil || s.ahead.pos != pos {
		return false, nil
	}
	defer s.forget()
	s.text("+OK ", strconv.FormatInt(s.ahead.size, 10), " octets")
	if _, err := s.c.Write(s.ahead.out); err != nil {
		return true, &cutShort{err, false}
	}
	return true, nil
}
