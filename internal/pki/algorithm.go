package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // crypto.SHA1.New, for CertIDs and key identifiers only
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"io"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
)

// Algorithm is an AlgorithmIdentifier (RFC 5280, Section 4.1.1.2).
type Algorithm struct {
	ID asn1.ObjectIdentifier
	// Parameters is the whole encoded parameters element, nil when absent.
	Parameters []byte
}

// null is the encoding of NULL.
var null = []byte{5, 0}

// ReadAlgorithm reads an AlgorithmIdentifier. Parameters alias the input.
func ReadAlgorithm(s *cryptobyte.String, out *Algorithm) bool {
	var sequence, parameters, id cryptobyte.String
	if !s.ReadASN1(&sequence, cryptobyte_asn1.SEQUENCE) {
		return false
	}
	rest := sequence
	if known := rest.ReadASN1(&id, cryptobyte_asn1.OBJECT_IDENTIFIER); known && hashIDs[string(id)] != nil {
		out.ID, sequence = hashIDs[string(id)], rest
	} else if !sequence.ReadASN1ObjectIdentifier(&out.ID) {
		return false
	}
	out.Parameters = nil
	if sequence.Empty() {
		return true
	}
	var tag cryptobyte_asn1.Tag
	if !sequence.ReadAnyASN1Element(&parameters, &tag) || !sequence.Empty() {
		return false
	}
	out.Parameters = parameters
	return true
}

// hashIDs are the identifiers of the hash functions by their encoded content:
// every CertID has one, and nobody changes them.
var hashIDs = map[string]asn1.ObjectIdentifier{
	"\x2b\x0e\x03\x02\x1a":                 OIDSHA1,
	"\x60\x86\x48\x01\x65\x03\x04\x02\x01": OIDSHA256,
	"\x60\x86\x48\x01\x65\x03\x04\x02\x02": OIDSHA384,
	"\x60\x86\x48\x01\x65\x03\x04\x02\x03": OIDSHA512,
}

// AddAlgorithm writes an AlgorithmIdentifier.
func AddAlgorithm(b *cryptobyte.Builder, a Algorithm) {
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(a.ID)
		b.AddBytes(a.Parameters)
	})
}

// Hash returns the hash function that a names. Parameters may be absent or
// NULL, as RFC 5754, Section 2 asks receivers to accept; anything else and any
// unknown function gives false.
func (a Algorithm) Hash() (crypto.Hash, bool) {
	if a.Parameters != nil && string(a.Parameters) != string(null) {
		return 0, false
	}
	switch {
	case a.ID.Equal(OIDSHA1):
		return crypto.SHA1, true
	case a.ID.Equal(OIDSHA256):
		return crypto.SHA256, true
	case a.ID.Equal(OIDSHA384):
		return crypto.SHA384, true
	case a.ID.Equal(OIDSHA512):
		return crypto.SHA512, true
	}
	return 0, false
}

// HashAlgorithm returns the identifier of h without parameters, the form that
// RFC 5754, Section 2 asks senders to use. It panics for a hash that this
// module does not speak, since callers choose from a fixed few.
func HashAlgorithm(h crypto.Hash) Algorithm {
	switch h {
	case crypto.SHA1:
		return Algorithm{ID: OIDSHA1}
	case crypto.SHA256:
		return Algorithm{ID: OIDSHA256}
	case crypto.SHA384:
		return Algorithm{ID: OIDSHA384}
	case crypto.SHA512:
		return Algorithm{ID: OIDSHA512}
	}
	panic("pki: no identifier for " + h.String())
}

// Scheme is a choice of how RSA keys sign. Other keys have no choice.
type Scheme int

// The schemes of RSA keys.
const (
	PKCS1 Scheme = iota // RSASSA-PKCS1-v1_5 with SHA-256, what every reader knows
	PSS                 // RSASSA-PSS with SHA-256, MGF1 with SHA-256 and 32 octets of salt
)

