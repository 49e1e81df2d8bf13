package ca_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/lint"
)

// centre is a small national hierarchy: root, policy, ehm, and the suite's own
// TLS root.
type centre struct {
	*ca.Authority
	config   ca.Config
	register *memory
	audit    *auditLog
}

// auditLog keeps audit lines as text, and fails when told to.
type auditLog struct {
	mu    sync.Mutex
	lines []string
	err   error
}

func (l *auditLog) write(_ context.Context, action string, attrs ...slog.Attr) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	l.lines = append(l.lines, fmt.Sprint(action, " ", attrs))
	return nil
}

func (l *auditLog) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

const organisation = "Altamqa nümayiş mərkəzi"

// newCentre builds the hierarchy; each issuer's key comes from newKey.
func newCentre(t testing.TB, newKey func() crypto.Signer) *centre {
	t.Helper()
	profiles, err := ca.BuiltinProfiles()
	if err != nil {
		t.Fatal(err)
	}
	c := &centre{register: newMemory(), audit: &auditLog{}}
	c.config = ca.Config{Profiles: profiles, Register: c.register, Lint: lint.Certificate, Audit: c.audit.write}
	root := c.selfSigned(t, ca.Issuer{ID: "root", Key: newKey(), Profiles: []string{"root"}}, "root", "Kök sertifikat (nümayiş)")
	root.Profiles = []string{"policy"}
	root.CRL, root.OCSP, root.CAIssuers = "http://127.0.0.1:8444/root.crl", "http://127.0.0.1:8442/", "http://127.0.0.1:8444/root.cer"
	suite := c.selfSigned(t, ca.Issuer{ID: "suite", Key: newKey(), Profiles: []string{"suite-root"}}, "suite-root", "Suite TLS root")
	suite.Profiles = []string{"suite-server", "suite-client"}
	policy := c.below(t, root, ca.Issuer{ID: "policy", Key: newKey(), Profiles: []string{"issuing"},
		CRL: "http://127.0.0.1:8444/policy.crl", OCSP: "http://127.0.0.1:8442/", CAIssuers: "http://127.0.0.1:8444/policy.cer"}, "policy", "Siyasət mərkəzi")
	ehm := c.below(t, policy, ca.Issuer{ID: "ehm", Key: newKey(),
		Profiles: []string{"citizen-signature", "citizen-authentication", "ocsp-signer", "tsa-signer"},
		CRL:      "http://127.0.0.1:8444/ehm.crl", OCSP: "http://127.0.0.1:8442/", CAIssuers: "http://127.0.0.1:8444/ehm.cer"}, "issuing", "Elektron Hökumət Mərkəzi")
	c.config.Issuers = []ca.Issuer{root, policy, ehm, suite}
	c.reopen(t)
	return c
}

func (c *centre) reopen(t testing.TB) {
	t.Helper()
	var err error
	if c.Authority, err = ca.New(c.config); err != nil {
		t.Fatal(err)
	}
}

func (c *centre) selfSigned(t testing.TB, issuer ca.Issuer, profile, name string) ca.Issuer {
	t.Helper()
	subject := map[string]string{"O": organisation, "CN": name}
	issuer.Certificate = c.once(t, []ca.Issuer{issuer}, ca.Request{Issuer: issuer.ID, Profile: profile, Subject: subject}).Certificate
	return issuer
}

func (c *centre) below(t testing.TB, parent, issuer ca.Issuer, profile, name string) ca.Issuer {
	t.Helper()
	issued := c.once(t, []ca.Issuer{parent}, ca.Request{Issuer: parent.ID, Profile: profile, PublicKey: issuer.Key.Public(),
		Subject: map[string]string{"O": organisation, "CN": name}})
	issuer.Certificate = issued.Certificate
	issuer.Chain = append([]*x509.Certificate{parent.Certificate}, parent.Chain...)
	return issuer
}

// once issues one certificate from an authority with just these issuers.
func (c *centre) once(t testing.TB, issuers []ca.Issuer, request ca.Request) *ca.Issued {
	t.Helper()
	config := c.config
	config.Issuers = issuers
	authority, err := ca.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return issue(t, authority, request)
}

func issue(t testing.TB, authority *ca.Authority, request ca.Request) *ca.Issued {
	t.Helper()
	prepared, err := authority.Prepare(t.Context(), request)
	if err != nil {
		t.Fatalf("Prepare: %v", err)
	}
	issued, err := authority.Issue(t.Context(), prepared)
	if err != nil {
		t.Fatalf("Issue: %v", err)
	}
	return issued
}

func p256() crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

func p384() crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

func ed() crypto.Signer {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// rsa3072 makes one RSA key for all tests, since making one takes long.
var rsa3072 = sync.OnceValue(func() crypto.Signer {
	key, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		panic(err)
	}
	return key
})

// newCSR makes a DER request of key, with the given extensions.
func newCSR(t testing.TB, key crypto.Signer, extensions ...pkix.Extension) []byte {
	t.Helper()
	return csrOf(t, key, x509.CertificateRequest{ExtraExtensions: extensions})
}

func csrOf(t testing.TB, key crypto.Signer, template x509.CertificateRequest) []byte {
	t.Helper()
	raw, err := x509.CreateCertificateRequest(rand.Reader, &template, key)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// citizen is a demonstration person with every letter that Azerbaijani has
// beyond ASCII.
func citizen() map[string]string {
	return map[string]string{"givenName": "Gülşən İlkinə", "surname": "Məmmədzadə-Çıraqlı Öğuz", "fin": "1abc2d3"}
}

// samples asks for one certificate of each end-entity profile.
func samples(t testing.TB, newKey func() crypto.Signer) map[string]ca.Request {
	server := map[string]string{"O": organisation, "CN": "Demonstration server"}
	legal := map[string]string{"O": organisation, "CN": "Demonstration unit", "voen": "1400057421"}
	return map[string]ca.Request{
		"citizen-signature":      {Issuer: "ehm", Profile: "citizen-signature", CSR: newCSR(t, newKey()), Subject: citizen(), Set: "set-1", Actor: "ra"},
		"citizen-authentication": {Issuer: "ehm", Profile: "citizen-authentication", CSR: newCSR(t, newKey()), Subject: citizen(), Set: "set-1", Actor: "ra"},
		"ocsp-signer":            {Issuer: "ehm", Profile: "ocsp-signer", PublicKey: newKey().Public(), Subject: legal},
		"tsa-signer":             {Issuer: "ehm", Profile: "tsa-signer", PublicKey: newKey().Public(), Subject: legal},
		"suite-server": {Issuer: "suite", Profile: "suite-server", PublicKey: newKey().Public(), Subject: server,
			DNSNames: []string{"localhost"}, IPAddresses: []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")}},
		"suite-client": {Issuer: "suite", Profile: "suite-client", PublicKey: newKey().Public(), Subject: map[string]string{"O": organisation, "CN": "ra"}},
	}
}
