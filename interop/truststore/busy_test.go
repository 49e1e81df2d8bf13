package truststore

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/interop"
)

// While others are making packages, a request is told when to come again; what
// was made already is answered all the same.
func TestBusy(t *testing.T) {
	trust := interop.NewTrust()
	h := NewHandler(func() *interop.Trust { return trust }, nil)
	h.patience = time.Millisecond
	h.made.put(trust, keyOf("anchors.pem", Filter{}), []byte("made"))
	for range cap(h.making) {
		h.making <- struct{}{}
	}
	for path, want := range map[string]int{"/packages/anchors.pem": 200, "/packages/anchors.der": 404, "/packages/anchors.zip": 503} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != want || (want == 503) != (w.Header().Get("Retry-After") != "") {
			t.Errorf("%s: %d, want %d: %v %s", path, w.Code, want, w.Header(), w.Body)
		}
	}
}

// A file is remembered for what the lists say now, under any order of its
// filter, and not more than fits.
func TestMemory(t *testing.T) {
	var m memory
	now, later := interop.NewTrust(), interop.NewTrust()
	key := keyOf("anchors.pem", Filter{Territories: []string{"TR", "AZ", "AZ"}})
	m.put(now, key, []byte("file"))
	if data, ok := m.get(now, keyOf("anchors.pem", Filter{Territories: []string{"AZ", "TR"}})); !ok || string(data) != "file" {
		t.Errorf("the file is forgotten: %q", data)
	}
	for name, other := range map[string][32]byte{
		"another format": keyOf("anchors.zip", Filter{Territories: []string{"AZ", "TR"}}), "another filter": keyOf("anchors.pem", Filter{Types: []string{"AZ", "TR"}}),
	} {
		if _, ok := m.get(now, other); ok {
			t.Errorf("%s is answered with the same", name)
		}
	}
	if _, ok := m.get(later, key); ok {
		t.Error("what the lists said before is answered")
	}
	for i := range 3 * maxFiles {
		m.put(later, keyOf(strings.Repeat("x", i), Filter{}), make([]byte, maxOctets/maxFiles*2))
	}
	if len(m.files) > maxFiles || m.octets > maxOctets || m.octets != len(m.files)*(maxOctets/maxFiles*2) {
		t.Errorf("%d files of %d octets are kept", len(m.files), m.octets)
	}
}
