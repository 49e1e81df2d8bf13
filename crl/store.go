package crl

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// errDamaged is a file in the folder that is no list of anybody's any more.
var errDamaged = errors.New("the file is damaged")

// read returns the list in the folder and its file. Both are nil when there is
// none; a list of another authority is an error, and one that does not decode
// or verify an errDamaged.
func (p *Publisher) read(l *list) (*List, os.FileInfo, error) {
	name := p.filename(l.Path)
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	encoded, err := os.ReadFile(name)
	if err != nil {
		return nil, nil, err
	}
	parsed, err := x509.ParseRevocationList(encoded)
	if err != nil {
		return nil, info, fmt.Errorf("reading %s: %w: %w", name, errDamaged, err)
	}
	if !bytes.Equal(parsed.RawIssuer, l.Certificate.RawSubject) || !bytes.Equal(parsed.AuthorityKeyId, l.Certificate.SubjectKeyId) {
		return nil, info, fmt.Errorf("reading %s: it is a list of %q and not of this authority; move it away or change the path", name, parsed.Issuer)
	}
	if err := parsed.CheckSignatureFrom(l.Certificate); err != nil {
		return nil, info, fmt.Errorf("reading %s: %w: %w", name, errDamaged, err)
	}
	n, err := number(parsed.Number)
	if err != nil {
		return nil, info, fmt.Errorf("reading %s: %w", name, err)
	}
	return newList(l.ID, n, parsed, encoded), info, nil
}

// load serves the list that the folder holds.
func (p *Publisher) load(l *list) error {
	found, info, err := p.read(l)
	l.onDisk = info
	if errors.Is(err, errDamaged) {
		p.config.Log.Error("published list is not served", "issuer", l.ID, "err", err)
		return nil
	}
	if err != nil {
		return err
	}
	if found != nil {
		l.current.Store(found)
	}
	return nil
}

// store replaces the file in the folder by next: readers of the folder see the
// old list or the new one, whole, and after a crash the same. It refuses when
// the folder holds a list with a number that is not lower, which somebody else
// must have put there, and serves that one.
func (p *Publisher) store(l *list, next *List) error {
	name := p.filename(l.Path)
	info, err := os.Stat(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return because("store", err)
	}
	if err == nil && !same(info, l.onDisk) {
		found, _, err := p.read(l)
		switch {
		case errors.Is(err, errDamaged):
			p.config.Log.Error("published list was damaged and is replaced", "issuer", l.ID, "err", err)
		case err != nil:
			return because("store", err)
		case found != nil && found.Number >= next.Number:
			l.onDisk = info
			l.serve(found)
			return because("number", fmt.Errorf("the folder holds the number %d already, from another publisher; %d is not published", found.Number, next.Number))
		}
	}
	if err := replace(name, next.DER); err != nil {
		return because("store", err)
	}
	if l.onDisk, err = os.Stat(name); err != nil {
		return because("store", err)
	}
	return nil
}

// same reports whether a file is the one that was last seen.
func same(now, last os.FileInfo) bool {
	return last != nil && os.SameFile(now, last) && now.Size() == last.Size() && now.ModTime().Equal(last.ModTime())
}

func (p *Publisher) filename(path string) string {
	return filepath.Join(p.config.Dir, filepath.FromSlash(path))
}

// prepare removes what a crash left in the folder and publishes the
// certificates.
func (p *Publisher) prepare() error {
	for _, l := range p.lists {
		for _, path := range []string{l.Path, l.CertificatePath} {
			if path == "" {
				continue
			}
			if err := removeStray(p.filename(path)); err != nil {
				return err
			}
		}
		if l.CertificatePath == "" {
			continue
		}
		name := p.filename(l.CertificatePath)
		if there, err := os.ReadFile(name); err == nil && bytes.Equal(there, l.Certificate.Raw) {
			continue
		}
		if err := replace(name, l.Certificate.Raw); err != nil {
			return err
		}
	}
	return nil
}

// temporary returns what the names of files in the making for name begin and
// end with.
func temporary(name string) (prefix, suffix string) {
	return "." + filepath.Base(name) + ".", ".tmp"
}

// removeStray removes files that were in the making when the process died.
func removeStray(name string) error {
	dir := filepath.Dir(name)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	prefix, suffix := temporary(name)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) && strings.HasSuffix(e.Name(), suffix) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// replace gives the file name the contents data, durably and at once for every
// reader: the contents are on the disk before the name leads to them, and the
// name is on the disk before replace returns.
func replace(name string, data []byte) error {
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	prefix, suffix := temporary(name)
	f, err := os.CreateTemp(dir, prefix+"*"+suffix)
	if err != nil {
		return err
	}
	// After the rename there is nothing under this name.
	defer os.Remove(f.Name())
	defer f.Close()
	// Published means published: web servers of other users read it.
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
