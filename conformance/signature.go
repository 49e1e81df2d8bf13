package conformance

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"

	"github.com/altamga/altamga/internal/brainpool"
	"github.com/altamga/altamga/internal/pki"
)

// Weak algorithms, verified all the same: that they are weak is another finding
// than that a signature is wrong.
var (
	oidSHA1WithRSA   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}
	oidECDSAWithSHA1 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1}
	oidMD5WithRSA    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 4}
	oidMD5           = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 5}
)

// weak says that a signature algorithm rests on a broken hash function (ETSI TS
// 119 312, Section 5).
func weak(id asn1.ObjectIdentifier) bool {
	return id.Equal(oidSHA1WithRSA) || id.Equal(oidECDSAWithSHA1) || id.Equal(oidMD5WithRSA)
}

// foreignArc is a family of algorithms by the beginning of its identifiers.
type foreignArc struct {
	arc      asn1.ObjectIdentifier
	name     string
	european bool
}

// foreignArcs are national algorithms: what is signed with them is a finding
// about a country, not about whoever uses them. This build cannot verify them,
// but for the larger Brainpool curves, which are European: ETSI TS 119 312,
// Section 6.2.2.2 names them.
var foreignArcs = []foreignArc{
	{asn1.ObjectIdentifier{1, 2, 643}, "GOST (Russia)", false},
	{asn1.ObjectIdentifier{1, 2, 398}, "GOST 34.310 (Kazakhstan)", false},
	{asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 6801}, "GOST 34.310 (Gamma)", false},
	{asn1.ObjectIdentifier{1, 2, 860}, "O'z DSt (Uzbekistan)", false},
	{asn1.ObjectIdentifier{1, 2, 804}, "DSTU 4145 (Ukraine)", false},
	{asn1.ObjectIdentifier{1, 2, 112}, "STB (Belarus)", false},
	{asn1.ObjectIdentifier{1, 2, 156, 10197}, "SM2 (China)", false},
	{asn1.ObjectIdentifier{1, 3, 36, 3, 3, 2, 8}, "Brainpool curves", true},
}

// foreignAlgorithm names the family of a national algorithm, or returns "".
func foreignAlgorithm(id asn1.ObjectIdentifier) string {
	for _, f := range foreignArcs {
		if len(id) > len(f.arc) && slices.Equal(id[:len(f.arc)], f.arc) {
			return f.name + ", " + id.String()
		}
	}
	return ""
}

// european reports whether Europe's own recommendations have the algorithm that
// foreignAlgorithm named.
func european(name string) bool {
	return slices.ContainsFunc(foreignArcs, func(f foreignArc) bool { return f.european && strings.HasPrefix(name, f.name) })
}

// errForeign says that a signature cannot be verified by this build.
var errForeign = errors.New("not verifiable by this build")

// verify checks a signature with an issuer's key. The error wraps errForeign
// when the algorithm or the key is none that this build knows.
func verify(key crypto.PublicKey, algorithm pki.Algorithm, signed, signature []byte) error {
	hash, pss, err := signatureHash(algorithm)
	if err != nil {
		return err
	}
	var digest []byte
	if hash != 0 {
		if !hash.Available() {
			return fmt.Errorf("%s: %w", algorithmName(algorithm.ID), errForeign)
		}
		h := hash.New()
		h.Write(signed)
		digest = h.Sum(nil)
	}
	good, fits := false, false
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		fits = algorithm.ID[:4].Equal(asn1.ObjectIdentifier{1, 2, 840, 10045})
		good = fits && ecdsa.VerifyASN1(key, digest, signature)
	case *rsa.PublicKey:
		fits = algorithm.ID[:4].Equal(asn1.ObjectIdentifier{1, 2, 840, 113549})
		switch {
		case fits && pss:
			good = rsa.VerifyPSS(key, hash, digest, signature, nil) == nil
		case fits:
			good = rsa.VerifyPKCS1v15(key, hash, digest, signature) == nil
		}
	case *brainpool.PublicKey:
		fits = algorithm.ID[:4].Equal(asn1.ObjectIdentifier{1, 2, 840, 10045})
		good = fits && key.VerifyASN1(digest, signature)
	case ed25519.PublicKey:
		fits = algorithm.ID.Equal(pki.OIDEd25519)
		good = fits && ed25519.Verify(key, signed, signature)
	default:
		return fmt.Errorf("the key is of a kind that is %w", errForeign)
	}
	switch {
	case !fits:
		return fmt.Errorf("%s does not go with the signer's key", algorithmName(algorithm.ID))
	case !good:
		return errors.New("the signature does not verify")
	}
	return nil
}

// signatureHash returns the hash function of a signature algorithm.
func signatureHash(a pki.Algorithm) (hash crypto.Hash, pss bool, err error) {
	switch id := a.ID; {
	case id.Equal(pki.OIDECDSAWithSHA256), id.Equal(pki.OIDSHA256WithRSA):
		return crypto.SHA256, false, nil
	case id.Equal(pki.OIDECDSAWithSHA384), id.Equal(pki.OIDSHA384WithRSA):
		return crypto.SHA384, false, nil
	case id.Equal(pki.OIDECDSAWithSHA512), id.Equal(pki.OIDSHA512WithRSA):
		return crypto.SHA512, false, nil
	case id.Equal(oidSHA1WithRSA), id.Equal(oidECDSAWithSHA1):
		return crypto.SHA1, false, nil
	case id.Equal(pki.OIDEd25519):
		return 0, false, nil
	case id.Equal(pki.OIDRSASSAPSS):
		// RFC 4055, Section 3.1: the hash stands in the parameters, SHA-1 when
		// left out.
		body, ok := whole(a.Parameters)
		var field cryptobyte.String
		var named pki.Algorithm
		there := false
		if !ok || !body.ReadOptionalASN1(&field, &there, explicit(0)) || there && !pki.ReadAlgorithm(&field, &named) {
			return 0, true, errors.New("the parameters of RSASSA-PSS are malformed")
		}
		if !there {
			return crypto.SHA1, true, nil
		}
		if hash, ok = named.Hash(); ok {
			return hash, true, nil
		}
	}
	return 0, false, fmt.Errorf("%s is %w", algorithmName(a.ID), errForeign)
}

// weakAlgorithm says whether a signature rests on a broken hash, parameters
// looked at.
func weakAlgorithm(a pki.Algorithm) bool {
	if weak(a.ID) {
		return true
	}
	hash, _, err := signatureHash(a)
	return err == nil && hash == crypto.SHA1
}

// judge turns what verify says into a verdict.
func (t *trial) judge(what string, err error) {
	switch {
	case err == nil:
	case errors.Is(err, errForeign):
		t.couldNot("%s: foreign algorithm: %v", what, err)
	default:
		t.fail("%s: %v", what, err)
	}
}
