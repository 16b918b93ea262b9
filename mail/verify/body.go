package verify

import (
	"crypto/sha256"
	"hash"
	"io"
)

// bodyKind is how a signature wants the body hashed.
type bodyKind struct {
	relaxed bool
	limit   int64 // l=, bytes of the canonical body; -1: all
}

// bodyHash hashes a body in one canonicalization, RFC 6376 §3.4.3 and §3.4.4.
// Lines end with CR LF; what is not at a line's end is content.
type bodyHash struct {
	bodyKind
	h       hash.Hash
	n       int64 // canonical bytes so far
	lines   int64 // empty lines held back: they count only when something follows
	cr      bool  // a CR that may begin a line's end
	space   bool  // blanks that count only when something follows in the line
	content bool  // the line under way has some
	out     []byte

	result []byte // once it was summed up
	whole  bool
}

// sumOnce ends the body at its first call.
func (b *bodyHash) sumOnce() (sum []byte, whole bool) {
	if b.result == nil {
		b.result, b.whole = b.sum()
	}
	return b.result, b.whole
}

func newBodyHash(k bodyKind) *bodyHash { return &bodyHash{bodyKind: k, h: sha256.New()} }

func (b *bodyHash) Write(p []byte) (int, error) {
	for _, c := range p {
		if b.cr {
			b.cr = false
			if c == '\n' {
				b.endLine()
				continue
			}
			b.put('\r')
		}
		switch {
		case c == '\r':
			b.cr = true
		case b.relaxed && (c == ' ' || c == '\t'):
			b.space = true
		default:
			b.put(c)
		}
	}
	b.flush()
	return len(p), nil
}

// put adds a byte of a line.
func (b *bodyHash) put(c byte) {
	for ; b.lines > 0; b.lines-- {
		b.emit('\r', '\n')
	}
	if b.space {
		b.space = false
		b.emit(' ')
	}
	b.content = true
	b.emit(c)
}

// endLine ends a line: one with content is closed, an empty one held back.
func (b *bodyHash) endLine() {
	b.space = false
	b.lines++
	if b.content {
		b.lines = 0
		b.content = false
		b.emit('\r', '\n')
	}
}

func (b *bodyHash) emit(p ...byte) {
	b.out = append(b.out, p...)
	if len(b.out) >= 4<<10 {
		b.flush()
	}
}

func (b *bodyHash) flush() {
	p := b.out
	if b.limit >= 0 {
		p = p[:max(min(int64(len(p)), b.limit-b.n), 0)]
	}
	b.h.Write(p)
	b.n += int64(len(b.out))
	b.out = b.out[:0]
}

// sum ends the body. whole tells whether the limit, if there is one, left nothing out.
func (b *bodyHash) sum() (sum []byte, whole bool) {
	if b.cr {
		b.cr = false
		b.put('\r')
	}
	if b.content || !b.relaxed && b.n == 0 && len(b.out) == 0 {
		b.content = false
		b.emit('\r', '\n')
	}
	b.flush()
	return b.h.Sum(nil), b.limit < 0 || b.n <= b.limit
}

// hashBody reads a body once for all who want it.
func hashBody(r io.ReaderAt, from, size int64, kinds map[bodyKind]*bodyHash) error {
	if len(kinds) == 0 {
		return nil
	}
	buf := make([]byte, 32<<10)
	for off := from; off < size; {
		n, err := r.ReadAt(buf[:min(int64(len(buf)), size-off)], off)
		for _, b := range kinds {
			b.Write(buf[:n])
		}
		off += int64(n)
		if err != nil && (err != io.EOF || n == 0) {
			return err
		}
	}
	return nil
}
