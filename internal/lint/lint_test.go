package lint_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/lint"
)

var (
	oidKeyUsage     = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidQCStatements = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 3}
)

// authority makes a self-signed authority after spoil had its way with it.
func authority(t *testing.T, spoil func(*x509.Certificate)) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0x1234567890), Subject: pkix.Name{Country: []string{"AZ"}, Organization: []string{"Demonstration"}, CommonName: "Root"},
		NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		SubjectKeyId: []byte{1, 2, 3}, AuthorityKeyId: []byte{1, 2, 3},
	}
	spoil(template)
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key
}

func TestCertificate(t *testing.T) {
	for _, row := range []struct {
		name  string
		spoil func(*x509.Certificate)
		want  string // a lint that refuses it, "" for none
	}{
		{"good", func(*x509.Certificate) {}, ""},
		{"CERT-19 keyCertSign without cA", func(c *x509.Certificate) { c.IsCA = false }, "e_ext_key_usage_cert_sign_without_ca"},
		{"CERT-13 keyUsage that is not critical", func(c *x509.Certificate) {
			c.KeyUsage = 0
			c.ExtraExtensions = []pkix.Extension{{Id: oidKeyUsage, Value: []byte{3, 2, 1, 6}}}
		}, "w_ext_key_usage_not_critical"},
		{"CERT-44 no disclosure in English", func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: oidQCStatements, Value: statements(t, "https://pds.example/", "az")}}
		}, "e_qcstatem_qcpds_valid"},
		{"CERT-44 disclosure as it should be", func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: oidQCStatements, Value: statements(t, "https://pds.example/", "en")}}
		}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			certificate, _ := authority(t, row.spoil)
			check(t, lint.Certificate(certificate), row.want)
		})
	}
}

// statements makes a QcCompliance and a QcPDS statement.
func statements(t *testing.T, url, language string) []byte {
	t.Helper()
	type location struct {
		URL      string `asn1:"ia5"`
		Language string `asn1:"printable"`
	}
	type statement struct {
		ID   asn1.ObjectIdentifier
		Info []location `asn1:"optional,omitempty"`
	}
	raw, err := asn1.Marshal([]statement{
		{ID: asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 1}},
		{ID: asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 5}, Info: []location{{url, language}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func check(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("got %v, want nothing", err)
		}
		return
	}
	refused, ok := errors.AsType[*lint.Error](err)
	if !ok || !slices.Contains(refused.Lints, want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestCRL(t *testing.T) {
	issuer, key := authority(t, func(*x509.Certificate) {})
	make := func(t *testing.T, entries ...x509.RevocationListEntry) *x509.RevocationList {
		t.Helper()
		raw, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
			Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(25 * time.Hour), RevokedCertificateEntries: entries,
		}, issuer, key)
		if err != nil {
			t.Fatal(err)
		}
		list, err := x509.ParseRevocationList(raw)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	t.Run("CRL-14 an empty list", func(t *testing.T) { check(t, lint.CRL(make(t)), "") })
	t.Run("CRL-17 revoked and held", func(t *testing.T) {
		check(t, lint.CRL(make(t,
			x509.RevocationListEntry{SerialNumber: big.NewInt(5), RevocationTime: time.Now(), ReasonCode: 1},
			x509.RevocationListEntry{SerialNumber: big.NewInt(6), RevocationTime: time.Now(), ReasonCode: 6})), "")
	})
	t.Run("CRL-08 no nextUpdate", func(t *testing.T) {
		spoiled, err := x509.ParseRevocationList(withoutNextUpdate(t, make(t)))
		if err != nil {
			t.Fatal(err)
		}
		check(t, lint.CRL(spoiled), "e_crl_has_next_update")
	})
}

// withoutNextUpdate re-encodes the list with its second time left out. The
// signature no longer fits, which lints do not look at.
func withoutNextUpdate(t *testing.T, list *x509.RevocationList) []byte {
	t.Helper()
	var outer, fields []asn1.RawValue
	if _, err := asn1.Unmarshal(list.Raw, &outer); err != nil {
		t.Fatal(err)
	}
	if _, err := asn1.Unmarshal(list.RawTBSRevocationList, &fields); err != nil {
		t.Fatal(err)
	}
	last := 0
	for i, f := range fields {
		if f.Class == asn1.ClassUniversal && f.Tag == asn1.TagUTCTime {
			last = i
		}
	}
	toBeSigned, err := asn1.Marshal(slices.Delete(fields, last, last+1))
	if err != nil {
		t.Fatal(err)
	}
	outer[0] = asn1.RawValue{FullBytes: toBeSigned}
	raw, err := asn1.Marshal(outer)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
