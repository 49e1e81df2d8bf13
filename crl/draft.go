package crl

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/crypto/cryptobyte"

	"github.com/altamga/altamga/internal/pki"
)

// draft is a list in the making. Its entries are written as they come into a
// file of the folder that it is going to be published in, behind a gap for what
// stands before them; when their number is known, the gap is filled.
type draft struct {
	form
	file *os.File
	out  *bufio.Writer
	// gap is how many octets were left for what stands before the entries.
	gap  int64
	size int64 // of the entries
	tally
	last  Entry  // with serial and issuer
	one   []byte // encoding of an entry
	etag  string
	lint  sample
	whole whole
	begin int64 // of TBSCertList
	end   int64 // of TBSCertList
}

// newDraft begins a list that is to be called name. expected is about how many
// octets its entries will have: a good guess saves copying them.
func newDraft(name string, f form, expected int64) (*draft, error) {
	dir := filepath.Dir(name)
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	prefix, suffix := temporary(name)
	file, err := os.CreateTemp(dir, prefix+"*"+suffix)
	if err != nil {
		return nil, err
	}
	d := &draft{form: f, file: file, gap: int64(len(f.outer(expected)) + len(f.head(expected)))}
	d.out = bufio.NewWriterSize(io.NewOffsetWriter(file, d.gap), 64<<10)
	return d, nil
}

// discard removes what was not published.
func (d *draft) discard() {
	d.whole.close()
	d.file.Close()
	os.Remove(d.file.Name())
}

// add writes an entry. Entries come in the order of [compare].
func (d *draft) add(e *Entry) error {
	var issuer []byte
	if !bytes.Equal(e.Issuer, d.last.Issuer) {
		// RFC 5280, Section 5.3.3: it holds for all up to the next that has one.
		issuer = e.Issuer
	}
	if err := d.admit(e); err != nil {
		return err
	}
	d.one = appendEntry(d.one[:0], e, issuer)
	return d.write(d.one, e)
}

// copy writes an entry as it was read from another list of the same kind.
func (d *draft) copy(e *Entry) error {
	if e.Issuer != nil {
		return d.add(e)
	}
	if err := d.admit(e); err != nil {
		return err
	}
	return d.write(e.raw, e)
}

func (d *draft) admit(e *Entry) error {
	if err := d.check(e); err != nil {
		return because("entries", fmt.Errorf("entry of serial %x: %w", e.Serial, err))
	}
	if d.entries > 0 && order(&d.last, e) >= 0 {
		return because("entries", fmt.Errorf("entry of serial %x: the serial is on the list twice, or the order is wrong", e.Serial))
	}
	d.last.Serial, d.last.Issuer = append(d.last.Serial[:0], e.Serial...), e.Issuer
	d.tally.add(e)
	return nil
}

func (d *draft) write(encoded []byte, e *Entry) error {
	d.size += int64(len(encoded))
	d.lint.keep(encoded, e)
	if _, err := d.out.Write(encoded); err != nil {
		return because("store", err)
	}
	return nil
}

// outer encodes the header of CertificateList, whose entries have so many
// octets, for the longest signature that there is.
func (f *form) outer(entries int64) []byte { return f.outerFor(entries, maxSignature) }

// maxSignature is what RSA with 16,384 bits needs.
const maxSignature = 2048

func (f *form) outerFor(entries int64, signature int) []byte {
	tbs := int64(len(f.head(entries))) + entries + int64(len(f.tail()))
	return appendHeader(nil, tagSequence, tbs+int64(len(f.signatureFields(make([]byte, signature)))))
}

// signatureFields encodes what stands behind TBSCertList.
func (f *form) signatureFields(signature []byte) []byte {
	b := cryptobyte.NewBuilder(nil)
	pki.AddAlgorithm(b, f.algorithm)
	b.AddASN1BitString(signature)
	return b.BytesOrPanic()
}

// complete writes what stands before and behind the entries, except for the
// signature and the outer header, whose length depends on it.
func (d *draft) complete() error {
	if err := d.out.Flush(); err != nil {
		return because("store", err)
	}
	head := d.head(d.size)
	d.begin = int64(len(d.outer(d.size)))
	if need := d.begin + int64(len(head)); need != d.gap {
		if err := d.shift(d.gap, d.gap+d.size, need); err != nil {
			return because("store", err)
		}
		d.gap = need
	}
	tail := d.tail()
	d.end = d.gap + d.size + int64(len(tail))
	_, err := d.file.WriteAt(head, d.begin)
	if err == nil {
		_, err = d.file.WriteAt(tail, d.gap+d.size)
	}
	if err != nil {
		return because("store", err)
	}
	return nil
}

// shift moves the octets from..to of the file to another offset, into a new file.
func (d *draft) shift(from, to, offset int64) error {
	name := d.file.Name()
	file, err := os.OpenFile(name+moved, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err = file.Seek(offset, io.SeekStart); err == nil {
		_, err = io.Copy(file, io.NewSectionReader(d.file, from, to-from))
	}
	if err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		file.Close()
		os.Remove(file.Name())
		return err
	}
	d.file.Close()
	// The file keeps the name that it was made under.
	d.file, err = os.OpenFile(name, os.O_RDWR, 0)
	file.Close()
	return err
}

// digest reads the draft as a relying party does and returns what is to be
// signed: nothing leaves the key that was not read, and hashed as it was read.
func (d *draft) digest() ([]byte, x509.SignatureAlgorithm, error) {
	behind := d.signatureFields([]byte{0})
	front := appendHeader(nil, tagSequence, d.end-d.begin+int64(len(behind)))
	list := io.MultiReader(bytes.NewReader(front), io.NewSectionReader(d.file, d.begin, d.end-d.begin), bytes.NewReader(behind))
	d.whole = whole{Reader: list, file: d.file, offset: d.begin - int64(len(front))}
	r, err := NewReader(&d.whole)
	if err != nil {
		return nil, 0, because("lint", fmt.Errorf("reading it back: %w", err))
	}
	if err := d.examine(r, d.tally, true); err != nil {
		return nil, 0, because("lint", fmt.Errorf("reading it back: %w", err))
	}
	digest, err := r.digest()
	if err != nil {
		return nil, 0, because("sign", err)
	}
	return digest, r.Algorithm, nil
}

// finish adds the signature. Then the file is a list.
func (d *draft) finish(signature []byte) error {
	outer := d.outerFor(d.size, len(signature))
	if len(outer) != int(d.begin) {
		if err := d.shift(d.begin, d.end, int64(len(outer))); err != nil {
			return because("store", err)
		}
		d.begin, d.end = int64(len(outer)), d.end-d.begin+int64(len(outer))
	}
	_, err := d.file.WriteAt(outer, 0)
	if err == nil {
		_, err = d.file.WriteAt(d.signatureFields(signature), d.end)
	}
	// Published means published: web servers of other users read it.
	if err == nil {
		err = d.file.Chmod(0o644)
	}
	if err == nil {
		err = d.file.Sync()
	}
	if err != nil {
		return because("store", err)
	}
	return nil
}

// signDigest signs what digest returned. Deterministic: the same list has one
// signature.
func signDigest(key crypto.Signer, digest []byte) ([]byte, error) {
	_, hash, err := pki.SignatureAlgorithm(key.Public())
	if err != nil {
		return nil, err
	}
	if hash != 0 && len(digest) != hash.Size() {
		return nil, errors.New("the digest has the wrong length")
	}
	return key.Sign(nil, digest, hash)
}
