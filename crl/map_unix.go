//go:build unix && !aix && !solaris && !illumos

package crl

import (
	"os"
	"syscall"
)

// mapFile maps so many octets of a file, to be read.
func mapFile(f *os.File, size int64) ([]byte, error) {
	return syscall.Mmap(int(f.Fd()), 0, int(size), syscall.PROT_READ, syscall.MAP_SHARED)
}

// unmapFile ends what mapFile began. It fails for nothing that mapFile returned.
func unmapFile(octets []byte) { _ = syscall.Munmap(octets) }
