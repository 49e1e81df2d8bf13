package ca_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/altamga/altamga/ca"
)

func TestRSAIssuer(t *testing.T) {
	centre := newCentre(t, p256)
	root := centre.selfSigned(t, ca.Issuer{ID: "rsa", Key: rsa3072(), Profiles: []string{"suite-root"}}, "suite-root", "RSA root")
	t.Run("CERT-29 RSA parameters are NULL", func(t *testing.T) {
		if got := hexOf(root.Certificate.Raw); strings.Count(got, "06092a864886f70d01010b0500") != 2 || !strings.Contains(got, "06092a864886f70d0101010500") {
			t.Error("they are not")
		}
	})
	t.Run("CERT-47 an RSA key of 3072 bits is certified", func(t *testing.T) {
		// Elsewhere, since here the key is an authority's.
		issue(t, newCentre(t, p256).Authority, ca.Request{Issuer: "ehm", Profile: "citizen-authentication", CSR: newCSR(t, rsa3072()), Subject: citizen()})
	})
}

// badSigner signs something else than it is asked to.
type badSigner struct{ crypto.Signer }

func (s badSigner) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	other := bytes.Clone(digest)
	other[0] ^= 1
	return s.Signer.Sign(rand.Reader, other, opts)
}

func TestIssueOnce(t *testing.T) {
	centre := newCentre(t, p256)
	prepare := func() *ca.Prepared {
		t.Helper()
		p, err := centre.Prepare(t.Context(), ca.Request{Issuer: "ehm", Profile: "citizen-authentication", CSR: newCSR(t, p256()), Subject: citizen()})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	t.Run("a token is redeemed once", func(t *testing.T) {
		p := prepare()
		if _, err := centre.Issue(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if _, err := centre.Issue(t.Context(), p); !errors.Is(err, ca.ErrSpent) {
			t.Errorf("got %v, want ErrSpent", err)
		}
	})
	t.Run("by the authority that gave it", func(t *testing.T) {
		if _, err := newCentre(t, p256).Issue(t.Context(), prepare()); err == nil {
			t.Error("another one issued it")
		}
	})
	t.Run("G1 the intent is durable before the key signs", func(t *testing.T) {
		p := prepare()
		record, err := centre.register.Record(t.Context(), p.Serial())
		if err != nil || record.Certificate != nil || len(record.ToBeSigned) == 0 {
			t.Errorf("record %v, %v", record, err)
		}
		issued, err := centre.Issue(t.Context(), p)
		if err != nil || !bytes.Equal(parsed(t, issued).Certificate.RawTBSCertificate, record.ToBeSigned) {
			t.Errorf("the certificate is not the intent: %v", err)
		}
	})
	t.Run("G1 without a register nothing is prepared", func(t *testing.T) {
		centre.register.breakMethod("Reserve", errors.New("disk full"))
		defer centre.register.breakMethod("Reserve", nil)
		if _, err := centre.Prepare(t.Context(), ca.Request{Issuer: "ehm", Profile: "citizen-authentication", CSR: newCSR(t, p256()), Subject: citizen()}); err == nil {
			t.Error("it was")
		}
	})
	t.Run("G5 without an audit log nothing is signed", func(t *testing.T) {
		p := prepare()
		centre.audit.err = errors.New("disk full")
		defer func() { centre.audit.err = nil }()
		_, err := centre.Issue(t.Context(), p)
		if _, ok := errors.AsType[*ca.AuditError](err); !ok {
			t.Errorf("got %v", err)
		}
		if record, _ := centre.register.Record(t.Context(), p.Serial()); record.Certificate != nil {
			t.Error("it was issued")
		}
	})
	t.Run("G3 what a lint refuses is not signed", func(t *testing.T) {
		config := centre.config
		config.Lint = func(*x509.Certificate) error { return errors.New("no") }
		authority, err := ca.New(config)
		if err != nil {
			t.Fatal(err)
		}
		before := len(centre.register.records)
		_, err = authority.Prepare(t.Context(), ca.Request{Issuer: "ehm", Profile: "citizen-authentication", CSR: newCSR(t, p256()), Subject: citizen()})
		if refused, ok := errors.AsType[*ca.RefusedError](err); !ok || refused.Code != ca.CodeLint || len(centre.register.records) != before {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a wrong signature is not given out", func(t *testing.T) {
		config := centre.config
		config.Issuers = slices.Clone(config.Issuers)
		config.Issuers[2].Key = badSigner{config.Issuers[2].Key}
		authority, err := ca.New(config)
		if err != nil {
			t.Fatal(err)
		}
		p, err := authority.Prepare(t.Context(), ca.Request{Issuer: "ehm", Profile: "citizen-authentication", CSR: newCSR(t, p256()), Subject: citizen()})
		if err != nil {
			t.Fatal(err)
		}
		_, err = authority.Issue(t.Context(), p)
		if _, ok := errors.AsType[*ca.SigningError](err); !ok {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a self-signed certificate is issued once", func(t *testing.T) {
		issuer := ca.Issuer{ID: "once", Key: p256(), Profiles: []string{"suite-root"}}
		centre.selfSigned(t, issuer, "suite-root", "Once")
		config := centre.config
		config.Issuers = []ca.Issuer{issuer}
		authority, err := ca.New(config)
		if err != nil {
			t.Fatal(err)
		}
		_, err = authority.Prepare(t.Context(), ca.Request{Issuer: "once", Profile: "suite-root", Subject: map[string]string{"O": "o", "CN": "Once"}})
		if refused, ok := errors.AsType[*ca.RefusedError](err); !ok || refused.Code != ca.CodeKeyInUse {
			t.Errorf("got %v", err)
		}
	})
	t.Run("G8 audit lines hold neither name nor FİN", func(t *testing.T) {
		if text := centre.audit.text(); strings.Contains(strings.ToUpper(text), "1ABC2D3") || strings.Contains(text, "Məmmədzadə") {
			t.Error("they do")
		}
	})
	centre.register.check(t)
}
