package pki

import (
	"crypto"
	"crypto/ecdsa"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// SignRaw signs as [Sign] does, deterministically where it can, in the form that
// signatures in XML (RFC 9231, Section 2.3.6) and JSON (RFC 7518, Section 3.4)
// have: of ECDSA, r and s one after the other, each of the order's length.
func SignRaw(key crypto.Signer, message []byte, scheme ...Scheme) ([]byte, error) {
	value, err := Sign(nil, key, message, scheme...)
	public, ok := key.Public().(*ecdsa.PublicKey)
	if err != nil || !ok {
		return value, err
	}
	size := OrderSize(public)
	var r, s []byte
	input, inner := cryptobyte.String(value), cryptobyte.String(nil)
	if !input.ReadASN1(&inner, cryptobyte_asn1.SEQUENCE) || !inner.ReadASN1Integer(&r) || !inner.ReadASN1Integer(&s) || len(r) > size || len(s) > size {
		return nil, errors.New("the key made a signature that is none")
	}
	raw := make([]byte, 2*size)
	copy(raw[size-len(r):], r)
	copy(raw[2*size-len(s):], s)
	return raw, nil
}

// OrderSize is the number of octets of the order of the key's curve.
func OrderSize(key *ecdsa.PublicKey) int { return (key.Params().N.BitLen() + 7) / 8 }
