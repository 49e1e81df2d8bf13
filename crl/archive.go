package crl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
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
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.Link(d.file.Name(), name); err != nil {
		return fmt.Errorf("archiving list: %w", err)
	}
	if err := syncDir(dir); err != nil {
		return err
	}
	return p.clear(dir)
}

// archived is the name that a list is kept under.
func archived(path string, number uint64) string {
	return fmt.Sprintf("%s.%d.crl", strings.TrimSuffix(path, ".crl"), number)
}

// clear removes lists from a folder of the archive that were kept long enough.
func (p *Publisher) clear(dir string) error {
	if p.config.ArchiveFor == 0 {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || filepath.Ext(e.Name()) != ".crl" || time.Since(info.ModTime()) < p.config.ArchiveFor {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
