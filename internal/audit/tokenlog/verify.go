package tokenlog

import (
	"fmt"

	"github.com/altamga/altamga/internal/audit"
)

// Report is what [Verify] found.
type Report struct {
	Days int
	// Records in the journal, and how many of them no root was signed for yet.
	Records, Open int64
	// Root is the last one; zero when there is none.
	Root audit.Checkpoint
}

// Verify holds every record of a journal to the signed roots. An error names
// the day that was altered, or after which something is missing. What it cannot
// see is that the end was cut off together with its root: whoever keeps a root
// elsewhere, as the audit log does, passes it as one of those that must be there.
func Verify(dir string, key audit.Verifier, kept ...audit.Checkpoint) (Report, error) {
	report, err := verify(dir, key, kept)
	if err != nil {
		return report, fmt.Errorf("verifying token journal: %w", err)
	}
	return report, nil
}

func verify(dir string, key audit.Verifier, kept []audit.Checkpoint) (report Report, err error) {
	all, err := days(dir)
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("%s holds no day of a token journal", dir)
	}
	if err != nil {
		return report, err
	}
	tree := new(audit.Tree)
	for i, day := range all {
		root, rootTree, err := readRoot(dir, day, key)
		last := i == len(all)-1
		if err != nil && !(missing(err) && last) {
			return report, err
		}
		grown, rest, err := verifyDay(dir, day, key, tree, rootTree, kept)
		switch {
		case err != nil:
			return report, fmt.Errorf("%s: %w", day+logEnding, err)
		case rest.octets > 0 && !(last && rest.torn()):
			return report, fmt.Errorf("%s: the record after number %d is damaged", day+logEnding, grown.Size())
		case rootTree != nil && root.Size > grown.Size():
			return report, fmt.Errorf("%s ends with record %d, and its root was signed for %d: records are missing", day+logEnding, grown.Size(), root.Size)
		case rootTree != nil && root.Size < grown.Size() && !last:
			return report, fmt.Errorf("%s has %d records, and its root was signed for %d: records were added", day+logEnding, grown.Size(), root.Size)
		}
		if tree = grown; rootTree != nil {
			report.Root = root
		}
		report.Days++
	}
	report.Records = tree.Size()
	report.Open = tree.Size() - report.Root.Size
	for _, c := range kept {
		if c.Size > tree.Size() {
			return report, fmt.Errorf("it has %d records, and a root was signed for %d: the end was cut off", tree.Size(), c.Size)
		}
	}
	return report, nil
}

// verifyDay holds a day to the tree before it, to its root and to those kept
// elsewhere.
func verifyDay(dir, day string, key audit.Verifier, before, root *audit.Tree, kept []audit.Checkpoint) (*audit.Tree, remains, error) {
	compare := func(tree *audit.Tree) error {
		if root != nil && tree.Size() == root.Size() && !tree.Equal(root) {
			return fmt.Errorf("its first %d records are not those that the root was signed for", tree.Size())
		}
		for _, c := range kept {
			if c.Size == tree.Size() && c.Root != tree.Root() {
				return fmt.Errorf("its first %d records are not those that a root kept elsewhere was signed for", tree.Size())
			}
		}
		return nil
	}
	grown, _, rest, err := scan(dir, day, visit{
		header: func(h header) error {
			if h.Journal != key.Name() {
				return fmt.Errorf("it is a journal of %s", h.Journal)
			}
			if claimed, err := audit.NewTree(h.Size, h.Edge); err != nil || !claimed.Equal(before) {
				return fmt.Errorf("it goes on from %d records, and %d are before it: a day is missing or was altered", h.Size, before.Size())
			}
			return nil
		},
		record: func(_ Record, _ []byte, tree *audit.Tree) error { return compare(tree) },
	})
	if err != nil {
		return nil, rest, err
	}
	return grown, rest, compare(grown)
}
