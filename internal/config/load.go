package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"

	"github.com/BurntSushi/toml"
)

// maxSize bounds a configuration file in octets.
const maxSize = 1 << 20

// Validator is a configuration, or a section of one, that has rules beyond the
// types of its fields. Validate returns nil, or a *Problem made by Wrong or
// Missing, or several of them joined by errors.Join; other errors are blamed
// on the section as a whole.
type Validator interface {
	Validate() error
}

// Load reads the TOML file at path into the struct that into points to. Keys
// are the fields' toml tags, or the fields' names in lower case; fields keep
// their values where the file is silent, so defaults are set before. Then every
// section that is a Validator is asked, the innermost first, whether the file
// names it or not, except behind nil pointers.
//
// The error is an *Error that holds every problem of the file. What into
// points to is then of no use.
func Load(path string, into any) error {
	data, err := read(path)
	if err != nil {
		p := &Problem{Detail: err.Error(), err: err}
		if errors.Is(err, fs.ErrNotExist) {
			p.hint = "name the configuration file with -c FILE"
		}
		return &Error{[]*Problem{p}}
	}
	return Parse(path, data, into)
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	if len(data) > maxSize {
		return nil, fmt.Errorf("reading configuration %s: it is larger than %d octets", path, maxSize)
	}
	return data, nil
}

// Parse is Load for a file that is in memory already; path is what problems
// call it and where relative paths start.
func Parse(path string, data []byte, into any) error {
	file := string(data)
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("loading configuration: %T is not a pointer to a struct", into)
	}
	var raw map[string]any
	if _, err := toml.Decode(file, &raw); err != nil {
		return &Error{[]*Problem{syntaxProblem(path, file, err)}}
	}
	var primitives map[string]toml.Primitive
	meta, err := toml.Decode(file, &primitives)
	if err != nil {
		return fmt.Errorf("decoding configuration: %w", err)
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("resolving the folder of %s: %w", path, err)
	}
	d := &decoder{meta: &meta, dir: dir}
	d.table("", raw, primitives, v.Elem())
	d.validate(v.Elem())
	if len(d.problems) == 0 {
		return nil
	}
	places := locate(file)
	for _, p := range d.problems {
		p.place(path, file, places)
	}
	sortProblems(d.problems)
	return &Error{d.problems}
}
