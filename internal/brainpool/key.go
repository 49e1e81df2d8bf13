package brainpool

import (
	"encoding/asn1"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
	"github.com/altamga/altamga/internal/weierstrass"
)

// oidECPublicKey is the algorithm of keys on elliptic curves (RFC 5480, Section
// 2.1.1).
var oidECPublicKey = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}

// PublicKey is a public key. [ReadKey] makes one.
type PublicKey struct {
	curve *weierstrass.Curve
	point weierstrass.Point
}

// Curve is the name of its curve, such as brainpoolP256r1.
func (k *PublicKey) Curve() string { return k.curve.Name }

// ReadKey reads an encoded SubjectPublicKeyInfo. It returns nil for one that is
// not of a curve that is known, or not a point on it.
//
// RFC 5480, Section 2.1.1: the curve goes by name. Section 2.2: the point is
// uncompressed, and both coordinates have the field's length.
func ReadKey(spki []byte) *PublicKey {
	sequence, ok := der.Whole(spki, cryptobyte_asn1.SEQUENCE)
	var algorithm pki.Algorithm
	var octets []byte
	if !ok || !pki.ReadAlgorithm(&sequence, &algorithm) || !algorithm.ID.Equal(oidECPublicKey) ||
		!sequence.ReadASN1BitStringAsBytes(&octets) || !sequence.Empty() {
		return nil
	}
	curve := curveNamed(algorithm.Parameters)
	if curve == nil {
		return nil
	}
	size := curve.Size()
	if len(octets) != 1+2*size || octets[0] != 4 {
		return nil
	}
	point := weierstrass.Point{X: new(big.Int).SetBytes(octets[1 : 1+size]), Y: new(big.Int).SetBytes(octets[1+size:])}
	if !curve.Has(point) {
		return nil
	}
	return &PublicKey{curve, point}
}

// curveNamed finds a curve by the parameters of a key's algorithm.
func curveNamed(parameters cryptobyte.String) *weierstrass.Curve {
	var id asn1.ObjectIdentifier
	if !parameters.ReadASN1ObjectIdentifier(&id) || !parameters.Empty() || len(id) != len(arc)+1 || !id[:len(arc)].Equal(arc) {
		return nil
	}
	return curves[id[len(arc)]]
}
