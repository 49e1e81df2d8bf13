package truststore

import (
	"archive/zip"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/altamga/altamga/internal/pki"
)

// File is a file of a package.
type File struct {
	Name string
	Data []byte
}

// formats are the files of one format each.
var formats = map[string]func([]Anchor) ([]byte, error){
	"anchors.pem":  func(anchors []Anchor) ([]byte, error) { return PEM(anchors), nil },
	"anchors.jks":  func(anchors []Anchor) ([]byte, error) { return JKS(anchors, Made(anchors)), nil },
	"anchors.sst":  func(anchors []Anchor) ([]byte, error) { return SST(anchors), nil },
	"anchors.p7b":  PKCS7,
	"anchors.p12":  PKCS12,
	"anchors.json": JSON,
	"anchors.csv":  CSV,
}

// errEmpty: a package of nothing is none.
var errEmpty = errors.New("no certificate is left after the filter")

// Files are the anchors in every format.
func Files(anchors []Anchor) ([]File, error) {
	if len(anchors) == 0 {
		return nil, errEmpty
	}
	var files []File
	for name, format := range formats {
		data, err := format(anchors)
		if err != nil {
			return nil, fmt.Errorf("writing %s: %w", name, err)
		}
		files = append(files, File{name, data})
	}
	for _, f := range Hashed(anchors) {
		files = append(files, File{"hashed/" + f.Name, f.Data})
	}
	order(files)
	return files, nil
}

// Made is when the newest of the anchors' lists was issued.
func Made(anchors []Anchor) (t time.Time) {
	for _, a := range anchors {
		if a.Issued.After(t) {
			t = a.Issued.UTC()
		}
	}
	return t
}

// manifest names the files of a package and the lists that it was made from.
type manifest struct {
	Made  time.Time         `json:"made"`
	Lists map[string]uint64 `json:"lists"`
	Files map[string]string `json:"sha256"`
	// LeftOut says of what a package may have why this one does not.
	LeftOut map[string]string `json:"left_out,omitempty"`
}

// Package is every file of a package: the anchors in every format, as a list of
// trusted entities, manifest.json, and manifest.sig, a signature over the
// manifest that openssl dgst verifies. Without a signer nothing is signed, and
// the manifest says so.
func Package(anchors []Anchor, signer *Signer) ([]File, error) {
	files, err := Files(anchors)
	if err != nil {
		return nil, err
	}
	m := manifest{Made: Made(anchors), Lists: map[string]uint64{}, Files: map[string]string{}, LeftOut: map[string]string{}}
	for name, make := range map[string]func() ([]byte, error){
		loteFile: func() ([]byte, error) { return LoTE(anchors) }, signedLoTEFile: func() ([]byte, error) { return SignedLoTE(anchors, signer) },
	} {
		if data, err := make(); err != nil {
			m.LeftOut[name] = err.Error()
		} else {
			files = append(files, File{name, data})
		}
	}
	for _, a := range anchors {
		m.Lists[a.Territory] = a.Sequence
	}
	for _, f := range files {
		sum := sha256.Sum256(f.Data)
		m.Files[f.Name] = hex.EncodeToString(sum[:])
	}
	if signer == nil {
		m.LeftOut[signatureFile] = "whoever packs has no key for packages: check the package by making it again from the lists, which are signed"
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	files = append(files, File{"manifest.json", append(text, '\n')})
	if signer != nil {
		signature, err := pki.Sign(nil, signer.Key, append(text, '\n'))
		if err != nil {
			return nil, fmt.Errorf("signing the manifest: %w", err)
		}
		files = append(files, File{signatureFile, signature})
	}
	order(files)
	return files, nil
}

// Files that depend on more than the certificates.
const (
	loteFile       = "anchors.lote.json"
	signedLoTEFile = "anchors.lote.jws"
	signatureFile  = "manifest.sig"
)

// Bundle is the package as one zip. The same anchors and a deterministic key
// make the same octets.
func Bundle(anchors []Anchor, signer *Signer) ([]byte, error) {
	files, err := Package(anchors, signer)
	if err != nil {
		return nil, err
	}
	return archive(files, Made(anchors))
}

func archive(files []File, made time.Time) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range files {
		header := &zip.FileHeader{Name: f.Name, Method: zip.Deflate, Modified: made}
		header.SetMode(0o644)
		file, err := w.CreateHeader(header)
		if err != nil {
			return nil, err
		}
		if _, err := file.Write(f.Data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func order(files []File) {
	slices.SortFunc(files, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
}
