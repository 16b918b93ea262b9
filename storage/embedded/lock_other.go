//go:build !unix

package embedded

import (
	"os"
	"path/filepath"
)

// takeLock takes no lock of its own here; Badger's guards its folder.
func takeLock(dir string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, "LOCK"), os.O_RDWR|os.O_CREATE, 0o600)
}
