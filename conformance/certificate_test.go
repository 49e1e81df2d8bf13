package conformance_test

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/altamga/altamga/conformance"
	"github.com/altamga/altamga/internal/pki/lint/linttest"
)

// certificate judges one certificate.
func certificate(t testing.TB, config conformance.Config, raw, issuer []byte, kind string) *conformance.Report {
	t.Helper()
	tester, err := conformance.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := tester.Certificate(t.Context(), "a certificate", raw, issuer, kind); err != nil {
		t.Fatal(err)
	}
	return tester.Report()
}

// parentOf is a certificate with the name and key identifier that the lints'
// certificates point to.
func parentOf(t testing.TB, c linttest.Certificate) []byte {
	if c.Parent == nil {
		return nil
	}
	key := newKey(t)
	template := authorityTemplate("")
	template.RawSubject, template.SubjectKeyId = c.Parent.RawSubject, c.Parent.SubjectKeyId
	return certify(t, template, identity{key: key}, key.Public()).Raw
}

// The signatures of the lints' certificates are not real.
var unsigned = []string{"CERT-49"}

func TestSoundCertificates(t *testing.T) {
	for _, c := range slices.Concat(linttest.Good(), linttest.Forms()) {
		t.Run(c.Name, func(t *testing.T) {
			r := certificate(t, conformance.Config{}, c.DER, parentOf(t, c), "")
			for _, id := range found(r) {
				if !slices.Contains(unsigned, id) {
					t.Errorf("%s is found where nothing is wrong%s", id, explain(r))
				}
			}
		})
	}
}

// Every fault of the lints is found under the same id. What one fault breaks
// besides is the lints' own concern.
func TestCertificateFaults(t *testing.T) {
	var parent []byte
	for _, f := range linttest.Faults() {
		if parent == nil {
			parent = parentOf(t, f.Sound)
		}
		t.Run(f.ID+" "+f.Name, func(t *testing.T) {
			issuer := parent
			if f.Spoilt.Parent == nil {
				issuer = nil
			}
			before := found(certificate(t, conformance.Config{}, f.Sound.DER, issuer, ""))
			r := certificate(t, conformance.Config{}, f.Spoilt.DER, issuer, "")
			also := append(found(r), before...) // of the lints' making
			switchboard.judged(t, planted{f.ID + " " + f.Name, also}, r)
		})
	}
}

func TestCertificateSignature(t *testing.T) {
	c := newCentre(t)
	judge := func(raw, issuer []byte) *conformance.Report {
		return certificate(t, conformance.Config{}, raw, issuer, "")
	}
	switchboard.sound(t, judge(c.issuer.cert.Raw, c.root.cert.Raw))
	switchboard.sound(t, judge(c.root.cert.Raw, nil))
	spoilt := slices.Clone(c.issuer.cert.Raw)
	spoilt[len(spoilt)-1] ^= 1
	for name, r := range map[string]*conformance.Report{
		"CERT-49 signature of other octets": judge(spoilt, c.root.cert.Raw),
	} {
		t.Run(name, func(t *testing.T) { switchboard.judged(t, planted{name, nil}, r) })
	}
	t.Run("CERT-49 without the issuer there is no verdict", func(t *testing.T) {
		r := judge(c.issuer.cert.Raw, nil)
		if got := r.Conclusion(false); got != conformance.Inconclusive {
			t.Errorf("it %s%s", got, explain(r))
		}
	})
}

func TestSecondLinter(t *testing.T) {
	c := newCentre(t)
	config := conformance.Config{Lint: func(*x509.Certificate) error { return errors.Join(errors.New("e_one"), errors.New("e_two")) }}
	switchboard.judged(t, planted{"ZLINT finds two things", nil}, certificate(t, config, c.issuer.cert.Raw, c.root.cert.Raw, ""))
	config.Lint = func(*x509.Certificate) error { return nil }
	switchboard.sound(t, certificate(t, config, c.issuer.cert.Raw, c.root.cert.Raw, ""))
}

