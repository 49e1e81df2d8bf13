package tsa

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/pki"
)

// signer holds what is the same in all tokens of a key, encoded once.
type signer struct {
	certificate *x509.Certificate
	key         crypto.Signer
	digest      pki.Algorithm
	hash        crypto.Hash
	algorithm   pki.Algorithm
	serial      []byte // value octets of the certificate's serial number
	// certificates is the contents of the certificates field when it is asked
	// for.
	certificates [][]byte
	// The signed attributes that do not depend on the token.
	contentType, signingCertificate, algorithmProtection []byte
}

func newSigner(certificate *x509.Certificate, chain []*x509.Certificate, key crypto.Signer) (*signer, error) {
	algorithm, hash, err := pki.SignatureAlgorithm(key.Public())
	if err != nil {
		return nil, fmt.Errorf("tsa: choosing signature algorithm: %w", err)
	}
	if hash == 0 {
		// RFC 8419 has a form for it, but openssl ts knows no key that signs
		// the message itself, and a token is for every client.
		return nil, errors.New("tsa: common clients do not know Ed25519 tokens: use a P-256, P-384, P-521 or RSA key")
	}
	s := &signer{
		certificate: certificate,
		key:         key,
		digest:      pki.HashAlgorithm(hash),
		hash:        hash,
		algorithm:   algorithm,
		serial:      bigIntOctets(certificate),
	}
	s.certificates = append(s.certificates, certificate.Raw)
	for _, c := range chain {
		s.certificates = append(s.certificates, c.Raw)
	}
	s.certificates = sorted(s.certificates...)
	// RFC 5652, Section 11.1: content-type names the eContentType.
	if s.contentType, err = marshalAttribute(oidContentType, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidTSTInfo)
	}); err != nil {
		return nil, err
	}
	if s.signingCertificate, err = marshalAttribute(oidSigningCertificateV2, func(b *cryptobyte.Builder) {
		addSigningCertificate(b, certificate)
	}); err != nil {
		return nil, err
	}
	if s.algorithmProtection, err = marshalAttribute(oidAlgorithmProtection, func(b *cryptobyte.Builder) {
		addAlgorithmProtection(b, s.digest, s.algorithm)
	}); err != nil {
		return nil, err
	}
	return s, nil
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

// sign makes a token over an encoded TSTInfo.
func (s *signer) sign(info []byte, withCertificates bool) (*signedData, error) {
	h := s.hash.New()
	h.Write(info)
	digest := h.Sum(nil)
	// RFC 5652, Section 11.2: message-digest is the hash of the eContent's
	// value octets.
	messageDigest, err := marshalAttribute(oidMessageDigest, func(b *cryptobyte.Builder) { b.AddASN1OctetString(digest) })
	if err != nil {
		return nil, err
	}
	d := &signedData{
		digest:     s.digest,
		info:       info,
		issuer:     s.certificate.RawIssuer,
		serial:     s.serial,
		attributes: sorted(s.contentType, messageDigest, s.signingCertificate, s.algorithmProtection),
		algorithm:  s.algorithm,
	}
	if withCertificates {
		d.certificates = s.certificates
	}
	// RFC 5652, Section 5.4: what is signed is the DER of the SET OF, not of
	// the IMPLICIT [0] that stands in the SignerInfo.
	toBeSigned, err := d.marshalAttributes()
	if err != nil {
		return nil, err
	}
	// A nil random makes ECDSA deterministic: a token needs no hedging beyond
	// its own random serial number.
	if d.signature, err = pki.Sign(nil, s.key, toBeSigned); err != nil {
		return nil, fmt.Errorf("signing token: %w", err)
	}
	return d, nil
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

// bigIntOctets returns the value octets of a certificate's serial number.
func bigIntOctets(certificate *x509.Certificate) []byte {
	return trim(append([]byte{0}, certificate.SerialNumber.Bytes()...))
}
