package conformance

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/brainpool"
	"github.com/altamga/altamga/internal/pki"
)

// certificate is a Certificate read with less demands than crypto/x509 makes,
// so that one with a foreign key can be judged, too. Slices alias the input.
type certificate struct {
	raw, tbs            []byte
	serial              []byte
	issuer, subject     []byte // whole elements
	notBefore, notAfter stamp
	spki                []byte
	algorithm           pki.Algorithm
	signature           []byte
	extensions          extensions
	// std is what crypto/x509 makes of it, nil when it refuses it.
	std *x509.Certificate
}

var errNoCertificate = errors.New("it is not a certificate in DER")

func parseCertificate(raw []byte) (*certificate, error) {
	c := &certificate{raw: raw}
	body, ok := whole(raw)
	var tbs, validity, version, list, outer, skipped cryptobyte.String
	if !ok || !body.ReadASN1Element(&tbs, sequence) || !pki.ReadAlgorithm(&body, &c.algorithm) || !body.ReadASN1BitStringAsBytes(&c.signature) || !body.Empty() {
		return nil, errNoCertificate
	}
	c.tbs = tbs
	there := false
	var inner pki.Algorithm
	if !tbs.ReadASN1(&outer, sequence) || !outer.ReadOptionalASN1(&version, &there, explicit(0)) {
		return nil, errNoCertificate
	}
	if c.serial, ok = readInteger(&outer); !ok || !pki.ReadAlgorithm(&outer, &inner) || !outer.ReadASN1Element((*cryptobyte.String)(&c.issuer), sequence) ||
		!outer.ReadASN1(&validity, sequence) || !readStamp(&validity, &c.notBefore) || !readStamp(&validity, &c.notAfter) ||
		!outer.ReadASN1Element((*cryptobyte.String)(&c.subject), sequence) || !outer.ReadASN1Element((*cryptobyte.String)(&c.spki), sequence) ||
		!outer.ReadOptionalASN1(&skipped, &there, implicit(1)) || !outer.ReadOptionalASN1(&skipped, &there, implicit(2)) ||
		!outer.ReadOptionalASN1(&list, &there, explicit(3)) || !outer.Empty() || there && !readExtensions(&list, &c.extensions) {
		return nil, errNoCertificate
	}
	c.std, _ = x509.ParseCertificate(raw)
	return c, nil
}

// ParseCertificates reads one certificate in DER, or all of a PEM file.
func ParseCertificates(data []byte) ([][]byte, error) {
	var all [][]byte
	if !bytes.Contains(data, []byte("-----BEGIN ")) {
		if _, err := parseCertificate(data); err != nil {
			return nil, err
		}
		return [][]byte{data}, nil
	}
	for len(all) < maxCertificates {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		if block.Type == "CERTIFICATE" || block.Type == "X509 CERTIFICATE" {
			all = append(all, block.Bytes)
		}
		data = rest
	}
	if len(all) == 0 {
		return nil, errors.New("there is no certificate in it")
	}
	return all, nil
}

// IssuerOf returns the candidate whose subject is the issuer's name in a
// certificate, nil when there is none or the certificate names itself.
func IssuerOf(raw []byte, candidates ...[]byte) []byte {
	c, err := parseCertificate(raw)
	if err != nil || c.selfIssued() {
		return nil
	}
	var all []*certificate
	for _, candidate := range candidates {
		if parsed, err := parseCertificate(candidate); err == nil {
			all = append(all, parsed)
		}
	}
	if issuer := issuerOf(c, all); issuer != nil {
		return issuer.raw
	}
	return nil
}

// maxCertificates bounds a file or an answer.
const maxCertificates = 64

// key returns the certificate's public key.
func (c *certificate) key() (crypto.PublicKey, error) {
	if c.std != nil && c.std.PublicKey != nil {
		return c.std.PublicKey, nil
	}
	if key := brainpool.ReadKey(c.spki); key != nil {
		return key, nil
	}
	key, err := x509.ParsePKIXPublicKey(c.spki)
	if err != nil {
		id, parameters := c.keyAlgorithm()
		if name := cmp.Or(foreignAlgorithm(parameters), foreignAlgorithm(id)); name != "" {
			return nil, fmt.Errorf("its key, %s, is %w", name, errForeign)
		}
		return nil, fmt.Errorf("its key is %w", errForeign)
	}
	return key, nil
}

// keyAlgorithm returns the identifiers of the key's algorithm and of its curve
// or parameter set.
func (c *certificate) keyAlgorithm() (id, parameters asn1.ObjectIdentifier) {
	var algorithm pki.Algorithm
	spki := cryptobyte.String(c.spki)
	var body cryptobyte.String
	if spki.ReadASN1(&body, sequence) && pki.ReadAlgorithm(&body, &algorithm) {
		p := cryptobyte.String(algorithm.Parameters)
		if p.PeekASN1Tag(sequence) { // GOST writes a SEQUENCE of parameter sets
			p.ReadASN1(&p, sequence)
		}
		p.ReadASN1ObjectIdentifier(&parameters)
	}
	return algorithm.ID, parameters
}

