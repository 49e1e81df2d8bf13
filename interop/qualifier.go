package interop

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"strings"

	"github.com/altamga/altamga/internal/xmlsec"
)

// last is the last part of a URI, which is the word people know.
func last(uri string) string {
	uri = strings.TrimSuffix(uri, "/")
	if rest, ok := strings.CutPrefix(uri, prefixSvc); ok {
		return rest
	}
	return uri[strings.LastIndexAny(uri, "/:")+1:]
}

// uses are the URIs of additionalServiceInformation (ETSI TS 119 612, Section
// 5.5.9.4).
func uses(extensions []Extension) (all []string) {
	for _, x := range extensions {
		if e := x.Content.find(spaceList, "AdditionalServiceInformation"); e != nil {
			if uri := e.Child(spaceList, "URI"); uri != nil {
				all = append(all, strings.TrimSpace(uri.Text()))
			}
		}
	}
	return all
}

// critical reports whether an extension that must be understood is not.
func critical(extensions []Extension) bool {
	return slices.ContainsFunc(extensions, func(x Extension) bool {
		return x.Critical && x.Content.find(spaceList, "AdditionalServiceInformation") == nil &&
			x.Content.find(spaceList, "ExpiredCertsRevocationInfo") == nil &&
			x.Content.find(spaceQualifiers, "Qualifications") == nil &&
			x.Content.find(spaceAdditional, "TakenOverBy") == nil
	})
}

// qualifiers are those that the service's Qualifications give to the
// certificate (ETSI TS 119 612, Section 5.5.9.2).
func qualifiers(extensions []Extension, leaf *Facts) (all []string) {
	for _, x := range extensions {
		e := x.Content.find(spaceQualifiers, "Qualifications")
		if e == nil {
			continue
		}
		for q := range e.Children() {
			given, criteria := q.Child(spaceQualifiers, "Qualifiers"), q.Child(spaceQualifiers, "CriteriaList")
			if given == nil || criteria == nil || !meets(criteria, leaf) {
				continue
			}
			for one := range given.Children() {
				if uri, ok := one.Attribute("", "uri"); ok && !slices.Contains(all, uri) {
					all = append(all, uri)
				}
			}
		}
	}
	return all
}

// meets evaluates a CriteriaList. A criterion that is not known is not met.
func meets(list *xmlsec.Element, leaf *Facts) bool {
	assert, _ := list.Attribute("", "assert")
	met, total := 0, 0
	for c := range list.Children() {
		ok, counts := criterion(c, leaf)
		if !counts {
			continue
		}
		total++
		if ok {
			met++
		}
	}
	switch assert {
	case "atLeastOne":
		return met > 0
	case "none":
		return met == 0
	}
	return met == total
}

func criterion(c *xmlsec.Element, leaf *Facts) (met, counts bool) {
	switch c.Local {
	case "KeyUsage":
		return usage(c, leaf.KeyUsage), true
	case "PolicySet":
		return every(c, func(id string) bool { return contains(leaf.Policies, id) }), true
	case "CriteriaList":
		return meets(c, leaf), true
	case "Description":
		return false, false
	case "otherCriteriaList":
		for other := range c.Children() {
			switch other.Local {
			case "ExtendedKeyUsage":
				met = every(other, func(id string) bool { return contains(leaf.Purposes, id) })
			case "CertSubjectDNAttribute":
				met = every(other, func(id string) bool {
					return slices.ContainsFunc(leaf.Subject.Names, func(a pkix.AttributeTypeAndValue) bool { return a.Type.String() == id })
				})
			case "QcStatementSet":
				met = statements(other, leaf)
			default:
				met = false
			}
			if !met {
				return false, true
			}
		}
		return met, true
	}
	return false, true
}

// every asks about each object identifier below e.
func every(e *xmlsec.Element, ask func(id string) bool) bool {
	found := false
	for at := range e.All() {
		if at.Is(xmlsec.SpaceXAdES, "Identifier") {
			found = true
			if !ask(strings.TrimPrefix(strings.TrimSpace(at.Text()), "urn:oid:")) {
				return false
			}
		}
	}
	return found
}

func contains(ids []asn1.ObjectIdentifier, id string) bool {
	return slices.ContainsFunc(ids, func(o asn1.ObjectIdentifier) bool { return o.String() == id })
}

// usageBits are the names of KeyUsageBit.
var usageBits = map[string]x509.KeyUsage{
	"digitalSignature": x509.KeyUsageDigitalSignature, "nonRepudiation": x509.KeyUsageContentCommitment,
	"keyEncipherment": x509.KeyUsageKeyEncipherment, "dataEncipherment": x509.KeyUsageDataEncipherment,
	"keyAgreement": x509.KeyUsageKeyAgreement, "keyCertSign": x509.KeyUsageCertSign, "crlSign": x509.KeyUsageCRLSign,
	"encipherOnly": x509.KeyUsageEncipherOnly, "decipherOnly": x509.KeyUsageDecipherOnly,
}

// usage holds the certificate's key usage against each bit that is named.
func usage(e *xmlsec.Element, has x509.KeyUsage) bool {
	for bit := range e.Children() {
		name, _ := bit.Attribute("", "name")
		text := strings.TrimSpace(bit.Text())
		if want := text == "true" || text == "1"; (has&usageBits[name] != 0) != want {
			return false
		}
	}
	return true
}
