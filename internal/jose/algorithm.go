package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"errors"
	"fmt"
	"math/big"

	"github.com/altamga/altamga/internal/pki"
)

// algorithm is how a document is signed.
type algorithm struct {
	hash crypto.Hash
	// curve is that of ECDSA, nil for RSA; pss tells the schemes of RSA apart.
	curve elliptic.Curve
	pss   bool
}

// algorithms are those that are taken (RFC 7518, Section 3.1): no HMAC and no
// "none". Each ECDSA algorithm has its curve (Section 3.4).
var algorithms = map[string]algorithm{
	"ES256": {hash: crypto.SHA256, curve: elliptic.P256()},
	"ES384": {hash: crypto.SHA384, curve: elliptic.P384()},
	"ES512": {hash: crypto.SHA512, curve: elliptic.P521()},
	"RS256": {hash: crypto.SHA256},
	"RS384": {hash: crypto.SHA384},
	"RS512": {hash: crypto.SHA512},
	"PS256": {hash: crypto.SHA256, pss: true},
	"PS384": {hash: crypto.SHA384, pss: true},
	"PS512": {hash: crypto.SHA512, pss: true},
}

// minRSA is the shortest RSA key that is taken (ETSI TS 119 312, Section
// 6.2.2.1).
const minRSA = 2048

// verify reports why value is not the key's signature over message, or nil.
func (a algorithm) verify(key crypto.PublicKey, message, value []byte) error {
	h := a.hash.New()
	h.Write(message)
	digest := h.Sum(nil)
	wrong := fault(Value, "the signature value does not verify with the signer's key")
	switch key := key.(type) {
	case *rsa.PublicKey:
		switch {
		case a.curve != nil:
			return fault(Algorithm, "the algorithm does not fit the signer's RSA key")
		case key.N.BitLen() < minRSA:
			return fault(Algorithm, "the signer's RSA key has %d bits; %d are asked for", key.N.BitLen(), minRSA)
		case a.pss:
			// RFC 7518, Section 3.5: salt of the hash's length.
			if rsa.VerifyPSS(key, a.hash, digest, value, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) != nil {
				return wrong
			}
		case rsa.VerifyPKCS1v15(key, a.hash, digest, value) != nil:
			return wrong
		}
		return nil
	case *ecdsa.PublicKey:
		if a.curve == nil || key.Curve != a.curve {
			return fault(Algorithm, "the algorithm does not fit the signer's key on %s", key.Curve.Params().Name)
		}
		// RFC 7518, Section 3.4: r and s, each of the order's length.
		size := pki.OrderSize(key)
		if len(value) != 2*size {
			return fault(Value, "the signature value has %d octets, not %d", len(value), 2*size)
		}
		if !ecdsa.Verify(key, digest, new(big.Int).SetBytes(value[:size]), new(big.Int).SetBytes(value[size:])) {
			return wrong
		}
		return nil
	case nil:
		return fault(Key, "this build cannot verify with the signer's kind of key")
	}
	return fault(Algorithm, "the algorithm does not fit the signer's key, a %T", key)
}

// algorithmFor names how a key signs.
func algorithmFor(key crypto.PublicKey, pss bool) (string, error) {
	scheme := pki.PKCS1
	if pss {
		scheme = pki.PSS
	}
	_, hash, err := pki.SignatureAlgorithm(key, scheme)
	if err != nil {
		return "", err
	}
	want := algorithm{hash: hash}
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		want.curve = key.Curve
	case *rsa.PublicKey:
		want.pss = pss
	default:
		return "", fmt.Errorf("a %T does not sign lists: readers take RSA and ECDSA only", key)
	}
	for name, a := range algorithms {
		if a == want {
			return name, nil
		}
	}
	return "", errors.New("there is no algorithm for the key")
}

// Reason is the kind of fault that a signed document is refused for, in the
// words of package xmlsec.
type Reason string

// The reasons, from the outside in.
const (
	Malformed Reason = "malformed"  // not three parts of base64, or not JSON
	Unsigned  Reason = "unsigned"   // JSON, but no signature
	Form      Reason = "form"       // a signature, but not of the one form that is taken
	Algorithm Reason = "algorithm"  // an algorithm that is not taken
	Untrusted Reason = "untrusted"  // the signer is none of the pinned ones
	Key       Reason = "unreadable" // the signer is pinned, but this build has no arithmetic for its key
	Value     Reason = "signature"  // the signature value is wrong
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

// ReasonOf returns the reason of a refusal, "" for other errors and none.
func ReasonOf(err error) Reason {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return ""
}
