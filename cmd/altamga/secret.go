package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
)

// maxSecret bounds the file of a password or key.
const maxSecret = 64 << 10

// readSecret reads a file that nobody but its owner may use; what says of what
// it is.
func readSecret(what, path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	defer f.Close()
	// Judged on the open file, so that what is judged is what is read.
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, withHint(fmt.Errorf("reading %s: %s: others than its owner may use it (mode %04o)", what, path, mode), "chmod 600 "+path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecret))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	return text, nil
}
