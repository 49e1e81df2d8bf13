package ca

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/pki"
)

// Request asks for a certificate.
type Request struct {
	// Issuer and Profile are names out of the configuration.
	Issuer, Profile string
	// CSR is a DER certification request (RFC 2986). Its signature proves that
	// the requester holds the key. Its subject is not used: who somebody is
	// comes from Subject, for which the registration authority answers.
	CSR []byte
	// PublicKey takes the place of CSR for keys made in this process, which
	// need no proof. Exactly one of the two is set, or neither for a
	// self-signed certificate, whose key is the issuer's.
	PublicKey crypto.PublicKey
	// Authority is the certificate of the authority that a cross-certificate is
	// for, which takes over its name, key and key identifier. A self-signed one
	// proves that its founder holds the key; any other needs a CSR of that key
	// beside it.
	Authority *x509.Certificate
	// Subject gives values by attribute key ("CN", "surname", ...), or by the
	// fields that the profile makes an identifier from: "fin", "voen",
	// "passport" and "passport_country", "virtual_pin".
	Subject map[string]string
	// DNSNames, IPAddresses, Emails and URIs are alternative names, as far as
	// the profile allows them.
	DNSNames    []string
	IPAddresses []netip.Addr
	Emails      []string
	URIs        []string
	// NotBefore begins the validity in the future, for certificates that are
	// made in advance; zero begins it now. NotAfter ends it earlier than the
	// profile would; zero leaves that to the profile. In process only.
	NotBefore, NotAfter time.Time
	// OnlyNames leaves out the alternative names that the CSR asks for: those
	// of the fields above are all that there are.
	OnlyNames bool
	// Set names certificates that belong together; at most 64 characters.
	Set string
	// Actor is the authenticated client.
	Actor string
	// Ticket makes the request repeatable; nil for none.
	Ticket *journal.Ticket
}

// maxCSR bounds a certification request in octets: an RSA key of 8192 bits and
// a hundred names fit.
const maxCSR = 32 << 10

// DecodeCSR returns the DER of a PEM text that holds one certification request
// and nothing else but white space.
func DecodeCSR(text []byte) ([]byte, error) {
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return nil, errors.New("is not PEM")
	// RFC 7468, Section 7: the older label is still met.
	case block.Type != "CERTIFICATE REQUEST" && block.Type != "NEW CERTIFICATE REQUEST":
		return nil, errors.New("is PEM of another kind")
	case len(bytes.TrimSpace(rest)) > 0 || !bytes.HasPrefix(bytes.TrimSpace(text), []byte("-----BEGIN")):
		return nil, errors.New("holds more than one PEM block")
	}
	return block.Bytes, nil
}

// certificationRequest is a checked CSR.
type certificationRequest struct {
	public crypto.PublicKey
	// extensions are those that the CSR asks for.
	extensions []der.Extension
}

var (
	// RFC 2985, Section 5.4.2.
	oidExtensionRequest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 14}
	errNotDER           = errors.New("is not a certification request in DER")
)

// csrFault is what is wrong with a certification request, when a clause other
// than that of its form says so.
type csrFault struct{ field, detail, clause string }

func (f *csrFault) Error() string { return f.detail }

// csrSignatures are the algorithms accepted on a CSR: SHA-1 and older are not
// (ETSI TS 119 312, Section 8.4).
var csrSignatures = []x509.SignatureAlgorithm{
	x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
	x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
	x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512, x509.PureEd25519,
}

// readCSR parses a certification request and checks its signature.
func readCSR(raw []byte) (*certificationRequest, error) {
	if len(raw) > maxCSR {
		return nil, fmt.Errorf("is larger than %d octets", maxCSR)
	}
	parsed, err := x509.ParseCertificateRequest(raw)
	if err != nil {
		return nil, diagnose(raw)
	}
	if !bytes.Equal(parsed.Raw, raw) || parsed.Version != 0 {
		return nil, errNotDER
	}
	if !slices.Contains(csrSignatures, parsed.SignatureAlgorithm) {
		return nil, errors.New("is signed with an algorithm that is not accepted")
	}
	// A key that is too large makes checking its signature an attack.
	if size := len(parsed.RawSubjectPublicKeyInfo); size > maxRSABits/8+64 {
		return nil, errors.New("holds a key that is too large")
	}
	if err := parsed.CheckSignature(); err != nil {
		return nil, errors.New("has a signature that its key did not make")
	}
	// The key goes into the certificate as this program encodes it. A request
	// that encodes it otherwise (compressed points, missing parameters) would
	// get a certificate for what looks like another key.
	spki, err := pki.MarshalPublicKey(parsed.PublicKey)
	if err != nil || !bytes.Equal(spki, parsed.RawSubjectPublicKeyInfo) {
		return nil, errors.New("holds a key in an unusual encoding")
	}
	extensions, ok := readRequestedExtensions(parsed.RawTBSCertificateRequest)
	if !ok {
		return nil, diagnose(raw)
	}
	return &certificationRequest{public: parsed.PublicKey, extensions: extensions}, nil
}