// SignatureAlgorithm chooses how a key signs: the identifier that goes into
// the signed object and the hash it is made over (0 for Ed25519, which takes
// the message itself). ECDSA keys use the hash of their curve's strength; RSA
// keys SHA-256 in the scheme given, PKCS1 when none is.
//
// It refuses keys that ETSI TS 119 312, Section 6.2.2.1 no longer allows: RSA
// below 2048 bits and curves other than P-256, P-384 and P-521.
func SignatureAlgorithm(public crypto.PublicKey, scheme ...Scheme) (Algorithm, crypto.Hash, error) {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		// RFC 5758, Section 3.2: parameters are absent.
		switch key.Curve {
		case elliptic.P256():
			return Algorithm{ID: OIDECDSAWithSHA256}, crypto.SHA256, nil
		case elliptic.P384():
			return Algorithm{ID: OIDECDSAWithSHA384}, crypto.SHA384, nil
		case elliptic.P521():
			return Algorithm{ID: OIDECDSAWithSHA512}, crypto.SHA512, nil
		}
		return Algorithm{}, 0, fmt.Errorf("pki: signing with curve %s is not supported", key.Curve.Params().Name)
	case *rsa.PublicKey:
		if key.N.BitLen() < 2048 {
			return Algorithm{}, 0, fmt.Errorf("pki: an RSA key of %d bits is too weak to sign with", key.N.BitLen())
		}
		if slices.Contains(scheme, PSS) {
			return Algorithm{ID: OIDRSASSAPSS, Parameters: pssParameters()}, crypto.SHA256, nil
		}
		// RFC 4055, Section 5: parameters are NULL.
		return Algorithm{ID: OIDSHA256WithRSA, Parameters: null}, crypto.SHA256, nil
	case ed25519.PublicKey:
		// RFC 8410, Section 3: parameters are absent.
		return Algorithm{ID: OIDEd25519}, 0, nil
	}
	return Algorithm{}, 0, fmt.Errorf("pki: signing with a %T is not supported", public)
}

// pssParameters is RSASSA-PSS-params for SHA-256.
//
// RFC 4055, Section 3.1: hash, mask generation over the same hash, and salt of
// the hash's length; the trailer field is left out, being the default. The hash
// identifiers carry NULL, the form that RFC 4055, Section 2.1 writes out.
func pssParameters() []byte {
	sha256 := Algorithm{ID: OIDSHA256, Parameters: null}
	mask := cryptobyte.NewBuilder(nil)
	AddAlgorithm(mask, sha256)
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cryptobyte_asn1.Tag(0).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) { AddAlgorithm(b, sha256) })
		b.AddASN1(cryptobyte_asn1.Tag(1).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) {
			AddAlgorithm(b, Algorithm{ID: OIDMGF1, Parameters: mask.BytesOrPanic()})
		})
		b.AddASN1(cryptobyte_asn1.Tag(2).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) {
			b.AddASN1Int64(int64(crypto.SHA256.Size()))
		})
	})
	return b.BytesOrPanic()
}

// Sign signs message with the algorithm that [SignatureAlgorithm] names for
// the key and scheme. A nil random makes ECDSA deterministic (RFC 6979), which
// is what OCSP answers, CRLs and time-stamp tokens use; issuing passes
// crypto/rand, which RSASSA-PSS needs for its salt.
func Sign(random io.Reader, key crypto.Signer, message []byte, scheme ...Scheme) ([]byte, error) {
	algorithm, hash, err := SignatureAlgorithm(key.Public(), scheme...)
	if err != nil {
		return nil, err
	}
	if hash == 0 {
		return key.Sign(random, message, crypto.Hash(0))
	}
	digest := digestOf(hash, message)
	if algorithm.ID.Equal(OIDRSASSAPSS) {
		if random == nil {
			random = rand.Reader
		}
		return key.Sign(random, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash})
	}
	return key.Sign(random, digest, hash)
}

