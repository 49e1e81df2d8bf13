package ocsp_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"log/slog"
	"strings"
	"testing"
	"time"

	xocsp "golang.org/x/crypto/ocsp"

	"github.com/altamga/altamga/ocsp"
)

func TestSignersRefused(t *testing.T) {
	a, other := newAuthority(t, "ehm"), newAuthority(t, "hom")
	key := newKey(t)
	for _, test := range []struct {
		name   string
		signer *ocsp.Signer
		want   string
	}{
		{"OCSP-10 without the key purpose", signer(t, a, key, func(c *x509.Certificate) { c.ExtKeyUsage = nil }), "OCSPSigning"},
		{"OCSP-11 issued by another authority", signer(t, other, key, nil), "was issued by"},
		{"OCSP-11 issued by another key of the same name", signer(t, &authority{certificate: a.certificate, key: newKey(t)}, key, nil), "verifying the signer's certificate"},
		{"OCSP-12 nocheck critical", signer(t, a, key, func(c *x509.Certificate) { c.ExtraExtensions[0].Critical = true }), "nocheck"},
		{"OCSP-12 nocheck not NULL", signer(t, a, key, func(c *x509.Certificate) { c.ExtraExtensions[0].Value = []byte{1, 1, 255} }), "nocheck"},
		{"OCSP-14 expired", signer(t, a, key, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), "valid from"},
		{"OCSP-14 not valid yet", signer(t, a, key, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }), "valid from"},
		{"wrong key usage", signer(t, a, key, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), "digitalSignature"},
		{"another's key", &ocsp.Signer{Certificate: a.signer.Certificate, Key: key}, "private key does not belong"},
		{"no key", &ocsp.Signer{Certificate: a.signer.Certificate}, "certificate and a key"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ocsp.New(ocsp.Config{Source: newRegister(), Issuers: []ocsp.Issuer{{ID: "ehm", Certificate: a.certificate, Signer: test.signer}}})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one about %q", err, test.want)
			}
		})
	}
}

// signer issues an OCSP signer's certificate after change was made to it.
func signer(t *testing.T, a *authority, key crypto.Signer, change func(*x509.Certificate)) *ocsp.Signer {
	t.Helper()
	template := delegate()
	if change != nil {
		change(template)
	}
	// CreateCertificate insists on the parent's key, so a false issuer is
	// given as a certificate of that key with the same name.
	parent := a
	if public, ok := a.certificate.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(a.key.Public()) {
		forged := *a.certificate
		forged.PublicKey = a.key.Public()
		parent = &authority{certificate: &forged, key: a.key}
	}
	return &ocsp.Signer{Key: key, Certificate: parent.issue(t, template, key.Public())}
}

func TestSignerAlgorithms(t *testing.T) {
	a := newAuthority(t, "ehm")
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []crypto.Signer{rsaKey, edKey} {
		template := delegate()
		template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 999, 2}, Value: []byte{5, 0}})
		r, g := newResponder(t, &authority{id: "ehm", certificate: a.certificate, signer: &ocsp.Signer{Key: key, Certificate: a.issue(t, template, key.Public())}}, nil)
		serial := nextSerial()
		g.set("ehm", serial, ocsp.Status{State: ocsp.Good})
		response := post(t, r, request(t, nil, a.certID(t, crypto.SHA256, serial)))
		raw := make([]byte, response.ContentLength)
		if _, err := response.Body.Read(raw); err != nil {
			t.Fatal(err)
		}
		if _, ok := key.(ed25519.PrivateKey); ok {
			// x/crypto/ocsp knows no Ed25519.
			continue
		}
		if parsed, err := xocsp.ParseResponse(raw, a.certificate); err != nil || parsed.Status != xocsp.Good {
			t.Errorf("%T: got %+v, %v", key, parsed, err)
		}
	}
}

