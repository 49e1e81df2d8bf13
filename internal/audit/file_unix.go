//go:build unix && !aix && !solaris && !illumos

package audit

import (
	"errors"
	"os"
	"syscall"
)

// lock keeps a second process, or a second Open of this one, from writing
// lines that fork the chain. The kernel drops the lock when the process dies.
func lock(f *os.File) error {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return errors.New("it is open in another process")
		}
		return err
	}
	return nil
}
