package tsa

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/pki"
)

// Unit is a time-stamping unit: a key and its certificate.
//
// An authority has several for load, which they share, and for the day when a
// key's period of use is over: the next unit is configured or added ahead of
// time and takes part as soon as its own period begins, the old one stops at the
// end of its own, and no token is made by either outside of it.
type Unit struct {
	// Certificate is the unit's own, for time-stamping and nothing else.
	Certificate *x509.Certificate
	// Chain holds the certificate's issuer, that one's issuer and so on,
	// without the root. It goes into tokens beside Certificate when a query
	// sets certReq.
	Chain []*x509.Certificate
	// Key is the private half of Certificate's key: ECDSA or RSA. It is asked
	// for deterministic signatures (a nil random). When it has a method
	// SignContext, that is what is called.
	Key crypto.Signer
	// VerifyEach says how many tokens are made for each one whose signature is
	// verified before it is sent: 0 and 1 mean every one, a negative number
	// none. The statement itself is always checked before it is signed. A key
	// in hardware should have every one verified; Observe is told what it
	// costs, as "self_verified".
	VerifyEach int
}

// unit is a Unit with what is the same in all of its tokens, encoded once.
type unit struct {
	Unit
	period period
	// id is the SHA-256 hash of the certificate, label its serial number.
	id    [32]byte
	label string

	digest, algorithm pki.Algorithm
	hash              crypto.Hash
	serial            []byte // value octets of the certificate's serial number

	pieces
	// statements by the index of their policy.
	statements []statement

	made atomic.Uint64
	// restUntil, in nanoseconds since 1970, is when the unit may be tried again
	// after its key did not sign.
	restUntil atomic.Int64
	// barred is why the certificate's standing forbids tokens; nil when it does
	// not.
	barred atomic.Pointer[string]

	// The following belong to Run: when somebody last knew the certificate's
	// standing, or when it was first asked for, and what was last recorded.
	knownAt time.Time
	said    string
}

// rest is how long a unit whose key did not sign is left alone while others do.
const rest = 5 * time.Second

func newUnit(u Unit, policies []Policy) (*unit, error) {
	if u.Certificate == nil || u.Key == nil {
		return nil, errors.New("no certificate or no key")
	}
	errs := []error{checkCertificate(u.Certificate, u.Chain, u.Key)}
	algorithm, hash, err := pki.SignatureAlgorithm(u.Key.Public())
	if err != nil {
		errs = append(errs, fmt.Errorf("choosing signature algorithm: %w", err))
	} else if hash == 0 {
		// RFC 8419 has a form for it, but openssl ts knows no key that signs
		// the message itself, and a token is for every client.
		errs = append(errs, errors.New("common clients do not know Ed25519 tokens: use a P-256, P-384, P-521 or RSA key"))
	}
	period, err := usable(u.Certificate)
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	made := &unit{
		Unit: u, period: period, id: sha256.Sum256(u.Certificate.Raw), label: hex.EncodeToString(u.Certificate.SerialNumber.Bytes()),
		digest: pki.HashAlgorithm(hash), algorithm: algorithm, hash: hash, serial: bigIntOctets(u.Certificate),
	}
	if made.pieces, err = made.prepare(); err != nil {
		return nil, fmt.Errorf("preparing tokens: %w", err)
	}
	for _, p := range policies {
		s, err := prepareStatement(p, u.Certificate)
		if err != nil {
			return nil, fmt.Errorf("preparing statements of policy %v: %w", p.ID, err)
		}
		made.statements = append(made.statements, s)
	}
	return made, nil
}

// statement is what is the same in all TSTInfo of a policy and a unit, in the
// order of its fields: version and policy before the imprint, the policy's
// promise between genTime and nonce, name and extensions at the end.
type statement struct{ head, promise, tail []byte }

func prepareStatement(p Policy, c *x509.Certificate) (s statement, err error) {
	for _, part := range []struct {
		into  *[]byte
		write func(*cryptobyte.Builder)
	}{
		{&s.head, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(1)
			b.AddASN1ObjectIdentifier(p.ID)
		}},
		{&s.promise, func(b *cryptobyte.Builder) { addPromise(b, p.Accuracy, p.Ordering) }},
		{&s.tail, func(b *cryptobyte.Builder) {
			if p.Name {
				addName(b, c.RawSubject)
			}
			addExtensions(b, p.Qualified)
		}},
	} {
		b := cryptobyte.NewBuilder(nil)
		part.write(b)
		if *part.into, err = b.Bytes(); err != nil {
			return s, err
		}
	}
	return s, nil
}

// encode writes a TSTInfo. Imprint is the whole encoded element, serial and
// nonce are value octets; a nil nonce leaves the field out.
func (s *statement) encode(imprint, serial []byte, genTime time.Time, nonce []byte) []byte {
	var text [len("20060102150405.000000000Z")]byte
	now := appendGenTime(text[:0], genTime)
	length := len(s.head) + len(imprint) + sizeOf(len(serial)) + sizeOf(len(now)) + len(s.promise) + len(s.tail)
	if nonce != nil {
		length += sizeOf(len(nonce))
	}
	b := make([]byte, 0, sizeOf(length))
	b = appendHeader(b, cryptobyte_asn1.SEQUENCE, length)
	b = append(b, s.head...)
	b = append(b, imprint...)
	b = appendElement(b, cryptobyte_asn1.INTEGER, serial)
	b = appendElement(b, cryptobyte_asn1.GeneralizedTime, now)
	b = append(b, s.promise...)
	if nonce != nil {
		b = appendElement(b, cryptobyte_asn1.INTEGER, nonce)
	}
	return append(b, s.tail...)
}

// due reports whether the token that is being made is one to verify.
func (u *unit) due() bool {
	n := u.made.Add(1)
	return u.VerifyEach >= 0 && (n-1)%uint64(max(1, u.VerifyEach)) == 0
}

// resting reports whether the unit is being left alone.
func (u *unit) resting(now time.Time) bool { return now.UnixNano() < u.restUntil.Load() }

// may reports whether the unit may make a token of this time.
func (u *unit) may(genTime time.Time) bool {
	return u.period.contains(genTime) && u.barred.Load() == nil
}

// why reports why the unit may not make a token of this time; nil when it may.
func (u *unit) why(genTime time.Time) error {
	switch {
	// ETSI EN 319 421, Section 7.8: no token outside the certificate's validity
	// or the private key's usage period.
	case !u.period.contains(genTime):
		return fmt.Errorf("unit %s: the key may be used from %v to %v only", u.label, u.period.from.UTC(), u.period.to.UTC())
	case u.barred.Load() != nil:
		return fmt.Errorf("unit %s: %s", u.label, *u.barred.Load())
	}
	return nil
}

// bigIntOctets returns the value octets of a certificate's serial number.
func bigIntOctets(certificate *x509.Certificate) []byte {
	return trim(append([]byte{0}, certificate.SerialNumber.Bytes()...))
}
