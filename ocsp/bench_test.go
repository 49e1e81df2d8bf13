package ocsp_test

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/altamga/altamga/ocsp"
)

// sink is a response writer that allocates nothing.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) WriteHeader(status int)      { s.status = status }

// BenchmarkServe measures the handler without the HTTP server around it.
func BenchmarkServe(b *testing.B) {
	a := newAuthority(b, "ehm")
	r, g := newResponder(b, a, nil)
	serial := nextSerial()
	g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
	id := a.certID(b, crypto.SHA256, serial)
	run := func(name string, make func() *http.Request) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w := &sink{header: http.Header{}}
				r.ServeHTTP(w, make())
				if w.status != http.StatusOK {
					b.Fatalf("got status %d", w.status)
				}
			}
		})
	}
	post := func(in []byte) func() *http.Request {
		header := http.Header{"Content-Type": {"application/ocsp-request"}}
		return func() *http.Request {
			return &http.Request{Method: http.MethodPost, URL: &url.URL{Path: "/"}, Header: header, Body: io.NopCloser(bytes.NewReader(in)), ContentLength: int64(len(in))}
		}
	}
	path := "/" + base64.StdEncoding.EncodeToString(request(b, nil, id))
	run("GET kept", func() *http.Request {
		return &http.Request{Method: http.MethodGet, URL: &url.URL{Path: path}, Header: http.Header{}}
	})
	run("POST kept", post(request(b, nil, id)))
	run("POST nonce", post(request(b, make([]byte, 32), id)))
}
