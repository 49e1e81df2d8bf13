package lint

import (
	"encoding/asn1"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

var holderLints = []Lint{
	{"CERT-32", "ETSI EN 319 412-2, Section 4.2.4", "natural person: country, names or pseudonym, common name, serial number", naturalPerson},
	{"CERT-33", "ETSI EN 319 412-2, Section 4.2.4", "natural person: each attribute once, no pseudonym beside a name", naturalPersonOnce},
	{"CERT-34", "ETSI EN 319 412-1, Section 5.1", "identifiers of the stated semantics, with right check digits", identifiers},
	{"CERT-35", "ETSI EN 319 412-3, Section 4.2.1", "legal person: country, organisation, its identifier, common name, each once", legalPerson},
	{"CERT-36", "ETSI EN 319 412-2, Section 4.3.2", "a person's key usage is of one type", personUsage},
	{"CERT-37", "ETSI EN 319 412-2, Section 4.2.3", "a person's issuer: country, organisation, common name, each once", personIssuer},
	{"CERT-38", "ETSI EN 319 412-2, Section 4.3", "a person's certificate: what is not critical, and what is absent", personExtensions},
}

// isNatural reports whether the certificate is a natural person's.
func (c *certificate) isNatural() bool {
	if c.ca() {
		return false
	}
	return c.subject.has(pki.OIDSurname) || c.subject.has(pki.OIDGivenName) || c.subject.has(pki.OIDPseudonym) || contains(c.types, pki.OIDQCTypeESign)
}

// isLegal reports whether the certificate is a legal person's. A responder that
// names its operator signs for the authority and is none.
func (c *certificate) isLegal() bool {
	if c.ca() || c.natural || c.purpose(pki.OIDOCSPSigning) {
		return false
	}
	return c.subject.has(pki.OIDOrganizationIdentifier) || contains(c.types, pki.OIDQCTypeESeal)
}

func (c *certificate) person() bool { return c.natural || c.legal }

func naturalPerson(c *certificate, r *report) {
	if !c.natural {
		return
	}
	for _, wanted := range []struct {
		id   asn1.ObjectIdentifier
		name string
	}{{pki.OIDCountryName, "countryName"}, {pki.OIDCommonName, "commonName"}, {pki.OIDSerialNumber, "serialNumber"}} {
		if !c.subject.has(wanted.id) {
			r.must("a natural person has no %s", wanted.name)
		}
	}
	if !c.subject.has(pki.OIDPseudonym) && !(c.subject.has(pki.OIDSurname) && c.subject.has(pki.OIDGivenName)) {
		r.must("a natural person has neither surname and givenName nor a pseudonym")
	}
}

func naturalPersonOnce(c *certificate, r *report) {
	if !c.natural {
		return
	}
	once(&c.subject, "subject", r, pki.OIDCountryName, pki.OIDSurname, pki.OIDGivenName, pki.OIDPseudonym, pki.OIDCommonName, pki.OIDSerialNumber,
		pki.OIDOrganizationName, pki.OIDOrganizationIdentifier)
	if c.subject.has(pki.OIDPseudonym) && (c.subject.has(pki.OIDSurname) || c.subject.has(pki.OIDGivenName)) {
		r.must("a pseudonym stands beside a name")
	}
}

// once finds the attributes that stand more than once in a name.
func once(n *name, which string, r *report, ids ...asn1.ObjectIdentifier) {
	for _, id := range ids {
		if n.count(id) > 1 {
			r.must("%s stands more than once in the %s", id, which)
		}
	}
}

// identifiers judges serialNumber and organizationIdentifier.
func identifiers(c *certificate, r *report) {
	if !c.person() {
		return
	}
	semantics, authorities := c.semantics()
	// A serialNumber is free text until its semantics are stated; those of our
	// own country are judged wherever their type shows.
	if v := c.subject.value(pki.OIDSerialNumber); v != "" && (semantics.Equal(pki.OIDSemanticsNatural) || strings.HasPrefix(v, "PNOAZ-") || strings.HasPrefix(v, "TINAZ-")) {
		if fault := identifierFault(v, authorities, "PAS", "IDC", "PNO", "TIN", "TAX"); fault != "" {
			r.must("serialNumber %s", fault)
		}
	}
	// ETSI EN 319 412-3, Section 4.2.1: the form is mandatory for organisations.
	if v := c.subject.value(pki.OIDOrganizationIdentifier); v != "" {
		if fault := identifierFault(v, authorities, "VAT", "NTR", "PSD", "LEI"); fault != "" {
			r.must("organizationIdentifier %s", fault)
		}
	}
}

// semantics returns the identifier in the statement of semantics, nil when there
// is none, and whether it names registration authorities.
func (c *certificate) semantics() (id asn1.ObjectIdentifier, authorities bool) {
	s := c.statement(pki.OIDQCSyntaxV2)
	if s == nil {
		return nil, false
	}
	info, ok := der.Whole(s.info, sequence)
	if !ok {
		return nil, false
	}
	if info.PeekASN1Tag(cryptobyte_asn1.OBJECT_IDENTIFIER) {
		readID(&info, &id)
	}
	var names cryptobyte.String
	return id, info.ReadASN1(&names, sequence) && !names.Empty()
}

// identifierFault says what is wrong with an identifier of the form type,
// country, hyphen, value.
func identifierFault(s string, authorities bool, types ...string) string {
	if len(s) < 7 || s[5] != '-' {
		return "is not of three letters or a national type, a country, a hyphen and a value"
	}
	kind, country, value := s[:3], s[3:5], s[6:]
	switch {
	case kind[2] == ':':
		if !authorities {
			return "is of a national type that no registration authority explains"
		}
		if !pki.IsCountry(country) {
			return "names no ISO 3166 country"
		}
		return ""
	case !slices.Contains(types, kind):
		return "has none of the types " + strings.Join(types, ", ")
	case country == "XG" && kind == "LEI":
	case country == "EL" && kind == "VAT": // Greece, as its tax office writes it
	case !pki.IsCountry(country):
		return "names no ISO 3166 country"
	}
	return nationalFault(kind, country, value)
}

// nationalFault judges the numbers of Azerbaijan.
func nationalFault(kind, country, value string) string {
	if country != "AZ" {
		return ""
	}
	switch kind {
	case "PNO":
		if fin, err := pki.ParseFIN(value); err != nil || fin != value {
			return "is not a FİN in capitals"
		}
	case "VAT", "NTR", "TIN":
		voen, err := pki.ParseVOEN(value)
		switch {
		case err != nil || voen != value:
			return "is not a VÖEN of ten digits with a right check digit"
		case kind == "NTR" && value[9] != '1':
			return "is of a natural person's VÖEN, which is in no register of legal persons"
		case kind == "TIN" && value[9] != '2':
			return "is of a legal person's VÖEN"
		}
	}
	return ""
}

func legalPerson(c *certificate, r *report) {
	if !c.legal {
		return
	}
	for _, wanted := range []struct {
		id   asn1.ObjectIdentifier
		name string
	}{{pki.OIDCountryName, "countryName"}, {pki.OIDOrganizationName, "organizationName"}, {pki.OIDOrganizationIdentifier, "organizationIdentifier"}, {pki.OIDCommonName, "commonName"}} {
		if !c.subject.has(wanted.id) {
			r.must("a legal person has no %s", wanted.name)
		}
	}
	once(&c.subject, "subject", r, pki.OIDCountryName, pki.OIDOrganizationName, pki.OIDOrganizationIdentifier, pki.OIDCommonName)
	if o := c.subject.value(pki.OIDOrganizationName); o != "" && o == c.subject.value(pki.OIDOrganizationIdentifier) {
		r.must("organizationIdentifier is the same as organizationName")
	}
}

// usageTypes are the types A to F of ETSI EN 319 412-2, Section 4.3.2.
var usageTypes = []uint16{
	nonRepudiation,
	nonRepudiation | digitalSignature,
	digitalSignature,
	digitalSignature | keyEncipherment, digitalSignature | keyAgreement,
	keyEncipherment, keyAgreement,
	nonRepudiation | digitalSignature | keyEncipherment, nonRepudiation | digitalSignature | keyAgreement,
}

func personUsage(c *certificate, r *report) {
	if !c.person() {
		return
	}
	switch {
	case !c.usage.there:
		r.must("a person's certificate has no key usage")
	case !slices.Contains(usageTypes, c.usage.bits):
		r.must("the key usage is of none of the types A to F")
	case contains(c.types, pki.OIDQCTypeESign) && c.usage.bits != nonRepudiation:
		r.should("a certificate for signatures has another key usage than nonRepudiation alone")
	}
}

func personIssuer(c *certificate, r *report) {
	if !c.person() {
		return
	}
	for _, wanted := range []struct {
		id   asn1.ObjectIdentifier
		name string
	}{{pki.OIDCountryName, "countryName"}, {pki.OIDOrganizationName, "organizationName"}, {pki.OIDCommonName, "commonName"}} {
		if !c.issuer.has(wanted.id) {
			r.must("the issuer has no %s", wanted.name)
		}
	}
	once(&c.issuer, "issuer", r, pki.OIDCountryName, pki.OIDOrganizationName, pki.OIDOrganizationIdentifier, pki.OIDCommonName)
}

func personExtensions(c *certificate, r *report) {
	if c.ca() {
		return
	}
	for _, absent := range []asn1.ObjectIdentifier{pki.OIDPolicyMappings, pki.OIDNameConstraints, pki.OIDPolicyConstraints, pki.OIDInhibitAnyPolicy} {
		if c.extension(absent) != nil {
			r.must("%s belongs to authorities alone", absent)
		}
	}
	if !c.person() {
		return
	}
	for _, id := range []asn1.ObjectIdentifier{pki.OIDSubjectAltName, pki.OIDIssuerAltName, pki.OIDExtKeyUsage, pki.OIDCRLDistributionPoints} {
		// RFC 3161, Section 2.3 wants the one purpose of a time-stamping unit
		// critical.
		if e := c.extension(id); e != nil && e.critical && !(id.Equal(pki.OIDExtKeyUsage) && c.purpose(pki.OIDTimeStamping)) {
			r.must("%s is critical", id)
		}
	}
	if e := c.extension(pki.OIDCertificatePolicies); e != nil && e.critical {
		r.should("the policies are critical")
	}
}
