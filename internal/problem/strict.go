package problem

import (
	"encoding"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// maxDepth bounds how deep a request's objects and arrays are nested.
const maxDepth = 32

// checkNames walks over body, which is one valid JSON value, and refuses what
// encoding/json would take in silence: a name that an object has twice, of
// which it keeps the last, and a name that is a field's but for its case. Two
// programs that read such a body may read two different requests.
//
// RFC 8259, Section 4: the names within an object should be unique.
func checkNames(body string, v any) *Details {
	decoder := json.NewDecoder(strings.NewReader(body))
	// Numbers are passed over, whatever their size.
	decoder.UseNumber()
	w := walk{decoder: decoder}
	w.value(reflect.TypeOf(v), "", 0)
	if w.tooDeep || w.err != nil {
		return New(http.StatusBadRequest, "malformed_json", fmt.Sprintf("the body is nested deeper than %d levels", maxDepth))
	}
	if len(w.wrong) > 0 {
		return Invalid(w.wrong...)
	}
	return nil
}

type walk struct {
	decoder *json.Decoder
	wrong   []Field
	tooDeep bool
	err     error
}

func (w *walk) next() json.Token {
	token, err := w.decoder.Token()
	if err != nil {
		w.err = err
	}
	return token
}

// value walks over one value that is decoded into shape; nil for one of any
// shape.
func (w *walk) value(shape reflect.Type, path string, depth int) {
	for shape != nil && shape.Kind() == reflect.Pointer {
		shape = shape.Elem()
	}
	if shape != nil && readsItself(shape) {
		shape = nil
	}
	token := w.next()
	delim, nested := token.(json.Delim)
	if !nested || w.err != nil {
		return
	}
	if depth++; depth > maxDepth {
		w.tooDeep = true
		return
	}
	if delim == '{' {
		w.object(shape, path, depth)
	} else {
		var element reflect.Type
		if shape != nil && (shape.Kind() == reflect.Slice || shape.Kind() == reflect.Array) {
			element = shape.Elem()
		}
		for w.err == nil && !w.tooDeep && w.decoder.More() {
			w.value(element, path, depth)
		}
	}
	if !w.tooDeep && w.err == nil {
		w.next()
	}
}

func (w *walk) object(shape reflect.Type, path string, depth int) {
	seen := make(map[string]bool)
	for w.err == nil && !w.tooDeep && w.decoder.More() {
		name, ok := w.next().(string)
		if !ok {
			return
		}
		place := name
		if path != "" {
			place = path + "." + name
		}
		if seen[name] {
			w.fault(place, "is given twice")
		}
		seen[name] = true
		var element reflect.Type
		switch {
		case shape == nil:
		case shape.Kind() == reflect.Map:
			element = shape.Elem()
		case shape.Kind() == reflect.Struct:
			fields := fieldsOf(shape)
			if element, ok = fields[name]; !ok {
				w.fault(place, "is not a field of this request"+nearest(fields, name))
			}
		}
		w.value(element, place, depth)
	}
}

// fault names each field once, however often it is wrong.
func (w *walk) fault(field, detail string) {
	if len(field) > 64 {
		field = strings.ToValidUTF8(field[:64], "")
	}
	if len(w.wrong) < 32 && !slices.ContainsFunc(w.wrong, func(f Field) bool { return f.Field == field }) {
		w.wrong = append(w.wrong, Field{Field: field, Detail: detail})
	}
}

var (
	unmarshaler     = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// readsItself reports whether values of the type decode themselves, so that
// their names are none of encoding/json's.
func readsItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(unmarshaler) || p.Implements(textUnmarshaler)
}

// fieldsByType remembers what fieldsOf found.
var fieldsByType sync.Map

// fieldsOf returns the types of a struct's fields by their exact JSON names.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	if known, ok := fieldsByType.Load(t); ok {
		return known.(map[string]reflect.Type)
	}
	fields := make(map[string]reflect.Type)
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Tag.Get("json") == "-" || !f.IsExported():
			continue
		case name == "" && f.Anonymous:
			// Its fields are the struct's own, and visible as such.
			continue
		case name == "":
			name = f.Name
		}
		fields[name] = f.Type
	}
	fieldsByType.Store(t, fields)
	return fields
}

func nearest(fields map[string]reflect.Type, name string) string {
	for known := range fields {
		if strings.EqualFold(known, name) {
			return fmt.Sprintf(": names are written exactly, as %q", known)
		}
	}
	return ""
}
