package problem_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/problem"
)

// body is the request of a made-up interface.
type body struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
	// Inner, At and Any are nested, read by their own code, and of any shape.
	Inner []inner        `json:"inner,omitempty"`
	At    time.Time      `json:"at,omitzero"`
	Any   map[string]any `json:"any,omitempty"`
}

type inner struct {
	Word string `json:"word"`
}

func TestReadJSON(t *testing.T) {
	for _, test := range []struct {
		name, media, body string
		status            int
		code, says        string
	}{
		{"a good body", "application/json; charset=utf-8", `{"name":"x","count":1}`, 0, "", ""},
		{"another media type", "text/plain", `{}`, 415, "unsupported_media_type", "application/json"},
		{"no media type", "", `{}`, 415, "unsupported_media_type", ""},
		{"an oversized body", "application/json", `{"name":"` + strings.Repeat("x", 100) + `"}`, 413, "too_large", "96 octets"},
		{"not JSON", "application/json", `{"name"`, 400, "malformed_json", ""},
		{"nothing", "application/json", ``, 400, "malformed_json", ""},
		{"two values", "application/json", `{} {}`, 400, "malformed_json", "follows"},
		{"a field of another type", "application/json", `{"count":"one"}`, 400, "invalid_request", "count: is a string where a int belongs"},
		{"an unknown field", "application/json", `{"nme":"x"}`, 400, "invalid_request", "nme: is not a field"},
		{"a name twice", "application/json", `{"name":"x","count":1,"name":"y"}`, 400, "invalid_request", "name: is given twice"},
		{"a name twice, once escaped", "application/json", `{"name":"x","n\u0061me":"y"}`, 400, "invalid_request", "name: is given twice"},
		{"a name in another case", "application/json", `{"NAME":"x"}`, 400, "invalid_request", `NAME: is not a field of this request: names are written exactly, as "name"`},
		{"a name that folds to ASCII", "application/json", "{\"inner\":[{\"\u017fword\":1}]}", 400, "invalid_request", ""},
		{"a name that folds to ASCII, with K", "application/json", "{\"any\":{\"k\":1,\"\u212a\":2}, \"Count\":1}", 400, "invalid_request", "Count: is not a field"},
		{"a nested name twice", "application/json", `{"inner":[{"word":"a","word":"b"}]}`, 400, "invalid_request", "inner.word: is given twice"},
		{"a nested name in another case", "application/json", `{"inner":[{"Word":"a"}]}`, 400, "invalid_request", "inner.Word: is not a field"},
		{"a name twice where any is free", "application/json", `{"any":{"a":{"b":1,"b":2}}}`, 400, "invalid_request", "any.a.b: is given twice"},
		{"nested too deep", "application/json", `{"any":{"a":` + strings.Repeat("[", 33) + strings.Repeat("]", 33) + `}}`, 400, "malformed_json", "32 levels"},
	} {
		t.Run(test.name, func(t *testing.T) {
			request := httptest.NewRequest("POST", "/", strings.NewReader(test.body))
			if test.media != "" {
				request.Header.Set("Content-Type", test.media)
			}
			var got body
			raw, details := problem.ReadJSON(httptest.NewRecorder(), request, 96, &got)
			if test.status == 0 {
				if details != nil || !reflect.DeepEqual(got, body{Name: "x", Count: 1}) || string(raw) != test.body {
					t.Fatalf("got %v, %+v, %s", details, got, raw)
				}
				return
			}
			if details == nil || details.Status != test.status || details.Code != test.code || !strings.Contains(details.Error(), test.says) {
				t.Errorf("got %+v, want status %d, code %s, %q", details, test.status, test.code, test.says)
			}
		})
	}
}

func TestWrite(t *testing.T) {
	w := httptest.NewRecorder()
	details := problem.Invalid(problem.Field{Field: "fin", Detail: "is missing", Clause: "none"}, problem.Field{Field: "csr", Detail: "is missing"})
	details.Legal = []string{"hold"}
	details.Write(w)
	if got := w.Header().Get("Content-Type"); w.Code != http.StatusBadRequest || got != "application/problem+json" {
		t.Errorf("got status %d, media type %q", w.Code, got)
	}
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("got Cache-Control %q", got)
	}
	var back problem.Details
	if err := json.Unmarshal(w.Body.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	want := "invalid_request: the request has wrong or missing fields: fin: is missing; csr: is missing (legal: hold)"
	if back.Error() != want || details.Error() != want {
		t.Errorf("got %q and back %q, want %q", details.Error(), back.Error(), want)
	}
}

// FuzzReadJSON: whatever the body, the answer is a value or a problem with
// status 400 or 413.
func FuzzReadJSON(f *testing.F) {
	for _, seed := range []string{`{"name":"x","count":1}`, `{"count":1e400}`, `[[[[`, "\xff", `{"name":{}}`, `{"name":"x","Name":"y"}`, `{"any":{"a":1,"a":2}}`, `{"at":"2026-01-01T00:00:00Z"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		request := httptest.NewRequest("POST", "/", strings.NewReader(text))
		request.Header.Set("Content-Type", "application/json")
		var got body
		_, details := problem.ReadJSON(httptest.NewRecorder(), request, 64, &got)
		if details != nil && details.Status != 400 && details.Status != 413 {
			t.Errorf("got status %d", details.Status)
		}
		if details != nil {
			return
		}
		// What was taken has the one meaning that its names spell out: read
		// name by name, without folding, it gives the same value.
		var byName map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &byName); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(byName)
		var second body
		if err != nil || json.Unmarshal(again, &second) != nil || !reflect.DeepEqual(got, second) {
			t.Errorf("%q: got %+v, read by name %+v", text, got, second)
		}
		for name := range byName {
			if !slices.Contains([]string{"name", "count", "inner", "at", "any"}, name) {
				t.Errorf("%q: the name %q was taken", text, name)
			}
		}
	})
}
