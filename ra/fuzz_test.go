package ra_test

import (
	"bytes"
	"encoding/json"
	"mime/multipart"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/altamga/altamga/internal/journal"
)

// FuzzUpload: whatever is uploaded is an answer below 500 and never shown as
// ours.
func FuzzUpload(f *testing.F) {
	o := newOffice(f)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"), "certificate")
	f.Add(o.authority.issuer.Raw, "certificate")
	f.Add([]byte{0x30, 0x80}, "x")
	f.Fuzz(func(t *testing.T, data []byte, field string) {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		if part, err := form.CreateFormFile(field, "f"); err == nil {
			part.Write(data)
		}
		form.Close()
		r := httptest.NewRequest("POST", "/", &body)
		r.Header.Set("Content-Type", form.FormDataContentType())
		w := httptest.NewRecorder()
		if o.ServeHTTP(w, r); w.Code < 400 || w.Code > 499 {
			t.Errorf("%d", w.Code)
		}
	})
}

// FuzzPageQuery: any serial and language give a page that repeats no markup.
func FuzzPageQuery(f *testing.F) {
	o := newOffice(f)
	f.Add("0x1f:a0", "az", "ru;q=0.5")
	f.Add("<script>", "\"", ",;q=")
	f.Fuzz(func(t *testing.T, serial, lang, header string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.RawQuery = url.Values{"serial": {serial}, "lang": {lang}}.Encode()
		r.Header.Set("Accept-Language", header)
		w := httptest.NewRecorder()
		o.ServeHTTP(w, r)
		if w.Code != 400 && w.Code != 404 {
			t.Errorf("%d", w.Code)
		}
		if strings.Contains(strings.ToLower(w.Body.String()), "<script") {
			t.Error("the page repeats markup")
		}
		if s, err := journal.ParseSerial(serial); err == nil && w.Code != 404 {
			t.Errorf("serial %s: %d", s, w.Code)
		}
	})
}

// FuzzApplication: any body is answered, and what is accepted is accepted again
// in the form in which it came back.
func FuzzApplication(f *testing.F) {
	o := newOffice(f)
	seed, _ := json.Marshal(person("1ABC2D3"))
	f.Add(string(seed))
	f.Add(`{"fin":null}`)
	f.Add(`{"category":"entrepreneur","voen":"140005742"}`)
	f.Fuzz(func(t *testing.T, body string) {
		o.TB = t
		r := o.call("desk", "POST", "/v1/applications", body)
		switch {
		case r.Code == 409 || r.Code >= 400 && r.Code < 500:
			return
		case r.Code != 201:
			t.Fatalf("%d %s", r.Code, r.Body)
		}
		o.want(200, "desk", "POST", r.Header().Get("Location")+"/withdraw", nil)
		again := make(map[string]any)
		for _, field := range []string{"category", "given_name", "surname", "fin", "voen", "email", "phone", "search_consent"} {
			again[field] = r.body[field]
		}
		second := o.call("desk", "POST", "/v1/applications", again)
		if second.Code != 201 {
			t.Fatalf("%v came back and was refused: %s", again, second.Body)
		}
		for field := range again {
			if r.body[field] != second.body[field] {
				t.Errorf("%s changed from %v to %v", field, r.body[field], second.body[field])
			}
		}
		o.call("desk", "POST", second.Header().Get("Location")+"/withdraw", nil)
	})
}
