//go:build cgo

package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"

	"github.com/miekg/pkcs11"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/pki"
)

// work is one signature to make: what the token is given, and what to make of
// its answer.
type work struct {
	mechanism *pkcs11.Mechanism
	input     []byte
	encode    func(raw []byte) ([]byte, error)
	verify    func(signature []byte) bool
}

// asIs is for mechanisms whose answer is the signature.
func asIs(raw []byte) ([]byte, error) { return raw, nil }

// workFor translates what crypto.Signer says into what PKCS #11 says.
func workFor(public crypto.PublicKey, digest []byte, opts crypto.SignerOpts) (work, error) {
	hash := opts.HashFunc()
	if _, ok := public.(ed25519.PublicKey); !ok && (hash == 0 || len(digest) != hash.Size()) {
		return work{}, fmt.Errorf("%d octets are not a digest of %v", len(digest), hash)
	}
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		size := curveOctets(key)
		return work{
			mechanism: pkcs11.NewMechanism(pkcs11.CKM_ECDSA, nil),
			// FIPS 186-5, Section 6.4.1: the leftmost octets of a longer digest;
			// some tokens refuse to cut it themselves.
			input:  digest[:min(len(digest), size)],
			encode: func(raw []byte) ([]byte, error) { return encodeECDSA(raw, size) },
			verify: func(signature []byte) bool { return ecdsa.VerifyASN1(key, digest, signature) },
		}, nil
	case *rsa.PublicKey:
		if options, ok := opts.(*rsa.PSSOptions); ok {
			return pssWork(key, digest, hash, options)
		}
		input, err := digestInfo(hash, digest)
		return work{
			mechanism: pkcs11.NewMechanism(pkcs11.CKM_RSA_PKCS, nil),
			input:     input,
			encode:    asIs,
			verify: func(signature []byte) bool {
				return rsa.VerifyPKCS1v15(key, hash, digest, signature) == nil
			},
		}, err
	case ed25519.PublicKey:
		if options, ok := opts.(*ed25519.Options); hash != 0 || ok && options.Context != "" {
			return work{}, errors.New("an Ed25519 key signs messages, not digests")
		}
		return work{
			mechanism: pkcs11.NewMechanism(ckmEdDSA, nil),
			input:     digest,
			encode:    asIs,
			verify:    func(signature []byte) bool { return ed25519.Verify(key, digest, signature) },
		}, nil
	}
	return work{}, fmt.Errorf("signing with a %T is not supported", public)
}

// pssWork is RSASSA-PSS (RFC 8017, Section 8.1), with MGF1 over the same hash.
func pssWork(key *rsa.PublicKey, digest []byte, hash crypto.Hash, options *rsa.PSSOptions) (work, error) {
	var mechanism, mgf uint
	switch hash {
	case crypto.SHA256:
		mechanism, mgf = pkcs11.CKM_SHA256, pkcs11.CKG_MGF1_SHA256
	case crypto.SHA384:
		mechanism, mgf = pkcs11.CKM_SHA384, pkcs11.CKG_MGF1_SHA384
	case crypto.SHA512:
		mechanism, mgf = pkcs11.CKM_SHA512, pkcs11.CKG_MGF1_SHA512
	default:
		return work{}, fmt.Errorf("RSASSA-PSS with %v is not supported", hash)
	}
	// RFC 8017, Section 9.1.1: what is left of the encoded message.
	longest := (key.N.BitLen()-1+7)/8 - 2 - hash.Size()
	salt := options.SaltLength
	switch salt {
	case rsa.PSSSaltLengthAuto:
		salt = longest
	case rsa.PSSSaltLengthEqualsHash:
		salt = hash.Size()
	}
	if salt < 0 || salt > longest {
		return work{}, fmt.Errorf("RSASSA-PSS with a salt of %d octets does not fit the key", salt)
	}
	return work{
		mechanism: pkcs11.NewMechanism(pkcs11.CKM_RSA_PKCS_PSS, pkcs11.NewPSSParams(mechanism, mgf, uint(salt))),
		input:     digest,
		encode:    asIs,
		verify: func(signature []byte) bool {
			return rsa.VerifyPSS(key, hash, digest, signature, &rsa.PSSOptions{SaltLength: salt}) == nil
		},
	}, nil
}

// digestInfo encodes what PKCS #1 v1.5 signs (RFC 8017, Section 9.2): the
// digest under its algorithm, whose parameters are NULL.
func digestInfo(hash crypto.Hash, digest []byte) ([]byte, error) {
	switch hash {
	case crypto.SHA256, crypto.SHA384, crypto.SHA512:
	default:
		return nil, fmt.Errorf("RSA with %v is not supported", hash)
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		pki.AddAlgorithm(b, pki.Algorithm{ID: pki.HashAlgorithm(hash).ID, Parameters: []byte{5, 0}})
		b.AddASN1OctetString(digest)
	})
	return b.Bytes()
}

// encodeECDSA turns r and s, of size octets each, into the ECDSA-Sig-Value of
// RFC 5480, Appendix A.
func encodeECDSA(raw []byte, size int) ([]byte, error) {
	if len(raw) != 2*size {
		return nil, fmt.Errorf("the token's signature has %d octets, not %d", len(raw), 2*size)
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1BigInt(new(big.Int).SetBytes(raw[:size]))
		b.AddASN1BigInt(new(big.Int).SetBytes(raw[size:]))
	})
	return b.Bytes()
}
