package xmlsec

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"errors"
	"strings"
	"time"
)

// Signer is a certificate that a document may be signed with. It is trusted as
// it is: nothing is asked of its issuer.
type Signer struct {
	// Certificate is its encoding, by which it is known.
	Certificate []byte
	// Key is its public key, one of the standard library's or of package
	// brainpool, nil when this build has no arithmetic for it.
	Key crypto.PublicKey
	// NotBefore and NotAfter bound the signing time.
	NotBefore, NotAfter time.Time
}

// Verified is what a signed document says.
type Verified struct {
	// Content is the parsed canonical form of the document without its
	// signature: the octets that the signature vouches for.
	Content *Document
	// Signer is the index of the pinned certificate that signed.
	Signer int
	// SigningTime is when the signer says it signed.
	SigningTime time.Time
	// Method and Digest are the URIs of the signature's and of the document's
	// digest algorithm.
	Method, Digest string
	// V2: the signed properties are those of ETSI EN 319 132-1.
	V2 bool
	// Weak says what is weaker than it should be and yet harmless.
	Weak []string
}

// Verify verifies a document with the given root, signed by one of the pinned
// signers. The error is an [*Error].
func Verify(data []byte, root Name, signers []Signer, limits Limits) (*Verified, error) {
	d, err := Parse(data, limits)
	if err != nil {
		return nil, &Error{Malformed, err.Error()}
	}
	if d.Root.Name != root {
		return nil, fault(Malformed, "the root element is %s, not %s", d.Root.Name, root)
	}
	s, err := findSignature(d.Root)
	if err != nil {
		return nil, err
	}
	if err := s.checkIDs(d.Root); err != nil {
		return nil, err
	}
	if err := s.readSignedInfo(limits); err != nil {
		return nil, err
	}
	return s.verify(d.Root, signers, limits)
}

// signed is a signature on its way through verification.
type signed struct {
	root, element, properties *Element
	id                        string

	// info is the canonical SignedInfo, what the key signs; all below it was
	// read from there.
	info               []byte
	method             string
	document, property digestReference
	value              []byte
	// certificates of KeyInfo.
	certificates [][]byte
}

// findSignature finds the one signature of a document, at its place.
//
// ETSI TS 119 612, Section 5.7.1: one enveloped signature. Whatever else looks
// like one is what wrapping attacks are made of.
func findSignature(root *Element) (*signed, error) {
	var found []*Element
	for e := range root.All() {
		if e.Is(SpaceDSig, "Signature") {
			found = append(found, e)
		}
	}
	switch {
	case len(found) == 0:
		return nil, fault(Unsigned, "the document is not signed")
	case len(found) > 1:
		return nil, fault(Form, "the document has %d signatures; one is taken", len(found))
	case found[0].Parent != root:
		return nil, fault(Form, "the signature stands in %s, not directly below the root element", pathOf(found[0].Parent))
	}
	s := &signed{root: root, element: found[0]}
	s.id, _ = s.element.Attribute("", "Id")
	return s, s.parts()
}

func pathOf(e *Element) string {
	if e == nil {
		return "the document itself"
	}
	return e.Path()
}

// parts checks what a signature is made of: SignedInfo, SignatureValue,
// KeyInfo and one Object with the qualifying properties.
func (s *signed) parts() error {
	want := []string{"SignedInfo", "SignatureValue", "KeyInfo", "Object"}
	i := 0
	for c := range s.element.Children() {
		if i == len(want) || !c.Is(SpaceDSig, want[i]) {
			return fault(Form, "line %d: the signature has a %s where it does not belong; it has SignedInfo, SignatureValue, KeyInfo and one Object", c.Line, c.Local)
		}
		i++
	}
	if i < len(want) {
		return fault(Form, "the signature has no %s", want[i])
	}
	object := s.element.Child(SpaceDSig, "Object")
	qualifying, err := only(object, Name{SpaceXAdES, "QualifyingProperties"})
	if err != nil {
		return err
	}
	// ETSI EN 319 132-1, Section 4.3.2: Target names the signature.
	if target, ok := qualifying.Attribute("", "Target"); !ok || s.id == "" || target != "#"+s.id {
		return fault(Form, "the qualifying properties have the target %q; the signature's Id is %q", target, s.id)
	}
	s.properties, err = only(qualifying, Name{SpaceXAdES, "SignedProperties"})
	if err != nil {
		return err
	}
	if s.value, err = octets(s.element.Child(SpaceDSig, "SignatureValue")); err != nil {
		return err
	}
	return s.keyInfo()
}

// only returns the one child of e, which has the name.
func only(e *Element, name Name) (*Element, error) {
	var found *Element
	for c := range e.Children() {
		if found != nil || c.Name != name {
			return nil, fault(Form, "line %d: %s has a %s; only one %s is taken", c.Line, e.Local, c.Local, name.Local)
		}
		found = c
	}
	if found == nil {
		return nil, fault(Form, "line %d: %s has no %s", e.Line, e.Local, name.Local)
	}
	return found, nil
}

