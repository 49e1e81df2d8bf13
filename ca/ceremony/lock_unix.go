//go:build unix

package ceremony

import (
	"errors"
	"os"
	"syscall"
)

// lock keeps other processes from the minutes until the file is closed.
func lock(f *os.File) error {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return errors.New("another process has them open")
	}
	return nil
}
