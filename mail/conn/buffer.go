package conn

import "sync"

// Sizes of buffers. Most commands fit the small one; lines that do not, and
// bulk input, take the next; output is collected in one of outSize.
const (
	smallSize = 4 << 10
	midSize   = 16 << 10
	largeSize = 64 << 10
	outSize   = 32 << 10
)

// buffers lends buffers by size. They are of no use to a connection that waits,
// so a server has about as many as it has commands under way.
type buffers struct {
	small, mid, out, large sync.Pool
}

// pool returns the pool for buffers of a size, nil when there is none.
func (b *buffers) pool(size int) *sync.Pool {
	switch size {
	case smallSize:
		return &b.small
	case midSize:
		return &b.mid
	case outSize:
		return &b.out
	case largeSize:
		return &b.large
	}
	return nil
}

// take returns a buffer of the smallest size that holds n bytes.
func (b *buffers) take(n int) *[]byte {
	for _, size := range [...]int{smallSize, midSize, outSize, largeSize} {
		if n > size {
			continue
		}
		if p, ok := b.pool(size).Get().(*[]byte); ok {
			return p
		}
		p := make([]byte, size)
		return &p
	}
	size := largeSize
	for size < n {
		size *= 2
	}
	p := make([]byte, size)
	return &p
}

// give takes a buffer back; those of odd size are left to the collector.
func (b *buffers) give(p *[]byte) {
	if pool := b.pool(len(*p)); pool != nil {
		pool.Put(p)
	}
}
