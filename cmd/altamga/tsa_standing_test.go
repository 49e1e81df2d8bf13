package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// TestAskStanding holds the word of a unit's standing to those who may give it.
func TestAskStanding(t *testing.T) {
	now := time.Now()
	made := int64(0)
	certify := func(change func(*x509.Certificate), parent *x509.Certificate, by crypto.Signer) (*x509.Certificate, crypto.Signer) {
		t.Helper()
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		made++
		template := &x509.Certificate{SerialNumber: big.NewInt(made), Subject: pkix.Name{CommonName: "A test"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
		change(template)
		if parent == nil {
			parent, by = template, key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return c, key
	}
	responder := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning} }
	issuer, issuerKey := certify(func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }, nil, nil)
	unit, unitKey := certify(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping} }, issuer, issuerKey)
	delegate, delegateKey := certify(responder, issuer, issuerKey)
	former, formerKey := certify(func(c *x509.Certificate) { responder(c); c.NotAfter = now.Add(-time.Minute) }, issuer, issuerKey)
	for name, row := range map[string]struct {
		status     int
		signer     *x509.Certificate // nil for the issuer
		key        crypto.Signer
		this, next time.Time
		good       bool
		says       string // "" when the answer counts
	}{
		"good, by the issuer":       {key: issuerKey, next: now.Add(time.Hour), good: true},
		"good, by a responder":      {signer: delegate, key: delegateKey, next: now.Add(time.Hour), good: true},
		"held or revoked":           {status: ocsp.Revoked, signer: delegate, key: delegateKey, next: now.Add(time.Hour)},
		"unknown":                   {status: ocsp.Unknown, signer: delegate, key: delegateKey, next: now.Add(time.Hour), says: "does not know"},
		"always newer":              {signer: delegate, key: delegateKey, good: true},
		"always newer, and old":     {signer: delegate, key: delegateKey, this: now.Add(-2 * time.Hour), says: "not of now"},
		"over":                      {signer: delegate, key: delegateKey, this: now.Add(-2 * time.Hour), next: now.Add(-time.Minute), says: "not of now"},
		"good, says the unit's key": {signer: unit, key: unitKey, next: now.Add(time.Hour), says: "no responder's"},
		"by a former responder":     {signer: former, key: formerKey, next: now.Add(time.Hour), says: "is valid from"},
	} {
		t.Run(name, func(t *testing.T) {
			if row.this.IsZero() {
				row.this = now
			}
			by := row.signer
			if by == nil {
				by = issuer
			}
			answer, err := ocsp.CreateResponse(issuer, by, ocsp.Response{Status: row.status, SerialNumber: unit.SerialNumber, ThisUpdate: row.this, NextUpdate: row.next,
				RevokedAt: row.this, Certificate: row.signer}, row.key)
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(answer) }))
			defer server.Close()
			good, err := askStanding(t.Context(), server.Client(), server.URL, unit, issuer)
			switch {
			case row.says == "" && (err != nil || good != row.good):
				t.Errorf("got %v, %v", good, err)
			case row.says != "" && (err == nil || !strings.Contains(err.Error(), row.says)):
				t.Errorf("got %v, %v, want an error that says %q", good, err, row.says)
			}
		})
	}
}
