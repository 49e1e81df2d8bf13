package audit

import (
	"os"
	"syscall"
)

// datasync flushes a file's contents and length, but not its times.
func datasync(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); err != syscall.EINTR {
			return err
		}
	}
}
