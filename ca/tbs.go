package ca

import (
	"crypto/rand"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
)

// toBeSigned is what a TBSCertificate holds (RFC 5280, Section 4.1.2), with
// the parts that are encoded already.
type toBeSigned struct {
	serial              *big.Int
	algorithm           []byte // AlgorithmIdentifier
	issuer              []byte // Name
	notBefore, notAfter time.Time
	subject             []byte // Name
	spki                []byte // SubjectPublicKeyInfo
	keyID               []byte // its identifier, which extensions appends
	extensions          func([]byte) []byte
}

// version is that of a certificate with extensions, 3.
//
// RFC 5280, Section 4.1.2.1.
var version = []byte{0xa0, 3, 2, 1, 2}

// marshal writes the TBSCertificate in DER. There are no unique identifiers
// (RFC 5280, Section 4.1.2.8).
func (t *toBeSigned) marshal() []byte {
	return der.Append(make([]byte, 0, 1024), asn1.SEQUENCE, func(b []byte) []byte {
		b = append(b, version...)
		b = der.AppendNatural(b, t.serial)
		// RFC 5280, Section 4.1.2.3: the same as the outer algorithm.
		b = append(b, t.algorithm...)
		b = append(b, t.issuer...)
		b = der.Append(b, asn1.SEQUENCE, func(b []byte) []byte {
			return der.AppendTime(der.AppendTime(b, t.notBefore), t.notAfter)
		})
		b = append(b, t.subject...)
		b = append(b, t.spki...)
		return der.Append(b, asn1.Tag(3).Constructed().ContextSpecific(), t.extensions)
	})
}

// newSerial returns a serial number of 16 octets, 126 bits of them random.
//
// RFC 5280, Section 4.1.2.2: positive and at most 20 octets. The first bit, the
// sign, is never set and the second always, so that none is zero or shorter.
func newSerial() *big.Int {
	octets := make([]byte, 16)
	rand.Read(octets) // never fails
	octets[0] = octets[0]&0x7f | 0x40
	return new(big.Int).SetBytes(octets)
}