func TestConfigRefused(t *testing.T) {
	a := newAuthority(t, "ehm")
	g := newRegister()
	issuers := []ocsp.Issuer{a.issuer()}
	for _, test := range []struct {
		name   string
		config ocsp.Config
		want   string
	}{
		{"nothing", ocsp.Config{}, "needs a source"},
		{"no issuer", ocsp.Config{Source: g}, "at least one issuer"},
		{"issuer twice", ocsp.Config{Source: g, Issuers: []ocsp.Issuer{a.issuer(), a.issuer()}}, "twice"},
		{"issuer under two ids", ocsp.Config{Source: g, Issuers: []ocsp.Issuer{a.issuer(), {ID: "hom", Certificate: a.certificate, Signer: a.signer}}}, "same name and key"},
		{"relative path", ocsp.Config{Source: g, Issuers: issuers, Path: "ocsp"}, "slash"},
		{"age beyond validity", ocsp.Config{Source: g, Issuers: issuers, MaxAge: 2 * time.Hour}, "greater than max age"},
		{"unknown word", ocsp.Config{Source: g, Issuers: issuers, NonIssued: "good"}, "neither unknown nor revoked"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := ocsp.New(test.config); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one about %q", err, test.want)
			}
		})
	}
}

func TestSignerAdvice(t *testing.T) {
	a := newAuthority(t, "ehm")
	key := newKey(t)
	for name, test := range map[string]struct {
		signer *ocsp.Signer
		want   string
	}{
		"OCSP-12 without nocheck":             {signer(t, a, key, func(c *x509.Certificate) { c.ExtraExtensions = nil }), "no nocheck extension"},
		"OCSP-13 with a responder of its own": {signer(t, a, key, func(c *x509.Certificate) { c.OCSPServer = []string{"http://127.0.0.1/"} }), "names an OCSP responder or CRL for itself"},
		"OCSP-13 with a CRL":                  {signer(t, a, key, func(c *x509.Certificate) { c.CRLDistributionPoints = []string{"http://127.0.0.1/"} }), "names an OCSP responder or CRL for itself"},
		"OCSP-13 for longer than a year":      {signer(t, a, key, func(c *x509.Certificate) { c.NotAfter = time.Now().AddDate(2, 0, 0) }), "valid for more than a year"},
		"as recommended":                      {a.signer, ""},
	} {
		t.Run(name+" is logged", func(t *testing.T) {
			var log bytes.Buffer
			if _, err := ocsp.New(ocsp.Config{Source: newRegister(), Log: slog.New(slog.NewTextHandler(&log, nil)),
				Issuers: []ocsp.Issuer{{ID: "ehm", Certificate: a.certificate, Signer: test.signer}}}); err != nil {
				t.Fatal(err)
			}
			if got := log.String(); (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("logged %q, want %q in it", got, test.want)
			}
		})
	}
}

func TestSignerEnds(t *testing.T) {
	a := newAuthority(t, "ehm")
	key := newKey(t)
	a.signer = signer(t, a, key, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(30 * time.Minute) })
	r, g := newResponder(t, a, nil)
	serial := nextSerial()
	g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
	t.Run("OCSP-14 nextUpdate ends with the signer's certificate", func(t *testing.T) {
		got := ask(t, r, a, request(t, nil, a.certID(t, crypto.SHA256, serial)))
		if next := got.basic.Data.Responses[0].NextUpdate; !next.Equal(a.signer.Certificate.NotAfter) {
			t.Errorf("got nextUpdate %v, want %v", next, a.signer.Certificate.NotAfter)
		}
	})
	t.Run("and readiness says so", func(t *testing.T) {
		if err := r.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "before an answer of now would") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("revoked signer is not ready", func(t *testing.T) {
		g.set(a.id, a.signer.Certificate.SerialNumber, ocsp.Status{State: ocsp.Revoked, Reason: 1})
		if err := r.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "is revoked") {
			t.Errorf("got %v", err)
		}
	})
}
