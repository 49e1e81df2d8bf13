package tsa_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/altamga/altamga/tsa"
)

// Object identifiers of the tests.
var (
	policy        = asn1.ObjectIdentifier{2, 999, 3161, 1}
	otherPolicy   = asn1.ObjectIdentifier{2, 999, 3161, 2}
	foreignPolicy = asn1.ObjectIdentifier{2, 999, 3161, 99}

	oidSHA1   = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	oidMD5    = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 5}
	oidSHA256 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidSHA384 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}
	oidSHA512 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}

	oidEKU            = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidPrivateKeyUse  = asn1.ObjectIdentifier{2, 5, 29, 16}
	oidTimeStamping   = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 8}
	oidCodeSigning    = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 3}
	oidAnyKeyPurpose  = asn1.ObjectIdentifier{2, 5, 29, 37, 0}
	oidUnknownPurpose = asn1.ObjectIdentifier{2, 999, 37}
)

// clock is a Clock that a test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
	// within is how far UTC may be from now.
	within time.Duration
	err    error
}

func (c *clock) Now() (time.Time, time.Duration, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now, c.within, c.err
}

func (c *clock) set(now time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now, c.err = now, err
}

// noon is when the tests' clock begins: a moment within every certificate here.
var noon = time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)

// hierarchy is a root, an intermediate and an authority's certificate and key.
type hierarchy struct {
	root, intermediate, certificate *x509.Certificate
	intermediateKey, key            crypto.Signer
}

// profile changes the authority's certificate before it is signed.
type profile func(*x509.Certificate)

func newHierarchy(t testing.TB, key crypto.Signer, profiles ...profile) *hierarchy {
	t.Helper()
	h := &hierarchy{key: key}
	rootKey := newKey(t, elliptic.P256())
	h.intermediateKey = newKey(t, elliptic.P256())
	ca := func(serial int64, cn string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{Country: []string{"AZ"}, CommonName: cn},
			NotBefore: noon.AddDate(-5, 0, 0), NotAfter: noon.AddDate(10, 0, 0),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		}
	}
	h.root = certify(t, ca(1, "Test Root"), nil, rootKey.Public(), rootKey)
	h.intermediate = certify(t, ca(2, "Test Issuer"), h.root, h.intermediateKey.Public(), rootKey)
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(bytes.Repeat([]byte{0x81}, 16)),
		Subject:      pkix.Name{Country: []string{"AZ"}, CommonName: "Test TSA, Möhür Əsası"},
		NotBefore:    noon.AddDate(-1, 0, 0), NotAfter: noon.AddDate(5, 0, 0),
		KeyUsage:        x509.KeyUsageDigitalSignature,
		ExtraExtensions: []pkix.Extension{extKeyUsage(t, true, oidTimeStamping)},
	}
	for _, p := range profiles {
		p(template)
	}
	h.certificate = certify(t, template, h.intermediate, key.Public(), h.intermediateKey)
	return h
}

func extKeyUsage(t testing.TB, critical bool, purposes ...asn1.ObjectIdentifier) pkix.Extension {
	t.Helper()
	value, err := asn1.Marshal(purposes)
	if err != nil {
		t.Fatal(err)
	}
	return pkix.Extension{Id: oidEKU, Critical: critical, Value: value}
}

func certify(t testing.TB, template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	t.Helper()
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newKey(t testing.TB, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newRSAKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// config returns a working configuration of the hierarchy, with a clock that
// stands at noon.
func (h *hierarchy) config() (tsa.Config, *clock) {
	c := &clock{now: noon}
	return tsa.Config{
		Units:    []tsa.Unit{{Certificate: h.certificate, Chain: []*x509.Certificate{h.intermediate}, Key: h.key}},
		Policies: []tsa.Policy{{ID: policy}, {ID: otherPolicy}},
		Clock:    c,
	}, c
}

// newAuthority returns an authority of a fresh P-256 hierarchy, changed by
// change when it is not nil.
func newAuthority(t testing.TB, change func(*tsa.Config)) (*tsa.Authority, *hierarchy, *clock) {
	t.Helper()
	h := newHierarchy(t, newKey(t, elliptic.P256()))
	config, c := h.config()
	if change != nil {
		change(&config)
	}
	a, err := tsa.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return a, h, c
}

// query returns a request for the SHA-256 imprint of a few words.
func query() *tsa.Request {
	sum := sha256.Sum256([]byte("vermilion seal"))
	return &tsa.Request{Imprint: tsa.Imprint{HashAlgorithm: oidSHA256, HashedMessage: sum[:]}}
}

func marshal(t testing.TB, r *tsa.Request) []byte {
	t.Helper()
	der, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// stamp sends r through the authority's encoded interface and returns the
// token of the answer, verified.
func stamp(t testing.TB, a *tsa.Authority, h *hierarchy, r *tsa.Request) *tsa.Token {
	t.Helper()
	token, err := tsa.ParseResponse(a.Respond(t.Context(), marshal(t, r)))
	if err != nil {
		t.Fatalf("the answer is %v, want a token", err)
	}
	if err := token.Verify(h.certificate); err != nil {
		t.Fatal(err)
	}
	return token
}

// refused sends an encoded query and returns the failure of the refusal.
func refused(t testing.TB, a *tsa.Authority, query []byte) tsa.Failure {
	t.Helper()
	token, err := tsa.ParseResponse(a.Respond(context.Background(), query))
	if token != nil {
		t.Fatal("the answer holds a token, want a refusal")
	}
	r, ok := errors.AsType[*tsa.Rejection](err)
	if !ok {
		t.Fatalf("the answer is %v, want a refusal", err)
	}
	if r.Text == "" {
		t.Error("the refusal has no text")
	}
	return r.Failure
}

// want fails the test unless got is the failure wanted.
func want(t testing.TB, got, want tsa.Failure) {
	t.Helper()
	if got != want {
		t.Errorf("failInfo is %v, want %v", got, want)
	}
}
