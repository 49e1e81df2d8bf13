package ra

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/altamga/altamga/internal/problem"
)

// bodyLimit bounds request bodies, in octets. Two requests for signature with
// the largest keys fit many times over.
const bodyLimit = 64 << 10

// form reads the fields of a JSON object one by one, so that the answer names
// all that are wrong and not only the first.
type form struct {
	fields map[string]json.RawMessage
	wrong  []problem.Field
	body   []byte
}

// readForm reads the request's body. When optional, no body at all is an empty
// object.
func readForm(w http.ResponseWriter, r *http.Request, optional bool) (*form, error) {
	f := new(form)
	if optional && r.ContentLength == 0 && r.Header.Get("Content-Type") == "" {
		return f, nil
	}
	body, d := problem.ReadJSON(w, r, bodyLimit, &f.fields)
	if d != nil {
		return nil, d
	}
	f.body = body
	return f, nil
}

// take decodes field name into v; absent and null leave v alone.
func (f *form) take(name string, v any, what string) {
	raw, ok := f.fields[name]
	delete(f.fields, name)
	if ok && json.Unmarshal(raw, v) != nil {
		f.fault(name, "is not "+what)
	}
}

func (f *form) text(name string) (s string) {
	f.take(name, &s, "a string")
	return s
}

func (f *form) flag(name string) (b bool) {
	f.take(name, &b, "true or false")
	return b
}

func (f *form) time(name string) (t time.Time) {
	const what = "a time such as 2026-01-31T09:30:00Z"
	given := string(f.fields[name])
	f.take(name, &t, what)
	// RFC 5280, Section 4.1.2.5: certificates and lists can say the years 1950
	// (UTCTime) to 9999. RFC 3339 can write more, and with an offset even years
	// that it cannot write in UTC.
	if year := t.UTC().Year(); given != "" && given != "null" && (year < 1950 || year > 9999) {
		if !slices.ContainsFunc(f.wrong, func(w problem.Field) bool { return w.Field == name }) {
			f.fault(name, "is not "+what+" of the years 1950 to 9999")
		}
		return time.Time{}
	}
	return t.UTC()
}

func (f *form) fault(name, detail string) {
	f.wrong = append(f.wrong, problem.Field{Field: name, Detail: detail})
}

// done returns the answer that names what was wrong: while reading, by the
// checks that gave more, and whatever was not asked for. Of two faults of one
// field the first counts.
func (f *form) done(more ...problem.Field) error {
	wrong := f.wrong
	for _, m := range more {
		if !slices.ContainsFunc(f.wrong, func(w problem.Field) bool { return w.Field == m.Field }) {
			wrong = append(wrong, m)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.fields)) {
		if len(name) > 64 {
			name = name[:64]
		}
		wrong = append(wrong, problem.Field{Field: name, Detail: "is not a field of this request"})
	}
	if len(wrong) == 0 {
		return nil
	}
	return problem.Invalid(wrong...)
}
