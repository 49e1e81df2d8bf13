// Package durable writes files so that a reader, and whoever starts after a
// loss of power, finds the old contents or the new ones, and never a part.
//
// The contents are on the disk before the name leads to them, and the name is
// on the disk before a function returns.
package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Write gives the file the contents; one of that name is replaced.
func Write(name string, data []byte, mode fs.FileMode) error {
	return put(name, mode, writing(data), os.Rename)
}

// Stream is [Write] for contents that write makes piece by piece. When write
// fails, what was there stays, and the error wraps that of write.
func Stream(name string, mode fs.FileMode, write func(io.Writer) error) error {
	return put(name, mode, write, os.Rename)
}

// Create is [Write] for a file that is not there yet; when it is, the error
// wraps [fs.ErrExist].
func Create(name string, data []byte, mode fs.FileMode) error {
	// Link fails when the name is taken, which rename would not.
	return put(name, mode, writing(data), func(from, to string) error {
		if err := os.Link(from, to); err != nil {
			return err
		}
		return os.Remove(from)
	})
}

// SyncDir makes the names in a folder outlive a loss of power.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func writing(data []byte) func(io.Writer) error {
	return func(to io.Writer) error {
		_, err := to.Write(data)
		return err
	}
}

// put writes a file beside the one of that name, and lets give give it the name.
func put(name string, mode fs.FileMode, write func(io.Writer) error, give func(from, to string) error) error {
	dir := filepath.Dir(name)
	file, err := os.CreateTemp(dir, "."+filepath.Base(name)+"-*.tmp")
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	err = errors.Join(write(file), file.Chmod(mode), file.Sync(), file.Close())
	if err == nil {
		err = give(file.Name(), name)
	}
	if err != nil {
		os.Remove(file.Name())
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return SyncDir(dir)
}
