//go:build !linux

package audit

import "os"

// datasync flushes a file.
func datasync(f *os.File) error { return f.Sync() }
