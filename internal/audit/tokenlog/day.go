package tokenlog

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/altamga/altamga/internal/audit"
	"github.com/altamga/altamga/internal/durable"
)

// maxTorn bounds what an unfinished write can have left: a batch is as many
// records as are in the making at once.
const maxTorn = 4096 * size

// resume goes on from the last day.
func (l *Log) resume() error {
	all, err := days(l.config.Dir)
	if err != nil {
		return err
	}
	if n := len(all); n > 0 {
		begun, err := l.unbegun(all[n-1])
		if err != nil {
			return err
		}
		if begun {
			all = all[:n-1]
		}
	}
	if len(all) == 0 {
		l.tree = new(audit.Tree)
		return nil
	}
	return l.reopen(all)
}

// unbegun removes the file of a day whose header a crash has cut off, and
// reports that it did. The header is on the disk before the first record.
func (l *Log) unbegun(day string) (bool, error) {
	path := filepath.Join(l.config.Dir, day+logEnding)
	data, err := os.ReadFile(path)
	if err != nil || len(data) > maxHeader || bytes.IndexByte(data, '\n') >= 0 {
		return false, err
	}
	if _, err := os.Stat(filepath.Join(l.config.Dir, day+rootEnding)); !missing(err) {
		return false, err
	}
	return true, os.Remove(path)
}

// reopen opens the last day's file and holds it to its root, or to that of the
// day before.
func (l *Log) reopen(all []string) error {
	l.day = all[len(all)-1]
	root, rooted, err := readRoot(l.config.Dir, l.day, l.config.Key)
	if missing(err) && len(all) > 1 {
		root, rooted, err = readRoot(l.config.Dir, all[len(all)-2], l.config.Key)
	}
	if err != nil && !(missing(err) && len(all) == 1) {
		return err
	}
	damaged := func(format string, args ...any) error {
		return fmt.Errorf(l.day+logEnding+": "+format+"; verify it, keep it, and begin a new one", args...)
	}
	same := rooted == nil
	tree, end, rest, err := scan(l.config.Dir, l.day, visit{
		header: func(h header) error {
			if h.Journal != l.config.Key.Name() {
				return fmt.Errorf("it is a journal of %s", h.Journal)
			}
			return nil
		},
		record: func(r Record, _ []byte, before *audit.Tree) error {
			if r.Time.After(l.latest) {
				l.latest = r.Time
			}
			same = same || before.Size() == root.Size && before.Equal(rooted)
			return nil
		},
	})
	switch {
	case err != nil:
		return damaged("%w", err)
	case root.Size > tree.Size():
		return damaged("it ends with record %d, and the root was signed for %d: records are missing", tree.Size(), root.Size)
	case !same && !tree.Equal(rooted):
		return damaged("it contradicts the signed root of %d records", root.Size)
	case !rest.torn():
		return damaged("the record after number %d is damaged, and %d octets follow from it", tree.Size(), rest.octets)
	}
	l.root = root
	return l.take(tree, end, rest.octets)
}

// take opens the file for writing, without what an unfinished write has left.
func (l *Log) take(tree *audit.Tree, end, torn int64) (err error) {
	if l.file, err = os.OpenFile(filepath.Join(l.config.Dir, l.day+logEnding), os.O_RDWR, 0); err != nil {
		return err
	}
	l.tree, l.cut, l.end, l.room = tree, torn, end, end
	if err := l.file.Truncate(end); err != nil {
		return err
	}
	return audit.SyncFile(l.file)
}

// turn signs the root of the day that is over and begins the file of a new one.
// The caller owns the journal.
func (l *Log) turn(today string) error {
	if l.file != nil {
		if err := l.sign(); err != nil {
			return err
		}
	}
	h := header{Journal: l.config.Key.Name(), Day: today, Size: l.tree.Size(), Edge: l.tree.Edge()}
	line, err := h.line()
	if err != nil {
		return err
	}
	path := filepath.Join(l.config.Dir, today+logEnding)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(line)
	if err := errors.Join(err, f.Sync(), durable.SyncDir(l.config.Dir)); err != nil {
		return errors.Join(err, f.Close(), os.Remove(path))
	}
	if l.file != nil {
		if err := l.shut(); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	l.file, l.day, l.end, l.room = f, today, int64(len(line)), int64(len(line))
	return nil
}
