//go:build !linux

package journal

import "os"

// datasync makes a file's content durable, its size included.
func datasync(f *os.File) error { return f.Sync() }
