package crl

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/durable"
)

// inMemory is the size up to which a list is served from memory.
const inMemory = 256 << 10

// errDamaged is a file in the folder that is no list of anybody's any more.
var errDamaged = errors.New("the file is damaged")

// etagOf names a list by what only it has.
func etagOf(digest, signature []byte) string {
	h := sha256.New()
	h.Write(digest)
	h.Write(signature)
	return fmt.Sprintf(`"%x"`, h.Sum(nil))
}

// open returns a reader of the list's octets, which stay what they are when
// the list is replaced.
func (l *List) open() io.ReadSeeker {
	if l.file == nil {
		return bytes.NewReader(l.small)
	}
	return io.NewSectionReader(l.file, 0, l.Size)
}

// hold keeps the octets of the list in memory when they are few.
func (l *List) hold(file *os.File) (err error) {
	if l.Size > inMemory {
		l.file = file
		l.info, err = file.Stat()
		return err
	}
	defer file.Close()
	l.small = make([]byte, l.Size)
	_, err = file.ReadAt(l.small, 0)
	return err
}

// altered reports whether somebody has written to the file that the list is
// served from.
func (l *List) altered() bool {
	if l.file == nil {
		return false
	}
	info, err := l.file.Stat()
	return err != nil || !same(info, l.info)
}

// read returns the list in the folder and its file. Both are nil when there is
// none; a list of another authority is an error, and one that does not decode
// or verify an errDamaged.
func (p *Publisher) read(a *authority, s *slot) (*List, os.FileInfo, error) {
	name := p.filename(s.path)
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	l, err := readList(a, s, io.NewSectionReader(file, 0, info.Size()), file)
	if err == nil {
		err = l.hold(file)
	} else {
		file.Close()
	}
	if err != nil {
		return nil, info, fmt.Errorf("reading %s: %w", name, err)
	}
	return l, info, nil
}

// readList reads a list of the authority that may stand in the slot. When it was
// read to its end, file holds it.
func readList(a *authority, s *slot, from io.Reader, file *os.File) (l *List, err error) {
	defer onFault(debug.SetPanicOnFault(true), &err)
	list := &whole{Reader: from, file: file}
	defer list.close()
	signer := a.signer()
	foreign := func(r *Reader) error {
		return fmt.Errorf("it is a list of %s and not of this authority; move it away or change the path", nameOf(r.RawIssuer))
	}
	r, err := NewReader(list)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if !bytes.Equal(r.RawIssuer, signer.RawSubject) {
		return nil, foreign(r)
	}
	if err := r.Skip(); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if !bytes.Equal(r.AuthorityKeyID, signer.SubjectKeyId) {
		return nil, foreign(r)
	}
	if err := r.Verify(signer); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if r.CRLNumber == nil || !r.CRLNumber.IsUint64() {
		return nil, errors.New("the list's number is missing or has more than 64 bits")
	}
	// What a delta list does not have is not good: whoever takes it for a
	// complete one is deceived.
	if (r.Base != nil) != s.delta {
		return nil, fmt.Errorf("%w: it is a delta list where a complete one belongs, or the other way round", errDamaged)
	}
	digest, err := r.digest()
	if err != nil {
		return nil, err
	}
	l = &List{
		Issuer: a.ID, Path: s.path, Number: r.CRLNumber.Uint64(), ThisUpdate: r.ThisUpdate, NextUpdate: r.NextUpdate,
		Entries: r.Entries(), Size: r.end, body: max(0, r.revoked-int64(len(r.RawIssuer))), scope: r.Scope.raw,
		etag: etagOf(digest, r.Signature), modified: r.ThisUpdate,
	}
	if r.Base != nil {
		l.Base = r.Base.Uint64()
	}
	return l, nil
}

// nameOf returns a Name for people.
func nameOf(raw []byte) string {
	var sequence pkix.RDNSequence
	if rest, err := asn1.Unmarshal(raw, &sequence); err != nil || len(rest) > 0 {
		return "somebody without a name"
	}
	return strconv.Quote(sequence.String())
}

// load serves the lists that the folder holds. One that says to be about other
// certificates than the configuration does is served until it is replaced, which
// is at once.
func (p *Publisher) load(a *authority, used map[string]uint64) error {
	for _, s := range a.slots() {
		found, info, err := p.read(a, s)
		s.onDisk, s.used = info, used[s.path]
		if errors.Is(err, errDamaged) {
			p.config.Log.Error("published list is not served", "issuer", a.ID, "err", err)
			continue
		}
		if err != nil {
			return err
		}
		if found != nil {
			s.current.Store(found)
			s.stale.Store(!bytes.Equal(found.scope, s.scope))
		}
	}
	return nil
}