// What a certificate must be, by the user's word.
func TestKinds(t *testing.T) {
	of := map[string]string{"citizen": "natural", "seal": "seal", "authority": "ca", "server": "web", "time-stamping unit": "tsu", "responder": "ocsp"}
	for _, c := range linttest.Good() {
		own, known := of[c.Name]
		if !known {
			continue
		}
		for _, kind := range conformance.Kinds {
			r := certificate(t, conformance.Config{}, c.DER, parentOf(t, c), kind)
			ids := slices.DeleteFunc(found(r), func(id string) bool { return slices.Contains(unsigned, id) })
			fits := kind == own || own == "seal" && kind == "legal" || own == "tsu" && kind == "legal"
			if fits != (len(ids) == 0) {
				t.Errorf("%s as %s: %v", c.Name, kind, ids)
			}
		}
	}
}

// A certificate's URLs are fetched as far as the address policy goes.
func TestFetching(t *testing.T) {
	c := newCentre(t)
	point := newPoint(c)
	point.bodies["/list.crl"] = point.full.encode()
	mux := http.NewServeMux()
	mux.Handle("/list.crl", point)
	fetched := 0
	served, media := c.issuer.cert.Raw, "application/pkix-cert"
	mux.HandleFunc("/issuer.cer", func(w http.ResponseWriter, _ *http.Request) {
		fetched++
		w.Header().Set("Content-Type", media)
		w.Write(served)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	leaf := c.issued(t, &x509.Certificate{Subject: name("x"), KeyUsage: x509.KeyUsageDigitalSignature, NotAfter: time.Now().Add(time.Hour).Truncate(time.Second),
		CRLDistributionPoints: []string{server.URL + "/list.crl"}, IssuingCertificateURL: []string{server.URL + "/issuer.cer"}, SubjectKeyId: []byte{1}}, c.issuer).cert
	judge := func(follow conformance.Follow) *conformance.Report {
		return certificate(t, conformance.Config{Follow: follow}, leaf.Raw, c.issuer.cert.Raw, "")
	}
	for _, follow := range []conformance.Follow{conformance.FollowNone, conformance.FollowGiven} {
		switchboard.sound(t, judge(follow))
		if fetched != 0 {
			t.Fatalf("with the policy %q, a URL of the certificate was fetched", follow)
		}
	}
	t.Run("public addresses alone", func(t *testing.T) {
		if r := judge(conformance.FollowPublic); r.Conclusion(false) != conformance.Inconclusive || fetched != 0 {
			t.Errorf("it %s, having fetched %d%s", r.Conclusion(false), fetched, explain(r))
		}
	})
	switchboard.sound(t, judge(conformance.FollowAny))
	if fetched == 0 {
		t.Error("with the policy any, nothing was fetched")
	}
	const single, several = "application/pkix-cert", "application/pkcs7-mime"
	message := func(all ...[]byte) []byte {
		raw, err := base64.StdEncoding.DecodeString(bundle(all...))
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	served, media = message(c.root.cert.Raw, c.issuer.cert.Raw), several
	switchboard.sound(t, judge(conformance.FollowAny))
	for _, row := range []struct {
		planted
		served []byte
		media  string
	}{
		{planted{"CERT-25 the place of another authority's certificate", nil}, c.other.cert.Raw, single},
		{planted{"CERT-25 a message without the issuer's", nil}, message(c.root.cert.Raw, c.other.cert.Raw), several},
		{planted{"CERT-25 a message of another authority's alone", nil}, message(c.other.cert.Raw), several},
		{planted{"CERT-25 a message that says that it is a certificate", nil}, message(c.issuer.cert.Raw), single},
		{planted{"CERT-25 a message of nothing that is a certificate", nil}, message(seq(integer(1))), several},
		{planted{"CERT-25 no certificate, whatever is said of it", nil}, []byte("<html>"), several},
	} {
		t.Run(row.name, func(t *testing.T) {
			served, media = row.served, row.media
			switchboard.judged(t, row.planted, judge(conformance.FollowAny))
		})
	}
	served, media = c.issuer.cert.Raw, single
	t.Run("CERT-23 a list in PEM", func(t *testing.T) {
		point.bodies["/list.crl"] = []byte("-----BEGIN X509 CRL-----")
		switchboard.judged(t, planted{"CERT-23 a list in PEM", nil}, judge(conformance.FollowAny))
	})
}
