package ca

import (
	"crypto/rand"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

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
	keyID               []byte // its identifier, which extensions writes
	extensions          func(*cryptobyte.Builder)
}

// marshal writes the TBSCertificate in DER. There are no unique identifiers
// (RFC 5280, Section 4.1.2.8).
func (t *toBeSigned) marshal() ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, 1024))
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		// RFC 5280, Section 4.1.2.1: version 3, since there are extensions.
		b.AddASN1(cryptobyte_asn1.Tag(0).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) { b.AddASN1Int64(2) })
		b.AddASN1BigInt(t.serial)
		// RFC 5280, Section 4.1.2.3: the same as the outer algorithm.
		b.AddBytes(t.algorithm)
		b.AddBytes(t.issuer)
		b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			der.AddTime(b, t.notBefore)
			der.AddTime(b, t.notAfter)
		})
		b.AddBytes(t.subject)
		b.AddBytes(t.spki)
		b.AddASN1(cryptobyte_asn1.Tag(3).Constructed().ContextSpecific(), t.extensions)
	})
	return b.Bytes()
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
