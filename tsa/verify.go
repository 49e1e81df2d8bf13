package tsa

import (
	"bytes"
	"crypto/sha256"
	_ "crypto/sha3" // crypto.SHA3_256.New and its sisters
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

// Token is a time-stamp token that [ParseToken] has read.
type Token struct {
	Info *Info
	// Certificates holds the encoded certificates in the token.
	Certificates [][]byte

	data *signedData
}

// ParseToken reads a time-stamp token in the one form that this package
// writes. It is the authority's check of its own work and a convenience for
// its clients, not a reader of other authorities' tokens: those may leave out,
// add and order what they like within RFC 3161. The result aliases the input.
func ParseToken(in []byte) (*Token, error) {
	d, err := parseSignedData(in)
	if err != nil {
		return nil, err
	}
	info, err := parseInfo(d.info)
	if err != nil {
		return nil, err
	}
	return &Token{Info: info, Certificates: d.certificates, data: d}, nil
}

// Marshal encodes the token, octet for octet as it was read.
func (t *Token) Marshal() ([]byte, error) { return t.data.marshal() }

// Statement returns the SHA-256 hash of the encoded TSTInfo, by which a journal
// knows the token: see [Record].
func (t *Token) Statement() [32]byte { return sha256.Sum256(t.data.info) }

// Over reports whether the token is over data. The error says that the imprint's
// hash function is not known here.
func (t *Token) Over(data []byte) (bool, error) {
	h, ok := findHash(t.Info.Imprint)
	if !ok || h.sum == 0 {
		return false, fmt.Errorf("tsa: the imprint's hash algorithm %v is not supported", t.Info.Imprint.HashAlgorithm)
	}
	w := h.sum.New()
	w.Write(data)
	return bytes.Equal(w.Sum(nil), t.Info.Imprint.HashedMessage), nil
}

// Verify checks that certificate's key signed the token and that every signed
// attribute says what it must. It does not judge the certificate.
func (t *Token) Verify(certificate *x509.Certificate) error {
	d := t.data
	if !bytes.Equal(d.issuer, certificate.RawIssuer) || !bytes.Equal(d.serial, bigIntOctets(certificate)) {
		return errors.New("tsa: the token names another certificate as its signer")
	}
	hash, ok := d.digest.Hash()
	if !ok {
		return fmt.Errorf("tsa: the token's digest algorithm %v is not supported", d.digest.ID)
	}
	algorithm, err := signatureAlgorithm(d.algorithm, certificate)
	if err != nil {
		return err
	}
	h := hash.New()
	h.Write(d.info)
	if err := d.checkAttributes(certificate, h.Sum(nil)); err != nil {
		return err
	}
	// RFC 5652, Section 5.6: the signature is verified over the SET OF.
	signed, err := d.marshalAttributes()
	if err != nil {
		return fmt.Errorf("tsa: encoding signed attributes: %w", err)
	}
	if err := certificate.CheckSignature(algorithm, signed, d.signature); err != nil {
		return fmt.Errorf("tsa: verifying token signature: %w", err)
	}
	return nil
}

// checkAttributes compares the signed attributes with those that a token over
// a TSTInfo of this digest must have: exactly these four, each once.
func (d *signedData) checkAttributes(certificate *x509.Certificate, digest []byte) error {
	seen := map[string]bool{}
	for _, attribute := range d.attributes {
		id, value, ok := readAttribute(attribute)
		if !ok {
			return errors.New("tsa: the token has a malformed signed attribute")
		}
		b := cryptobyte.NewBuilder(nil)
		switch {
		case id.Equal(oidContentType):
			b.AddASN1ObjectIdentifier(oidTSTInfo)
		case id.Equal(oidMessageDigest):
			b.AddASN1OctetString(digest)
		case id.Equal(oidSigningCertificateV2):
			addSigningCertificate(b, certificate)
		case id.Equal(oidAlgorithmProtection):
			addAlgorithmProtection(b, d.digest, d.algorithm)
		default:
			return fmt.Errorf("tsa: the token has the unknown signed attribute %v", id)
		}
		want, err := b.Bytes()
		if err != nil {
			return fmt.Errorf("tsa: encoding attribute %v: %w", id, err)
		}
		if !bytes.Equal(value, want) {
			return fmt.Errorf("tsa: the signed attribute %v does not fit the token", id)
		}
		if seen[id.String()] {
			return fmt.Errorf("tsa: the token has the signed attribute %v twice", id)
		}
		seen[id.String()] = true
	}
	if len(seen) != 4 {
		return errors.New("tsa: the token lacks a signed attribute")
	}
	return nil
}

// readAttribute reads an Attribute of exactly one value and returns the whole
// value.
func readAttribute(in []byte) (id asn1.ObjectIdentifier, value []byte, ok bool) {
	var set, element cryptobyte.String
	var tag cryptobyte_asn1.Tag
	s, ok := der.Whole(in, cryptobyte_asn1.SEQUENCE)
	if !ok || !s.ReadASN1ObjectIdentifier(&id) || !s.ReadASN1(&set, cryptobyte_asn1.SET) || !s.Empty() ||
		!set.ReadAnyASN1Element(&element, &tag) || !set.Empty() {
		return nil, nil, false
	}
	return id, element, true
}

// signatureAlgorithm maps the token's signature algorithm to the standard
// library's word, if it is the one that the certificate's key uses here.
func signatureAlgorithm(a pki.Algorithm, certificate *x509.Certificate) (x509.SignatureAlgorithm, error) {
	want, _, err := pki.SignatureAlgorithm(certificate.PublicKey)
	if err != nil {
		return 0, fmt.Errorf("tsa: choosing signature algorithm: %w", err)
	}
	if !a.ID.Equal(want.ID) || !bytes.Equal(a.Parameters, want.Parameters) {
		return 0, fmt.Errorf("tsa: the token is signed with %v, which is not the algorithm of the certificate's key", a.ID)
	}
	switch {
	case a.ID.Equal(pki.OIDECDSAWithSHA256):
		return x509.ECDSAWithSHA256, nil
	case a.ID.Equal(pki.OIDECDSAWithSHA384):
		return x509.ECDSAWithSHA384, nil
	case a.ID.Equal(pki.OIDECDSAWithSHA512):
		return x509.ECDSAWithSHA512, nil
	case a.ID.Equal(pki.OIDSHA256WithRSA):
		return x509.SHA256WithRSA, nil
	}
	return 0, fmt.Errorf("tsa: signature algorithm %v is not supported", a.ID)
}
