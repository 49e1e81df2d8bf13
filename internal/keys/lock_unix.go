//go:build unix && !aix && !solaris && !illumos

package keys

import (
	"os"
	"syscall"
)

// lock waits until no other process, and no other open file of this one, holds
// the file. Closing the file ends it, and so does the death of the process.
func lock(f *os.File) error {
	for {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != syscall.EINTR {
			return err
		}
	}
}
