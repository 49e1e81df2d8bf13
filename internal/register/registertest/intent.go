package registertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/journal"
)

// Issuer signs certificates for the tests of a store.
type Issuer struct {
	// Name is the register's short name of the issuer.
	Name string
	key  *ecdsa.PrivateKey
}

// NewIssuer returns an issuer with a new key.
func NewIssuer(t testing.TB, name string) *Issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &Issuer{Name: name, key: key}
}

// Certificate returns an intent with a new random serial and the certificate
// that fits it. Validity starts an hour before now; change may be nil.
func (i *Issuer) Certificate(t testing.TB, notAfter time.Time, change func(*x509.Certificate)) (journal.Intent, []byte) {
	t.Helper()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)),
		Subject:      pkix.Name{CommonName: "Sınaq Şəxs"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     notAfter,
	}
	if change != nil {
		change(template)
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, i.key.Public(), i.key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(signed)
	if err != nil {
		t.Fatal(err)
	}
	return journal.Intent{
		Serial:     journal.SerialOf(certificate.SerialNumber),
		Issuer:     i.Name,
		Profile:    "citizen-signature",
		Set:        "pair 1",
		KeyHash:    sha256.Sum256(certificate.RawSubjectPublicKeyInfo),
		NotAfter:   certificate.NotAfter,
		ToBeSigned: certificate.RawTBSCertificate,
		Actor:      "ra.test",
		At:         time.Now(),
	}, signed
}
