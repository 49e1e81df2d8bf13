package ceremony

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/altamga/altamga/internal/durable"
)

// A confirmation of the plan's text alone would say nothing about the requests
// and certificates that the plan names: whoever carries them in could change
// them. So what the officers confirm is a manifest, one line for the plan and
// each file that it brings in, in the form that sha256sum writes and checks;
// the plan's hash is the SHA-256 of the manifest.

// File is a file of the ceremony and its SHA-256 hash in hexadecimal.
type File struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
}

// Manifest is the plan with all that it brings in.
type Manifest struct{ Files []File }

// maxInput bounds an input file in octets.
const maxInput = 1 << 20

// NewManifest hashes the plan, whose text was read from the file of that name
// in dir, its inputs and its profile files.
func NewManifest(plan *Plan, dir, name string, text []byte) (*Manifest, error) {
	m := &Manifest{Files: []File{{Path: name, SHA256: hash(text)}}}
	var failed []error
	inputs := plan.Inputs()
	if plan.Profiles != "" {
		found, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(plan.Profiles), "*.toml"))
		if err != nil {
			return nil, fmt.Errorf("listing profiles: %w", err)
		}
		for _, file := range found { // Glob sorts
			inputs = append(inputs, plan.Profiles+"/"+filepath.Base(file))
		}
	}
	for _, input := range inputs {
		data, err := readInput(dir, input)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		m.Files = append(m.Files, File{Path: input, SHA256: hash(data)})
	}
	if err := errors.Join(failed...); err != nil {
		return nil, &Refusal{err, "bring every file that the plan names to its place before the plan is confirmed"}
	}
	return m, nil
}

// Text is the manifest as sha256sum would print it.
func (m *Manifest) Text() string {
	var b strings.Builder
	for _, f := range m.Files {
		fmt.Fprintf(&b, "%s  %s\n", f.SHA256, f.Path)
	}
	return b.String()
}

// Hash is the plan's hash, in hexadecimal: what officers confirm.
func (m *Manifest) Hash() string { return hash([]byte(m.Text())) }

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func readInput(dir, name string) ([]byte, error) {
	f, err := os.Open(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		return nil, fmt.Errorf("reading input: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("reading input: %w", err)
	}
	if len(data) > maxInput {
		return nil, fmt.Errorf("reading input: %s is larger than %d octets", name, maxInput)
	}
	return data, nil
}

// Refusal is an error with what can be done about it.
type Refusal struct {
	Err    error
	Advice string
}

func (r *Refusal) Error() string { return r.Err.Error() }

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Err }

// Hint returns the advice.
func (r *Refusal) Hint() string { return r.Advice }

func refuse(advice, format string, args ...any) error {
	return &Refusal{fmt.Errorf(format, args...), advice}
}

// exists reports whether anything has that name.
func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// writeNew writes a file that was not there before; it appears whole or not at
// all, and outlives a loss of power. A file with the very same contents is
// what an earlier run wrote.
func writeNew(path string, data []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	err := durable.Create(path, data, 0o644)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if there, err := os.ReadFile(path); err != nil || !bytes.Equal(there, data) {
		return refuse("move the file away if it is not needed; nothing that exists is overwritten", "writing %s: another file of that name exists", path)
	}
	return durable.SyncDir(dir)
}
