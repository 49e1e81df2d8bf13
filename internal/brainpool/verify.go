package brainpool

import (
	"crypto"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/asn1"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/pki"
)

// hashes of the algorithms that are taken (RFC 5758, Section 3.2): SHA-1 is not.
var hashes = []struct {
	id   asn1.ObjectIdentifier
	hash crypto.Hash
}{
	{pki.OIDECDSAWithSHA256, crypto.SHA256},
	{pki.OIDECDSAWithSHA384, crypto.SHA384},
	{pki.OIDECDSAWithSHA512, crypto.SHA512},
}

// CheckSignature reports whether the key signed a message, as certificates are
// signed. An algorithm that is not ECDSA with SHA-256, SHA-384 or SHA-512, or
// has parameters, is not known.
func (k *PublicKey) CheckSignature(algorithm pki.Algorithm, message, signature []byte) (good, known bool) {
	for _, one := range hashes {
		if one.id.Equal(algorithm.ID) && algorithm.Parameters == nil {
			h := one.hash.New()
			h.Write(message)
			return k.VerifyASN1(h.Sum(nil), signature), true
		}
	}
	return false, false
}

// VerifyASN1 verifies a signature over a hash in the form that certificates
// have (RFC 5480, Appendix A).
func (k *PublicKey) VerifyASN1(hash, signature []byte) bool {
	input := cryptobyte.String(signature)
	var inner cryptobyte.String
	r, s := new(big.Int), new(big.Int)
	return input.ReadASN1(&inner, cryptobyte_asn1.SEQUENCE) && input.Empty() &&
		inner.ReadASN1Integer(r) && inner.ReadASN1Integer(s) && inner.Empty() && k.verify(hash, r, s)
}

// VerifyRaw verifies a signature over a hash in the form that XML has: r and s,
// both of the order's length (RFC 9231, Section 2.3.6).
func (k *PublicKey) VerifyRaw(hash, signature []byte) bool {
	size := k.curve.OrderSize()
	return len(signature) == 2*size &&
		k.verify(hash, new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:]))
}

// verify is the verification of ECDSA (FIPS 186-5, Section 6.4.2).
func (k *PublicKey) verify(hash []byte, r, s *big.Int) bool {
	c := k.curve
	if !c.Admits(r) || !c.Admits(s) {
		return false
	}
	// Of a hash that is longer than the order, the leftmost bits count. The
	// orders here are of whole octets.
	e := new(big.Int).SetBytes(hash[:min(len(hash), c.OrderSize())])
	w := new(big.Int).ModInverse(s, c.N)
	u := e.Mul(e, w)
	v := new(big.Int).Mul(r, w)
	sum := c.Combine(u.Mod(u, c.N), c.Base(), v.Mod(v, c.N), k.point)
	return sum.X != nil && new(big.Int).Mod(sum.X, c.N).Cmp(r) == 0
}
