package conformance_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"github.com/altamga/altamga/internal/pki"
)

// Writing DER by hand, so that it can be wrong on purpose.

func tlv(tag byte, parts ...[]byte) []byte {
	contents := slices.Concat(parts...)
	out := []byte{tag}
	switch n := len(contents); {
	case n < 0x80:
		out = append(out, byte(n))
	case n < 0x100:
		out = append(out, 0x81, byte(n))
	case n < 0x10000:
		out = append(out, 0x82, byte(n>>8), byte(n))
	default:
		out = append(out, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
	return append(out, contents...)
}

func seq(parts ...[]byte) []byte { return tlv(0x30, parts...) }

func oid(id asn1.ObjectIdentifier) []byte {
	return built(func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(id) })
}

func integer(n int64) []byte { return built(func(b *cryptobyte.Builder) { b.AddASN1Int64(n) }) }

func built(write func(*cryptobyte.Builder)) []byte {
	b := cryptobyte.NewBuilder(nil)
	write(b)
	return b.BytesOrPanic()
}

func extensionOf(id asn1.ObjectIdentifier, critical bool, value []byte) []byte {
	if critical {
		return seq(oid(id), []byte{1, 1, 0xff}, tlv(4, value))
	}
	return seq(oid(id), tlv(4, value))
}

func generalized(t time.Time) []byte { return tlv(0x18, []byte(t.UTC().Format("20060102150405Z"))) }
func utc(t time.Time) []byte         { return tlv(0x17, []byte(t.UTC().Format("060102150405Z"))) }

var (
	ecdsaSHA256 = seq(oid(pki.OIDECDSAWithSHA256))
	ecdsaSHA1   = seq(oid(asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1}))
	unheard     = asn1.ObjectIdentifier{2, 999, 77}
)

// signed signs with SHA-256, or with SHA-1 when the algorithm says so.
func signed(key crypto.Signer, algorithm, message []byte) []byte {
	digest, hash := sha256.Sum256(message), crypto.SHA256
	sum := digest[:]
	if string(algorithm) == string(ecdsaSHA1) {
		old := sha1.Sum(message)
		sum, hash = old[:], crypto.SHA1
	}
	signature, err := key.Sign(nil, sum, hash) // deterministic (RFC 6979)
	if err != nil {
		panic(err)
	}
	return signature
}

func bits(octets []byte) []byte { return tlv(3, []byte{0}, octets) }

// identity is a certificate and its key.
type identity struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (i identity) sha1() []byte {
	bits, err := pki.SubjectPublicKey(i.cert.RawSubjectPublicKeyInfo)
	if err != nil {
		panic(err)
	}
	sum := sha1.Sum(bits)
	return sum[:]
}

// centre is an authority with everything that targets are made of.
type centre struct {
	root, issuer, other, delegate, unit identity
	good, revoked, held, expired        *x509.Certificate
	revokedAt                           time.Time
}

var serials atomic.Int64

func nextSerial() *big.Int {
	n := new(big.Int).Lsh(big.NewInt(0x5a), 120)
	return n.Add(n, big.NewInt(1000+serials.Add(1)))
}

func certify(t testing.TB, template *x509.Certificate, by identity, to crypto.PublicKey) *x509.Certificate {
	t.Helper()
	if template.SerialNumber == nil {
		template.SerialNumber = nextSerial()
	}
	if template.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-48 * time.Hour).Truncate(time.Second)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(365 * 24 * time.Hour).Truncate(time.Second)
	}
	parent := by.cert
	if parent == nil {
		parent = template
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, to, by.key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func name(cn string) pkix.Name {
	return pkix.Name{Country: []string{"AZ"}, Organization: []string{"Nümayiş"}, CommonName: cn}
}

// issued makes an identity by a template.
func (c *centre) issued(t testing.TB, template *x509.Certificate, by identity) identity {
	key := newKey(t)
	return identity{certify(t, template, by, key.Public()), key}
}

func authorityTemplate(cn string) *x509.Certificate {
	return &x509.Certificate{Subject: name(cn), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
}

func delegateTemplate() *x509.Certificate {
	return &x509.Certificate{Subject: name("OCSP"), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning},
		ExtraExtensions: []pkix.Extension{{Id: pki.OIDOCSPNoCheck, Value: []byte{5, 0}}}}
}

func unitTemplate() *x509.Certificate {
	return &x509.Certificate{Subject: name("TSU"), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtraExtensions: []pkix.Extension{{Id: pki.OIDExtKeyUsage, Critical: true, Value: seq(oid(pki.OIDTimeStamping))}}}
}

func newCentre(t testing.TB) *centre {
	t.Helper()
	c := &centre{revokedAt: time.Now().Add(-24 * time.Hour).Truncate(time.Second)}
	rootKey := newKey(t)
	c.root = identity{certify(t, authorityTemplate("Root"), identity{key: rootKey}, rootKey.Public()), rootKey}
	c.issuer = c.issued(t, authorityTemplate("Issuing"), c.root)
	c.other = c.issued(t, authorityTemplate("Other"), c.root)
	c.delegate = c.issued(t, delegateTemplate(), c.issuer)
	c.unit = c.issued(t, unitTemplate(), c.issuer)
	person := func(cn string) *x509.Certificate {
		return c.issued(t, &x509.Certificate{Subject: name(cn), CRLDistributionPoints: []string{"http://127.0.0.1:1/list.crl"}}, c.issuer).cert
	}
	c.good, c.revoked, c.held = person("good"), person("revoked"), person("held")
	c.expired = c.issued(t, &x509.Certificate{Subject: name("expired"), NotBefore: time.Now().Add(-96 * time.Hour), NotAfter: time.Now().Add(-72 * time.Hour)}, c.issuer).cert
	return c
}
