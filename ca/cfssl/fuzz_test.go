package cfssl_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/altamga/altamga/ca/cfssl"
)

// FuzzBody sends hostile bodies to every endpoint, as they are and in a
// wrapper with the right token. Each must be answered in the envelope, and
// none is the server's fault.
func FuzzBody(f *testing.F) {
	s := newServer(f, false)
	add := func(v any) {
		raw, err := json.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	add(request(f, "web", "www.example", "www.example"))
	add(wrap(f, key, request(f, "web", "www.example")))
	add(map[string]any{"profile": "web", "certificate_request": "x", "subject": map[string]any{"CN": "x", "names": []any{map[string]any{"OID": map[string]string{"1.2": "x"}}}}})
	add(map[string]any{"serial": "12", "authority_key_id": "1:2", "reason": "superseded"})
	add(map[string]any{"profile": "web", "serial": 12, "NotAfter": "2030-01-01T00:00:00Z"})
	add(map[string]any{"certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"})
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, body []byte) {
		h := hmac.New(sha256.New, key)
		h.Write(body)
		wrapped, err := json.Marshal(map[string]any{"token": h.Sum(nil), "request": body})
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"sign", "authsign", "info", "revoke", "certinfo"} {
			for _, text := range []string{string(body), string(wrapped)} {
				answer := httptest.NewRecorder()
				s.handler.ServeHTTP(answer, httptest.NewRequest("POST", cfssl.Prefix+path, strings.NewReader(text)))
				var e envelope
				if err := json.Unmarshal(answer.Body.Bytes(), &e); err != nil || answer.Code >= 500 || e.Success != (answer.Code == 200) {
					t.Errorf("%s of %q: got %d %s", path, text, answer.Code, answer.Body)
				}
			}
		}
	})
}
