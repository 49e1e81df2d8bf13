package conformance_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"io"
	"net/http"
	"testing"

	"github.com/altamga/altamga/internal/pki"
)

var (
	unheardOf     = asn1.ObjectIdentifier{2, 999, 9001}
	archiveCutoff = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 6}
)

// chunked hides the length of an answer.
type chunked struct{ http.ResponseWriter }

func (c *chunked) Write(p []byte) (int, error) {
	c.Header().Del("Content-Length")
	n, err := c.ResponseWriter.Write(p)
	c.ResponseWriter.(http.Flusher).Flush()
	return n, err
}

// nonce changes the nonce of every reply; nil leaves it out.
func nonce(change func([]byte) []byte) func(*testing.T, *fakeOCSP) {
	return saying(func(q *ocspQuestion, r *ocspReply) {
		if q.nonceThere {
			r.extensions = nil
			if n := change(q.nonce); n != nil {
				r.extensions = [][]byte{extensionOf(pki.OIDOCSPNonce, false, tlv(4, n))}
			}
		}
	})
}

// lenient answers nonces of some lengths as if nothing were wrong with them.
func lenient(f *fakeOCSP, lengths func(int) bool) {
	f.plan = func(q *ocspQuestion, r *ocspReply) {
		if q.nonceThere && lengths(len(q.nonce)) && !q.malformed {
			*r = *f.answer(&ocspQuestion{ids: q.ids})
		}
	}
}

// swallow hands on another body.
func swallow(w http.ResponseWriter, r *http.Request, next http.HandlerFunc, change func([]byte) []byte) {
	if r.Method == http.MethodPost {
		in, _ := io.ReadAll(r.Body)
		in = change(in)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(in)), int64(len(in))
	}
	next(w, r)
}

func nameHash(f *fakeOCSP) []byte {
	sum := sha256.Sum256(f.c.issuer.cert.RawSubject)
	return sum[:]
}

// idFor is a certificate's CertID.
func idFor(f *fakeOCSP, c *x509.Certificate) []byte {
	key, _ := pki.SubjectPublicKey(f.c.issuer.cert.RawSubjectPublicKeyInfo)
	sum := sha256.Sum256(key)
	return seq(seq(oid(pki.OIDSHA256)), tlv(4, nameHash(f)), tlv(4, sum[:]), tlv(2, c.SerialNumber.Bytes()))
}

func TestSoundResponder(t *testing.T) {
	f := &fakeOCSP{c: newCentre(t)}
	f.delegate = f.c.delegate
	c := &switchboard
	c.sound(t, f.judge(t))
}

// An authority that signs its answers itself is as good.
func TestSoundResponderWithoutDelegate(t *testing.T) {
	f := &fakeOCSP{c: newCentre(t)}
	f.delegate = f.c.issuer
	f.plan = func(_ *ocspQuestion, r *ocspReply) { r.certsField = false }
	c := &switchboard
	c.sound(t, f.judge(t))
}

func TestOCSPFaults(t *testing.T) {
	c := newCentre(t)
	for _, fault := range ocspFaults {
		t.Run(fault.name, func(t *testing.T) {
			f := &fakeOCSP{c: c, delegate: c.delegate}
			fault.plant(t, f)
			switchboard.judged(t, fault.planted, f.judge(t))
		})
	}
}
