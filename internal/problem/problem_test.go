package problem_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/altamga/altamga/internal/problem"
)

// body is the request of a made-up interface.
type body struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
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
		{"an oversized body", "application/json", `{"name":"` + strings.Repeat("x", 100) + `"}`, 413, "too_large", "64 octets"},
		{"not JSON", "application/json", `{"name"`, 400, "malformed_json", ""},
		{"nothing", "application/json", ``, 400, "malformed_json", ""},
		{"two values", "application/json", `{} {}`, 400, "malformed_json", "follows"},
		{"a field of another type", "application/json", `{"count":"one"}`, 400, "invalid_request", "count: is a string where a int belongs"},
		{"an unknown field", "application/json", `{"nme":"x"}`, 400, "invalid_request", "nme: is not a field"},
	} {
		t.Run(test.name, func(t *testing.T) {
			request := httptest.NewRequest("POST", "/", strings.NewReader(test.body))
			if test.media != "" {
				request.Header.Set("Content-Type", test.media)
			}
			var got body
			raw, details := problem.ReadJSON(httptest.NewRecorder(), request, 64, &got)
			if test.status == 0 {
				if details != nil || got != (body{"x", 1}) || string(raw) != test.body {
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
	for _, seed := range []string{`{"name":"x","count":1}`, `{"count":1e400}`, `[[[[`, "\xff", `{"name":{}}`} {
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
	})
}
