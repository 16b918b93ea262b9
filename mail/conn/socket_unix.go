//go:build unix

package conn

import (
	"io"
	"net"
	"syscall"
)

// socket reads from a file descriptor without holding a buffer while nothing
// is there: the buffer is taken when the poller says that there is input.
type socket struct {
	raw  syscall.RawConn
	pool *buffers
	try  func(fd uintptr) bool // readable, bound once: no allocation for a read

	size int     // wanted
	buf  *[]byte // got
	n    int
	err  error
}

// newSocket returns nil when nc is not a socket of the kernel.
func newSocket(nc net.Conn, pool *buffers) *socket {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	s := &socket{raw: raw, pool: pool}
	s.try = s.readable
	return s
}

// read waits for input and returns it in a buffer of at least size bytes. The
// deadline of the connection ends it.
func (s *socket) read(size int) (*[]byte, int, error) {
	s.size, s.buf, s.n, s.err = size, nil, 0, nil
	if err := s.raw.Read(s.try); err != nil {
		return nil, 0, err
	}
	buf := s.buf
	s.buf = nil
	if s.err == nil && s.n == 0 {
		s.err = io.EOF
	}
	if s.err != nil {
		s.pool.give(buf)
		return nil, 0, s.err
	}
	return buf, s.n, nil
}

func (s *socket) readable(fd uintptr) bool {
	buf := s.pool.take(s.size)
	for {
		s.n, s.err = syscall.Read(int(fd), *buf)
		switch s.err {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			s.pool.give(buf)
			return false
		}
		s.buf = buf
		return true
	}
}

// state peeks at the socket: whether input is waiting and whether the
// connection is broken. A peer that has only ended its own sending is not.
func (s *socket) state() (pending, broken bool) {
	err := s.raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		pending = n > 0
		broken = err != nil && err != syscall.EAGAIN && err != syscall.EINTR
	})
	return pending, broken || err != nil
}
