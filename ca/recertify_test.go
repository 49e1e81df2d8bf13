package ca_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/ca"
)

// successor makes the root's next key and its self-signed certificate, under
// the old name.
func (c *centre) successor(t *testing.T, key crypto.Signer) ca.Issuer {
	t.Helper()
	next := c.selfSigned(t, ca.Issuer{ID: "root-2", Key: key, Profiles: []string{"root"}}, "root", "Kök sertifikat (nümayiş)")
	next.Profiles = []string{"policy", "link"}
	return next
}

func TestLinkCertificates(t *testing.T) {
	c := newCentre(t, p256)
	old, next := c.config.Issuers[0], c.successor(t, p256())
	old.Profiles = append(old.Profiles, "link")
	c.config.Issuers = []ca.Issuer{old, next, c.config.Issuers[1]}
	c.reopen(t)

	t.Run("CERT rollover: links carry verification from either key to the other", func(t *testing.T) {
		newWithOld := issue(t, c.Authority, ca.Request{Issuer: "root", Profile: "link", Authority: next.Certificate}).Certificate
		oldWithNew := issue(t, c.Authority, ca.Request{Issuer: "root-2", Profile: "link", Authority: old.Certificate}).Certificate
		for _, link := range []struct{ got, of, by *x509.Certificate }{{newWithOld, next.Certificate, old.Certificate}, {oldWithNew, old.Certificate, next.Certificate}} {
			if !bytes.Equal(link.got.RawSubject, link.of.RawSubject) || !bytes.Equal(link.got.RawSubjectPublicKeyInfo, link.of.RawSubjectPublicKeyInfo) ||
				!bytes.Equal(link.got.SubjectKeyId, link.of.SubjectKeyId) || !bytes.Equal(link.got.AuthorityKeyId, link.by.SubjectKeyId) {
				t.Errorf("the link of %x does not say what its certificate does", link.of.SubjectKeyId)
			}
			if err := link.got.CheckSignatureFrom(link.by); err != nil {
				t.Error(err)
			}
			if link.got.NotAfter.After(link.of.NotAfter) || link.got.NotAfter.After(link.by.NotAfter) || !link.got.NotBefore.Equal(link.of.NotBefore) {
				t.Errorf("valid from %v to %v", link.got.NotBefore, link.got.NotAfter)
			}
		}
		dir := t.TempDir()
		writePEM(t, dir, "old.pem", old.Certificate)
		writePEM(t, dir, "new.pem", next.Certificate)
		writePEM(t, dir, "old-with-new.pem", oldWithNew)
		writePEM(t, dir, "policy.pem", c.config.Issuers[2].Certificate)
		if output, err := openssl(t, dir, "verify", "-x509_strict", "-CAfile", "new.pem", "-untrusted", "old-with-new.pem", "policy.pem"); err != nil {
			t.Error(output)
		}
		if output, err := openssl(t, dir, "verify", "-x509_strict", "-CAfile", "new.pem", "policy.pem"); err == nil {
			t.Errorf("verifies without the link: %s", output)
		}
	})
}

