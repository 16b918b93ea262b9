package conn

import (
	"time"
)

// maxChunk is the most that is given to the socket at once: Config.Write is the
// time for the peer to take so much.
const maxChunk = 256 << 10

// Write buffers output, and passes large output on. After a failure it does
// nothing but return it again.
func (c *Conn) Write(p []byte) (int, error) {
	done := 0
	for c.werr == nil && len(p) > 0 {
		if c.n == 0 && len(p) >= outSize {
			chunk := p[:min(len(p), maxChunk)]
			c.send(chunk)
			p, done = p[len(chunk):], done+len(chunk)
			continue
		}
		c.space()
		n := copy((*c.out)[c.n:], p)
		c.n += n
		p, done = p[n:], done+n
		if c.n == len(*c.out) {
			c.push()
		}
	}
	return done, c.werr
}

// WriteString is Write of a string.
func (c *Conn) WriteString(s string) (int, error) {
	done := 0
	for c.werr == nil && len(s) > 0 {
		c.space()
		n := copy((*c.out)[c.n:], s)
		c.n += n
		s, done = s[n:], done+n
		if c.n == len(*c.out) {
			c.push()
		}
	}
	return done, c.werr
}

// WriteByte is Write of one byte.
func (c *Conn) WriteByte(b byte) error {
	if c.werr != nil {
		return c.werr
	}
	c.space()
	(*c.out)[c.n] = b
	c.n++
	if c.n == len(*c.out) {
		c.push()
	}
	return c.werr
}

// AvailableBuffer returns the free end of the output buffer, empty but with room
// for at least want bytes, at most 16 KiB: append to it and pass it to Write,
// nothing is copied then.
func (c *Conn) AvailableBuffer(want int) []byte {
	want = min(want, midSize)
	c.space()
	if len(*c.out)-c.n < want {
		c.push()
		c.space()
	}
	return (*c.out)[c.n:c.n]
}

// space makes sure that there is an output buffer.
func (c *Conn) space() {
	if c.out == nil {
		c.out = c.server.buffers.take(outSize)
		c.n = 0
	}
}

// push sends the buffer and keeps it.
func (c *Conn) push() {
	if c.n > 0 {
		c.send((*c.out)[:c.n])
		c.n = 0
	}
}

// Flush sends the output and gives the buffer back.
func (c *Conn) Flush() error {
	if c.out == nil {
		if c.layer != nil && c.werr == nil {
			return c.flushLayer()
		}
		return c.werr
	}
	c.push()
	c.server.buffers.give(c.out)
	c.out = nil
	if c.layer != nil && c.werr == nil {
		return c.flushLayer()
	}
	return c.werr
}

func (c *Conn) flushLayer() error {
	c.writeUntil(time.Now().Add(c.server.cfg.Write))
	if err := c.layer.Flush(); err != nil {
		c.werr = c.failure(err)
	}
	return c.werr
}

func (c *Conn) send(p []byte) {
	if c.werr != nil {
		return
	}
	c.writeUntil(time.Now().Add(c.server.cfg.Write))
	n, err := c.w.Write(p)
	c.server.out.Add(int64(n))
	if err != nil {
		c.werr = c.failure(err)
	}
}