// keyInfo collects the certificates of KeyInfo. They choose among the pinned
// signers and are trusted for nothing.
func (s *signed) keyInfo() error {
	for c := range s.element.Child(SpaceDSig, "KeyInfo").All() {
		if !c.Is(SpaceDSig, "X509Certificate") {
			continue
		}
		der, err := octets(c)
		if err != nil {
			return err
		}
		s.certificates = append(s.certificates, der)
	}
	if len(s.certificates) == 0 {
		// ETSI TS 119 612, Section 5.7.1.
		return fault(Form, "KeyInfo has no certificate of the signer")
	}
	return nil
}

// octets decodes base64 with white space in it.
func octets(e *Element) ([]byte, error) {
	if e.first != nil && (e.first.element != nil || e.first.next != nil) {
		return nil, fault(Form, "line %d: %s has elements inside of it", e.Line, e.Local)
	}
	decoded, err := Base64(e.Text())
	if err != nil {
		return nil, fault(Form, "line %d: %s is not base64", e.Line, e.Local)
	}
	return decoded, nil
}

// Base64 decodes the base64Binary of XML Schema: white space may stand
// anywhere.
func Base64(text string) ([]byte, error) {
	if strings.ContainsAny(text, whiteSpace) {
		text = strings.Join(strings.Fields(text), "")
	}
	// A longer text has no spare bits at its end.
	return base64.StdEncoding.Strict().DecodeString(text)
}

// checkIDs refuses a document in which one Id names two elements, and finds the
// references' targets to be what they seem.
func (s *signed) checkIDs(root *Element) error {
	seen := make(map[string]bool)
	for e := range root.All() {
		for i := range e.Attributes {
			a := &e.Attributes[i]
			if !strings.EqualFold(a.Local, "id") || a.Space != "" && a.Space != SpaceXML {
				continue
			}
			if seen[a.Value] {
				return fault(Form, "line %d: the Id %q stands twice", e.Line, a.Value)
			}
			seen[a.Value] = true
		}
	}
	return nil
}

// readSignedInfo canonicalises SignedInfo and reads it from the canonical
// octets.
func (s *signed) readSignedInfo(limits Limits) error {
	original := s.element.Child(SpaceDSig, "SignedInfo")
	given := original.Child(SpaceDSig, "CanonicalizationMethod")
	if given == nil {
		return fault(Form, "SignedInfo names no canonicalisation")
	}
	method, err := readMethod(given)
	if err != nil {
		return err
	}
	s.info = Canonicalize(nil, original, method, nil)
	parsed, err := Parse(s.info, limits)
	if err != nil {
		return fault(Form, "the canonical SignedInfo: %v", err)
	}
	info := parsed.Root
	var references []*Element
	want := []string{"CanonicalizationMethod", "SignatureMethod"}
	i := 0
	for c := range info.Children() {
		switch {
		case i < len(want) && c.Is(SpaceDSig, want[i]):
		case i >= len(want) && c.Is(SpaceDSig, "Reference"):
			references = append(references, c)
		default:
			return fault(Form, "SignedInfo has a %s where it does not belong", c.Local)
		}
		i++
	}
	signatureMethod := info.Child(SpaceDSig, "SignatureMethod")
	if signatureMethod == nil {
		return fault(Form, "SignedInfo names no signature method")
	}
	s.method, _ = signatureMethod.Attribute("", "Algorithm")
	if _, ok := signatures[s.method]; !ok || signatureMethod.HasElements() {
		return fault(Algorithm, "the signature method %q is not taken", s.method)
	}
	return s.readReferences(references)
}

// verify ends the work: properties, signer, signature value, content.
func (s *signed) verify(root *Element, signers []Signer, limits Limits) (*Verified, error) {
	properties := Canonicalize(nil, s.properties, s.property.method, nil)
	p, err := s.readProperties(properties, limits)
	if err != nil {
		return nil, err
	}
	v := &Verified{Method: s.method, Digest: s.document.algorithm, V2: p.v2, SigningTime: p.signingTime, Weak: p.weak}
	if v.Signer, err = s.chooseSigner(signers, p); err != nil {
		return nil, err
	}
	signer := signers[v.Signer]
	if err := signatures[s.method].verify(signer.Key, s.info, s.value); err != nil {
		return nil, err
	}
	if !bytes.Equal(hashOf(s.property.hash, properties), s.property.digest) {
		return nil, fault(Digest, "the signed properties were changed after signing")
	}
	if p.signingTime.Before(signer.NotBefore) || p.signingTime.After(signer.NotAfter) {
		return nil, fault(Form, "the signing time %s is outside of the signer's validity", p.signingTime.Format(time.RFC3339))
	}
	content := Canonicalize(nil, root, s.document.method, s.element)
	if !bytes.Equal(hashOf(s.document.hash, content), s.document.digest) {
		return nil, fault(Digest, "the document was changed after signing")
	}
	// What is used is what was digested.
	if v.Content, err = Parse(content, limits); err != nil {
		return nil, &Error{Malformed, err.Error()}
	}
	return v, nil
}

// ReasonOf returns why err refuses a document, "" when it does not.
func ReasonOf(err error) Reason {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return ""
}
