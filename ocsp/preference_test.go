package ocsp_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"testing"

	peer "golang.org/x/crypto/ocsp"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/ocsp"
)

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
	type algorithm struct {
		ID         asn1.ObjectIdentifier
		Parameters asn1.RawValue `asn1:"optional"`
	}
	type preference struct{ Signature algorithm }
	ask := func(t *testing.T, nonce []byte, critical bool, preferred ...asn1.ObjectIdentifier) *peer.Response {
		t.Helper()
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
			Extensions: []der.Extension{{ID: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 8}, Critical: critical, Value: value}},
		}
		if nonce != nil {
			request.Extensions = append(request.Extensions, ocsp.NewNonce(nonce))
		}
		response := post(t, r, marshal(t, request))
		raw := make([]byte, response.ContentLength)
		if _, err := response.Body.Read(raw); err != nil && response.ContentLength > 0 && err.Error() != "EOF" {
			t.Fatal(err)
		}
		got, err := peer.ParseResponse(raw, a.certificate)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
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
				if got := ask(t, nonce, nonce != nil, row.preferred...); got.SignatureAlgorithm != row.want || got.Status != peer.Good {
					t.Errorf("got %v, want %v", got.SignatureAlgorithm, row.want)
				}
			}
		})
	}
	t.Run("OCSP-58 malformed preference is malformed", func(t *testing.T) {
		for _, value := range []string{"", "\x30\x02\x05\x00", "\x30\x00\x00", "\x02\x01\x01"} {
			in := marshal(t, &ocsp.Request{
				List:       []ocsp.Single{{CertID: a.certID(t, crypto.SHA256, serial)}},
				Extensions: []der.Extension{{ID: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 8}, Value: []byte(value)}},
			})
			if got := body(t, post(t, r, in), a); got.status != ocsp.MalformedRequest {
				t.Errorf("%x: got %v", value, got.status)
			}
		}
	})
	t.Run("another signer that does not fit is refused", func(t *testing.T) {
		wrong := a.issuer()
		wrong.Others = []*ocsp.Signer{{Key: key, Certificate: a.signer.Certificate}}
		if _, err := ocsp.New(ocsp.Config{Issuers: []ocsp.Issuer{wrong}, Source: g}); err == nil {
			t.Error("it is accepted")
		}
	})
}
