package xmlsec

import (
	"crypto"
	"strings"
)

// digestReference is one ds:Reference.
type digestReference struct {
	element *Element
	uri, id string
	method  Method
	hash    crypto.Hash
	digest  []byte
	// algorithm is the digest's URI.
	algorithm string
}

// readReferences takes exactly two references: to the whole document and to
// the signed properties.
func (s *signed) readReferences(references []*Element) error {
	for _, e := range references {
		r, err := readReference(e)
		if err != nil {
			return err
		}
		into, enveloped := &s.document, true
		if kind, _ := e.Attribute("", "Type"); kind != "" {
			if kind != "http://uri.etsi.org/01903#SignedProperties" {
				return fault(Form, "a reference of type %q is not taken", kind)
			}
			into, enveloped = &s.property, false
		}
		if into.element != nil {
			return fault(Form, "the signature has a reference too many, to %q; it covers the document and the signed properties", r.uri)
		}
		if err := r.readTransforms(enveloped); err != nil {
			return err
		}
		*into = r
	}
	switch {
	case s.document.element == nil:
		return fault(Form, "the signature does not cover the document")
	case s.property.element == nil:
		return fault(Form, "the signature does not cover the signed properties")
	}
	return s.checkTargets()
}

// checkTargets: the references lead to the root element, whole, and to the
// properties of this signature.
func (s *signed) checkTargets() error {
	rootID, _ := s.root.Attribute("", "Id")
	if s.document.uri != "" && (rootID == "" || s.document.uri != "#"+rootID) {
		return fault(Form, "the signature covers %q, not the whole document", s.document.uri)
	}
	id, _ := s.properties.Attribute("", "Id")
	if id == "" || s.property.uri != "#"+id {
		return fault(Form, "the signature covers properties at %q; its own have the Id %q", s.property.uri, id)
	}
	return nil
}

func readReference(e *Element) (digestReference, error) {
	r := digestReference{element: e}
	uri, ok := e.Attribute("", "URI")
	if !ok {
		return r, fault(Form, "a reference has no URI")
	}
	r.uri = uri
	r.id, _ = e.Attribute("", "Id")
	method, value := e.Child(SpaceDSig, "DigestMethod"), e.Child(SpaceDSig, "DigestValue")
	if method == nil || value == nil {
		return r, fault(Form, "a reference has no digest")
	}
	r.algorithm, _ = method.Attribute("", "Algorithm")
	if r.hash, ok = digests[r.algorithm]; !ok {
		return r, fault(Algorithm, "the digest method %q of the reference to %q is not taken", r.algorithm, uri)
	}
	var err error
	r.digest, err = octets(value)
	return r, err
}

// readTransforms takes enveloped-signature, for the document, and one
// canonicalisation. XMLDSig 1.1, Section 4.4.3.2: without one it is Canonical
// XML 1.0.
func (r *digestReference) readTransforms(enveloped bool) error {
	var transforms []*Element
	if e := r.element.Child(SpaceDSig, "Transforms"); e != nil {
		for c := range e.Children() {
			if !c.Is(SpaceDSig, "Transform") {
				return fault(Form, "%s is no transform", c.Local)
			}
			transforms = append(transforms, c)
		}
	}
	if enveloped {
		if len(transforms) == 0 {
			return fault(Form, "the document's reference has no enveloped-signature transform")
		}
		if a, _ := transforms[0].Attribute("", "Algorithm"); a != transformEnveloped || transforms[0].HasElements() {
			return fault(Algorithm, "the transform %q is not taken; the first one is enveloped-signature", a)
		}
		transforms = transforms[1:]
	}
	switch len(transforms) {
	case 0:
		return nil
	case 1:
		var err error
		r.method, err = readMethod(transforms[0])
		return err
	}
	return fault(Algorithm, "the reference to %q has %d transforms too many", r.uri, len(transforms)-1)
}

// readMethod reads a canonicalisation and its InclusiveNamespaces.
func readMethod(e *Element) (Method, error) {
	uri, _ := e.Attribute("", "Algorithm")
	method, ok := canonicalisation(uri)
	if !ok {
		return method, fault(Algorithm, "the transform %q is not taken", uri)
	}
	for c := range e.Children() {
		list, _ := c.Attribute("", "PrefixList")
		if !method.Exclusive || !c.Is(c14nExclusive, "InclusiveNamespaces") || method.Prefixes != nil {
			return method, fault(Algorithm, "the parameter %s of %q is not taken", c.Local, uri)
		}
		if method.Prefixes = strings.Fields(list); len(method.Prefixes) > MaxPrefixes {
			return method, fault(Algorithm, "%q has %d prefixes; %d are taken", uri, len(method.Prefixes), MaxPrefixes)
		}
	}
	return method, nil
}
