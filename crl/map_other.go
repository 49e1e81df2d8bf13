//go:build !unix || aix || solaris || illumos

package crl

import (
	"io"
	"os"
)

// mapFile reads the file where this package cannot map it.
func mapFile(f *os.File, size int64) ([]byte, error) {
	octets := make([]byte, size)
	_, err := io.ReadFull(io.NewSectionReader(f, 0, size), octets)
	return octets, err
}

func unmapFile([]byte) {}
