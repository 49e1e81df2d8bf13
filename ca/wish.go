package ca

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"net/netip"
	"slices"
	"unicode/utf8"

	"github.com/altamga/altamga/internal/pki"
)

// Wish is what a certification request asks to be called. A wish proves
// nothing: [Grant.Request] decides what of it is granted.
type Wish struct {
	// Subject holds the attributes in the order of the request.
	Subject     []WishedAttribute
	DNSNames    []string
	IPAddresses []netip.Addr
	Emails      []string
	// OtherNames counts alternative names of kinds that no profile knows, such
	// as URIs.
	OtherNames int
	// ChangeName is set when the request asks for the renewed certificate to
	// have another name (RFC 6402, Section 2.8).
	ChangeName bool
	// ChallengePassword is the attribute of RFC 2985, Section 5.4.1; nil when
	// there is none.
	ChallengePassword *string
}

// WishedAttribute is one attribute of a wished subject. Key is that of the
// profiles ("CN"), or the type in dotted form when no profile knows it.
type WishedAttribute struct{ Key, Value string }

var (
	// RFC 2985, Section 5.4.1.
	oidChallengePassword = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 7}
	// RFC 6402, Section 2.8: id-cmc-changeSubjectName.
	oidChangeSubjectName = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 7, 36}
)

// ReadWish reads what a DER certification request asks for. It does not check
// the request's signature, which [Authority.Prepare] does. What cannot be read
// is a [*RefusedError].
func ReadWish(csr []byte) (*Wish, error) {
	refuse := func(detail, clause string) (*Wish, error) {
		return nil, refusedFor(CodeBadCSR, "csr", detail, clause)
	}
	if len(csr) > maxCSR {
		return refuse("is too large", "")
	}
	parsed, err := x509.ParseCertificateRequest(csr)
	if err != nil || !bytes.Equal(parsed.Raw, csr) {
		return refuse(errNotDER.Error(), "RFC 2986, Section 4")
	}
	wish := new(Wish)
	if wish.Subject, err = readName(parsed.RawSubject); err != nil {
		return refuse("has a subject that "+err.Error(), "RFC 2986, Section 4.1")
	}
	extensions, ok := readRequestedExtensions(parsed.RawTBSCertificateRequest)
	if !ok {
		return refuse("holds malformed or repeated attributes", "RFC 2986, Section 4.1")
	}
	for _, e := range extensions {
		if !e.ID.Equal(pki.OIDSubjectAltName) {
			continue
		}
		names, ok := readSAN(e.Value)
		if !ok {
			return refuse("holds malformed alternative names", "RFC 5280, Section 4.2.1.6")
		}
		wish.addNames(names)
	}
	if err := wish.readAttributes(parsed); err != nil {
		return refuse(err.Error(), "RFC 2985, Section 5.4.1")
	}
	return wish, nil
}

func (w *Wish) addNames(names []generalName) {
	for _, name := range names {
		switch address, ok := netip.AddrFromSlice([]byte(name.value)); {
		case name.kind == "dns":
			w.DNSNames = append(w.DNSNames, name.value)
		case name.kind == "email":
			w.Emails = append(w.Emails, name.value)
		case name.kind == "ip" && ok:
			w.IPAddresses = append(w.IPAddresses, address)
		default:
			w.OtherNames++
		}
	}
}

// readAttributes looks for the two attributes that mean something to
// enrolment, among those that the standard library has found well-formed.
func (w *Wish) readAttributes(parsed *x509.CertificateRequest) error {
	var info struct {
		Raw        asn1.RawContent
		Version    int
		Subject    asn1.RawValue
		PublicKey  asn1.RawValue
		Attributes []struct {
			Type   asn1.ObjectIdentifier
			Values []asn1.RawValue `asn1:"set"`
		} `asn1:"tag:0,optional,set"`
	}
	if rest, err := asn1.Unmarshal(parsed.RawTBSCertificateRequest, &info); err != nil || len(rest) > 0 {
		return errors.New("holds malformed attributes")
	}
	for _, attribute := range info.Attributes {
		switch {
		case attribute.Type.Equal(oidChangeSubjectName):
			w.ChangeName = true
		case attribute.Type.Equal(oidChallengePassword):
			if len(attribute.Values) != 1 || w.ChallengePassword != nil {
				return errors.New("holds more than one challenge password")
			}
			var text string
			if rest, err := asn1.Unmarshal(attribute.Values[0].FullBytes, &text); err != nil || len(rest) > 0 {
				return errors.New("holds a malformed challenge password")
			}
			w.ChallengePassword = &text
		}
	}
	return nil
}

// readName reads a Name whose relative names have one attribute each.
func readName(raw []byte) ([]WishedAttribute, error) {
	var sequence pkix.RDNSequence
	if rest, err := asn1.Unmarshal(raw, &sequence); err != nil || len(rest) > 0 {
		return nil, errors.New("is malformed")
	}
	var attributes []WishedAttribute
	for _, set := range sequence {
		if len(set) != 1 {
			return nil, errors.New("has more than one attribute in a relative name")
		}
		value, ok := set[0].Value.(string)
		if !ok || !utf8.ValidString(value) {
			return nil, errors.New("has an attribute that is not text")
		}
		key, ok := pki.AttributeKey(set[0].Type)
		if !ok {
			key = set[0].Type.String()
		}
		attributes = append(attributes, WishedAttribute{key, value})
	}
	return attributes, nil
}

// sameNames reports whether two wishes ask for the same alternative names, in
// whatever order.
func (w *Wish) sameNames(other *Wish) bool {
	return w.OtherNames == 0 && other.OtherNames == 0 && sameSet(w.DNSNames, other.DNSNames) &&
		sameSet(w.Emails, other.Emails) && sameSet(w.IPAddresses, other.IPAddresses)
}

func sameSet[T comparable](a, b []T) bool {
	within := func(a, b []T) bool {
		return !slices.ContainsFunc(a, func(e T) bool { return !slices.Contains(b, e) })
	}
	return within(a, b) && within(b, a)
}
