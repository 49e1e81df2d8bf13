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

// verdict is what a criterion says of a certificate.
type verdict int

const (
	unmet verdict = iota
	met
	unknown // a criterion that this build does not know
	silent  // no criterion, but words about them
)

func verdictOf(ok bool) verdict {
	if ok {
		return met
	}
	return unmet
}

// meets evaluates a CriteriaList, and takes it for not met when that hangs on a
// criterion that is not known: asking for the absence of something unknown shows
// nothing.
func meets(list *xmlsec.Element, leaf *Facts) bool { return weigh(list, leaf) == met }

// weigh evaluates a CriteriaList and those inside of it.
func weigh(list *xmlsec.Element, leaf *Facts) verdict {
	var count [silent + 1]int
	for c := range list.Children() {
		count[criterion(c, leaf)]++
	}
	assert, _ := list.Attribute("", "assert")
	switch {
	case count[met]+count[unmet]+count[unknown] == 0:
		return unmet
	case assert == "all" && count[unmet] > 0, assert == "none" && count[met] > 0:
		return unmet
	case assert == "atLeastOne" && count[met] > 0:
		return met
	case count[unknown] > 0:
		return unknown
	}
	switch assert {
	case "all", "none":
		return met
	case "atLeastOne":
		return unmet
	}
	return unknown
}

// criterion evaluates one child of a CriteriaList.
func criterion(c *xmlsec.Element, leaf *Facts) verdict {
	switch c.Local {
	case "KeyUsage":
		return usage(c, leaf.KeyUsage)
	case "PolicySet":
		return verdictOf(every(c, func(id string) bool { return contains(leaf.Policies, id) }))
	case "CriteriaList":
		return weigh(c, leaf)
	case "Description":
		return silent
	case "otherCriteriaList":
		v := unknown
		for other := range c.Children() {
			switch v = otherCriterion(other, leaf); v {
			case unmet, unknown:
				return v
			}
		}
		return v
	}
	return unknown
}

// otherCriterion evaluates one of those that ETSI TS 119 612, Annex C and the
// schema of agreements add.
func otherCriterion(c *xmlsec.Element, leaf *Facts) verdict {
	switch c.Local {
	case "ExtendedKeyUsage":
		return verdictOf(every(c, func(id string) bool { return contains(leaf.Purposes, id) }))
	case "CertSubjectDNAttribute":
		return verdictOf(every(c, func(id string) bool {
			return slices.ContainsFunc(leaf.Subject.Names, func(a pkix.AttributeTypeAndValue) bool { return a.Type.String() == id })
		}))
	case "QcStatementSet":
		return verdictOf(statements(c, leaf))
	}
	return unknown
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
func usage(e *xmlsec.Element, has x509.KeyUsage) verdict {
	v := unknown
	for bit := range e.Children() {
		name, _ := bit.Attribute("", "name")
		flag, ok := usageBits[name]
		if !ok {
			return unknown
		}
		text := strings.TrimSpace(bit.Text())
		if want := text == "true" || text == "1"; (has&flag != 0) != want {
			return unmet
		}
		v = met
	}
	return v
}
