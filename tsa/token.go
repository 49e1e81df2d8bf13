package tsa

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/pki"
)

// pieces are the parts of a token that are the same in all tokens of a unit.
// What is left for each token is the TSTInfo, its hash, the signature, and the
// lengths around them: [unit.assemble] writes those between the pieces, into
// one buffer. [signedData] is the same form written plainly, for reading, and
// the tests hold the two to one another.
type pieces struct {
	// head is the SignedData's version and digestAlgorithms.
	head []byte
	// certificates is the whole certificates field, for queries with certReq.
	certificates []byte
	// signer is the SignerInfo up to the signed attributes.
	signer []byte
	// before and after are the signed attributes around the digest of the
	// TSTInfo; together with it they are attributes octets long.
	before, after []byte
	attributes    int
	// signatureAlgorithm is the whole element.
	signatureAlgorithm []byte
}

// Constant headers: the object identifiers of ContentInfo and
// EncapsulatedContentInfo, and the PKIStatusInfo of a granted query.
var (
	idSignedData = mustEncode(func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidSignedData) })
	idTSTInfo    = mustEncode(func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidTSTInfo) })
	grantedInfo  = mustEncode(func(b *cryptobyte.Builder) {
		b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1Int64(statusGranted) })
	})
)

func mustEncode(write func(*cryptobyte.Builder)) []byte {
	b := cryptobyte.NewBuilder(nil)
	write(b)
	return b.BytesOrPanic()
}

// prepare encodes the pieces.
func (u *unit) prepare() (p pieces, err error) {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1Int64(3) // RFC 5652, Section 5.1: as the content is not id-data
	b.AddASN1(cryptobyte_asn1.SET, func(b *cryptobyte.Builder) { pki.AddAlgorithm(b, u.digest) })
	if p.head, err = b.Bytes(); err != nil {
		return p, err
	}
	certificates := [][]byte{u.Certificate.Raw}
	for _, c := range u.Chain {
		certificates = append(certificates, c.Raw)
	}
	b = cryptobyte.NewBuilder(nil)
	b.AddASN1(tagCertificates, func(b *cryptobyte.Builder) { addAll(b, sorted(certificates...)) })
	if p.certificates, err = b.Bytes(); err != nil {
		return p, err
	}
	b = cryptobyte.NewBuilder(nil)
	addSignerHead(b, u.Certificate.RawIssuer, u.serial, u.digest)
	if p.signer, err = b.Bytes(); err != nil {
		return p, err
	}
	b = cryptobyte.NewBuilder(nil)
	pki.AddAlgorithm(b, u.algorithm)
	if p.signatureAlgorithm, err = b.Bytes(); err != nil {
		return p, err
	}
	return p, p.prepareAttributes(u)
}

// prepareAttributes encodes the signed attributes around a stand-in for the
// digest. Where the attribute that holds it stands among the others does not
// depend on it, since the identifiers before it already differ.
func (p *pieces) prepareAttributes(u *unit) error {
	standIn := bytes.Repeat([]byte{0xa5}, u.hash.Size())
	var attributes [][]byte
	for _, attribute := range []struct {
		id    []int
		value func(*cryptobyte.Builder)
	}{
		// RFC 5652, Section 11.1: content-type names the eContentType.
		{oidContentType, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidTSTInfo) }},
		// RFC 5652, Section 11.2: message-digest is the hash of the eContent's
		// value octets.
		{oidMessageDigest, func(b *cryptobyte.Builder) { b.AddASN1OctetString(standIn) }},
		{oidSigningCertificateV2, func(b *cryptobyte.Builder) { addSigningCertificate(b, u.Certificate) }},
		{oidAlgorithmProtection, func(b *cryptobyte.Builder) { addAlgorithmProtection(b, u.digest, u.algorithm) }},
	} {
		encoded, err := marshalAttribute(attribute.id, attribute.value)
		if err != nil {
			return err
		}
		attributes = append(attributes, encoded)
	}
	all := bytes.Join(sorted(attributes...), nil)
	var found bool
	if p.before, p.after, found = bytes.Cut(all, standIn); !found || bytes.Contains(p.after, standIn) {
		return errors.New("the attributes do not hold one digest")
	}
	p.attributes = len(all)
	return nil
}

// addSigningCertificate writes a SigningCertificateV2 (RFC 5035, Section 3)
// that names one certificate, the signer's, by SHA-256 hash, issuer and serial
// number.
//
// RFC 5816, Section 2.2.1: version 2 MUST be used with any hash function but
// SHA-1. SHA-256 is the default of hashAlgorithm, so DER leaves it out.
func addSigningCertificate(b *cryptobyte.Builder, certificate *x509.Certificate) {
	h := crypto.SHA256.New()
	h.Write(certificate.Raw)
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) { // SigningCertificateV2
		b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) { // certs
			b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) { // ESSCertIDv2
				b.AddASN1OctetString(h.Sum(nil))
				b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) { // IssuerSerial
					b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) { // GeneralNames
						b.AddASN1(tagDirectoryName, func(b *cryptobyte.Builder) { b.AddBytes(certificate.RawIssuer) })
					})
					b.AddASN1BigInt(certificate.SerialNumber)
				})
			})
		})
	})
}

