//go:build unix && !aix && !solaris && !illumos

package interop

import (
	"errors"
	"os"
	"syscall"
)

// lock keeps others from the folder until the file is closed. The kernel drops
// the lock when the process dies.
func lock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrBusy
	}
	return err
}
