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
	"maps"
	"net/netip"
	"slices"
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

// endEntities names the profiles of the issuing centre: all but those of
// authorities and of the suite's own TLS.
func endEntities(profiles *ca.Profiles) []string {
	return slices.DeleteFunc(profiles.Names(), func(name string) bool {
		profile, _ := profiles.Lookup(name)
		return profile.CA || strings.HasPrefix(name, "suite-")
	})
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
		Profiles: endEntities(profiles),
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
func (c *centre) once(t testing.TB, issuers []ca.Issuer, request ca.Request) *issued {
	t.Helper()
	config := c.config
	config.Issuers = issuers
	authority, err := ca.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return issue(t, authority, request)
}

// issued is what was issued, parsed.
type issued struct {
	*ca.Issued
	Certificate *x509.Certificate
}

func parsed(t testing.TB, of *ca.Issued) *issued {
	t.Helper()
	certificate, err := of.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	return &issued{of, certificate}
}

func issue(t testing.TB, authority *ca.Authority, request ca.Request) *issued {
	t.Helper()
	prepared, err := authority.Prepare(t.Context(), request)
	if err != nil {
		t.Fatalf("Prepare: %v", err)
	}
	issued, err := authority.Issue(t.Context(), prepared)
	if err != nil {
		t.Fatalf("Issue: %v", err)
	}
	return parsed(t, issued)
}

func p256() crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

func p224() crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
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

func p521() crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
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

// rsa2048 makes one RSA key that is too weak to be certified.
var rsa2048 = sync.OnceValue(func() crypto.Signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
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

// with returns a copy of a subject with further values; an empty one removes.
func with(subject map[string]string, pairs ...string) map[string]string {
	subject = maps.Clone(subject)
	for i := 0; i < len(pairs); i += 2 {
		if subject[pairs[i]] = pairs[i+1]; pairs[i+1] == "" {
			delete(subject, pairs[i])
		}
	}
	return subject
}

// samples asks for one certificate of each end-entity profile.
func samples(t testing.TB, newKey func() crypto.Signer) map[string]ca.Request {
	server := map[string]string{"O": organisation, "CN": "Demonstration server"}
	legal := map[string]string{"O": organisation, "CN": "Demonstration unit", "voen": "1400057421"}
	employed := with(citizen(), "O", organisation, "voen", "1400057421", "OU", "Mühasibatlıq")
	requests := map[string]ca.Request{
		"suite-server": {Issuer: "suite", Profile: "suite-server", PublicKey: newKey().Public(), Subject: server,
			DNSNames: []string{"localhost"}, IPAddresses: []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")}},
		"suite-client": {Issuer: "suite", Profile: "suite-client", PublicKey: newKey().Public(), Subject: map[string]string{"O": organisation, "CN": "ra"}},
	}
	for profile, subject := range map[string]map[string]string{
		"citizen":               citizen(),
		"entrepreneur":          with(citizen(), "voen", "1400057422"),
		"legal-person":          employed,
		"government":            with(employed, "title", "Baş mütəxəssis"),
		"non-resident":          with(citizen(), "fin", "", "passport", "u12345678", "passport_country", "TR"),
		"virtual-pin":           with(citizen(), "fin", "", "virtual_pin", "a1b2c3d4"),
		"mobile-authentication": citizen(),
		"short-term-signature":  citizen(),
		"seal-right":            with(employed, "title", "Direktor"),
		"organisation-seal":     legal,
		"ocsp-signer":           legal,
		"ocsp-signer-offline":   legal,
		"tsa-signer":            legal,
		"trust-list-signer":     legal,
		"package-signer":        legal,
		"crl-signer":            {"O": organisation, "CN": "Siyahılar"},
	} {
		names := []string{profile}
		switch profile {
		case "citizen", "entrepreneur", "legal-person", "government", "non-resident", "virtual-pin":
			names = []string{profile + "-signature", profile + "-authentication"}
		}
		for _, name := range names {
			requests[name] = ca.Request{Issuer: "ehm", Profile: name, CSR: newCSR(t, newKey()), Subject: subject, Set: "set-1", Actor: "ra"}
		}
	}
	return requests
}
