// Package problem speaks the error format of the suite's JSON interfaces, RFC
// 9457 problem details, and reads their request bodies strictly: bounded, one
// value, no unknown, repeated or inexactly written names, and an answer that
// names everything that is wrong.
package problem

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// Details is an application/problem+json document (RFC 9457, Section 3).
type Details struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	// Code is the stable word that programs branch on ("unknown_profile").
	Code string `json:"code"`
	// Errors names every wrong field of the request.
	Errors []Field `json:"errors,omitempty"`
	// Legal names what the state allows, for code "illegal_transition".
	Legal []string `json:"legal,omitempty"`
}

// Field is one wrong field: its path in the request and what is wrong with it.
type Field struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
	// Clause is the paragraph of the standard that the value breaks, if one
	// does.
	Clause string `json:"clause,omitempty"`
}

// New returns a problem with the status, code and detail; the detail is for
// people and must not hold personal data.
func New(status int, code, detail string) *Details {
	return &Details{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// Invalid returns the 400 answer to a request with wrong fields.
func Invalid(fields ...Field) *Details {
	d := New(http.StatusBadRequest, "invalid_request", "the request has wrong or missing fields")
	d.Errors = fields
	return d
}

// Error makes Details an error, so that a client can return what a server
// answered.
func (d *Details) Error() string {
	var b strings.Builder
	b.WriteString(d.Code)
	if d.Detail != "" {
		b.WriteString(": " + d.Detail)
	}
	for i, f := range d.Errors {
		b.WriteString(map[bool]string{true: ": ", false: "; "}[i == 0])
		fmt.Fprintf(&b, "%s: %s", f.Field, f.Detail)
	}
	if len(d.Legal) > 0 {
		fmt.Fprintf(&b, " (legal: %s)", strings.Join(d.Legal, ", "))
	}
	return b.String()
}

// Write answers with the problem.
func (d *Details) Write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(d.Status)
	body, err := json.Marshal(d)
	if err != nil {
		// Strings and integers always marshal.
		panic(err)
	}
	w.Write(append(body, '\n'))
}

// WriteJSON answers with v as JSON that no cache keeps.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		New(http.StatusInternalServerError, "internal", "the answer could not be written").Write(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	// Known here, it spares a large answer the chunked coding and a write.
	w.Header().Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(status)
	w.Write(append(body, '\n'))
}

// ReadJSON reads the request's body, at most limit octets of JSON, into v and
// returns the body as it came. What is wrong with it comes back as the answer
// to give: 415 for another media type, 413 for an oversized body, 400 for
// anything that is not exactly one value of v's shape, with each name once in
// its object and written as v's type spells it.
func ReadJSON(w http.ResponseWriter, r *http.Request, limit int64, v any) ([]byte, *Details) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return nil, New(http.StatusUnsupportedMediaType, "unsupported_media_type", "the body must be application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, New(http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("the body is larger than %d octets", limit))
		}
		return nil, New(http.StatusBadRequest, "unreadable", "the body ended early")
	}
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		return body, decodeProblem(err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return body, New(http.StatusBadRequest, "malformed_json", "something follows the JSON value")
	}
	return body, checkNames(string(body), v)
}

func decodeProblem(err error) *Details {
	if typeError, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && typeError.Field != "" {
		return Invalid(Field{Field: typeError.Field, Detail: fmt.Sprintf("is a %s where a %s belongs", typeError.Value, typeError.Type)})
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return Invalid(Field{Field: strings.Trim(field, `"`), Detail: "is not a field of this request"})
	}
	return New(http.StatusBadRequest, "malformed_json", "the body is not valid JSON of the expected form: "+err.Error())
}
