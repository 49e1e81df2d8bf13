package interop

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/brainpool"
	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/gost"
	"github.com/altamga/altamga/internal/pki"
)

// Certificate is a certificate of a list, as it is: lists carry certificates
// with keys and encodings that no library reads, and none of them is lost.
type Certificate struct {
	// Raw is what the list's base64 says.
	Raw []byte
	// Text is what the list has instead of base64.
	Text string
}

// Fingerprint is the SHA-256 hash of the certificate, in hexadecimal.
func (c *Certificate) Fingerprint() string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// Facts are what can be read of a certificate without understanding its key.
type Facts struct {
	Raw                 []byte
	Serial              *big.Int
	RawIssuer           []byte
	RawSubject          []byte
	Issuer, Subject     pkix.Name
	NotBefore, NotAfter time.Time
	// SPKI is the encoded SubjectPublicKeyInfo, KeyAlgorithm its algorithm.
	SPKI         []byte
	KeyAlgorithm asn1.ObjectIdentifier
	// SKI and AKI are the key identifiers of the extensions; SKI is derived
	// when there is none.
	SKI, AKI []byte
	Policies []asn1.ObjectIdentifier
	KeyUsage x509.KeyUsage
	// Purposes is the extended key usage.
	Purposes []asn1.ObjectIdentifier
	// Statements are those of a qualified certificate.
	Statements []Statement
	// Parsed is the certificate when crypto/x509 takes it, and Refused says why
	// when it does not.
	Parsed  *x509.Certificate
	Refused error
}

// Key returns the public key, nil when this build has no arithmetic for it. It
// is a [*brainpool.PublicKey] for what crypto/x509 refuses to read as one.
func (f *Facts) Key() crypto.PublicKey {
	if f.Parsed != nil {
		return f.Parsed.PublicKey
	}
	if key := brainpool.ReadKey(f.SPKI); key != nil {
		return key
	}
	return nil
}

// NameText writes a name for people, the most telling attribute first.
func NameText(n pkix.Name) string {
	var parts []string
	for _, a := range slices.Backward(n.Names) {
		key, ok := pki.AttributeKey(a.Type)
		if !ok {
			key = a.Type.String()
		}
		parts = append(parts, fmt.Sprintf("%s=%v", key, a.Value))
	}
	return strings.Join(parts, ", ")
}

// Algorithm is the kind of the key in a word, or the object identifier of one
// that this build has no arithmetic for.
func (f *Facts) Algorithm() string {
	switch f.Key().(type) {
	case *rsa.PublicKey:
		return "rsa"
	case *ecdsa.PublicKey:
		return "ecdsa"
	case ed25519.PublicKey:
		return "ed25519"
	case *brainpool.PublicKey:
		return "brainpool"
	}
	if gost.Known(f.SPKI) {
		return "gost3410-2012"
	}
	return f.KeyAlgorithm.String()
}

// Verifiable reports whether this build can verify what the key signed.
func (f *Facts) Verifiable() bool { return f.Key() != nil || gost.Known(f.SPKI) }

// Facts reads the certificate. The error says that it is none at all.
func (c *Certificate) Facts() (*Facts, error) {
	f, err := readFacts(c.Raw)
	if err != nil {
		return nil, err
	}
	f.Parsed, f.Refused = x509.ParseCertificate(c.Raw)
	return f, nil
}

// readFacts reads a Certificate (RFC 5280, Section 4.1) and leaves be what it
// does not need.
func readFacts(raw []byte) (*Facts, error) {
	malformed := fmt.Errorf("the certificate is not the DER of one")
	outer, ok := der.Whole(raw, cryptobyte_asn1.SEQUENCE)
	var tbs, spki, issuer, subject, validity cryptobyte.String
	if !ok || !outer.ReadASN1(&tbs, cryptobyte_asn1.SEQUENCE) {
		return nil, malformed
	}
	f := &Facts{Raw: raw, Serial: new(big.Int)}
	version := cryptobyte_asn1.Tag(0).Constructed().ContextSpecific()
	var notBefore, notAfter time.Time
	if !tbs.SkipOptionalASN1(version) || !tbs.ReadASN1Integer(f.Serial) || !tbs.SkipASN1(cryptobyte_asn1.SEQUENCE) ||
		!tbs.ReadASN1Element(&issuer, cryptobyte_asn1.SEQUENCE) || !tbs.ReadASN1(&validity, cryptobyte_asn1.SEQUENCE) ||
		!tbs.ReadASN1Element(&subject, cryptobyte_asn1.SEQUENCE) || !tbs.ReadASN1Element(&spki, cryptobyte_asn1.SEQUENCE) {
		return nil, malformed
	}
	if !readAnyTime(&validity, &notBefore) || !readAnyTime(&validity, &notAfter) {
		return nil, malformed
	}
	f.NotBefore, f.NotAfter = notBefore, notAfter
	f.RawIssuer, f.RawSubject, f.SPKI = issuer, subject, spki
	f.Issuer, f.Subject = readName(issuer), readName(subject)
	var inner cryptobyte.String
	var algorithm pki.Algorithm
	whole := spki
	if whole.ReadASN1(&inner, cryptobyte_asn1.SEQUENCE) && pki.ReadAlgorithm(&inner, &algorithm) {
		f.KeyAlgorithm = algorithm.ID
	}
	f.readExtensions(tbs)
	if f.SKI == nil {
		f.SKI, _ = pki.KeyIdentifier(spki)
	}
	return f, nil
}

