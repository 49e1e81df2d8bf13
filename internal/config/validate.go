package config

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// finish resolves the Path values at and below v, a value at path, and then
// asks each Validator, the innermost first. ask is false for an embedded
// struct: its parent has its Validate method or one that takes its place.
func (d *decoder) finish(path string, v reflect.Value, ask bool) {
	if v.Type() == reflect.TypeFor[Path]() {
		if p := v.String(); p != "" && !filepath.IsAbs(p) {
			v.SetString(filepath.Join(d.dir, p))
		}
		return
	}
	if v.Kind() == reflect.Pointer {
		if !v.IsNil() {
			d.finish(path, v.Elem(), ask)
		}
		return
	}
	if !decodesItself(v.Type()) {
		d.finishInside(path, v)
	}
	if !ask {
		return
	}
	if validator, ok := v.Addr().Interface().(Validator); ok {
		d.report(path, validator.Validate())
	}
}

func (d *decoder) finishInside(path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if embedded(f) {
				d.finish(path, v.Field(i), false)
			} else if key := keyOf(f); key != "" {
				d.finish(join(path, toml.Key{key}.String()), v.Field(i), true)
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			d.finish(fmt.Sprintf("%s[%d]", path, i), v.Index(i), true)
		}
	case reflect.Map:
		if v.Type().Key().Kind() != reflect.String {
			return
		}
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, key := range keys {
			// A map's elements cannot be changed in place.
			element := reflect.New(v.Type().Elem()).Elem()
			element.Set(v.MapIndex(key))
			d.finish(join(path, toml.Key{key.String()}.String()), element, true)
			v.SetMapIndex(key, element)
		}
	}
}

// report adds what the Validator at path found.
func (d *decoder) report(path string, err error) {
	switch err := err.(type) {
	case nil:
	case *Problem:
		p := *err
		p.Key = join(path, p.Key)
		d.problems = append(d.problems, &p)
	case interface{ Unwrap() []error }:
		for _, one := range err.Unwrap() {
			d.report(path, one)
		}
	default:
		d.problems = append(d.problems, &Problem{Key: path, Detail: err.Error(), err: err})
	}
}

// validate finishes the struct v. What a Validator says about a key that could
// not even be decoded is left out, and what it says about no key in particular
// may be a consequence of that, so it is left out too.
func (d *decoder) validate(v reflect.Value) {
	undecoded := slices.Clone(d.problems)
	d.finish("", v, true)
	if len(undecoded) == 0 {
		return
	}
	found := slices.DeleteFunc(d.problems[len(undecoded):], func(p *Problem) bool {
		return p.Key == "" || slices.ContainsFunc(undecoded, func(u *Problem) bool {
			return within(p.Key, u.Key) || within(u.Key, p.Key)
		})
	})
	d.problems = append(undecoded, found...)
}

// within reports whether key path a is b or below it.
func within(a, b string) bool {
	rest, ok := strings.CutPrefix(a, b)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}
