package xmlsec

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/pki"
)

// Request is what [Sign] signs, and how.
type Request struct {
	// Document is well-formed and has no signature.
	Document []byte
	// Key signs; Certificate is its certificate, and Chain goes with it into
	// KeyInfo.
	Key         crypto.Signer
	Certificate *x509.Certificate
	Chain       []*x509.Certificate
	// Time is the signing time, within the certificate's validity.
	Time time.Time
	// PSS makes RSA keys sign with RSASSA-PSS.
	PSS bool
}

// Sign returns the document with an enveloped XAdES-BASELINE-B signature (ETSI
// EN 319 132-1) as the last child of its root: ECDSA with the hash of the
// curve's strength or RSA with SHA-256, references digested with SHA-512. The
// document's own octets stay as they are. What is returned was verified.
func Sign(r Request) ([]byte, error) {
	if err := pki.CheckKeyPair(r.Certificate, r.Key); err != nil {
		return nil, err
	}
	d, err := Parse(r.Document, Limits{})
	if err != nil {
		return nil, fmt.Errorf("reading the document: %w", err)
	}
	for e := range d.Root.All() {
		if e.Is(SpaceDSig, "Signature") {
			return nil, errors.New("the document is signed already")
		}
	}
	if d.Root.end == 0 {
		return nil, errors.New("the document is empty")
	}
	signature, err := newSigning(r, d.Root)
	if err != nil {
		return nil, err
	}
	out := bytes.Join([][]byte{r.Document[:d.Root.end], signature, r.Document[d.Root.end:]}, nil)
	pinned := Signer{r.Certificate.Raw, r.Certificate.PublicKey, r.Certificate.NotBefore, r.Certificate.NotAfter}
	if _, err := Verify(out, d.Root.Name, []Signer{pinned}, Limits{}); err != nil {
		return nil, fmt.Errorf("verifying the new signature: %w", err)
	}
	return out, nil
}

// referenceHash digests the document and the signed properties.
const referenceHash = crypto.SHA512

// newSigning makes the Signature element. Its parts declare every prefix that
// they use, so their exclusive canonical form is the same alone and in place.
func newSigning(r Request, root *Element) ([]byte, error) {
	method, scheme, err := methodFor(r)
	if err != nil {
		return nil, err
	}
	content := Canonicalize(nil, root, Method{Exclusive: true}, nil)
	id := fmt.Sprintf("%x", sha256.Sum256(append(content, r.Time.UTC().Format(time.RFC3339)...)))[:32]
	properties, err := signedProperties(r, id)
	if err != nil {
		return nil, err
	}
	canonical, err := canonicalForm(properties)
	if err != nil {
		return nil, err
	}
	info := `<ds:SignedInfo xmlns:ds="` + SpaceDSig + `"><ds:CanonicalizationMethod Algorithm="` + c14nExclusive + `"/>` +
		`<ds:SignatureMethod Algorithm="` + method + `"/>` +
		`<ds:Reference Id="document-` + id + `" URI=""><ds:Transforms><ds:Transform Algorithm="` + transformEnveloped + `"/>` +
		`<ds:Transform Algorithm="` + c14nExclusive + `"/></ds:Transforms>` + digestElements(content) + `</ds:Reference>` +
		`<ds:Reference Type="http://uri.etsi.org/01903#SignedProperties" URI="#properties-` + id + `"><ds:Transforms>` +
		`<ds:Transform Algorithm="` + c14nExclusive + `"/></ds:Transforms>` + digestElements(canonical) + `</ds:Reference></ds:SignedInfo>`
	if canonical, err = canonicalForm(info); err != nil {
		return nil, err
	}
	// RFC 9231, Section 2.3.6: r and s, each of the order's length.
	value, err := pki.SignRaw(r.Key, canonical, scheme)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	var b strings.Builder
	b.WriteString(`<ds:Signature xmlns:ds="` + SpaceDSig + `" Id="signature-` + id + `">` + info)
	b.WriteString(`<ds:SignatureValue>` + base64.StdEncoding.EncodeToString(value) + `</ds:SignatureValue><ds:KeyInfo><ds:X509Data>`)
	for _, c := range append([]*x509.Certificate{r.Certificate}, r.Chain...) {
		b.WriteString(`<ds:X509Certificate>` + base64.StdEncoding.EncodeToString(c.Raw) + `</ds:X509Certificate>`)
	}
	b.WriteString(`</ds:X509Data></ds:KeyInfo><ds:Object><xades:QualifyingProperties xmlns:xades="` + SpaceXAdES + `" Target="#signature-` + id + `">` +
		properties + `</xades:QualifyingProperties></ds:Object></ds:Signature>`)
	return []byte(b.String()), nil
}