// readAnyTime reads UTCTime or GeneralizedTime, also where RFC 5280 wants the
// other one.
func readAnyTime(s *cryptobyte.String, out *time.Time) bool {
	if s.PeekASN1Tag(cryptobyte_asn1.UTCTime) {
		return s.ReadASN1UTCTime(out)
	}
	return s.ReadASN1GeneralizedTime(out)
}

func readName(raw []byte) (name pkix.Name) {
	var sequence pkix.RDNSequence
	if rest, err := asn1.Unmarshal(raw, &sequence); err == nil && len(rest) == 0 {
		name.FillFromRDNSequence(&sequence)
	}
	return name
}

// readExtensions reads the few extensions that trust decisions look at. One
// that is malformed counts as not there.
func (f *Facts) readExtensions(tbs cryptobyte.String) {
	var wrapped, list cryptobyte.String
	for !tbs.Empty() && !tbs.PeekASN1Tag(cryptobyte_asn1.Tag(3).Constructed().ContextSpecific()) {
		var tag cryptobyte_asn1.Tag
		var skipped cryptobyte.String
		if !tbs.ReadAnyASN1Element(&skipped, &tag) {
			return
		}
	}
	if !tbs.ReadASN1(&wrapped, cryptobyte_asn1.Tag(3).Constructed().ContextSpecific()) || !wrapped.ReadASN1(&list, cryptobyte_asn1.SEQUENCE) {
		return
	}
	for !list.Empty() {
		var e, value cryptobyte.String
		var id asn1.ObjectIdentifier
		if !list.ReadASN1(&e, cryptobyte_asn1.SEQUENCE) || !e.ReadASN1ObjectIdentifier(&id) ||
			!e.SkipOptionalASN1(cryptobyte_asn1.BOOLEAN) || !e.ReadASN1(&value, cryptobyte_asn1.OCTET_STRING) {
			return
		}
		f.readExtension(id, value)
	}
}

func (f *Facts) readExtension(id asn1.ObjectIdentifier, value cryptobyte.String) {
	switch {
	case id.Equal(pki.OIDSubjectKeyIdentifier):
		var ski cryptobyte.String
		if value.ReadASN1(&ski, cryptobyte_asn1.OCTET_STRING) {
			f.SKI = ski
		}
	case id.Equal(pki.OIDAuthorityKeyIdentifier):
		var sequence, aki cryptobyte.String
		var there bool
		if value.ReadASN1(&sequence, cryptobyte_asn1.SEQUENCE) &&
			sequence.ReadOptionalASN1(&aki, &there, cryptobyte_asn1.Tag(0).ContextSpecific()) && there {
			f.AKI = aki
		}
	case id.Equal(pki.OIDKeyUsage):
		var bits asn1.BitString
		if value.ReadASN1BitString(&bits) {
			for i := range 9 {
				f.KeyUsage |= x509.KeyUsage(bits.At(i)) << i
			}
		}
	case id.Equal(pki.OIDCertificatePolicies):
		var sequence, policy cryptobyte.String
		if value.ReadASN1(&sequence, cryptobyte_asn1.SEQUENCE) {
			for !sequence.Empty() && sequence.ReadASN1(&policy, cryptobyte_asn1.SEQUENCE) {
				var oid asn1.ObjectIdentifier
				if policy.ReadASN1ObjectIdentifier(&oid) {
					f.Policies = append(f.Policies, oid)
				}
			}
		}
	case id.Equal(pki.OIDQCStatements):
		f.Statements = readStatements(value)
	case id.Equal(pki.OIDExtKeyUsage):
		var sequence cryptobyte.String
		if value.ReadASN1(&sequence, cryptobyte_asn1.SEQUENCE) {
			for !sequence.Empty() {
				var oid asn1.ObjectIdentifier
				if !sequence.ReadASN1ObjectIdentifier(&oid) {
					return
				}
				f.Purposes = append(f.Purposes, oid)
			}
		}
	}
}

// maxCertificateFile bounds a file of certificates.
const maxCertificateFile = 4 << 20

// ReadCertificates reads the certificates of a file: PEM of one or more, or the
// DER of one. Their keys may be of any kind.
func ReadCertificates(name string) (all []*Certificate, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading certificates: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxCertificateFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading certificates: %w", err)
	}
	if len(data) > maxCertificateFile {
		return nil, fmt.Errorf("reading certificates: %s is larger than %d octets", name, maxCertificateFile)
	}
	if !bytes.Contains(data, []byte("-----BEGIN ")) {
		all = []*Certificate{{Raw: data}}
	}
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("reading certificates: %s has a %s", name, block.Type)
		}
		all = append(all, &Certificate{Raw: block.Bytes})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("reading certificates: %s has none", name)
	}
	for i, c := range all {
		if _, err := c.Facts(); err != nil {
			return nil, fmt.Errorf("reading certificates: %s, number %d: %w", name, i+1, err)
		}
	}
	return all, nil
}