// inspect looks whether the folder, which other web servers may read, still
// holds what was published there. What another publisher has put there is
// served; what is missing, damaged or old is published anew.
func (p *Publisher) inspect(a *authority) {
	a.publishing.Lock()
	defer a.publishing.Unlock()
	for _, s := range a.slots() {
		current := s.current.Load()
		info, err := os.Stat(p.filename(s.path))
		if current == nil || s.stale.Load() || err == nil && same(info, s.onDisk) && !current.altered() {
			continue
		}
		found, info, err := p.read(a, s)
		switch {
		case err == nil && found != nil && (found.Number > current.Number || found.etag == current.etag):
			s.onDisk = info
			s.serve(found)
		default:
			if err == nil {
				err = errors.New("it is missing or was replaced by an older one")
			}
			p.config.Log.Error("published list is not in the folder any more and is made anew", "issuer", a.ID, "path", s.path, "err", err)
			s.stale.Store(true)
		}
	}
}

// store puts a signed list into its place and serves it. Readers of the folder
// see the old list or the new one, whole, and after a crash the same. It
// refuses when the folder holds a list with a number that is not lower, which
// somebody else must have put there, and serves that one.
func (p *Publisher) store(a *authority, d *drafted) (*List, error) {
	s, name := d.slot, p.filename(d.slot.path)
	info, err := os.Stat(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, because("store", err)
	}
	if err == nil && !same(info, s.onDisk) {
		found, _, err := p.read(a, s)
		switch {
		case errors.Is(err, errDamaged):
			p.config.Log.Error("published list was damaged and is replaced", "issuer", a.ID, "err", err)
		case err != nil:
			return nil, because("store", err)
		case found != nil && found.Number >= d.number:
			s.onDisk = info
			s.serve(found)
			return nil, because("number", fmt.Errorf("the folder holds the number %d already, from another publisher; %d is not published", found.Number, d.number))
		}
	}
	next := &List{
		Issuer: a.ID, Path: s.path, Number: d.number, Base: d.base, ThisUpdate: d.thisUpdate, NextUpdate: d.nextUpdate,
		Entries: d.entries, body: d.size, scope: d.scope, etag: d.etag, modified: d.thisUpdate,
	}
	if err := p.archive(d, s.path); err != nil {
		return nil, because("store", err)
	}
	if err := os.Rename(d.file.Name(), name); err != nil {
		return nil, because("store", err)
	}
	if err := durable.SyncDir(filepath.Dir(name)); err != nil {
		return nil, because("store", err)
	}
	file, err := os.Open(name)
	if err == nil {
		s.onDisk, err = file.Stat()
	}
	if err == nil {
		next.Size = s.onDisk.Size()
		err = next.hold(file)
	}
	if err != nil {
		return nil, because("store", err)
	}
	s.serve(next)
	s.stale.Store(false)
	return next, nil
}

// serve puts next before the public. RFC 9110, Section 8.8.2.2: a date does not
// tell apart two versions of one second, so the second of them goes without.
func (s *slot) serve(next *List) {
	if last := s.current.Load(); last != nil && last.etag != next.etag && !next.ThisUpdate.After(last.ThisUpdate) {
		next.modified = time.Time{}
	}
	next.served = time.Now()
	s.current.Store(next)
}

// same reports whether a file is the one that was last seen.
func same(now, last os.FileInfo) bool {
	return last != nil && os.SameFile(now, last) && now.Size() == last.Size() && now.ModTime().Equal(last.ModTime())
}

func (p *Publisher) filename(path string) string {
	return filepath.Join(p.config.Dir, filepath.FromSlash(path))
}

// clean removes what a crash left in the folder.
func (p *Publisher) clean() error {
	var problems []error
	for _, a := range p.authorities {
		for _, s := range a.slots() {
			problems = append(problems, removeStray(p.filename(s.path)))
		}
		if a.CertificatePath != "" {
			problems = append(problems, removeStray(p.filename(a.CertificatePath)))
		}
	}
	return errors.Join(problems...)
}

// certify publishes the authorities' certificates.
func (p *Publisher) certify() error {
	var problems []error
	for _, a := range p.authorities {
		if a.CertificatePath == "" {
			continue
		}
		name := p.filename(a.CertificatePath)
		if there, err := os.ReadFile(name); err == nil && bytes.Equal(there, a.Certificate.Raw) {
			continue
		}
		err := makeDir(filepath.Dir(name))
		if err == nil {
			// Published means published: web servers of other users read it.
			err = durable.Write(name, a.Certificate.Raw, 0o644)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("publishing certificate of %s: %w", a.ID, err))
		}
	}
	return errors.Join(problems...)
}

// temporary returns what the names of files in the making for name begin and
// end with, those of package durable among them.
func temporary(name string) (prefix, suffix string) {
	return "." + filepath.Base(name) + "-", ".tmp"
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
		if strings.HasPrefix(e.Name(), prefix) && strings.HasSuffix(strings.TrimSuffix(e.Name(), moved), suffix) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// moved ends the name of a draft that is being copied.
const moved = ".moved"

// makeDir makes a folder and those above it, durably.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := makeDir(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return durable.SyncDir(filepath.Dir(dir))
}
