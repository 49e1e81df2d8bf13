package ocsp_test

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/http1"
	"github.com/altamga/altamga/internal/serve"
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

// BenchmarkServe measures the handlers without the server around them.
func BenchmarkServe(b *testing.B) {
	a := newAuthority(b, "ehm")
	r, g := newResponder(b, a, func(c *ocsp.Config) {
		c.MaxAge, c.Validity, c.Observe = time.Hour, 2*time.Hour, serve.NewAdmin().Observer("ocsp")
	})
	serial := nextSerial()
	g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
	id := a.certID(b, crypto.SHA256, serial)
	ask(b, r, a, request(b, nil, id))
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
	fast := func(name string, req *http1.Request, ready bool) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var out []byte
			plain := r.Plain()
			for b.Loop() {
				var ok bool
				if out, ok = plain.Ready(out[:0], req, time.Now()); !ok && !ready {
					out, ok = plain.Make(b.Context(), out[:0], req)
				}
				if !ok {
					b.Fatal("no answer")
				}
			}
		})
	}
	fast("plain GET kept", &http1.Request{Path: []byte("/" + url.QueryEscape(path[1:]))}, true)
	fast("plain POST kept", &http1.Request{Method: http1.Post, Path: []byte("/"), Body: request(b, nil, id)}, true)
	fast("plain POST nonce", &http1.Request{Method: http1.Post, Path: []byte("/"), Body: request(b, make([]byte, 32), id)}, false)
	r, g = newResponder(b, a, func(c *ocsp.Config) { c.MaxAge, c.Validity, c.Memory = time.Hour, 2*time.Hour, -1 })
	g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
	fast("plain POST missed", &http1.Request{Method: http1.Post, Path: []byte("/"), Body: request(b, nil, id)}, false)
	b.Run("signature alone", func(b *testing.B) {
		for b.Loop() {
			if _, err := a.signer.Key.Sign(nil, make([]byte, 32), crypto.SHA256); err != nil {
				b.Fatal(err)
			}
		}
	})
}