// addAlgorithmProtection writes a CMSAlgorithmProtection (RFC 6211, Section
// 2): the signature covers the identifiers of the functions it was made with.
func addAlgorithmProtection(b *cryptobyte.Builder, digest, signature pki.Algorithm) {
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		pki.AddAlgorithm(b, digest)
		b.AddASN1(tagSignatureAlgorithm, func(b *cryptobyte.Builder) { // [1] IMPLICIT
			b.AddASN1ObjectIdentifier(signature.ID)
			b.AddBytes(signature.Parameters)
		})
	})
}

// sign makes the signature of a token over an encoded TSTInfo, and returns the
// signed attributes' contents, too.
func (u *unit) sign(ctx context.Context, info []byte) (attributes, signature []byte, err error) {
	// RFC 5652, Section 5.4: what is signed is the DER of the SET OF, not of
	// the IMPLICIT [0] that stands in the SignerInfo.
	set := make([]byte, 0, sizeOf(u.attributes))
	set = appendHeader(set, cryptobyte_asn1.SET, u.attributes)
	start := len(set)
	set = append(set, u.before...)
	set = appendSum(set, u.hash, info)
	set = append(set, u.after...)
	var digest [64]byte
	toSign := appendSum(digest[:0], u.hash, set)
	// A nil random makes ECDSA deterministic: a token needs no hedging beyond
	// its own random serial number.
	if key, ok := u.Key.(contextSigner); ok {
		signature, err = key.SignContext(ctx, nil, toSign, u.hash)
	} else {
		signature, err = u.Key.Sign(nil, toSign, u.hash)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("signing token: %w", err)
	}
	return set[start:], signature, nil
}

// contextSigner is a key that stops waiting for its hardware.
type contextSigner interface {
	SignContext(ctx context.Context, random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error)
}

// appendSum appends the hash of data.
func appendSum(b []byte, hash crypto.Hash, data []byte) []byte {
	if hash == crypto.SHA256 {
		sum := sha256.Sum256(data)
		return append(b, sum[:]...)
	}
	h := hash.New()
	h.Write(data)
	return h.Sum(b)
}

// assemble writes a granted TimeStampResp. The token is what follows the first
// start octets.
func (u *unit) assemble(info, attributes, signature []byte, withCertificates bool) (response []byte, start int) {
	// RFC 3161, Section 2.4.1: the field is absent unless certReq asked for it.
	var certificates []byte
	if withCertificates {
		certificates = u.certificates
	}
	octets := sizeOf(len(info))
	encapsulated := len(idTSTInfo) + sizeOf(octets)
	signerInfo := len(u.signer) + sizeOf(len(attributes)) + len(u.signatureAlgorithm) + sizeOf(len(signature))
	signed := len(u.head) + sizeOf(encapsulated) + len(certificates) + sizeOf(sizeOf(signerInfo))
	content := len(idSignedData) + sizeOf(sizeOf(signed))
	whole := len(grantedInfo) + sizeOf(content)

	b := make([]byte, 0, sizeOf(whole))
	b = appendHeader(b, cryptobyte_asn1.SEQUENCE, whole) // TimeStampResp
	b = append(b, grantedInfo...)
	start = len(b)
	b = appendHeader(b, cryptobyte_asn1.SEQUENCE, content) // ContentInfo
	b = append(b, idSignedData...)
	b = appendHeader(b, tagContent, sizeOf(signed))
	b = appendHeader(b, cryptobyte_asn1.SEQUENCE, signed) // SignedData
	b = append(b, u.head...)
	b = appendHeader(b, cryptobyte_asn1.SEQUENCE, encapsulated) // EncapsulatedContentInfo
	b = append(b, idTSTInfo...)
	b = appendHeader(b, tagContent, octets)
	b = appendElement(b, cryptobyte_asn1.OCTET_STRING, info)
	b = append(b, certificates...)
	// RFC 3161, Section 2.4.2: no signature but the authority's.
	b = appendHeader(b, cryptobyte_asn1.SET, sizeOf(signerInfo))
	b = appendHeader(b, cryptobyte_asn1.SEQUENCE, signerInfo) // SignerInfo
	b = append(b, u.signer...)
	b = appendElement(b, tagSignedAttributes, attributes)
	b = append(b, u.signatureAlgorithm...)
	return appendElement(b, cryptobyte_asn1.OCTET_STRING, signature), start
}

// marshalAttribute encodes an Attribute of one value.
func marshalAttribute(id []int, value func(*cryptobyte.Builder)) ([]byte, error) {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(id)
		b.AddASN1(cryptobyte_asn1.SET, value)
	})
	return b.Bytes()
}
