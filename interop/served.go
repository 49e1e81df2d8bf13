package interop

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/altamga/altamga/internal/durable"
)

// servedFile remembers the number and the digest of the newest list that was
// served, across starts. It is the site's and no officer's: it is replaced whole
// before a newer list is served, so that no crash makes the site go back, and
// one that cannot be read is an error. Taking it away lets the site begin anew.
func (s store) servedFile() string { return filepath.Join(s.dir, ".served") }

// notBack refuses a list that is older than one that was served, or another of
// the same number: readers who have the newer one take it for a replay. It
// reports whether this is the very one.
func (s store) notBack(v *Verified) (same bool, err error) {
	text, err := os.ReadFile(s.servedFile())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var number uint64
	var digest string
	if _, err := fmt.Sscanf(string(text), "%d %64s\n", &number, &digest); err != nil {
		return false, fmt.Errorf("reading %s: %w", s.servedFile(), err)
	}
	now := v.Scheme.SequenceNumber
	switch {
	case now < number:
		return false, fmt.Errorf("the folder has list %d; list %d was served already, as %s remembers", now, number, s.servedFile())
	case now == number && digest != hex.EncodeToString(v.Digest[:]):
		return false, fmt.Errorf("the folder has another list %d than was served already, as %s remembers", now, s.servedFile())
	}
	return now == number, nil
}

// putServed remembers the list.
func (s store) putServed(v *Verified) error {
	return durable.Write(s.servedFile(), fmt.Appendf(nil, "%d %x\n", v.Scheme.SequenceNumber, v.Digest), 0o644)
}
