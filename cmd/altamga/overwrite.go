package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// markWithin is how far into a file its mark is looked for.
const markWithin = 512

// keepOthers refuses to write to path when a file is there that the same
// command did not write: it may be a key, the register, a log or the
// configuration. What the command writes has one of the marks near its
// beginning; without marks, no file is ever replaced.
func keepOthers(path, what string, marks ...string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("writing %s: %w", path, err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("writing %s: it is no regular file", path)
	}
	if len(marks) == 0 {
		return withHint(fmt.Errorf("writing %s: the file exists", path), "name a new file; nothing that exists is overwritten")
	}
	head, err := headOf(path)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	for _, mark := range marks {
		if bytes.Contains(head, []byte(mark)) {
			return nil
		}
	}
	return withHint(fmt.Errorf("writing %s: the file exists and is no %s", path, what), "name a new file; only an earlier "+what+" is overwritten")
}

func headOf(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, markWithin))
}

// keepOtherFolder refuses to write files into a folder that holds others: one
// without the file that tells what the same command wrote.
func keepOtherFolder(path, manifest string) error {
	entries, err := os.ReadDir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("writing %s: %w", path, err)
	case len(entries) == 0:
		return nil
	}
	if _, err := os.Stat(filepath.Join(path, manifest)); err != nil {
		return withHint(fmt.Errorf("writing %s: the folder holds other files", path), "name a new folder; only one with an earlier "+manifest+" is written over")
	}
	return nil
}
