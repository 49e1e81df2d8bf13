package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"math/big"
	"slices"

	"github.com/altamga/altamga/internal/pki"
)

const (
	// ETSI TS 119 312, Section 6.2.2.1 wants at least 1900 bits; new keys that
	// live for years get the strength of 128 bits.
	minRSABits = 3072
	// Larger keys only make every relying party slower.
	maxRSABits = 8192
)

// checkKey says what is wrong with a subject's key, and which clause says so.
// Allowed are the kinds that the profile names.
func checkKey(public crypto.PublicKey, allowed []string) (detail, clause string) {
	const clauseStrength = "ETSI TS 119 312, Section 6.2.2.1"
	kind := ""
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256():
			kind = "p256"
		case elliptic.P384():
			kind = "p384"
		case elliptic.P521():
			kind = "p521"
		default:
			return fmt.Sprintf("curve %s is none of P-256, P-384, P-521", key.Curve.Params().Name), clauseStrength
		}
	case ed25519.PublicKey:
		kind = "ed25519"
	case *rsa.PublicKey:
		kind = "rsa"
		switch bits := key.N.BitLen(); {
		case bits < minRSABits || bits > maxRSABits:
			return fmt.Sprintf("an RSA key of %d bits is not between %d and %d", bits, minRSABits, maxRSABits), clauseStrength
		case key.E&1 == 0 || key.E <= 1<<16:
			// ETSI TS 119 312, Section 6.2.2.1: 2^16 < e < 2^256 and odd. The
			// type of E keeps the upper bound.
			return "the RSA public exponent is even or not greater than 65536", clauseStrength
		case hasSmallFactor(key.N):
			return "the RSA modulus has a small factor", clauseStrength
		case hasROCAFingerprint(key.N):
			return "the RSA key has the fingerprint of a card library that made factorable keys (CVE-2017-15361)", clauseStrength
		}
	default:
		return "the key is of a kind that no profile allows", clauseStrength
	}
	if !slices.Contains(allowed, kind) {
		return fmt.Sprintf("the profile does not allow %s keys", kind), ""
	}
	return "", ""
}

// smallPrimes are the odd primes up to 167, which is as far as the fingerprint
// below is defined.
var smallPrimes = [...]int64{3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
	101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167}

func hasSmallFactor(n *big.Int) bool {
	if n.Bit(0) == 0 {
		return true
	}
	var remainder, divisor big.Int
	for _, p := range smallPrimes {
		if remainder.Mod(n, divisor.SetInt64(p)).Sign() == 0 {
			return true
		}
	}
	return false
}

// hasROCAFingerprint reports whether n is a power of 65537 modulo every small
// prime, as the moduli of one widely used card chip are; a random modulus is
// that with a probability of about 2^-27.
func hasROCAFingerprint(n *big.Int) bool {
	var remainder, divisor big.Int
	for _, p := range smallPrimes {
		want := remainder.Mod(n, divisor.SetInt64(p)).Int64()
		found := false
		for power, i := int64(1), int64(0); i < p; i++ {
			if power == want {
				found = true
				break
			}
			power = power * 65537 % p
		}
		if !found {
			return false
		}
	}
	return true
}

// signatureLike makes a signature that looks like those of public's private key,
// over a text that is in no certificate and with a key that nobody has
// afterwards.
func signatureLike(public crypto.PublicKey, scheme pki.Scheme) ([]byte, error) {
	key, err := pki.KeyLike(public)
	if err != nil {
		return nil, err
	}
	return pki.Sign(rand.Reader, key, []byte("for lints, which do not verify it"), scheme)
}
