package crl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/altamga/altamga/internal/durable"
)

// archive keeps the list under a second name that has its number:
// ehm.crl is kept as ehm.17.crl. It is there before the list is published, so
// that none is served that is not kept; one that a crash has kept from being
// published stays there, too, since its number is used up.
func (p *Publisher) archive(d *drafted, path string) error {
	if p.config.Archive == "" {
		return nil
	}
	name := filepath.Join(p.config.Archive, filepath.FromSlash(archived(path, d.number)))
	dir := filepath.Dir(name)
	if err := makeDir(dir); err != nil {
		return err
	}
	err := os.Link(d.file.Name(), name)
	if errors.Is(err, syscall.EXDEV) {
		err = fmt.Errorf("%w: the archive must be on the file system of the folder", err)
	}
	if err != nil {
		return fmt.Errorf("archiving list: %w", err)
	}
	if err := durable.SyncDir(dir); err != nil {
		return err
	}
	if err := p.clear(dir); err != nil {
		// Too much is kept, which keeps no list from being published.
		p.config.Log.Warn("old lists not removed from the archive", "err", err)
	}
	return nil
}

// archived is the name that a list is kept under.
func archived(path string, number uint64) string {
	return fmt.Sprintf("%s.%d.crl", strings.TrimSuffix(path, ".crl"), number)
}

// archivedAs tells what list a name of the archive is of; false for other files.
func archivedAs(name string) (list string, number uint64, ok bool) {
	base, isList := strings.CutSuffix(name, ".crl")
	digits := path.Ext(base)
	if !isList || len(digits) < 2 {
		return "", 0, false
	}
	number, err := strconv.ParseUint(digits[1:], 10, 64)
	list = strings.TrimSuffix(base, digits) + ".crl"
	return list, number, err == nil && name == archived(list, number)
}

// numbersUsed returns the highest number of each list that the archive keeps.
// RFC 5280, Section 5.2.3: none of them may come again, even after folder and
// register were restored from a copy.
func (p *Publisher) numbersUsed() (map[string]uint64, error) {
	used := make(map[string]uint64)
	if p.config.Archive == "" {
		return used, nil
	}
	err := fs.WalkDir(os.DirFS(p.config.Archive), ".", func(name string, _ fs.DirEntry, err error) error {
		if list, number, ok := archivedAs(name); ok {
			used[list] = max(used[list], number)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading archive: %w", err)
	}
	return used, nil
}

// clearEvery is how often a folder of the archive, which may hold a great many
// lists, is gone through.
const clearEvery = time.Hour

// clear removes lists from a folder of the archive that were kept long enough.
func (p *Publisher) clear(dir string) error {
	if p.config.ArchiveFor == 0 {
		return nil
	}
	p.mu.Lock()
	last, cleared := p.cleared[dir]
	due := !cleared || time.Since(last) >= min(clearEvery, p.config.ArchiveFor)
	if due {
		p.cleared[dir] = time.Now()
	}
	p.mu.Unlock()
	if !due {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var problems []error
	for _, e := range entries {
		_, _, ok := archivedAs(e.Name())
		if info, err := e.Info(); !ok || err != nil || !info.Mode().IsRegular() || time.Since(info.ModTime()) < p.config.ArchiveFor {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}
