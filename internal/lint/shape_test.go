package lint_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	mathrand "math/rand/v2"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/lint"
)

// leaf is a certificate that every lint takes, as far as the test of shapes
// changes it.
type leaf struct {
	serial              []byte
	notBefore, notAfter time.Time
	subject             []pkix.AttributeTypeAndValue
	key                 crypto.PublicKey
	keyID               []byte
	more                func(*x509.Certificate)
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newLeaf(t testing.TB) leaf {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial := make([]byte, 16)
	rand.Read(serial)
	serial[0] = serial[0]&0x3f | 0x40
	return leaf{
		serial: serial, notBefore: noon, notAfter: noon.AddDate(3, 0, 0).Add(-time.Second), key: key.Public(), keyID: bytes.Repeat(serial[:4], 5),
		subject: []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{2, 5, 4, 6}, Value: "AZ"}, {Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "Gülşən O'Nümunə-Çıraqlı"}},
		more:    func(*x509.Certificate) {},
	}
}

// build signs the leaf with a key made for it.
func (l leaf) build(t testing.TB) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	name, err := asn1.Marshal(pkix.Name{ExtraNames: l.subject}.ToRDNSequence())
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(l.serial), RawSubject: name, NotBefore: l.notBefore, NotAfter: l.notAfter,
		KeyUsage: x509.KeyUsageContentCommitment, SubjectKeyId: l.keyID,
	}
	parent := &x509.Certificate{Subject: pkix.Name{Country: []string{"AZ"}, CommonName: "EHM"}, SubjectKeyId: []byte{1, 2, 3}}
	l.more(template)
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, l.key, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func shapeOf(t testing.TB, c *x509.Certificate) [32]byte {
	t.Helper()
	shape, ok := lint.Shape(c.Raw)
	if !ok {
		t.Fatal("a certificate has no shape")
	}
	return shape
}

func TestShape(t *testing.T) {
	good := newLeaf(t).build(t)
	check(t, lint.Certificate(good), "")
	want := shapeOf(t, good)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	otherCurve, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	name := func(value any) func(*leaf) { return func(l *leaf) { l.subject[1].Value = value } }
	for _, row := range []struct {
		name   string
		change func(*leaf)
		same   bool
	}{
		{"another serial number, key, key identifier and signature", func(*leaf) {}, true},
		{"another person", name("Əli Nümayiş 2"), true},
		{"a text of 64 letters", name(string(bytes.Repeat([]byte("ə"), 64))), true},
		{"another time of the day", func(l *leaf) { l.notBefore, l.notAfter = l.notBefore.Add(time.Hour), l.notAfter.Add(time.Hour) }, true},
		{"another day", func(l *leaf) { l.notBefore = l.notBefore.AddDate(0, 0, 1) }, false},
		{"another life", func(l *leaf) { l.notAfter = l.notAfter.AddDate(0, 0, 1) }, false},
		{"a time of the day that is later at the end", func(l *leaf) { l.notAfter = l.notAfter.Add(2 * time.Second) }, false},
		{"a life within a day", func(l *leaf) { l.notAfter = l.notBefore.Add(time.Hour) }, false},
		{"an end as GeneralizedTime", func(l *leaf) { l.notAfter = time.Date(2050, 3, 1, 12, 0, 0, 0, time.UTC) }, false},
		{"a short serial number", func(l *leaf) { l.serial = []byte{0x44, 1, 2} }, false},
		{"a serial number with a zero in front", func(l *leaf) { l.serial[0] |= 0x80 }, false},
		{"a text of 65 letters", name(string(bytes.Repeat([]byte("ə"), 65))), false},
		{"a text with a space at its end", name("Nümunə "), false},
		{"a text with two spaces", name("Nümunə  Nümunə"), false},
		{"a text with a control character", name("Nümunə\u200fə"), false},
		{"a text with a mark that is no letter of its own", name("u\u0308"), false},
		{"a host", name("nümunə.example"), false},
		{"a mailbox", name("nümunə@example"), false},
		{"no text", name(""), false},
		{"a PrintableString", name("Numune"), false},
		{"another country", func(l *leaf) { l.subject[0].Value = "TR" }, false},
		{"another attribute", func(l *leaf) { l.subject[1].Type = asn1.ObjectIdentifier{2, 5, 4, 4} }, false},
		{"an attribute of unknown bounds", func(l *leaf) { l.subject[1].Type = asn1.ObjectIdentifier{2, 5, 4, 7} }, false},
		{"one attribute more", func(l *leaf) { l.subject = append(l.subject, l.subject[1]) }, false},
		{"another curve", func(l *leaf) { l.key = otherCurve.Public() }, false},
		{"an Ed25519 key", func(l *leaf) { l.key = edwards }, false},
		{"an RSA key", func(l *leaf) { l.key = rsaKey.Public() }, false},
		{"a key identifier of 21 octets", func(l *leaf) { l.keyID = append(l.keyID, 0) }, false},
		{"another key usage", func(l *leaf) { l.more = func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign } }, false},
		{"an alternative name", func(l *leaf) { l.more = func(c *x509.Certificate) { c.DNSNames = []string{"a.example"} } }, false},
		{"one extension more", func(l *leaf) {
			l.more = func(c *x509.Certificate) { c.OCSPServer = []string{"http://ocsp.example/"} }
		}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			l := newLeaf(t)
			row.change(&l)
			changed := l.build(t)
			if same := shapeOf(t, changed) == want; same != row.same {
				t.Errorf("the same shape: %v, want %v", same, row.same)
			}
			if row.same {
				check(t, lint.Certificate(changed), "")
			}
		})
	}
	t.Run("RSA keys are in the shape", func(t *testing.T) {
		var shapes [2][32]byte
		for i := range shapes {
			key, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				t.Fatal(err)
			}
			l := newLeaf(t)
			l.key = key.Public()
			shapes[i] = shapeOf(t, l.build(t))
		}
		if shapes[0] == shapes[1] {
			t.Error("two RSA keys have the same shape")
		}
	})
}

// TestShapeHides looks for a change that a shape does not show and a lint would:
// there is none among many that were made at random.
func TestShapeHides(t *testing.T) {
	good := newLeaf(t).build(t)
	want, hidden := shapeOf(t, good), 0
	random := mathrand.New(mathrand.NewPCG(1, 2))
	for range 6_000 {
		raw := bytes.Clone(good.Raw)
		for range 1 + random.IntN(3) {
			raw[random.IntN(len(raw))] = byte(random.Uint32())
		}
		hidden += hides(t, raw, want)
	}
	if hidden < 50 {
		t.Errorf("%d changes were hidden: too few to tell", hidden)
	}
	t.Logf("%d changes were hidden", hidden)
}

// hides says whether a certificate has the shape, for which every lint must take
// it.
func hides(t testing.TB, raw []byte, shape [32]byte) int {
	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		return 0
	}
	if got, ok := lint.Shape(certificate.Raw); !ok || got != shape {
		return 0
	}
	if err := lint.Certificate(certificate); err != nil {
		t.Fatalf("%v, and its shape does not show it:\n%x", err, raw)
	}
	return 1
}

// FuzzShape looks for octets whose shape hides from the lints what they refuse.
func FuzzShape(f *testing.F) {
	good := newLeaf(f).build(f)
	want := shapeOf(f, good)
	f.Add(good.Raw)
	f.Fuzz(func(t *testing.T, raw []byte) { hides(t, raw, want) })
}
