package tsa

import (
	"crypto"
	"encoding/asn1"

	"github.com/altamga/altamga/internal/pki"
)

// Object identifiers by the name their standard gives them. They are never
// modified.
var (
	// RFC 5652, Section 5.1 and Section 11: content type and signed attributes.
	oidSignedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	// RFC 3161, Section 2.4.2: id-ct-TSTInfo.
	oidTSTInfo = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
	// RFC 5035, Section 3: id-aa-signingCertificateV2.
	oidSigningCertificateV2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
	// RFC 6211, Section 2: id-aa-CMSAlgorithmProtection.
	oidAlgorithmProtection = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 52}
	// RFC 5280, Appendix A.2: id-ce-privateKeyUsagePeriod.
	oidPrivateKeyUsagePeriod = asn1.ObjectIdentifier{2, 5, 29, 16}

	// RFC 3739, Section 3.2.6: id-pe-qcStatements, and the statement of ETSI EN
	// 319 422, Section 9.1 that a token is qualified: esi4-qtstStatement-1.
	oidQCStatements       = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 3}
	oidQualifiedTimeStamp = asn1.ObjectIdentifier{0, 4, 0, 19422, 1, 1}

	// NIST's hash functions of the SHA-3 family.
	oidSHA3_256 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 8}
	oidSHA3_384 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 9}
	oidSHA3_512 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 10}
)

// imprintHash is a hash function whose values the authority stamps.
type imprintHash struct {
	id   asn1.ObjectIdentifier
	size int
	name string
	sum  crypto.Hash
}

// imprintHashes lists the functions of ETSI TS 119 312, Section 5, and SHA-1. The
// authority never computes them: it needs to know the length of their values.
// Only [Token.Over] does.
var imprintHashes = []imprintHash{
	{pki.OIDSHA256, 32, "sha256", crypto.SHA256},
	{pki.OIDSHA384, 48, "sha384", crypto.SHA384},
	{pki.OIDSHA512, 64, "sha512", crypto.SHA512},
	{oidSHA3_256, 32, "sha3-256", crypto.SHA3_256},
	{oidSHA3_384, 48, "sha3-384", crypto.SHA3_384},
	{oidSHA3_512, 64, "sha3-512", crypto.SHA3_512},
	imprintSHA1,
}

// imprintSHA1 is stamped only when [Policy.SHA1] says so.
var imprintSHA1 = imprintHash{pki.OIDSHA1, 20, "sha1", crypto.SHA1}
