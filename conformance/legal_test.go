package conformance_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"github.com/altamga/altamga/conformance"
	"github.com/altamga/altamga/internal/pki"
)

// chunking leaves out how long a body is.
type chunking struct{ http.ResponseWriter }

func (c chunking) WriteHeader(status int) {
	c.Header().Del("Content-Length")
	c.ResponseWriter.WriteHeader(status)
	c.ResponseWriter.(http.Flusher).Flush()
}

// TestLegalResponders has responders that choose, where the standards leave a
// choice, otherwise than the fake does: they are accused of nothing that binds
// them.
func TestLegalResponders(t *testing.T) {
	c := newCentre(t)
	made := func(key crypto.Signer, err error) crypto.Signer {
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	by := func(key crypto.Signer, scheme ...pki.Scheme) func(*fakeOCSP) {
		cert := certify(t, delegateTemplate(), c.issuer, key.Public())
		algorithm, _, err := pki.SignatureAlgorithm(key.Public(), scheme...)
		if err != nil {
			t.Fatal(err)
		}
		return func(f *fakeOCSP) {
			f.plan = func(_ *ocspQuestion, r *ocspReply) {
				r.responder = tlv(0xa2, tlv(4, identity{cert: cert}.sha1()))
				r.algorithm = built(func(b *cryptobyte.Builder) { pki.AddAlgorithm(b, algorithm) })
				if r.certsField {
					r.certs = [][]byte{cert.Raw}
				}
				r.sign = func(tbs []byte) []byte {
					signature, err := pki.Sign(rand.Reader, key, tbs, scheme...)
					if err != nil {
						panic(err)
					}
					return signature
				}
			}
		}
	}
	for name, plant := range map[string]func(*fakeOCSP){
		"Ed25519":    by(edwards),
		"RSA":        by(rsaKey),
		"RSASSA-PSS": by(rsaKey, pki.PSS),
		"P-384":      by(made(p384, err)),
		"named by its name": func(f *fakeOCSP) {
			f.plan = func(_ *ocspQuestion, r *ocspReply) { r.responder = tlv(0xa1, f.delegate.cert.RawSubject) }
		},
		"the authority itself": func(f *fakeOCSP) {
			f.plan = func(_ *ocspQuestion, r *ocspReply) {
				r.responder, r.key, r.certs, r.certsField = tlv(0xa2, tlv(4, c.issuer.sha1())), c.issuer.key, nil, false
			}
		},
		"unknown for other authorities": func(f *fakeOCSP) {
			f.plan = func(q *ocspQuestion, r *ocspReply) {
				if r.status == 6 && len(q.ids) == 1 && !q.malformed {
					*r = *f.answer(&ocspQuestion{ids: []ocspID{{raw: idFor(f, f.c.good), hashID: pki.OIDSHA256, name: nameHash(f), serial: f.c.good.SerialNumber.Bytes()}}})
					r.singles[0].id, r.singles[0].state = q.ids[0].raw, 2
					r.singles[0].say()
				}
			}
		},
		"revoked before the day that it is valid from": func(f *fakeOCSP) {
			f.plan = func(_ *ocspQuestion, r *ocspReply) {
				for i := range r.singles {
					if s := &r.singles[i]; s.state == 1 && s.reason == 1 {
						s.revoked = c.revoked.NotBefore.Add(-time.Minute)
						s.say()
					}
				}
			}
		},
		"chunked": func(f *fakeOCSP) {
			f.serve = func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) { next(chunking{w}, r) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fakeOCSP{c: c, delegate: c.delegate, began: time.Now()}
			plant(f)
			for _, one := range f.judge(t).Sections[0].Results {
				if one.Verdict == conformance.Fail && one.Level == conformance.Must || one.Verdict == conformance.CouldNotTest {
					t.Errorf("%s %s: %v", one.Verdict, one.ID, one.Details)
				}
			}
		})
	}
}
