package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/altamga/altamga/ocsp"
)

// FuzzListIntake shows a responder, which has taken over one revocation list of
// an issuer, octets in the place of the next one. Nothing but what the issuer
// signed, as the standard library sees it, is taken over, and whatever else comes
// leaves what was known as it was.
func FuzzListIntake(f *testing.F) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Demonstration issuer"}, NotBefore: day(1), NotAfter: day(1).AddDate(100, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		f.Fatal(err)
	}
	issuer, err := x509.ParseCertificate(raw)
	if err != nil {
		f.Fatal(err)
	}
	numbered := func(n int64, revoked ...int64) []byte {
		list := &x509.RevocationList{Number: big.NewInt(n), ThisUpdate: day(int(n)), NextUpdate: day(1).AddDate(90, 0, 0)}
		for _, serial := range revoked {
			list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: big.NewInt(serial), RevocationTime: day(1), ReasonCode: int(n)})
		}
		der, err := x509.CreateRevocationList(rand.Reader, list, issuer, key)
		if err != nil {
			f.Fatal(err)
		}
		return der
	}
	first := numbered(2, 7)
	for _, seed := range [][]byte{first, numbered(1), numbered(3, 7, 8), numbered(4), first[:len(first)/2], append(bytes.Clone(first), 0), {0x30, 0x80}, nil} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		list, err := ocsp.NewList("old", issuer, readRevocationList)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := list.Take(bytes.NewReader(first)); err != nil {
			t.Fatal(err)
		}
		before, _ := list.Head()
		_, news, err := list.Take(bytes.NewReader(der))
		after, ok := list.Head()
		if err == nil && news {
			read, err := x509.ParseRevocationList(der)
			if err != nil || read.CheckSignatureFrom(issuer) != nil || read.Number.Cmp(after.Number) != 0 || after.Number.Cmp(before.Number) < 0 {
				t.Errorf("taken over: %+v after %+v, %v", after, before, err)
			}
			return
		}
		if !ok || after.Number.Cmp(before.Number) != 0 || !after.ThisUpdate.Equal(before.ThisUpdate) {
			t.Errorf("not taken over (%v), and yet %+v became %+v", err, before, after)
		}
		if s, err := list.Status(t.Context(), "old", big.NewInt(7)); err != nil || s.State != ocsp.Revoked || s.Reason != 2 {
			t.Errorf("what was revoked is %+v, %v", s, err)
		}
	})
}
