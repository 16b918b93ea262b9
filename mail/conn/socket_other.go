//go:build !unix

package conn

import "net"

// socket is not available here: connections wait in a read of one byte.
type socket struct{}

func newSocket(net.Conn, *buffers) *socket { return nil }

func (*socket) read(int) (*[]byte, int, error) { panic("unreachable") }
func (*socket) state() (pending, broken bool)  { return false, false }
