package xmlsec

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha1" // a digest in the signed properties, see certDigest
	_ "crypto/sha256"
	_ "crypto/sha512"
	"fmt"
	"math/big"

	"github.com/altamga/altamga/internal/brainpool"
	"github.com/altamga/altamga/internal/pki"
)

// The namespaces of signatures.
const (
	SpaceDSig  = "http://www.w3.org/2000/09/xmldsig#"
	SpaceXAdES = "http://uri.etsi.org/01903/v1.3.2#"
)

// Transforms and canonicalisations.
const (
	transformEnveloped = SpaceDSig + "enveloped-signature"
	c14nExclusive      = "http://www.w3.org/2001/10/xml-exc-c14n#"
	c14n10             = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
	c14n11             = "http://www.w3.org/2006/12/xml-c14n11"
)

const digestSHA1 = SpaceDSig + "sha1"

// digests are the hashes that are taken. ETSI TS 119 312, Section 5: SHA-1 is
// not.
var digests = map[string]crypto.Hash{
	"http://www.w3.org/2001/04/xmlenc#sha256":       crypto.SHA256,
	"http://www.w3.org/2001/04/xmldsig-more#sha384": crypto.SHA384,
	"http://www.w3.org/2001/04/xmlenc#sha512":       crypto.SHA512,
}

// scheme is a kind of signature.
type scheme int

const (
	pkcs1 scheme = iota
	pss
	ecdsaRaw
)

// signature is how SignedInfo is signed.
type signature struct {
	scheme scheme
	hash   crypto.Hash
}

// signatures are the algorithms that are taken (RFC 9231, Section 2.3): no
// HMAC, no DSA, no SHA-1, and none with parameters.
var signatures = map[string]signature{
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256":      {pkcs1, crypto.SHA256},
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha384":      {pkcs1, crypto.SHA384},
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha512":      {pkcs1, crypto.SHA512},
	"http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1": {pss, crypto.SHA256},
	"http://www.w3.org/2007/05/xmldsig-more#sha384-rsa-MGF1": {pss, crypto.SHA384},
	"http://www.w3.org/2007/05/xmldsig-more#sha512-rsa-MGF1": {pss, crypto.SHA512},
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256":    {ecdsaRaw, crypto.SHA256},
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384":    {ecdsaRaw, crypto.SHA384},
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512":    {ecdsaRaw, crypto.SHA512},
}

// digestOf and signatureOf are the tables backwards.
func digestOf(h crypto.Hash) string {
	for uri, hash := range digests {
		if hash == h {
			return uri
		}
	}
	return ""
}

func signatureOf(s signature) string {
	for uri, other := range signatures {
		if s == other {
			return uri
		}
	}
	return ""
}

// canonicalisation returns the method that a URI names.
func canonicalisation(uri string) (Method, bool) {
	switch uri {
	case c14nExclusive:
		return Method{Exclusive: true}, true
	case c14n10:
		return Method{}, true
	case c14n11:
		return Method{v11: true}, true
	}
	return Method{}, false
}

func hashOf(h crypto.Hash, data []byte) []byte {
	state := h.New()
	state.Write(data)
	return state.Sum(nil)
}

// minRSA is the shortest RSA key that is taken (ETSI TS 119 312, Section
// 6.2.2.1).
const minRSA = 2048

// verify reports why value is not the key's signature over message, or nil.
func (s signature) verify(key crypto.PublicKey, message, value []byte) error {
	digest := hashOf(s.hash, message)
	switch key := key.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < minRSA {
			return fault(Algorithm, "the signer's RSA key has %d bits; %d are asked for", key.N.BitLen(), minRSA)
		}
		switch s.scheme {
		case pkcs1:
			if rsa.VerifyPKCS1v15(key, s.hash, digest, value) == nil {
				return nil
			}
			return fault(Value, "the signature value does not verify with the signer's key")
		case pss:
			// RFC 9231, Section 2.3.10: salt of the hash's length.
			if rsa.VerifyPSS(key, s.hash, digest, value, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil {
				return nil
			}
			return fault(Value, "the signature value does not verify with the signer's key")
		}
	case *ecdsa.PublicKey:
		if s.scheme == ecdsaRaw {
			return verifyRaw(key, digest, value)
		}
	case *brainpool.PublicKey:
		if s.scheme == ecdsaRaw {
			if key.VerifyRaw(digest, value) {
				return nil
			}
			return fault(Value, "the signature value does not verify with the signer's key")
		}
	case nil:
		return fault(Key, "this build cannot verify with the signer's kind of key")
	}
	return fault(Algorithm, "the signature method does not fit the signer's key, a %T", key)
}

// verifyRaw verifies r|s, both of the order's length (RFC 9231, Section
// 2.3.6).
func verifyRaw(key *ecdsa.PublicKey, digest, value []byte) error {
	switch key.Curve {
	case elliptic.P256(), elliptic.P384(), elliptic.P521():
	default:
		return fault(Algorithm, "the signer's curve %s is not taken", key.Curve.Params().Name)
	}
	size := pki.OrderSize(key)
	if len(value) != 2*size {
		return fault(Value, "the signature value has %d octets, not %d", len(value), 2*size)
	}
	r, s := new(big.Int).SetBytes(value[:size]), new(big.Int).SetBytes(value[size:])
	if !ecdsa.Verify(key, digest, r, s) {
		return fault(Value, "the signature value does not verify with the signer's key")
	}
	return nil
}

// Reason is the kind of fault that a signed document is refused for.
type Reason string

// The reasons, from the outside in.
const (
	Malformed Reason = "malformed"  // not a well-formed document of the right root
	Unsigned  Reason = "unsigned"   // no signature
	Form      Reason = "form"       // a signature, but not the one form that is taken
	Algorithm Reason = "algorithm"  // an algorithm that is not taken
	Untrusted Reason = "untrusted"  // the signer is none of the pinned ones
	Key       Reason = "unreadable" // the signer is pinned, but this build has no arithmetic for its key
	Value     Reason = "signature"  // the signature value is wrong
	Digest    Reason = "digest"     // something that is signed was changed
)

// Error says why a signed document is refused.
type Error struct {
	Reason Reason
	Detail string
}

func (e *Error) Error() string { return e.Detail }

func fault(reason Reason, format string, args ...any) error {
	return &Error{reason, fmt.Sprintf(format, args...)}
}
