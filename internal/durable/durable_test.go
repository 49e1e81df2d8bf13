package durable_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/altamga/altamga/internal/durable"
)

func TestFilesAreWholeOrNotAtAll(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	broken := errors.New("broken")
	for _, step := range []struct {
		what    string
		do      func() error
		want    error
		holding string
		mode    fs.FileMode
	}{
		{"a new file", func() error { return durable.Create(name, []byte("new"), 0o600) }, nil, "new", 0o600},
		{"a name that is taken", func() error { return durable.Create(name, []byte("other"), 0o644) }, fs.ErrExist, "new", 0o600},
		{"a replacement", func() error { return durable.Write(name, []byte("next"), 0o644) }, nil, "next", 0o644},
		{"one that breaks off", func() error {
			return durable.Stream(name, 0o644, func(to io.Writer) error {
				_, err := io.WriteString(to, "half")
				return errors.Join(err, broken)
			})
		}, broken, "next", 0o644},
		{"one in pieces", func() error {
			return durable.Stream(name, 0o640, func(to io.Writer) error {
				_, err := io.WriteString(to, "la")
				_, second := io.WriteString(to, "st")
				return errors.Join(err, second)
			})
		}, nil, "last", 0o640},
		{"a folder that is none", func() error { return durable.Write(filepath.Join(name, "below"), nil, 0o644) }, syscall.ENOTDIR, "last", 0o640},
	} {
		err := step.do()
		if !errors.Is(err, step.want) {
			t.Errorf("%s: got %v, want %v", step.what, err, step.want)
		}
		text, err := os.ReadFile(name)
		if err != nil || string(text) != step.holding {
			t.Errorf("%s: the file holds %q, %v; want %q", step.what, text, err, step.holding)
		}
		if info, err := os.Stat(name); err != nil || info.Mode() != step.mode {
			t.Errorf("%s: %v, %v, want mode %v", step.what, info.Mode(), err, step.mode)
		}
		if beside, err := os.ReadDir(filepath.Dir(name)); err != nil || len(beside) != 1 {
			t.Errorf("%s: left %v, %v", step.what, beside, err)
		}
	}
}
