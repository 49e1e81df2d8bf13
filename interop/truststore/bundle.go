package truststore

import (
	"archive/zip"
	"bytes"
	"cmp"
	"crypto"
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

// Files are the anchors in every format.
func Files(anchors []Anchor) ([]File, error) {
	if len(anchors) == 0 {
		return nil, errors.New("no certificate is left after the filter")
	}
	made := Made(anchors)
	files := []File{{"anchors.pem", PEM(anchors)}, {"anchors.jks", JKS(anchors, made)}, {"anchors.sst", SST(anchors)}}
	for name, format := range map[string]func([]Anchor) ([]byte, error){"anchors.p7b": PKCS7, "anchors.p12": PKCS12, "anchors.json": JSON, "anchors.csv": CSV} {
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
}

// Bundle is one zip of the files, with manifest.json, and manifest.sig by the
// key, if there is one: a signature over the manifest that openssl dgst
// verifies. The same anchors and a deterministic key make the same octets.
func Bundle(anchors []Anchor, key crypto.Signer) ([]byte, error) {
	files, err := Files(anchors)
	if err != nil {
		return nil, err
	}
	m := manifest{Made: Made(anchors), Lists: map[string]uint64{}, Files: map[string]string{}}
	for _, a := range anchors {
		m.Lists[a.Territory] = a.Sequence
	}
	for _, f := range files {
		sum := sha256.Sum256(f.Data)
		m.Files[f.Name] = hex.EncodeToString(sum[:])
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	files = append(files, File{"manifest.json", append(text, '\n')})
	if key != nil {
		signature, err := pki.Sign(nil, key, append(text, '\n'))
		if err != nil {
			return nil, fmt.Errorf("signing the manifest: %w", err)
		}
		files = append(files, File{"manifest.sig", signature})
	}
	order(files)
	return archive(files, m.Made)
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