func TestRefusedRecertifications(t *testing.T) {
	c := newCentre(t, p256)
	old, next := c.config.Issuers[0], c.successor(t, p256())
	old.Profiles = append(old.Profiles, "link")
	foreign := newCentre(t, p384).config.Issuers
	other := c.selfSigned(t, ca.Issuer{ID: "foreign", Key: p256(), Profiles: []string{"root"}}, "root", "Başqa kök (nümayiş)")
	c.config.Issuers = []ca.Issuer{old, next}
	c.reopen(t)
	forged := *next.Certificate
	forged.Signature = append([]byte{}, forged.Signature...)
	forged.Signature[8] ^= 1
	for name, row := range map[string]struct {
		request ca.Request
		want    string
	}{
		"no certificate":          {ca.Request{Profile: "link"}, "authority is missing"},
		"not where it belongs":    {ca.Request{Profile: "policy", Authority: next.Certificate, PublicKey: p256().Public(), Subject: map[string]string{"O": "O", "CN": "CN"}}, "authority does not belong"},
		"link to itself":          {ca.Request{Profile: "link", Authority: old.Certificate}, "has the issuer's own key"},
		"no proof of possession":  {ca.Request{Profile: "link", Authority: &forged}, "is not self-signed"},
		"signed by another":       {ca.Request{Profile: "link", Authority: foreign[1].Certificate}, "is not self-signed"},
		"with a subject":          {ca.Request{Profile: "link", Authority: other.Certificate, Subject: map[string]string{"CN": "x"}}, "subject does not belong"},
		"with a key":              {ca.Request{Profile: "link", Authority: other.Certificate, PublicKey: p256().Public()}, "authority stands beside a public key"},
		"back-dated":              {ca.Request{Profile: "link", Authority: other.Certificate, NotBefore: time.Now().Add(-time.Hour)}, "not_before is in the past"},
		"longer than the profile": {ca.Request{Profile: "link", Authority: other.Certificate, NotAfter: time.Now().AddDate(26, 0, 0)}, "not_after is later"},
		"empty validity":          {ca.Request{Profile: "link", Authority: other.Certificate, NotBefore: time.Now().AddDate(0, 0, 2), NotAfter: time.Now().AddDate(0, 0, 1)}, "leaves no time"},
	} {
		row.request.Issuer = "root"
		if _, err := c.Prepare(t.Context(), row.request); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v, want %q", name, err, row.want)
		}
	}
	issued := issue(t, c.Authority, ca.Request{Issuer: "root", Profile: "link", Authority: other.Certificate, NotBefore: time.Now().Add(24 * time.Hour)}).Certificate
	if !bytes.Equal(issued.RawSubject, other.Certificate.RawSubject) || issued.NotAfter.After(other.Certificate.NotAfter) || time.Until(issued.NotBefore) < 23*time.Hour {
		t.Errorf("the cross-certificate is %q, from %v to %v", issued.Subject, issued.NotBefore, issued.NotAfter)
	}
}

// TestResume ends between the durable intent and the recording of the
// certificate, before and after the key has signed.
func TestResume(t *testing.T) {
	for name, signs := range map[string]bool{"before signing": false, "after signing": true} {
		t.Run(name, func(t *testing.T) {
			c := newCentre(t, p256)
			request := ca.Request{Issuer: "root", Profile: "policy", PublicKey: p256().Public(), Subject: map[string]string{"O": organisation, "CN": "Siyasət 2"}}
			prepared, err := c.Prepare(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			broken := errors.New("the power is gone")
			if signs {
				c.register.breakMethod("Complete", broken)
			} else {
				c.config.Audit = func(context.Context, string, ...slog.Attr) error { return broken }
				c.reopen(t)
				if prepared, err = c.Prepare(t.Context(), request); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := c.Issue(t.Context(), prepared); !errors.Is(err, broken) {
				t.Fatal(err)
			}
			c.register.breakMethod("Complete", nil)
			c.config.Audit = c.audit.write
			c.reopen(t)
			record, err := c.register.Record(t.Context(), prepared.Serial())
			if err != nil || record.Certificate != nil {
				t.Fatalf("%v, certificate %x", err, record.Certificate)
			}
			resumed, err := c.Resume(t.Context(), record.Intent)
			if err != nil {
				t.Fatal(err)
			}
			issued, err := c.Issue(t.Context(), resumed)
			if err != nil {
				t.Fatal(err)
			}
			linted, err := prepared.Linted()
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(parsed(t, issued).Certificate.RawTBSCertificate, linted.RawTBSCertificate) {
				t.Error("another certificate was signed")
			}
			record.Intent.Profile = "root"
			if _, err := c.Resume(t.Context(), record.Intent); err == nil {
				t.Error("resumed by a profile that the issuer does not have")
			}
		})
	}
}
