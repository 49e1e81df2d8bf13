package config

import (
	"encoding"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// decoder fills a struct from a parsed file. It walks both itself and leaves
// only single values to the library, because the library stops at the first
// value that does not fit, ignores keys that no field takes, and accepts a bare
// number as a duration in nanoseconds.
type decoder struct {
	meta     *toml.MetaData
	dir      string // the file's folder, absolute
	problems []*Problem
}

func (d *decoder) wrong(key, format string, args ...any) *Problem {
	p := Wrong(key, format, args...)
	d.problems = append(d.problems, p)
	return p
}

// table decodes the keys of the table at path into the struct v.
func (d *decoder) table(path string, raw map[string]any, values map[string]toml.Primitive, v reflect.Value) {
	fields := fieldsOf(v.Type())
	for _, key := range slices.Sorted(maps.Keys(raw)) {
		keyPath := join(path, toml.Key{key}.String())
		index, ok := fields[key]
		if !ok {
			d.unknown(path, keyPath, key, fields)
			continue
		}
		d.value(keyPath, raw[key], values[key], v.FieldByIndex(index))
	}
}

func (d *decoder) unknown(section, keyPath, key string, fields map[string][]int) {
	names := slices.Sorted(maps.Keys(fields))
	p := d.wrong(keyPath, "unknown key")
	p.unknown = true
	if name := nearest(key, names); name != "" {
		p.Detail += fmt.Sprintf(" (did you mean %s?)", name)
	}
	where := "at the top of the file"
	if section != "" {
		where = "in [" + section + "]"
	}
	p.hint = fmt.Sprintf("the keys %s are %s", where, strings.Join(names, ", "))
}

// value decodes the value at path, which raw shows as the parser read it, into
// v.
func (d *decoder) value(path string, raw any, value toml.Primitive, v reflect.Value) {
	switch {
	case v.Kind() == reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.value(path, raw, value, v.Elem())
	case decodesItself(v.Type()):
		d.leaf(path, raw, value, v)
	case v.Kind() == reflect.Struct:
		if sub, values, ok := d.subtable(path, raw, value); ok {
			d.table(path, sub, values, v)
		}
	case v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String:
		d.mapping(path, raw, value, v)
	case v.Kind() == reflect.Slice || v.Kind() == reflect.Array:
		d.list(path, raw, value, v)
	default:
		d.leaf(path, raw, value, v)
	}
}

func (d *decoder) subtable(path string, raw any, value toml.Primitive) (map[string]any, map[string]toml.Primitive, bool) {
	sub, ok := raw.(map[string]any)
	if !ok {
		d.wrong(path, "is %s where a table belongs", article(raw))
		return nil, nil, false
	}
	var values map[string]toml.Primitive
	if err := d.meta.PrimitiveDecode(value, &values); err != nil {
		d.wrong(path, "%w", err)
		return nil, nil, false
	}
	return sub, values, true
}

func (d *decoder) mapping(path string, raw any, value toml.Primitive, v reflect.Value) {
	sub, values, ok := d.subtable(path, raw, value)
	if !ok {
		return
	}
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	for _, key := range slices.Sorted(maps.Keys(sub)) {
		element := reflect.New(v.Type().Elem()).Elem()
		d.value(join(path, toml.Key{key}.String()), sub[key], values[key], element)
		v.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), element)
	}
}

func (d *decoder) list(path string, raw any, value toml.Primitive, v reflect.Value) {
	list := reflect.ValueOf(raw)
	if list.Kind() != reflect.Slice {
		d.wrong(path, "is %s where a list belongs", article(raw))
		return
	}
	var values []toml.Primitive
	if err := d.meta.PrimitiveDecode(value, &values); err != nil {
		d.wrong(path, "%w", err)
		return
	}
	if v.Kind() == reflect.Slice {
		// The file's list replaces a default; it does not overlay it.
		v.Set(reflect.MakeSlice(v.Type(), len(values), len(values)))
	} else if v.Len() != len(values) {
		d.wrong(path, "has %d elements where %d belong", len(values), v.Len())
		return
	}
	for i := range values {
		d.value(fmt.Sprintf("%s[%d]", path, i), list.Index(i).Interface(), values[i], v.Index(i))
	}
}

