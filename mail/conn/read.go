package conn

import (
	"bytes"
	"errors"
	"io"
	"time"
)

// Wait waits until input is there. It is the point between two commands:
// nothing is held in memory while it waits, output is sent before it waits. It
// returns nil when there is input, Woken when wake had a value (nil: never),
// TimedOut after d, Stopping when the server shuts down (at once, even with
// input buffered), io.EOF when the client has gone, or what broke the
// connection. After Woken and TimedOut the connection goes on.
func (c *Conn) Wait(wake <-chan struct{}, d time.Duration) error {
	select {
	case <-wake:
		return Woken
	default:
	}
	if c.pos == c.end {
		if err := c.Flush(); err != nil {
			return err
		}
		c.release()
	}
	c.mu.Lock()
	if c.stopping {
		c.mu.Unlock()
		return Stopping
	}
	if c.pos < c.end {
		c.mu.Unlock()
		c.since = c.server.ends.Load()
		return nil
	}
	c.waiting, c.woken = true, false
	c.nc.SetReadDeadline(time.Now().Add(d))
	c.mu.Unlock()

	var err error
	if wake == nil {
		err = c.fill(smallSize)
	} else {
		err = c.fillOrWake(wake)
	}

	c.mu.Lock()
	c.waiting = false
	woken, stopping := c.woken, c.stopping
	c.mu.Unlock()
	c.since = c.server.ends.Load()
	switch {
	case woken && (err == nil || errors.Is(err, TimedOut)):
		return Woken // input that came as well stays for the next Wait
	case stopping && errors.Is(err, TimedOut):
		return Stopping
	case errors.Is(err, TimedOut):
		return TimedOut
	}
	return err
}

// fillOrWake is fill while a second, small goroutine listens to wake and ends
// the read by its deadline.
func (c *Conn) fillOrWake(wake <-chan struct{}) error {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-wake:
			c.mu.Lock()
			c.woken = true
			if c.waiting {
				c.nc.SetReadDeadline(past)
			}
			c.mu.Unlock()
		case <-done:
		}
	}()
	err := c.fill(smallSize)
	close(done)
	<-ended // it must not take a value that a later Wait is to see
	return err
}

// fill reads into the empty buffer, for which it waits without having one. The
// deadline has been set.
func (c *Conn) fill(size int) error {
	if c.in != nil {
		panic("conn: fill of a buffer in use")
	}
	if c.bare() {
		buf, n, err := c.socket.read(size)
		if err != nil {
			return c.failure(err)
		}
		c.in, c.pos, c.end = buf, 0, n
		c.server.in.Add(int64(n))
		return nil
	}
	// Below TLS or a layer no one can tell whether input is there but by
	// reading it: one byte, the rest comes with the next read.
	for {
		n, err := c.r.Read(c.tiny[:])
		if n > 0 {
			c.in = c.server.buffers.take(size)
			(*c.in)[0] = c.tiny[0]
			c.pos, c.end = 0, 1
			c.server.in.Add(1)
			return nil
		}
		if err != nil {
			return c.failure(err)
		}
	}
}

// bare tells whether input comes straight from a socket of the kernel.
func (c *Conn) bare() bool { return c.socket != nil && c.tls == nil && c.layer == nil }

// more reads more behind what is buffered, for at most until deadline; it
// makes room first. size is what an empty buffer should have.
func (c *Conn) more(size int, deadline time.Time) error {
	if c.n > 0 {
		if err := c.Flush(); err != nil {
			return err
		}
	}
	c.readUntil(deadline)
	if c.pos == c.end {
		c.release()
		if c.bare() {
			return c.fill(size)
		}
		c.in = c.server.buffers.take(size)
	}
	c.room()
	for {
		n, err := c.r.Read((*c.in)[c.end:])
		if n > 0 {
			c.end += n
			c.server.in.Add(int64(n))
			return nil
		}
		if err != nil {
			return c.failure(err)
		}
	}
}

// grace is how long a peer may send or take nothing inside a command when the server shuts down.
const grace = time.Second

// readUntil and writeUntil set the deadline of the next read or write. At shut-down a peer that goes
// on is served to the end of its command, one that stands still is not waited for.
func (c *Conn) readUntil(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if end := time.Now().Add(grace); c.stopping && end.Before(t) {
		t = end
	}
	c.nc.SetReadDeadline(t)
}

func (c *Conn) writeUntil(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if end := time.Now().Add(grace); c.stopping && end.Before(t) {
		t = end
	}
	c.nc.SetWriteDeadline(t)
}

