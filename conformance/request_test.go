package conformance_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"slices"
	"testing"

	"github.com/altamga/altamga/conformance"
	"github.com/altamga/altamga/internal/pki"
)

func request(t testing.TB, raw []byte) *conformance.Report {
	t.Helper()
	tester, err := conformance.New(conformance.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := tester.Request(t.Context(), "a request", raw); err != nil {
		t.Fatal(err)
	}
	return tester.Report()
}

func TestRequests(t *testing.T) {
	key := newKey(t)
	create := func(template *x509.CertificateRequest, key any) []byte {
		raw, err := x509.CreateCertificateRequest(rand.Reader, template, key)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	sound := create(&x509.CertificateRequest{Subject: name("x"), DNSNames: []string{"a.example"}}, key)
	switchboard.sound(t, request(t, sound))
	switchboard.sound(t, request(t, create(&x509.CertificateRequest{Subject: name("x")}, key)))

	spoilt := slices.Clone(sound)
	spoilt[len(spoilt)-1] ^= 1
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	small, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	extra := func(e ...pkix.Extension) []byte {
		return create(&x509.CertificateRequest{Subject: name("x"), ExtraExtensions: e}, key)
	}
	for _, row := range []struct {
		name string
		raw  []byte
		also []string
	}{
		{"CERT-31 the signature of other octets", spoilt, nil},
		{"CERT-31 no request", []byte("hello"), []string{"CERT-28"}},
		{"CERT-28 octets behind the request", append(slices.Clone(sound), 0), []string{"CERT-31"}},
		{"CERT-47 RSA of 1024 bits", create(&x509.CertificateRequest{Subject: name("x")}, weak), nil},
		{"CERT-47 P-224", create(&x509.CertificateRequest{Subject: name("x")}, small), nil},
		{"CERT-17 an empty host name", extra(pkix.Extension{Id: pki.OIDSubjectAltName, Value: seq(tlv(0x82))}), nil},
		{"CERT-18 letters outside ASCII in a host name", extra(pkix.Extension{Id: pki.OIDSubjectAltName, Value: seq(tlv(0x82, []byte("şəhər.az")))}), nil},
		{"CERT-10 an extension asked for twice", extra(pkix.Extension{Id: pki.OIDSubjectAltName, Value: seq(tlv(0x82, []byte("a.az")))}, pkix.Extension{Id: pki.OIDSubjectAltName, Value: seq(tlv(0x82, []byte("b.az")))}), nil},
	} {
		t.Run(row.name, func(t *testing.T) { switchboard.judged(t, planted{row.name, row.also}, request(t, row.raw)) })
	}
}
