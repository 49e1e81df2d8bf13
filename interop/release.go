package interop

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/altamga/altamga/internal/durable"
)

// release is what is published together: a list, its hash, and pages about it.
type release struct {
	list *Verified
	// stem is what the files' names begin with, from the list's address.
	stem  string
	files map[string][]byte
}

// newRelease makes the files that go with a signed list.
func newRelease(signed []byte, v *Verified) (*release, error) {
	if len(v.Scheme.DistributionPoints) == 0 {
		return nil, errors.New("the list does not say where it is published")
	}
	stem, err := stemOf(v.Scheme.DistributionPoints[0])
	if err != nil {
		return nil, err
	}
	r := &release{list: v, stem: stem, files: map[string][]byte{}}
	r.files[stem+".xml"] = signed
	// ETSI TS 119 612, Section 6.1: the hash stands beside the list.
	r.files[stem+".sha2"] = []byte(hex.EncodeToString(v.Digest[:]))
	pages, err := pagesOf(v, stem)
	if err != nil {
		return nil, err
	}
	for name, page := range pages {
		r.files[name] = page
	}
	return r, nil
}

// stemOf is the name of the list's file without its extension.
func stemOf(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	base := path.Base(u.Path)
	stem, ok := strings.CutSuffix(base, ".xml")
	if !ok || stem == "" || strings.Trim(stem, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return "", fmt.Errorf("the list's address %q does not end in a plain name and .xml", address)
	}
	return stem, nil
}

// store is the desk's folder:
//
//	draft/                 what was prepared and, later, signed
//	releases/00000012/     one published list, never changed
//	current → releases/…   the one that counts
//	partners/              records of other states
//	.lock, .served         who is writing; what the site served last
type store struct{ dir string }

func (s store) draft(name string) string { return filepath.Join(s.dir, "draft", name) }

func (s store) link() string { return filepath.Join(s.dir, "current") }

// putDraft replaces the draft by the files, whole or not at all.
func (s store) putDraft(files map[string][]byte) error {
	return s.putFolder(filepath.Join(s.dir, "draft"), files)
}

// putFolder makes a folder of files and gives it its name when it is whole. An
// old folder of the name gives way.
func (s store) putFolder(name string, files map[string][]byte) (err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	building, err := os.MkdirTemp(filepath.Dir(name), ".building-")
	if err != nil {
		return err
	}
	// After the rename there is nothing under this name.
	defer os.RemoveAll(building)
	if err := os.Chmod(building, 0o755); err != nil {
		return err
	}
	for file, data := range files {
		if err := durable.Write(filepath.Join(building, file), data, 0o644); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(name); err != nil {
		return err
	}
	if err := os.Rename(building, name); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(name))
}

// publish makes the release the current one. Readers see the one before or this
// one, with all its files.
func (s store) publish(r *release) error {
	number := r.list.Scheme.SequenceNumber
	target := filepath.Join("releases", fmt.Sprintf("%08d", number))
	if at, err := os.Readlink(s.link()); err == nil && at == target {
		return fmt.Errorf("list %d is published already", number)
	}
	free := number
	if left, err := os.ReadFile(filepath.Join(s.dir, target, r.stem+".xml")); err == nil && bytes.Equal(left, r.files[r.stem+".xml"]) {
		// A crash left the list itself behind before it was current.
		free++
	}
	if err := s.unused(free); err != nil {
		return err
	}
	if err := s.putFolder(filepath.Join(s.dir, target), r.files); err != nil {
		return err
	}
	temporary := s.link() + ".new"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, temporary); err != nil {
		return err
	}
	if err := os.Rename(temporary, s.link()); err != nil {
		return err
	}
	return durable.SyncDir(s.dir)
}

// unused refuses the number when it, or a later one, was given to a list: the
// link to the current release may have been moved back.
//
// ETSI TS 119 612, Section 5.3.2: numbers grow with each list, and never repeat.
func (s store) unused(number uint64) error {
	names, err := filepath.Glob(filepath.Join(s.dir, "releases", "[0-9]*"))
	if err != nil {
		return err
	}
	for _, name := range names {
		if given, err := strconv.ParseUint(filepath.Base(name), 10, 64); err == nil && given >= number {
			return fmt.Errorf("there is a list %d already, and numbers never repeat: publish its draft again, or make %s lead to %s", given, s.link(), name)
		}
	}
	return nil
}

// current reads the current release and verifies it: a list that one of the
// signers signed, and the hash beside it.
func (s store) current(signers []*Certificate) (*release, error) {
	target, err := os.Readlink(s.link())
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(s.dir, target)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	r := &release{files: map[string][]byte{}}
	for _, e := range entries {
		if r.files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			return nil, err
		}
		if stem, ok := strings.CutSuffix(e.Name(), ".xml"); ok {
			r.stem = stem
		}
	}
	data, ok := r.files[r.stem+".xml"]
	if !ok {
		return nil, fmt.Errorf("%s has no list", dir)
	}
	// It may have expired; it is still the one that was published last.
	if r.list, err = Verify(data, signers, Terms{}); err != nil {
		return nil, err
	}
	if told, err := Companion(r.files[r.stem+".sha2"]); err != nil || told != sha256.Sum256(data) {
		return nil, fmt.Errorf("%s: the .sha2 file is not that of the list", dir)
	}
	return r, nil
}
