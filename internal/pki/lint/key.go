package lint

import (
	"encoding/asn1"
	"math/big"

	"golang.org/x/crypto/cryptobyte"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

var keyLints = []Lint{
	{"CERT-14", "RFC 8813, Section 3", "elliptic-curve keys encipher nothing", enciphering},
	{"CERT-29", "RFC 4055, Section 5", "parameters of algorithms as their standards write them", parameters},
	{"CERT-47", "ETSI TS 119 312, Section 6.2.2.1", "strong keys, hashes and signatures", strength},
}

// The algorithms that pki has no use for itself.
var (
	oidEd448     = asn1.ObjectIdentifier{1, 3, 101, 113}
	oidPSSKey    = pki.OIDRSASSAPSS
	brainpool256 = asn1.ObjectIdentifier{1, 3, 36, 3, 3, 2, 8, 1, 1, 7}
	brainpool384 = asn1.ObjectIdentifier{1, 3, 36, 3, 3, 2, 8, 1, 1, 11}
	brainpool512 = asn1.ObjectIdentifier{1, 3, 36, 3, 3, 2, 8, 1, 1, 13}

	// SHA-3 with ECDSA and with RSA (NIST, Computer Security Objects Register).
	ecdsaSHA3 = []asn1.ObjectIdentifier{
		{2, 16, 840, 1, 101, 3, 4, 3, 10}, {2, 16, 840, 1, 101, 3, 4, 3, 11}, {2, 16, 840, 1, 101, 3, 4, 3, 12},
	}
	rsaSHA3 = []asn1.ObjectIdentifier{
		{2, 16, 840, 1, 101, 3, 4, 3, 14}, {2, 16, 840, 1, 101, 3, 4, 3, 15}, {2, 16, 840, 1, 101, 3, 4, 3, 16},
	}
	ecdsaSHA2 = []asn1.ObjectIdentifier{pki.OIDECDSAWithSHA256, pki.OIDECDSAWithSHA384, pki.OIDECDSAWithSHA512}
	rsaSHA2   = []asn1.ObjectIdentifier{pki.OIDSHA256WithRSA, pki.OIDSHA384WithRSA, pki.OIDSHA512WithRSA}
	edwards   = []asn1.ObjectIdentifier{pki.OIDEd25519, oidEd448}
	curves    = []asn1.ObjectIdentifier{pki.OIDP256, pki.OIDP384, pki.OIDP521, brainpool256, brainpool384, brainpool512}
)

const null = "\x05\x00"

func enciphering(c *certificate, r *report) {
	switch id := c.key.algorithm.ID; {
	case id.Equal(pki.OIDECPublicKey):
		if c.usage.has(keyEncipherment) || c.usage.has(dataEncipherment) {
			r.must("an elliptic-curve key is said to encipher")
		}
	case contains(edwards, id):
		// RFC 8410, Section 5: signing bits alone.
		if c.usage.has(keyEncipherment) || c.usage.has(dataEncipherment) || c.usage.has(keyAgreement) {
			r.must("a key for EdDSA is said to encipher or agree on keys")
		}
	}
}

func parameters(c *certificate, r *report) {
	switch id, given := c.signature.ID, string(c.signature.Parameters); {
	case contains(rsaSHA2, id):
		if given != null {
			r.must("the parameters of the RSA signature are not NULL")
		}
	case contains(ecdsaSHA2, id), contains(ecdsaSHA3, id), contains(edwards, id), contains(rsaSHA3, id) && given != null:
		// RFC 5758, Section 3.2; RFC 8410, Section 3.
		if c.signature.Parameters != nil {
			r.must("the signature algorithm has parameters")
		}
	case id.Equal(pki.OIDRSASSAPSS):
		if _, fault := pssHash(c.signature.Parameters); fault != "" {
			r.must("%s", fault)
		}
	}
	switch id, given := c.key.algorithm.ID, string(c.key.algorithm.Parameters); {
	case id.Equal(pki.OIDRSAEncryption):
		// RFC 4055, Section 1.2.
		if given != null {
			r.must("the parameters of the RSA key are not NULL")
		}
	case id.Equal(pki.OIDECPublicKey):
		// RFC 5480, Section 2.1.1: a named curve.
		if _, ok := namedCurve(c.key.algorithm.Parameters); !ok {
			r.must("the curve of the key is not named")
		}
	case contains(edwards, id):
		if c.key.algorithm.Parameters != nil {
			r.must("the EdDSA key has parameters")
		}
	}
}

func namedCurve(parameters []byte) (curve asn1.ObjectIdentifier, ok bool) {
	s := cryptobyte.String(parameters)
	return curve, readID(&s, &curve) && s.Empty()
}

// pssHash reads RSASSA-PSS-params: the hash, the same in the mask generation,
// and salt of its length (RFC 4055, Section 3.1).
func pssHash(parameters []byte) (hash pki.Algorithm, fault string) {
	const malformed = "the parameters of RSASSA-PSS are malformed or leave the hash to the default, SHA-1"
	body, ok := der.Whole(parameters, sequence)
	var field, inner cryptobyte.String
	var mask, maskHash pki.Algorithm
	if !ok || !body.ReadASN1(&field, contextSequence(0)) || !pki.ReadAlgorithm(&field, &hash) ||
		!body.ReadASN1(&field, contextSequence(1)) || !pki.ReadAlgorithm(&field, &mask) {
		return hash, malformed
	}
	inner = mask.Parameters
	if !mask.ID.Equal(pki.OIDMGF1) || !pki.ReadAlgorithm(&inner, &maskHash) || !maskHash.ID.Equal(hash.ID) {
		return hash, "the mask generation of RSASSA-PSS is not MGF1 with the same hash"
	}
	var salt int64
	if !body.ReadASN1(&field, contextSequence(2)) || !field.ReadASN1Integer(&salt) {
		return hash, malformed
	}
	if function, ok := hash.Hash(); ok && salt != int64(function.Size()) {
		return hash, "the salt of RSASSA-PSS is not as long as the hash"
	}
	// The trailer field has one value, its default.
	if !body.Empty() {
		return hash, malformed
	}
	return hash, ""
}

func strength(c *certificate, r *report) {
	switch id := c.signature.ID; {
	case contains(rsaSHA2, id), contains(ecdsaSHA2, id), contains(rsaSHA3, id), contains(ecdsaSHA3, id), contains(edwards, id):
	case id.Equal(pki.OIDRSASSAPSS):
		if hash, fault := pssHash(c.signature.Parameters); fault == "" && hash.ID.Equal(pki.OIDSHA1) {
			r.must("RSASSA-PSS is over SHA-1")
		}
	default:
		r.must("the signature algorithm %s is not one with SHA-2 or SHA-3", id)
	}
	switch id := c.key.algorithm.ID; {
	case id.Equal(pki.OIDRSAEncryption), id.Equal(oidPSSKey):
		rsaStrength(c.key.bits, r)
	case id.Equal(pki.OIDECPublicKey):
		if curve, ok := namedCurve(c.key.algorithm.Parameters); ok && !contains(curves, curve) {
			r.must("the curve %s is none of P-256, P-384, P-521 and Brainpool r1", curve)
		}
		// RFC 5480, Section 2.2: 04 begins an uncompressed point.
		if len(c.key.bits) == 0 || c.key.bits[0] != 4 {
			r.should("the point of the key is not uncompressed")
		}
	case contains(edwards, id):
	default:
		r.must("the key is of kind %s, which is none of RSA, elliptic curves and EdDSA", id)
	}
}

func rsaStrength(bits []byte, r *report) {
	body, ok := der.Whole(bits, sequence)
	n, e := new(big.Int), new(big.Int)
	if !ok || !body.ReadASN1Integer(n) || !body.ReadASN1Integer(e) || !body.Empty() || n.Sign() <= 0 {
		r.must("the RSA key is malformed")
		return
	}
	switch size := n.BitLen(); {
	case size < 1900:
		r.must("the RSA key has %d bits", size)
	case size < 3072:
		r.should("the RSA key has %d bits, fewer than 3072", size)
	}
	if n.Bit(0) == 0 {
		r.must("the RSA modulus is even")
	}
	// ETSI TS 119 312, Section 6.2.2.1: 2^16 < e < 2^256, odd.
	if e.Bit(0) == 0 || e.BitLen() <= 16 || e.BitLen() > 256 || e.Sign() < 0 {
		r.must("the RSA exponent is even or not between 2^16 and 2^256")
	}
}
