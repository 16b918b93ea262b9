package embedded

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// memory is how many MiB this process may use: the machine's, or what its control
// group allows. 0 means that nobody knows.
func memory() int {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	total := uint64(info.Totalram) * uint64(info.Unit)
	if b, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if n, err := strconv.ParseUint(string(bytes.TrimSpace(b)), 10, 64); err == nil {
			total = min(total, n)
		}
	}
	return int(total >> 20)
}
