package journal

import (
	"os"
	"syscall"
)

// datasync makes a file's content durable, its size included.
func datasync(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if err != syscall.EINTR {
			return err
		}
	}
}