// diagnose says what is wrong with a request that did not parse: the parser
// refuses whole what has one bad extension in it.
func diagnose(raw []byte) error {
	request, ok := der.Whole(raw, cryptobyte_asn1.SEQUENCE)
	var info cryptobyte.String
	if !ok || !request.ReadASN1Element(&info, cryptobyte_asn1.SEQUENCE) {
		return errNotDER
	}
	extensions, ok := readRequestedExtensions(info)
	if !ok {
		return &csrFault{"csr", "asks for extensions that are malformed, or for one of them twice", "RFC 5280, Section 4.2"}
	}
	for _, e := range extensions {
		if !e.ID.Equal(pki.OIDSubjectAltName) {
			continue
		}
		names, ok := readSAN(e.Value)
		if !ok {
			return &csrFault{"csr.subjectAltName", "is malformed or empty", "RFC 5280, Section 4.2.1.6"}
		}
		for _, name := range names {
			if detail, clause := checkName(name.kind, name.value); detail != "" {
				return &csrFault{"csr.subjectAltName", detail, clause}
			}
		}
	}
	return errNotDER
}

// readRequestedExtensions returns the extensions in the attributes of a
// CertificationRequestInfo (RFC 2986, Section 4.1), of which there may be one
// list. Other attributes, such as a challenge password, are passed over.
func readRequestedExtensions(info []byte) ([]der.Extension, bool) {
	sequence, ok := der.Whole(info, cryptobyte_asn1.SEQUENCE)
	var attributes cryptobyte.String
	if !ok || !sequence.SkipASN1(cryptobyte_asn1.INTEGER) || !sequence.SkipASN1(cryptobyte_asn1.SEQUENCE) ||
		!sequence.SkipASN1(cryptobyte_asn1.SEQUENCE) {
		return nil, false
	}
	// The attributes are mandatory in RFC 2986, but some requesters leave the
	// empty set out.
	present := false
	if !sequence.ReadOptionalASN1(&attributes, &present, cryptobyte_asn1.Tag(0).Constructed().ContextSpecific()) || !sequence.Empty() {
		return nil, false
	}
	var found []der.Extension
	for !attributes.Empty() {
		var attribute, values cryptobyte.String
		var id asn1.ObjectIdentifier
		if !attributes.ReadASN1(&attribute, cryptobyte_asn1.SEQUENCE) || !attribute.ReadASN1ObjectIdentifier(&id) ||
			!attribute.ReadASN1(&values, cryptobyte_asn1.SET) || !attribute.Empty() {
			return nil, false
		}
		if !id.Equal(oidExtensionRequest) {
			continue
		}
		extensions, ok := der.ReadExtensions(&values)
		if !ok || !values.Empty() || found != nil {
			return nil, false
		}
		found = extensions
	}
	return found, true
}

// allow checks each extension that a CSR asks for against the profile. A
// request may repeat what the profile sets anyway and ask for alternative names
// of allowed kinds; anything else is refused by name, never dropped silently.
func (p *Profile) allow(extensions []der.Extension, keyID []byte, r *refusal) (names []generalName) {
	for _, e := range extensions {
		name, clause := extensionName(e.ID)
		field := "csr." + name
		same := func(build func(*cryptobyte.Builder)) bool {
			b := cryptobyte.NewBuilder(nil)
			build(b)
			value, err := b.Bytes()
			return err == nil && bytes.Equal(value, e.Value)
		}
		ok := false
		switch {
		case e.ID.Equal(pki.OIDSubjectAltName):
			requested, good := readSAN(e.Value)
			if !good {
				r.add(CodeExtension, field, "is malformed or empty", clause)
				continue
			}
			names, ok = requested, true
		case e.ID.Equal(pki.OIDKeyUsage):
			ok = same(p.addKeyUsage)
		case e.ID.Equal(pki.OIDExtKeyUsage):
			ok = len(p.ExtKeyUsage) > 0 && same(p.addExtKeyUsage)
		case e.ID.Equal(pki.OIDBasicConstraints):
			ok = same(p.addBasicConstraints)
		case e.ID.Equal(pki.OIDSubjectKeyIdentifier):
			ok = same(func(b *cryptobyte.Builder) { b.AddASN1OctetString(keyID) })
		}
		if !ok {
			r.add(CodeExtension, field, "asks for what the profile does not allow", clause)
		}
	}
	return names
}
