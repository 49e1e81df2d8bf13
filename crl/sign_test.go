package crl_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/altamga/altamga/crl"
)

// counting counts signatures and may spoil them.
type counting struct {
	crypto.Signer
	n     atomic.Int64
	spoil bool
}

func (c *counting) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	c.n.Add(1)
	signature, err := c.Signer.Sign(random, digest, opts)
	if c.spoil && err == nil {
		signature[len(signature)-1] ^= 1
	}
	return signature, err
}

func TestSigning(t *testing.T) {
	broken := errors.New("it is broken")
	for _, test := range []struct {
		name, want, reason string
		signatures         int64
		change             func(*centre)
	}{
		{"lint rejects: the key is not used", "broken", "lint", 0, func(c *centre) { c.Lint = func(*x509.RevocationList) error { return broken } }},
		{"audit fails: the key is not used", "broken", "audit", 0, func(c *centre) {
			c.Audit = func(context.Context, string, ...slog.Attr) error { return broken }
		}},
		{"source fails", "broken", "source", 0, func(c *centre) { c.err = broken }},
		{"source from the future", "ahead", "source", 0, func(c *centre) { c.at = time.Now().Add(time.Hour) }},
		{"source from the past", "behind", "source", 0, func(c *centre) { c.at = time.Now().Add(-2 * time.Minute) }},
		{"the authority's certificate is not valid yet", "not valid", "source", 0, func(c *centre) { c.at = time.Now().Add(-2 * time.Hour) }},
		{"a wrong signature is not published", "verifying own signature", "sign", 1, func(c *centre) { c.key.(*counting).spoil = true }},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCentre(t, &counting{Signer: p256(t)})
			var reason string
			c.Observe = func(r string, _ time.Duration) { reason = r }
			test.change(c)
			p := c.publisher(t)
			err := p.Publish(t.Context(), "ehm")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one about %q", err, test.want)
			}
			if reason != test.reason {
				t.Errorf("counted as %q, want %q", reason, test.reason)
			}
			if got := c.key.(*counting).n.Load(); got != test.signatures {
				t.Errorf("%d signatures, want %d", got, test.signatures)
			}
			if _, published := p.Current("ehm"); published {
				t.Error("a list was published")
			}
			if err := p.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("ready says %v", err)
			}
			if files, _ := filepath.Glob(filepath.Join(c.Dir, "*")); len(files) != 0 {
				t.Errorf("the folder holds %v", files)
			}
		})
	}
	t.Run("lint sees the list before the key and another signature", func(t *testing.T) {
		c := newCentre(t, &counting{Signer: p256(t)})
		var linted *x509.RevocationList
		var audited string
		c.Lint = func(list *x509.RevocationList) error { linted = list; return nil }
		c.Audit = func(_ context.Context, action string, attrs ...slog.Attr) error {
			if linted == nil || c.key.(*counting).n.Load() != 0 {
				t.Error("the audit line does not stand between lint and signature")
			}
			audited = action
			return nil
		}
		list := c.publish(t, c.publisher(t))
		if audited != "crl.sign" {
			t.Errorf("audited %q", audited)
		}
		if string(linted.RawTBSRevocationList) != string(list.RawTBSRevocationList) {
			t.Error("other octets were signed than linted")
		}
		if linted.CheckSignatureFrom(c.ca) == nil {
			t.Error("the linted list was signed by the real key")
		}
	})
	t.Run("CRL-07 an issuer without cRLSign is refused", func(t *testing.T) {
		c := newCentre(t, p256(t))
		c.Issuers[0].Certificate = authority(t, "no cRLSign", c.key, x509.KeyUsageCertSign)
		if _, err := crl.New(c.Config); err == nil || !strings.Contains(err.Error(), "cRLSign") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("CRL-07 a list of an issuer without cRLSign does not verify", func(t *testing.T) {
		c := newCentre(t, p256(t))
		c.publish(t, c.publisher(t))
		other := *c.ca
		other.KeyUsage = x509.KeyUsageCertSign
		_, err := crl.Load(bytes.NewReader(readFile(t, filepath.Join(c.Dir, "ehm.crl"))), &other)
		if err == nil || !strings.Contains(err.Error(), "cRLSign") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("signatures are deterministic", func(t *testing.T) {
		c := newCentre(t, p256(t))
		c.at = time.Now()
		p := c.publisher(t)
		first := c.publish(t, p)
		other := *c
		other.Dir = t.TempDir()
		c.register.journal, c.register.last = nil, 0
		second := other.publish(t, other.publisher(t))
		if string(first.Raw) != string(second.Raw) {
			t.Error("two signatures of one list differ")
		}
	})
}

func TestOpenSSL(t *testing.T) {
	for name, key := range keysOf(t) {
		t.Run(name, func(t *testing.T) {
			c := newCentre(t, key)
			leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			leaf := func(serial int64) string {
				template := &x509.Certificate{
					SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
					Subject: c.ca.Subject, KeyUsage: x509.KeyUsageDigitalSignature,
				}
				template.Subject.CommonName = "Nümunə"
				return writePEM(t, "leaf.pem", "CERTIFICATE", certificate(t, template, c.ca, leafKey.Public(), key).Raw)
			}
			good, revoked, held := leaf(0x2001), leaf(0x2002), leaf(0x2003)
			c.put(entry(0x2002, 1, time.Now().Add(-24*time.Hour)))
			c.put(entry(0x2003, 6))
			p := c.publisher(t)
			c.publish(t, p)
			der, ca := filepath.Join(c.Dir, "ehm.crl"), writePEM(t, "ca.pem", "CERTIFICATE", c.ca.Raw)

			t.Run("CRL-06 openssl verifies the signature", func(t *testing.T) {
				if out, ok := openssl(t, "crl", "-inform", "der", "-in", der, "-CAfile", ca, "-noout"); !ok || !strings.Contains(out, "verify OK") {
					t.Error(out)
				}
			})
			t.Run("CRL-12 openssl reads the number", func(t *testing.T) {
				if out, _ := openssl(t, "crl", "-inform", "der", "-in", der, "-noout", "-crlnumber"); strings.TrimSpace(out) != "crlNumber=0x03" {
					t.Error(out)
				}
			})
			t.Run("CRL-17 openssl reads reasons and dates", func(t *testing.T) {
				out, _ := openssl(t, "crl", "-inform", "der", "-in", der, "-noout", "-text")
				for _, want := range []string{"Key Compromise", "Certificate Hold", "Invalidity Date", "Version 2"} {
					if !strings.Contains(out, want) {
						t.Errorf("no %q in\n%s", want, out)
					}
				}
			})
			t.Run("CRL-19 revoked and held are on the list, good is not", func(t *testing.T) {
				list, _ := openssl(t, "crl", "-inform", "der", "-in", der)
				crlPEM := filepath.Join(t.TempDir(), "crl.pem")
				if out, ok := openssl(t, "crl", "-inform", "der", "-in", der, "-out", crlPEM); !ok {
					t.Fatal(out, list)
				}
				verify := func(leaf string) string {
					out, _ := openssl(t, "verify", "-x509_strict", "-crl_check", "-CAfile", ca, "-CRLfile", crlPEM, leaf)
					return out
				}
				if out := verify(good); !strings.Contains(out, ": OK") {
					t.Errorf("good: %s", out)
				}
				for _, leaf := range []string{revoked, held} {
					if out := verify(leaf); !strings.Contains(out, "certificate revoked") {
						t.Errorf("revoked or held: %s", out)
					}
				}
			})
			t.Run("CRL-19 a released certificate leaves the list", func(t *testing.T) {
				c.take(0x2003)
				if list := c.publish(t, p); len(list.RevokedCertificateEntries) != 1 {
					t.Errorf("%d entries, want 1", len(list.RevokedCertificateEntries))
				}
			})
		})
	}
}
