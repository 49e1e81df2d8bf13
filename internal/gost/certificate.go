package gost

import (
	"encoding/asn1"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
	"github.com/altamga/altamga/internal/weierstrass"
)

// Errors of [CheckSignature].
var (
	// ErrUnknown is an algorithm, curve or encoding that is not verified here.
	ErrUnknown = errors.New("not verifiable by this build: the algorithm is not GOST R 34.10-2012 on a curve that it knows")
	// ErrSignature is a signature that is wrong.
	ErrSignature = errors.New("the signature is not the issuer's")
)

// signatures of certificates: identifiers of Kazakhstan, with the length of the
// hash.
var signatures = []struct {
	id   asn1.ObjectIdentifier
	bits int
}{
	{asn1.ObjectIdentifier{1, 2, 398, 3, 10, 1, 1, 2, 3, 1}, 256},
	{asn1.ObjectIdentifier{1, 2, 398, 3, 10, 1, 1, 2, 3, 2}, 512},
}

// CheckSignature reports whether a certificate was signed with the key of an
// encoded SubjectPublicKeyInfo: nil, ErrSignature, or ErrUnknown.
//
// In Kazakhstan's certificates, everything is little-endian: the coordinates of
// the key, one after the other, r and s, and the hash read as a number. RFC
// 9215, which Russia's follow, has s and r big-endian.
func CheckSignature(certificate, issuerKey []byte) error {
	outer, ok := der.Whole(certificate, cryptobyte_asn1.SEQUENCE)
	var tbs, signature cryptobyte.String
	var algorithm pki.Algorithm
	if !ok || !outer.ReadASN1Element(&tbs, cryptobyte_asn1.SEQUENCE) || !pki.ReadAlgorithm(&outer, &algorithm) ||
		!outer.ReadASN1BitStringAsBytes((*[]byte)(&signature)) || !outer.Empty() {
		return ErrUnknown
	}
	bits := 0
	for _, known := range signatures {
		if known.id.Equal(algorithm.ID) {
			bits = known.bits
		}
	}
	c, key := readKey(issuerKey)
	if c == nil || bits != 8*c.Size() || len(signature) != 2*c.Size() {
		return ErrUnknown
	}
	hash := Sum512(tbs)
	digest := hash[:]
	if bits == 256 {
		short := Sum256(tbs)
		digest = short[:]
	}
	r, s := littleEndian(signature[:c.Size()]), littleEndian(signature[c.Size():])
	if !verify(c, key, littleEndian(digest), r, s) {
		return ErrSignature
	}
	return nil
}

// Known reports whether the key of an encoded SubjectPublicKeyInfo is one that
// signatures can be verified with.
func Known(spki []byte) bool {
	c, _ := readKey(spki)
	return c != nil
}

// readKey reads a key: the curve is nil for one that is not known.
func readKey(spki []byte) (*weierstrass.Curve, weierstrass.Point) {
	sequence, ok := der.Whole(spki, cryptobyte_asn1.SEQUENCE)
	var algorithm, parameters, bits cryptobyte.String
	var id asn1.ObjectIdentifier
	if !ok || !sequence.ReadASN1(&algorithm, cryptobyte_asn1.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&id) ||
		!algorithm.ReadASN1(&parameters, cryptobyte_asn1.SEQUENCE) || !parameters.ReadASN1ObjectIdentifier(&id) ||
		!sequence.ReadASN1BitStringAsBytes((*[]byte)(&bits)) {
		return nil, weierstrass.Point{}
	}
	var octets cryptobyte.String
	if !bits.ReadASN1(&octets, cryptobyte_asn1.OCTET_STRING) || !bits.Empty() {
		return nil, weierstrass.Point{}
	}
	for _, known := range curves {
		if size := known.Size(); known.id.Equal(id) && len(octets) == 2*size {
			key := weierstrass.Point{X: littleEndian(octets[:size]), Y: littleEndian(octets[size:])}
			if !known.Has(key) {
				return nil, weierstrass.Point{}
			}
			return known.Curve, key
		}
	}
	return nil, weierstrass.Point{}
}
