package tsa_test

import (
	"crypto"
	"crypto/elliptic"
	"testing"

	"github.com/altamga/altamga/tsa"
)

// BenchmarkRespond shows what a token costs beside the one signature in it.
func BenchmarkRespond(b *testing.B) {
	h := newHierarchy(b, newKey(b, elliptic.P256()))
	b.Run("raw P-256 signature", func(b *testing.B) {
		digest := make([]byte, 32)
		for b.Loop() {
			if _, err := h.key.Sign(nil, digest, crypto.SHA256); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, unverified := range []bool{true, false} {
		config, _ := h.config()
		if unverified {
			config.Units[0].VerifyEach = -1
		}
		a, err := tsa.New(config)
		if err != nil {
			b.Fatal(err)
		}
		r := query()
		r.CertReq, r.Nonce = true, []byte{0, 0x81, 2, 3, 4, 5, 6, 7, 8}
		in := marshal(b, r)
		b.Run(map[bool]string{true: "unverified", false: "verified"}[unverified], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				a.Respond(b.Context(), in)
			}
		})
	}
	b.Run("rejection", func(b *testing.B) {
		config, _ := h.config()
		a, err := tsa.New(config)
		if err != nil {
			b.Fatal(err)
		}
		r := query()
		r.Policy = foreignPolicy
		in := marshal(b, r)
		b.ReportAllocs()
		for b.Loop() {
			a.Respond(b.Context(), in)
		}
	})
}