// leaf decodes a single value.
func (d *decoder) leaf(path string, raw any, value toml.Primitive, v reflect.Value) {
	if v.Type() == reflect.TypeFor[time.Duration]() {
		d.duration(path, raw, v)
		return
	}
	if want := misfit(raw, v); want != "" {
		d.wrong(path, "is %s where %s belongs", article(raw), want)
		return
	}
	if n, ok := raw.(int64); ok && n < 0 && v.CanUint() {
		d.wrong(path, "is negative")
		return
	}
	err := d.meta.PrimitiveDecode(value, v.Addr().Interface())
	if err == nil {
		return
	}
	if parse, ok := errors.AsType[toml.ParseError](err); ok {
		d.wrong(path, "%s", parse.Message)
		return
	}
	d.wrong(path, "does not fit: %w", err)
}

// duration decodes a duration, which always carries its unit.
func (d *decoder) duration(path string, raw any, v reflect.Value) {
	s, ok := raw.(string)
	if !ok {
		d.wrong(path, "is %s where a duration belongs", article(raw)).
			WithHint(`write durations as a string with units, such as "90s" or "1h30m"`)
		return
	}
	took, err := time.ParseDuration(s)
	if err != nil {
		d.wrong(path, "is not a duration (%q)", s).
			WithHint(`write durations as a string with units, such as "90s" or "1h30m"; a day is "24h"`)
		return
	}
	v.SetInt(int64(took))
}

// misfit names what belongs where raw stands, or returns "" if raw may fit v.
func misfit(raw any, v reflect.Value) string {
	if decodesItself(v.Type()) {
		switch raw.(type) {
		case map[string]any, []map[string]any, []any:
			if !reflect.PointerTo(v.Type()).Implements(reflect.TypeFor[toml.Unmarshaler]()) {
				return "a single value"
			}
		}
		return ""
	}
	switch raw.(type) {
	case string:
		if v.Kind() == reflect.String {
			return ""
		}
	case int64:
		if v.CanInt() || v.CanUint() || v.CanFloat() {
			return ""
		}
	case float64:
		if v.CanFloat() {
			return ""
		}
	case bool:
		if v.Kind() == reflect.Bool {
			return ""
		}
	}
	switch {
	case v.Kind() == reflect.String:
		return "a string"
	case v.CanInt(), v.CanUint():
		return "an integer"
	case v.CanFloat():
		return "a number"
	case v.Kind() == reflect.Bool:
		return "true or false"
	}
	// An interface takes anything; the library knows the rest.
	return ""
}

// article names the TOML type of a value that the parser read.
func article(raw any) string {
	switch raw.(type) {
	case string:
		return "a string"
	case int64:
		return "an integer"
	case float64:
		return "a float"
	case bool:
		return "a boolean"
	case time.Time:
		return "a date or time"
	case map[string]any:
		return "a table"
	}
	return "a list"
}

// decodesItself reports whether values of type t read their own text or TOML.
func decodesItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) || p.Implements(reflect.TypeFor[toml.Unmarshaler]())
}

// fieldsOf returns the index of the field for each key of struct type t. The
// keys of an embedded struct are its parent's.
func fieldsOf(t reflect.Type) map[string][]int {
	fields := make(map[string][]int)
	for i := range t.NumField() {
		f := t.Field(i)
		if embedded(f) {
			for key, index := range fieldsOf(f.Type) {
				fields[key] = append([]int{i}, index...)
			}
		} else if key := keyOf(f); key != "" {
			fields[key] = []int{i}
		}
	}
	return fields
}

// embedded reports whether the keys of field f are its struct's.
func embedded(f reflect.StructField) bool {
	return f.Anonymous && f.Tag.Get("toml") == "" && f.Type.Kind() == reflect.Struct && !decodesItself(f.Type)
}

// keyOf returns the key of field f, or "" if files cannot set it.
func keyOf(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
	switch {
	case !f.IsExported() || name == "-":
		return ""
	case name == "":
		return strings.ToLower(f.Name)
	}
	return name
}