// room makes space behind what is buffered: by moving it to the front, or by
// a buffer of four times the size.
func (c *Conn) room() {
	if c.end < len(*c.in) {
		return
	}
	if c.pos > 0 {
		c.end = copy(*c.in, (*c.in)[c.pos:c.end])
		c.pos = 0
		return
	}
	big := c.server.buffers.take(4 * len(*c.in))
	c.end = copy(*big, *c.in)
	c.server.buffers.give(c.in)
	c.in = big
}

// release gives the input buffer back when it is used up.
func (c *Conn) release() {
	if c.in != nil && c.pos == c.end {
		c.server.buffers.give(c.in)
		c.in, c.pos, c.end = nil, 0, 0
	}
}

// Buffered returns how many bytes of input are already here.
func (c *Conn) Buffered() int { return c.end - c.pos }

// ReadLine reads a line and returns it without its CRLF (or LF, see
// Config.StrictLines), of at most limit bytes; else TooLong. The slice is valid
// until the next read. io.ErrUnexpectedEOF when the input ends inside a line,
// io.EOF when it ends before.
func (c *Conn) ReadLine(limit int) ([]byte, error) {
	var deadline time.Time
	scanned, tooLong := 0, false
	for {
		if c.pos < c.end {
			line, rest, found := c.cutLine(scanned)
			if found {
				c.pos = rest
				if tooLong || len(line) > limit {
					return nil, TooLong
				}
				return line, nil
			}
			scanned = c.end - c.pos
			if scanned > limit+1 { // a CR may be the last
				tooLong = true
				c.pos = c.end - 1 // keep a CR that may be the first half of the end
				scanned = 1
			}
			if deadline.IsZero() {
				deadline = time.Now().Add(c.server.cfg.Line)
			}
		}
		until := deadline
		if until.IsZero() {
			until = time.Now().Add(c.server.cfg.Read)
		}
		if err := c.more(smallSize, until); err != nil {
			if err == io.EOF && (scanned > 0 || tooLong) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// cutLine finds the end of the line in the buffer, of which the first scanned
// bytes hold none, and returns the line and the position behind its end.
func (c *Conn) cutLine(scanned int) (line []byte, rest int, found bool) {
	buf := (*c.in)[c.pos:c.end]
	from := max(scanned, 0)
	for {
		i := bytes.IndexByte(buf[from:], '\n')
		if i < 0 {
			return nil, 0, false
		}
		i += from
		if i > 0 && buf[i-1] == '\r' {
			return buf[:i-1], c.pos + i + 1, true
		}
		if !c.server.cfg.StrictLines {
			return buf[:i], c.pos + i + 1, true
		}
		from = i + 1
	}
}

// Read reads what is there, at least one byte.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if c.pos < c.end {
		n := copy(p, (*c.in)[c.pos:c.end])
		c.pos += n
		return n, nil
	}
	if len(p) < smallSize {
		if err := c.more(smallSize, time.Now().Add(c.server.cfg.Read)); err != nil {
			return 0, err
		}
		return c.Read(p)
	}
	if err := c.Flush(); err != nil {
		return 0, err
	}
	c.release()
	c.readUntil(time.Now().Add(c.server.cfg.Read))
	n, err := c.r.Read(p)
	c.server.in.Add(int64(n))
	if err != nil {
		err = c.failure(err)
	}
	return n, err
}

// Peek returns the input that is buffered, at least one byte, for which it
// waits; the slice is valid until the next read.
func (c *Conn) Peek() ([]byte, error) {
	if c.pos == c.end {
		if err := c.more(largeSize, time.Now().Add(c.server.cfg.Read)); err != nil {
			return nil, err
		}
	}
	return (*c.in)[c.pos:c.end], nil
}

// Discard drops n bytes of what Peek returned.
func (c *Conn) Discard(n int) {
	if n < 0 || n > c.end-c.pos {
		panic("conn: Discard of more than is buffered")
	}
	c.pos += n
}

// WriteError is a failure of CopyN's writer; the connection itself is fine.
type WriteError struct{ Err error }

func (e *WriteError) Error() string { return e.Err.Error() }
func (e *WriteError) Unwrap() error { return e.Err }

// CopyN copies n bytes of input to w. When w fails it goes on reading, so that
// the dialog stays in step, and returns w's failure as a *WriteError.
// io.ErrUnexpectedEOF when the input ends before.
func (c *Conn) CopyN(w io.Writer, n int64) error {
	var failed error
	for n > 0 {
		buf, err := c.Peek()
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		buf = buf[:min(int64(len(buf)), n)]
		if failed == nil {
			_, failed = w.Write(buf)
		}
		c.Discard(len(buf))
		n -= int64(len(buf))
	}
	if failed != nil {
		return &WriteError{failed}
	}
	return nil
}
