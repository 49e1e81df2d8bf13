package ca_test

import (
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/altamga/altamga/ca"
	"github.com/altamga/altamga/internal/lint"
	"github.com/altamga/altamga/internal/pki"
)

// shaped is an authority whose linter sees the first of each shape, with a count
// of what it saw.
func shaped(t *testing.T, verdict func(*x509.Certificate) error) (*centre, *int) {
	t.Helper()
	c := newCentre(t, p256)
	seen := new(int)
	c.config.Shape = lint.Shape
	c.config.Lint = func(certificate *x509.Certificate) error {
		*seen++
		return verdict(certificate)
	}
	c.reopen(t)
	return c, seen
}

// anybody is a request for a person whose names and number are random.
func anybody(random *rand.Rand, request ca.Request) ca.Request {
	letters := []rune("abcçdeəfgğhıijkqlmnoöprsştuüvyzİƏŞ")
	name := func() string {
		text := make([]rune, 1+random.IntN(20))
		for i := range text {
			text[i] = letters[random.IntN(len(letters))]
		}
		return string(text)
	}
	request.Subject = map[string]string{"givenName": name(), "surname": name(), "fin": fmt.Sprintf("%07d", random.IntN(10_000_000))}
	request.CSR, request.PublicKey = nil, p256().Public()
	return request
}

// TestShapeOnce: the linter and the standard library's parser see one certificate
// of a shape. Every other is what they would have taken.
func TestShapeOnce(t *testing.T) {
	c, seen := shaped(t, lint.Certificate)
	random := rand.New(rand.NewPCG(1, 2))
	for _, profile := range []string{"citizen-signature", "citizen-authentication", "mobile-authentication"} {
		request := samples(t, p256)[profile]
		before := *seen
		for range 60 {
			got := issue(t, c.Authority, anybody(random, request)).Certificate
			keyID, err := pki.KeyIdentifier(got.RawSubjectPublicKeyInfo)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Inspect("ehm", profile, got, keyID); err != nil {
				t.Errorf("%s: %v", got.Subject, err)
			}
			if err := lint.Certificate(got); err != nil {
				t.Errorf("%s: %v", got.Subject, err)
			}
			if err := ca.Compare(got.Raw, got); err != nil {
				t.Errorf("%s: the two parsers differ: %v", got.Subject, err)
			}
		}
		// A day may end while the test runs.
		if n := *seen - before; n < 1 || n > 4 {
			t.Errorf("%s: the linter saw %d of 60", profile, n)
		}
	}
}

// TestShapeRefused: what was refused is refused however often it is asked for,
// and so is another profile's certificate of a good shape.
func TestShapeRefused(t *testing.T) {
	c, seen := shaped(t, func(*x509.Certificate) error { return errors.New("no") })
	random := rand.New(rand.NewPCG(3, 4))
	for n := 1; n <= 3; n++ {
		refused(t, c, anybody(random, samples(t, p256)["citizen-signature"]), ca.CodeLint, "certificate")
		if *seen != n {
			t.Errorf("the linter saw %d of %d", *seen, n)
		}
	}
	t.Run("without shapes the linter sees each", func(t *testing.T) {
		c, seen := shaped(t, func(*x509.Certificate) error { return nil })
		c.config.Shape = nil
		c.reopen(t)
		for range 3 {
			issue(t, c.Authority, anybody(random, samples(t, p256)["citizen-signature"]))
		}
		if *seen != 3 {
			t.Errorf("it saw %d of 3", *seen)
		}
	})
}

// TestShapeNeverSelf: a subject that is the issuer's name is refused, though its
// certificate has the shape of a good one.
func TestShapeNeverSelf(t *testing.T) {
	c, seen := shaped(t, func(*x509.Certificate) error { return nil })
	request := samples(t, p256)["suite-client"]
	issue(t, c.Authority, request)
	before := *seen
	request.Subject = map[string]string{"O": organisation, "CN": c.config.Issuers[3].Certificate.Subject.CommonName}
	request.PublicKey = p256().Public()
	if _, err := c.Prepare(t.Context(), request); err == nil || *seen != before {
		t.Errorf("got %v; the linter was asked %d times", err, *seen-before)
	}
	request.Subject["CN"] = "somebody else"
	issue(t, c.Authority, request)
	if *seen != before {
		t.Errorf("the linter was asked %d times", *seen-before)
	}
}

// TestCompare: each field that a shape leaves out is compared.
func TestCompare(t *testing.T) {
	c := newCentre(t, p256)
	good := issue(t, c.Authority, samples(t, p256)["citizen-signature"]).Certificate
	if err := ca.Compare(good.Raw, good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*x509.Certificate){
		"serial number":  func(c *x509.Certificate) { c.SerialNumber = new(big.Int).Add(c.SerialNumber, big.NewInt(1)) },
		"issuer":         func(c *x509.Certificate) { c.RawIssuer = c.RawSubject },
		"subject":        func(c *x509.Certificate) { c.RawSubject = c.RawIssuer },
		"key":            func(c *x509.Certificate) { c.RawSubjectPublicKeyInfo = flipped(c.RawSubjectPublicKeyInfo) },
		"key identifier": func(c *x509.Certificate) { c.SubjectKeyId = flipped(c.SubjectKeyId) },
		"no identifier":  func(c *x509.Certificate) { c.SubjectKeyId = nil },
		"begin":          func(c *x509.Certificate) { c.NotBefore = c.NotBefore.Add(-time.Second) },
		"end":            func(c *x509.Certificate) { c.NotAfter = c.NotAfter.Add(time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			other := *good
			change(&other)
			if ca.Compare(good.Raw, &other) == nil {
				t.Error("another one passed")
			}
		})
	}
}

// TestExpandOnce: a value that looks like a placeholder is a value.
func TestExpandOnce(t *testing.T) {
	c := newCentre(t, p256)
	request := samples(t, p256)["citizen-signature"]
	request.Subject = with(request.Subject, "givenName", "{surname}", "surname", "{givenName}")
	if got := issue(t, c.Authority, request).Certificate.Subject.CommonName; got != "{surname} {givenName}" {
		t.Errorf("the common name is %q", got)
	}
}

func flipped(octets []byte) []byte {
	octets = append([]byte(nil), octets...)
	octets[len(octets)-1] ^= 1
	return octets
}
