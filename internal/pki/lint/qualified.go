package lint

import (
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

var qualifiedLints = []Lint{
	{"CERT-41", "ETSI EN 319 412-5, Section 4.1", "statements well-formed, not critical, none twice", statements},
	{"CERT-42", "ETSI EN 319 412-5, Section 5", "a qualified certificate states one type and where its disclosure is", qualified},
	{"CERT-43", "ETSI EN 319 412-5, Section 4.2.4", "qualified outside the European Union: by the law of the issuer's country", legislation},
	{"CERT-44", "ETSI EN 319 412-5, Section 4.3", "limit in an ISO 4217 currency, retention, disclosure over https by language", limits},
	{"CERT-45", "ETSI EN 319 412-2, Section 5.2", "policies fit the statements", qualifiedPolicies},
}

func statements(c *certificate, r *report) {
	e := c.extension(pki.OIDQCStatements)
	if e == nil {
		return
	}
	if e.critical {
		r.must("the statements are critical")
	}
	if !c.statementsGood {
		r.must("the statements are malformed or empty")
	}
	for i, s := range c.statements {
		for _, earlier := range c.statements[:i] {
			if same(earlier.id, s.id) {
				r.must("statement %s stands twice", s.id)
				break
			}
		}
	}
	// RFC 3739, Section 3.2.6.1: an empty SemanticsInformation says nothing.
	if s := c.statement(pki.OIDQCSyntaxV2); s != nil && len(s.info) > 0 {
		if info, ok := der.Whole(s.info, sequence); !ok || info.Empty() {
			r.must("the statement of semantics is malformed or empty")
		}
	}
}

// readTypes returns the QcTypes.
func (c *certificate) readTypes() []asn1.ObjectIdentifier {
	s := c.statement(pki.OIDQCType)
	if s == nil {
		return nil
	}
	ids, _ := readIdentifiers(s.info)
	return ids
}

// qualifies reports whether the certificate claims to be qualified.
func (c *certificate) qualifies() bool { return c.statement(pki.OIDQCCompliance) != nil }

func qualified(c *certificate, r *report) {
	for _, id := range []asn1.ObjectIdentifier{pki.OIDQCCompliance, pki.OIDQCSSCD} {
		if s := c.statement(id); s != nil && len(s.info) > 0 {
			r.must("statement %s has a value", id)
		}
	}
	known := []asn1.ObjectIdentifier{pki.OIDQCTypeESign, pki.OIDQCTypeESeal, pki.OIDQCTypeWeb}
	if c.statement(pki.OIDQCType) != nil {
		types := c.types
		// EN 319 412-5 since version 2.3.1: exactly one.
		if len(types) != 1 || !contains(known, types[0]) {
			r.must("there is not exactly one of the three types")
		}
	}
	if !c.qualifies() {
		return
	}
	if c.statement(pki.OIDQCType) == nil {
		r.must("a qualified certificate states no type")
	}
	if c.statement(pki.OIDQCPDS) == nil {
		r.must("a qualified certificate points to no disclosure statement")
	}
	switch {
	case contains(c.types, pki.OIDQCTypeESeal) && c.natural:
		r.must("a seal is a legal person's, and the subject is a natural one")
	case contains(c.types, pki.OIDQCTypeESign) && c.subject.has(pki.OIDOrganizationIdentifier) && !c.subject.has(pki.OIDSerialNumber):
		r.must("a signature is a natural person's, and the subject is a legal one")
	}
}

func legislation(c *certificate, r *report) {
	s := c.statement(pki.OIDQCCLegislation)
	home := c.issuer.value(pki.OIDCountryName)
	if s == nil {
		if c.qualifies() && !pki.IsEUMember(home) {
			r.must("the certificate claims to be qualified under the law of the European Union, and its issuer is not in it")
		}
		return
	}
	list, ok := der.Whole(s.info, sequence)
	if !ok || list.Empty() {
		r.must("the list of countries is malformed or empty")
		return
	}
	own := false
	for !list.Empty() {
		var country cryptobyte.String
		if !list.ReadASN1(&country, cryptobyte_asn1.PrintableString) {
			r.must("a country is not a PrintableString")
			return
		}
		switch {
		case pki.IsEUMember(string(country)):
			r.must("%s is in the European Union, whose law is stated by leaving the statement out", string(country))
		case !pki.IsCountry(string(country)):
			r.must("a country is no ISO 3166-1 alpha-2 code")
		}
		own = own || string(country) == home
	}
	if !own {
		r.must("the issuer's country is not among those whose law is stated")
	}
}

func limits(c *certificate, r *report) {
	if s := c.statement(pki.OIDQCLimitValue); s != nil {
		body, ok := der.Whole(s.info, sequence)
		var currency cryptobyte.String
		var tag cryptobyte_asn1.Tag
		var amount, exponent int64
		switch {
		case !ok || !body.ReadAnyASN1(&currency, &tag) || !body.ReadASN1Integer(&amount) || !body.ReadASN1Integer(&exponent) || !body.Empty():
			r.must("the limit of value is malformed")
		case tag != cryptobyte_asn1.PrintableString || !pki.IsCurrency(string(currency)):
			r.must("the currency is no alphabetic ISO 4217 code")
		case amount < 0 || exponent < 0:
			r.must("the limit of value is negative")
		}
	}
	if s := c.statement(pki.OIDQCRetention); s != nil {
		var years int64
		info := s.info
		if !info.ReadASN1Integer(&years) || !info.Empty() || years <= 0 {
			r.must("the retention period is not a number of years")
		}
	}
	if s := c.statement(pki.OIDQCPDS); s != nil {
		disclosures(s.info, r)
	}
}

func disclosures(info cryptobyte.String, r *report) {
	list, ok := der.Whole(info, sequence)
	if !ok || list.Empty() {
		r.must("the disclosure statements are malformed or empty")
		return
	}
	english := false
	for !list.Empty() {
		var body, place, language cryptobyte.String
		if !list.ReadASN1(&body, sequence) || !body.ReadASN1(&place, cryptobyte_asn1.IA5String) || !body.ReadASN1(&language, cryptobyte_asn1.PrintableString) || !body.Empty() {
			r.must("the disclosure statements are malformed")
			return
		}
		if readURI(string(place)) != httpsURI {
			r.must("a disclosure statement is not at an https URL")
		}
		if !pki.IsLanguage(string(language)) {
			r.must("the language of a disclosure statement is no lower-case ISO 639-1 code")
		}
		english = english || string(language) == "en"
	}
	if !english {
		r.must("no disclosure statement is in English")
	}
}

// europeanPolicies are those of ETSI EN 319 411-2, Section 5.3, with the type
// and the device that each goes with.
var europeanPolicies = []struct {
	id, kind asn1.ObjectIdentifier
	device   bool
}{
	{asn1.ObjectIdentifier{0, 4, 0, 194112, 1, 0}, pki.OIDQCTypeESign, false},
	{asn1.ObjectIdentifier{0, 4, 0, 194112, 1, 1}, pki.OIDQCTypeESeal, false},
	{asn1.ObjectIdentifier{0, 4, 0, 194112, 1, 2}, pki.OIDQCTypeESign, true},
	{asn1.ObjectIdentifier{0, 4, 0, 194112, 1, 3}, pki.OIDQCTypeESeal, true},
	{asn1.ObjectIdentifier{0, 4, 0, 194112, 1, 4}, pki.OIDQCTypeWeb, false},
}

func qualifiedPolicies(c *certificate, r *report) {
	stated := c.policies
	if c.person() && (len(stated) == 0 || len(stated) == 1 && stated[0].Equal(pki.OIDAnyPolicy)) {
		r.should("a person's certificate states no policy")
	}
	device := c.statement(pki.OIDQCSSCD) != nil
	for _, policy := range europeanPolicies {
		if !contains(stated, policy.id) {
			continue
		}
		if !c.qualifies() || !contains(c.types, policy.kind) {
			r.must("policy %s does not go with the type of the certificate", policy.id)
		}
		if policy.device != device {
			r.must("policy %s does not go with what is said of the device", policy.id)
		}
	}
}
