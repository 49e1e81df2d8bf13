package audit

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"
)

// Check says what a log is held against.
type Check struct {
	// Key is the log's public key. Required.
	Key Verifier
	// Against are checkpoints of the log that were kept elsewhere: at the
	// entries that each was signed for, the log must still be the same.
	Against []Checkpoint
	// Entry is called for each entry, unless it is nil. What it is given is
	// valid during the call; its error ends the verification.
	Entry func(Entry) error
}

// Report is what a verification found.
type Report struct {
	// Entries is the number of entries that are right.
	Entries int64
	// Last is the last checkpoint in the log: the entries up to its size are
	// signed, and those after it are only chained.
	Last Checkpoint
	// Checkpoints is how many the log holds.
	Checkpoints int
}

// Verify checks a whole log. An error names the first line that is wrong, or
// the checkpoint that the log does not come up to; the report is then of the
// lines before. A last line without its newline is an error here, which
// [Unfinished] knows: only opening the log may judge it to be the mark of a
// crash.
//
// Found is every octet that is altered, and every line that is removed, added
// or moved, in what the last checkpoint covers. Of entries after it, which no
// signature covers yet, the last may be altered and any number cut off without
// a trace; so may a log be cut back to an earlier checkpoint. Checkpoints that
// were kept elsewhere are held against that.
func (c Check) Verify(r io.Reader) (Report, error) {
	if c.Key == nil {
		return Report{}, errors.New("verifying audit log: no key")
	}
	known := make(map[int64]tlog.Hash)
	for _, a := range c.Against {
		if root, ok := known[a.Size]; ok && root != a.Root {
			return Report{}, fmt.Errorf("verifying audit log: it was forked: two checkpoints of %d entries differ", a.Size)
		}
		known[a.Size] = a.Root
	}
	s := &scanner{key: c.Key, begun: true, tree: new(tree)}
	holds := func() error {
		root, ok := known[s.tree.size]
		if delete(known, s.tree.size); ok && root != s.tree.root() {
			return fmt.Errorf("the entries up to %d are not those that the given checkpoint was signed for", s.tree.size)
		}
		return nil
	}
	s.entry = func(e Entry) error {
		if err := holds(); err != nil || c.Entry == nil {
			return err
		}
		return c.Entry(e)
	}
	err := holds()
	if err == nil {
		err = s.lines(r)
	}
	report := Report{Entries: s.tree.size, Last: s.last, Checkpoints: s.checkpoints}
	if err != nil {
		return report, fmt.Errorf("verifying audit log: line %d, after entry %d: %w", int(s.at.seq)+s.checkpoints+1, s.at.seq, err)
	}
	for size := range known {
		return report, fmt.Errorf("verifying audit log: it ends with entry %d, and a checkpoint of %d was given: entries were removed from its end", report.Entries, size)
	}
	return report, nil
}

// Unfinished reports whether a verification failed because the last line has
// no newline, as it is for a moment while a server writes it.
func Unfinished(err error) bool { return errors.Is(err, errUnfinished) }
