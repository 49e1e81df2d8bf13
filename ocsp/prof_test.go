package ocsp_test

import (
	"crypto"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/http1"
	"github.com/altamga/altamga/ocsp"
)

func BenchmarkMiss(b *testing.B) {
	a := newAuthority(b, "ehm")
	r, g := newResponder(b, a, func(c *ocsp.Config) {
		c.MaxAge, c.Validity, c.Memory = time.Hour, 2*time.Hour, -1
	})
	serial := nextSerial()
	g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
	req := &http1.Request{Method: http1.Post, Path: []byte("/"), Body: request(b, nil, a.certID(b, crypto.SHA256, serial))}
	plain := r.Plain()
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		var ok bool
		if out, ok = plain.Ready(out[:0], req, time.Now()); ok {
			b.Fatal("ready")
		}
		if out, ok = plain.Make(b.Context(), out[:0], req); !ok {
			b.Fatal("no answer")
		}
	}
}
