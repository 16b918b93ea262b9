package conn

import (
	"bufio"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// Deflate is a Layer that compresses both ways (RFC 4978, RFC 1951): c.Layer(c.Deflate).
// A connection that waits keeps the end of what it sent, so that the next answer is
// small too, but no compressor.
func (c *Conn) Deflate(r io.Reader, w io.Writer) (io.Reader, WriteFlusher) {
	return newInflater(r, &c.server.buffers), &deflater{w: w, pool: &c.server.deflaters}
}

// Compressed tells whether there is a layer (COMPRESSIONACTIVE, RFC 4978 §3).
func (c *Conn) Compressed() bool { return c.layer != nil }

// maxTail is how much of what was sent the next answer may refer to after a wait.
const maxTail = 2 << 10

// deflater is a compressor that is taken from the pool for what is sent between two flushes.
type deflater struct {
	w    io.Writer
	pool *sync.Pool
	c    *compressor
	tail []byte
}

// compressor is what is pooled: some 300 KiB.
type compressor struct {
	fw  *flate.Writer
	buf *bufio.Writer
}

// level is one that compresses mail nearly as well as the best, at a third of the time.
const level = 3

func (d *deflater) begin() error {
	if d.c, _ = d.pool.Get().(*compressor); d.c == nil {
		fw, err := flate.NewWriter(nil, level)
		if err != nil {
			return err
		}
		d.c = &compressor{fw, bufio.NewWriterSize(nil, midSize)}
	}
	d.c.buf.Reset(d.w)
	d.c.fw.ResetDict(d.c.buf, d.tail)
	return nil
}

func (d *deflater) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if d.c == nil {
		if err := d.begin(); err != nil {
			return 0, err
		}
	}
	n, err := d.c.fw.Write(p)
	d.keep(p)
	return n, err
}

// keep keeps the end of what is sent.
func (d *deflater) keep(p []byte) {
	p = p[max(0, len(p)-maxTail):]
	if over := len(d.tail) + len(p) - maxTail; over > 0 {
		d.tail = d.tail[:copy(d.tail, d.tail[over:])]
	}
	d.tail = append(d.tail, p...)
}

// Flush sends all, so that the peer can read it, and lets go of the compressor.
func (d *deflater) Flush() error {
	if d.c == nil {
		return nil
	}
	c := d.c
	d.c = nil
	if err := c.fw.Flush(); err != nil {
		return err
	}
	if err := c.buf.Flush(); err != nil {
		return err
	}
	c.fw.ResetDict(nil, nil)
	c.buf.Reset(nil)
	d.pool.Put(c)
	return nil
}