// digestOf hashes message with one of the functions that SignatureAlgorithm
// returns.
func digestOf(hash crypto.Hash, message []byte) []byte {
	switch hash {
	case crypto.SHA384:
		sum := sha512.Sum384(message)
		return sum[:]
	case crypto.SHA512:
		sum := sha512.Sum512(message)
		return sum[:]
	default:
		sum := sha256.Sum256(message)
		return sum[:]
	}
}

// AddSigned writes SEQUENCE { toBeSigned, signatureAlgorithm, signature }, the
// outer form that certificates, CRLs and OCSP responses share.
func AddSigned(b *cryptobyte.Builder, toBeSigned []byte, algorithm Algorithm, signature []byte) {
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(toBeSigned)
		AddAlgorithm(b, algorithm)
		b.AddASN1BitString(signature)
	})
}

// MarshalSigned is what [AddSigned] writes, in one allocation, of an algorithm
// that is encoded already.
func MarshalSigned(toBeSigned, algorithm, signature []byte) ([]byte, error) {
	bits := 1 + len(signature) // with the number of unused ones, none
	whole := len(toBeSigned) + len(algorithm) + der.Size(bits)
	if whole > 0xffff {
		return nil, fmt.Errorf("it has %d octets", whole)
	}
	b := der.AppendHeader(make([]byte, 0, der.Size(whole)), cryptobyte_asn1.SEQUENCE, whole)
	b = append(append(b, toBeSigned...), algorithm...)
	b = append(der.AppendHeader(b, cryptobyte_asn1.BIT_STRING, bits), 0)
	return append(b, signature...), nil
}

// CheckKeyPair reports whether key is the private half of certificate's key.
func CheckKeyPair(certificate *x509.Certificate, key crypto.Signer) error {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(certificate.PublicKey) {
		return fmt.Errorf("pki: the private key does not belong to the certificate of %q", certificate.Subject)
	}
	return nil
}

// ecPrefixes are what a SubjectPublicKeyInfo with an uncompressed point begins
// with (RFC 5480, Section 2).
var ecPrefixes = map[elliptic.Curve]string{
	elliptic.P256(): "\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00",
	elliptic.P384(): "\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00",
}

// MarshalPublicKey encodes a SubjectPublicKeyInfo as [x509.MarshalPKIXPublicKey]
// does, at a fraction of its cost for the curves that nearly all certificates
// are for.
func MarshalPublicKey(public crypto.PublicKey) ([]byte, error) {
	if key, ok := public.(*ecdsa.PublicKey); ok {
		if prefix, ok := ecPrefixes[key.Curve]; ok {
			point, err := key.Bytes()
			return append([]byte(prefix), point...), err
		}
	}
	return x509.MarshalPKIXPublicKey(public)
}

// SubjectPublicKey returns the contents of the subjectPublicKey BIT STRING of
// an encoded SubjectPublicKeyInfo: the octets that RFC 5280, Section 4.2.1.2
// and RFC 6960, Section 4.1.1 hash.
func SubjectPublicKey(spki []byte) ([]byte, error) {
	sequence, ok := der.Whole(spki, cryptobyte_asn1.SEQUENCE)
	var algorithm cryptobyte.String
	var bits []byte
	if !ok || !sequence.ReadASN1(&algorithm, cryptobyte_asn1.SEQUENCE) ||
		!sequence.ReadASN1BitStringAsBytes(&bits) || !sequence.Empty() {
		return nil, fmt.Errorf("pki: malformed SubjectPublicKeyInfo")
	}
	return bits, nil
}

// KeyIdentifier derives a key identifier by method 1 of RFC 5280, Section
// 4.2.1.2: the SHA-1 hash of the subjectPublicKey. It is a name, not a
// protection, and equals the byKey responder identifier of RFC 6960, Section
// 4.2.2.3.
func KeyIdentifier(spki []byte) ([]byte, error) {
	bits, err := SubjectPublicKey(spki)
	if err != nil {
		return nil, err
	}
	h := crypto.SHA1.New()
	h.Write(bits)
	return h.Sum(nil), nil
}
