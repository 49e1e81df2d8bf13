package ocsp_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"io"
	"math/big"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	peer "golang.org/x/crypto/ocsp"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/ocsp"
)

// oidPreferred is id-pkix-ocsp-pref-sig-algs.
var oidPreferred = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 8}

// prefer asks, with a preference for algorithms and perhaps a nonce, and returns
// the answer as another implementation reads it. With a nonce the preference is
// critical.
func prefer(t *testing.T, r *ocsp.Responder, a *authority, serial *big.Int, nonce []byte, preferred ...asn1.ObjectIdentifier) *peer.Response {
	t.Helper()
	type algorithm struct {
		ID         asn1.ObjectIdentifier
		Parameters asn1.RawValue `asn1:"optional"`
	}
	type preference struct{ Signature algorithm }
	var list []preference
	for _, id := range preferred {
		list = append(list, preference{algorithm{ID: id, Parameters: asn1.NullRawValue}})
	}
	value, err := asn1.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	request := &ocsp.Request{
		List:       []ocsp.Single{{CertID: a.certID(t, crypto.SHA256, serial)}},
		Extensions: []der.Extension{{ID: oidPreferred, Critical: nonce != nil, Value: value}},
	}
	if nonce != nil {
		request.Extensions = append(request.Extensions, ocsp.NewNonce(nonce))
	}
	raw, err := io.ReadAll(post(t, r, marshal(t, request)).Body)
	if err != nil {
		t.Fatal(err)
	}
	got, err := peer.ParseResponse(raw, a.certificate)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestPreference: an issuer with an ECDSA and an RSA delegate.
func TestPreference(t *testing.T) {
	a := newAuthority(t, "ehm")
	key, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		t.Fatal(err)
	}
	issuer := a.issuer()
	issuer.Others = []*ocsp.Signer{{Key: key, Certificate: a.issue(t, delegate(), key.Public())}}
	r, g := newResponder(t, a, func(c *ocsp.Config) { c.Issuers = []ocsp.Issuer{issuer} })
	serial := nextSerial()
	g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
	// Object identifiers: sha1WithRSAEncryption, sha256WithRSAEncryption,
	// ecdsa-with-SHA256.
	weak, rsa256, ecdsa256 := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
	for _, row := range []struct {
		name      string
		preferred []asn1.ObjectIdentifier
		want      x509.SignatureAlgorithm
	}{
		{"OCSP-58 preferred algorithm is used", []asn1.ObjectIdentifier{rsa256}, x509.SHA256WithRSA},
		{"OCSP-58 the first of several", []asn1.ObjectIdentifier{weak, rsa256, ecdsa256}, x509.SHA256WithRSA},
		{"OCSP-58 the own signer's, too", []asn1.ObjectIdentifier{ecdsa256, rsa256}, x509.ECDSAWithSHA256},
		{"OCSP-58 a weak one is passed over", []asn1.ObjectIdentifier{weak}, x509.ECDSAWithSHA256},
		{"OCSP-58 without a preference", nil, x509.ECDSAWithSHA256},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, nonce := range [][]byte{nil, make([]byte, 32)} {
				if got := prefer(t, r, a, serial, nonce, row.preferred...); got.SignatureAlgorithm != row.want || got.Status != peer.Good {
					t.Errorf("got %v, want %v", got.SignatureAlgorithm, row.want)
				}
			}
		})
	}
	t.Run("OCSP-58 malformed preference is malformed", func(t *testing.T) {
		for _, value := range []string{"", "\x30\x02\x05\x00", "\x30\x00\x00", "\x02\x01\x01"} {
			in := marshal(t, &ocsp.Request{
				List:       []ocsp.Single{{CertID: a.certID(t, crypto.SHA256, serial)}},
				Extensions: []der.Extension{{ID: oidPreferred, Value: []byte(value)}},
			})
			if got := body(t, post(t, r, in), a); got.status != ocsp.MalformedRequest {
				t.Errorf("%x: got %v", value, got.status)
			}
		}
	})
	t.Run("another signer that does not fit is refused", func(t *testing.T) {
		second := newKey(t)
		for name, other := range map[string]*ocsp.Signer{
			"another's key":    {Key: key, Certificate: a.signer.Certificate},
			"none":             nil,
			"of one algorithm": {Key: second, Certificate: a.issue(t, delegate(), second.Public())},
		} {
			wrong := a.issuer()
			wrong.Others = []*ocsp.Signer{other}
			if _, err := ocsp.New(ocsp.Config{Issuers: []ocsp.Issuer{wrong}, Source: g}); err == nil {
				t.Errorf("%s: it is accepted", name)
			}
		}
	})
}

// TestOthersFollowOneAnother: a signer for those who prefer its algorithm is
// replaced like the issuer's own, whichever comes first, and when nobody does
// that signs no longer than it may.
func TestOthersFollowOneAnother(t *testing.T) {
	t.Run("OCSP-14 each in its turn, and none that has ended", func(t *testing.T) { synctest.Test(t, othersFollow) })
}

func othersFollow(t *testing.T) {
	a := newAuthority(t, "ehm")
	ecdsa384 := asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}
	next := func(curve elliptic.Curve) *ocsp.Signer {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := delegate()
		template.NotAfter = time.Now().Add(24 * time.Hour)
		return &ocsp.Signer{Key: key, Certificate: a.issue(t, template, key.Public())}
	}
	issuer := a.issuer()
	issuer.Others = []*ocsp.Signer{next(elliptic.P384())}
	r, g := newResponder(t, a, func(c *ocsp.Config) { c.Issuers = []ocsp.Issuer{issuer} })
	serial := nextSerial()
	g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
	by := func(preferred ...asn1.ObjectIdentifier) *x509.Certificate {
		t.Helper()
		return prefer(t, r, a, serial, make([]byte, 16), preferred...).Certificate
	}
	own, other := a.signer, issuer.Others[0]
	if !by().Equal(own.Certificate) {
		t.Fatal("the issuer's own signer does not sign")
	}
	for range 5 {
		time.Sleep(23 * time.Hour)
		ownNext, otherNext := next(elliptic.P256()), next(elliptic.P384())
		var both sync.WaitGroup
		both.Go(func() {
			if err := r.ReplaceSigner(a.id, ownNext); err != nil {
				t.Error(err)
			}
		})
		both.Go(func() {
			if err := r.ReplaceOther(a.id, 0, otherNext); err != nil {
				t.Error(err)
			}
		})
		if got := by(ecdsa384); !got.Equal(other.Certificate) && !got.Equal(otherNext.Certificate) {
			t.Error("meanwhile a third one signs")
		}
		both.Wait()
		own, other = ownNext, otherNext
		if !by().Equal(own.Certificate) || !by(ecdsa384).Equal(other.Certificate) {
			t.Fatal("one of the two was not replaced")
		}
	}
	// Nobody follows the journal here, which is not ready either.
	told := func() bool { return strings.Contains(r.Ready(t.Context()).Error(), "OCSP signer's certificate ended") }
	if told() {
		t.Error("a signer is said to have ended")
	}
	time.Sleep(23 * time.Hour)
	own = next(elliptic.P256())
	if err := r.ReplaceSigner(a.id, own); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Hour)
	if !by(ecdsa384).Equal(own.Certificate) {
		t.Error("one that has ended signs")
	}
	if !told() {
		t.Error("and nobody is told")
	}
	for _, at := range []int{-1, 1} {
		if err := r.ReplaceOther(a.id, at, next(elliptic.P384())); err == nil {
			t.Errorf("other %d, which there is not, was replaced", at)
		}
	}
}
