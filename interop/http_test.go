package interop_test

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/interop"
)

// ask makes one request of the site.
func ask(s http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestSite(t *testing.T) {
	b := newBureau(t)
	s, err := interop.NewSite(interop.SiteConfig{Dir: b.dir, Signers: []*interop.Certificate{b.signer.list()}})
	if err != nil {
		t.Fatal(err)
	}
	if w := ask(s, "GET", "/AZ-TL.xml", ""); w.Code != 503 || w.Header().Get("Retry-After") == "" || s.Ready(t.Context()) == nil {
		t.Errorf("before the first list: %d", w.Code)
	}
	b.publish(t)
	go s.Run(t.Context())
	for began := time.Now(); s.Ready(t.Context()) != nil; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatal("the new release is not served")
		}
	}
	data, err := os.ReadFile(filepath.Join(b.dir, "current", "AZ-TL.xml"))
	if err != nil {
		t.Fatal(err)
	}
	w := ask(s, "GET", "/AZ-TL.xml", "")
	if w.Code != 200 || w.Body.String() != string(data) || w.Header().Get("Content-Type") != interop.MediaType || w.Header().Get("Cache-Control") == "" {
		t.Errorf("the list: %d %v", w.Code, w.Header())
	}
	if w := ask(s, "GET", "/AZ-TL.xml", "", "If-None-Match", w.Header().Get("ETag")); w.Code != 304 {
		t.Errorf("asked again: %d", w.Code)
	}
	for path, want := range map[string]int{"/AZ-TL.sha2": 200, "/AZ-TL.az.html": 200, "/AZ-TL.css": 200, "/": 302, "/draft/draft.json": 404, "/../current/AZ-TL.xml": 404, "/v1/none": 404} {
		if w := ask(s, "GET", path, ""); w.Code != want && w.Code != 301 && w.Code != 307 {
			t.Errorf("GET %s: %d, want %d", path, w.Code, want)
		}
	}
	if w := ask(s, "GET", "/", "", "Accept-Language", "fr, ru;q=0.8"); w.Header().Get("Location") != "/AZ-TL.ru.html" {
		t.Errorf("a Russian visitor is sent to %s", w.Header().Get("Location"))
	}
	if w := ask(s, "POST", "/AZ-TL.xml", ""); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d", w.Code)
	}
	if w := ask(s, "GET", "/v1/trust", ""); w.Code != 405 || w.Header().Get("Allow") != "POST" {
		t.Errorf("GET of a question: %d", w.Code)
	}
	var lists struct {
		Lists []struct {
			Territory string
			Sequence  int
			Services  int
		}
	}
	if w := ask(s, "GET", "/v1/lists", ""); json.Unmarshal(w.Body.Bytes(), &lists) != nil || len(lists.Lists) != 1 || lists.Lists[0].Territory != "AZ" || lists.Lists[0].Services != 1 {
		t.Errorf("lists: %s", w.Body)
	}
	leaf := made{name: "Citizen (TEST)", issuer: b.ca}.make(t)
	question := func(certificate, at string) map[string]any {
		body, err := json.Marshal(map[string]string{"certificate": certificate, "at": at})
		if err != nil {
			t.Fatal(err)
		}
		var answer map[string]any
		if err := json.Unmarshal(ask(s, "POST", "/v1/trust", string(body), "Content-Type", "application/json").Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		return answer
	}
	leafPEM := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.cert.Raw}))
	if a := question(leafPEM, time.Now().Format(time.RFC3339)); a["trusted"] != true || a["territory"] != "AZ" || a["status"] != interop.Granted {
		t.Errorf("a citizen's certificate: %v", a)
	}
	if a := question(leafPEM, "2025-06-01T00:00:00Z"); a["trusted"] != false || !strings.Contains(a["why"].(string), "not on the list yet") {
		t.Errorf("before the service was there: %v", a)
	}
	if a := question("nonsense!", "2025-06-01T00:00:00Z"); a["code"] != "invalid_request" {
		t.Errorf("nonsense: %v", a)
	}
	// A folder that another signer wrote, or that goes back, is not served.
	if _, err := interop.NewSite(interop.SiteConfig{Dir: b.dir, Signers: []*interop.Certificate{b.ca.list()}}); interop.ReasonOf(err) != "untrusted" {
		t.Errorf("another signer's release: %v", err)
	}
}