// foreign names the national algorithm of the certificate's key or signature,
// or returns "".
func (c *certificate) foreign() string {
	key, parameters := c.keyAlgorithm()
	for _, id := range []asn1.ObjectIdentifier{c.algorithm.ID, key, parameters} {
		if name := foreignAlgorithm(id); name != "" {
			return name
		}
	}
	return ""
}

// signed verifies a signature by the certificate's key.
func (c *certificate) signed(algorithm pki.Algorithm, message, signature []byte) error {
	if name := foreignAlgorithm(algorithm.ID); name != "" {
		return fmt.Errorf("%s is %w", name, errForeign)
	}
	key, err := c.key()
	if err != nil {
		return err
	}
	return verify(key, algorithm, message, signature)
}

func (c *certificate) selfIssued() bool { return bytes.Equal(c.issuer, c.subject) }

// keyHash is the SHA-1 hash of the key's BIT STRING.
func (c *certificate) keyHash(hash crypto.Hash) []byte {
	bits, err := pki.SubjectPublicKey(c.spki)
	if err != nil {
		return nil
	}
	h := hash.New()
	h.Write(bits)
	return h.Sum(nil)
}

// purposes are the identifiers of the extended key usage.
func (c *certificate) purposes() (ids []asn1.ObjectIdentifier, critical bool) {
	e := c.extensions.get(pki.OIDExtKeyUsage)
	if e == nil {
		return nil, false
	}
	list, _ := whole(e.value)
	for !list.Empty() {
		var id asn1.ObjectIdentifier
		if !list.ReadASN1ObjectIdentifier(&id) {
			break
		}
		ids = append(ids, id)
	}
	return ids, e.critical
}

func (c *certificate) hasPurpose(id asn1.ObjectIdentifier) bool {
	ids, _ := c.purposes()
	return containsID(ids, id)
}

func containsID(ids []asn1.ObjectIdentifier, id asn1.ObjectIdentifier) bool {
	for _, other := range ids {
		if other.Equal(id) {
			return true
		}
	}
	return false
}

// usage are the bits of the key usage, the first one highest; there is false
// without the extension.
func (c *certificate) usage() (bits uint16, there bool) {
	e := c.extensions.get(pki.OIDKeyUsage)
	if e == nil {
		return 0, false
	}
	s := cryptobyte.String(e.value)
	var b asn1.BitString
	if s.ReadASN1BitString(&b) {
		for i := range min(16, b.BitLength) {
			bits |= uint16(b.At(i)) << (15 - i)
		}
	}
	return bits, true
}

// The bits of RFC 5280, Section 4.2.1.3 that are asked about.
const (
	usageDigitalSignature uint16 = 1 << 15
	usageNonRepudiation   uint16 = 1 << 14
	usageCertSign         uint16 = 1 << 10
	usageCRLSign          uint16 = 1 << 9
)

// authority reports whether basicConstraints say cA.
func (c *certificate) authority() bool {
	e := c.extensions.get(pki.OIDBasicConstraints)
	if e == nil {
		return false
	}
	body, ok := whole(e.value)
	ca := false
	return ok && body.PeekASN1Tag(cryptobyte_asn1.BOOLEAN) && body.ReadASN1Boolean(&ca) && ca
}

// uris returns the URIs of an access method.
func (c *certificate) uris(method asn1.ObjectIdentifier) (all []string) {
	e := c.extensions.get(pki.OIDAuthorityInfoAccess)
	if e == nil {
		return nil
	}
	list, _ := whole(e.value)
	for !list.Empty() {
		var body, place cryptobyte.String
		var id asn1.ObjectIdentifier
		if !list.ReadASN1(&body, sequence) || !body.ReadASN1ObjectIdentifier(&id) {
			return all
		}
		if id.Equal(method) && body.ReadASN1(&place, implicit(6)) {
			all = append(all, string(place))
		}
	}
	return all
}

// points returns the URIs of the distribution points in an extension, each
// point's own, and the raw distributionPoint fields.
func (c *certificate) points(id asn1.ObjectIdentifier) (uris []string, raw [][]byte) {
	e := c.extensions.get(id)
	if e == nil {
		return nil, nil
	}
	list, _ := whole(e.value)
	for !list.Empty() {
		var body, place, names, name cryptobyte.String
		var tag cryptobyte_asn1.Tag
		if !list.ReadASN1(&body, sequence) {
			return uris, raw
		}
		if !body.ReadASN1(&place, explicit(0)) {
			continue
		}
		raw = append(raw, place)
		if !place.ReadASN1(&names, explicit(0)) {
			continue
		}
		for !names.Empty() && names.ReadAnyASN1(&name, &tag) {
			if tag == implicit(6) {
				uris = append(uris, string(name))
			}
		}
	}
	return uris, raw
}