// signedProperties are those of XAdES-BASELINE-B, with the elements of ETSI EN
// 319 132-1.
func signedProperties(r Request, id string) (string, error) {
	issuerSerial, err := issuerSerial(r.Certificate)
	if err != nil {
		return "", err
	}
	return `<xades:SignedProperties xmlns:xades="` + SpaceXAdES + `" xmlns:ds="` + SpaceDSig + `" Id="properties-` + id + `"><xades:SignedSignatureProperties>` +
		`<xades:SigningTime>` + r.Time.UTC().Format("2006-01-02T15:04:05Z") + `</xades:SigningTime>` +
		`<xades:SigningCertificateV2><xades:Cert><xades:CertDigest>` + digestElements(r.Certificate.Raw) + `</xades:CertDigest>` +
		`<xades:IssuerSerialV2>` + base64.StdEncoding.EncodeToString(issuerSerial) + `</xades:IssuerSerialV2></xades:Cert></xades:SigningCertificateV2>` +
		`</xades:SignedSignatureProperties><xades:SignedDataObjectProperties><xades:DataObjectFormat ObjectReference="#document-` + id + `">` +
		`<xades:MimeType>text/xml</xades:MimeType></xades:DataObjectFormat></xades:SignedDataObjectProperties></xades:SignedProperties>`, nil
}

// digestElements are DigestMethod and DigestValue over data.
func digestElements(data []byte) string {
	return `<ds:DigestMethod Algorithm="` + digestOf(referenceHash) + `"/><ds:DigestValue>` +
		base64.StdEncoding.EncodeToString(hashOf(referenceHash, data)) + `</ds:DigestValue>`
}

// canonicalForm is the exclusive canonical form of a fragment.
func canonicalForm(fragment string) ([]byte, error) {
	d, err := Parse([]byte(fragment), Limits{})
	if err != nil {
		return nil, err
	}
	return Canonicalize(nil, d.Root, Method{Exclusive: true}, nil), nil
}

// methodFor chooses the signature method for the key.
func methodFor(r Request) (uri string, scheme pki.Scheme, err error) {
	if r.PSS {
		scheme = pki.PSS
	}
	_, hash, err := pki.SignatureAlgorithm(r.Key.Public(), scheme)
	if err != nil {
		return "", 0, err
	}
	switch r.Key.Public().(type) {
	case *rsa.PublicKey:
		if r.PSS {
			return signatureOf(signature{pss, hash}), scheme, nil
		}
		return signatureOf(signature{pkcs1, hash}), scheme, nil
	case *ecdsa.PublicKey:
		return signatureOf(signature{ecdsaRaw, hash}), scheme, nil
	}
	return "", 0, fmt.Errorf("a %T does not sign trust lists: readers take RSA and ECDSA only", r.Key.Public())
}

// issuerSerial is IssuerSerial (RFC 5035, Section 5): the issuer's name as a
// general name, and the serial number.
func issuerSerial(c *x509.Certificate) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.Tag(4).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(c.RawIssuer) })
		})
		b.AddASN1BigInt(c.SerialNumber)
	})
	return b.Bytes()
}
