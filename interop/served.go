package interop

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// servedFile remembers the number and the digest of the newest list that was
// served, across starts.
func (s store) servedFile() string { return filepath.Join(s.dir, ".served") }

// notBack refuses a list that is older than one that was served, or another of
// the same number: readers who have the newer one take it for a replay.
func (s store) notBack(v *Verified) error {
	text, err := os.ReadFile(s.servedFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var number uint64
	var digest string
	if _, err := fmt.Sscanf(string(text), "%d %64s\n", &number, &digest); err != nil {
		return fmt.Errorf("reading %s: %w", s.servedFile(), err)
	}
	now := v.Scheme.SequenceNumber
	switch {
	case now < number:
		return fmt.Errorf("the folder has list %d; list %d was served already, as %s remembers", now, number, s.servedFile())
	case now == number && digest != hex.EncodeToString(v.Digest[:]):
		return fmt.Errorf("the folder has another list %d than was served already, as %s remembers", now, s.servedFile())
	}
	return nil
}

// putServed remembers the list.
func (s store) putServed(v *Verified) error {
	return replace(s.servedFile(), fmt.Appendf(nil, "%d %x\n", v.Scheme.SequenceNumber, v.Digest))
}
