package ca

import (
	"slices"
	"strings"

	"github.com/altamga/altamga/internal/pki"
)

// identifier is a form of serialNumber or organizationIdentifier that is made
// from what a request gives.
type identifier struct {
	attribute string
	// fields are the request's names of what it is made from.
	fields []string
	// national needs the profile's country, which gave the number.
	national bool
	clause   string
	make     func(country string, given map[string]string) (string, error)
}

const (
	clauseNatural = "ETSI EN 319 412-1, Section 5.1.3"
	clauseLegal   = "ETSI EN 319 412-1, Section 5.1.4"
)

// identifiers are the forms by the word that profiles use.
var identifiers = map[string]identifier{
	"PNO": {"serialNumber", []string{"fin"}, true, clauseNatural, func(country string, given map[string]string) (string, error) {
		return pki.NaturalPersonIdentifier(country, given["fin"])
	}},
	"PAS": {"serialNumber", []string{"passport", "passport_country"}, false, clauseNatural, func(_ string, given map[string]string) (string, error) {
		return pki.PassportIdentifier(given["passport_country"], given["passport"])
	}},
	"VP": {"serialNumber", []string{"virtual_pin"}, true, clauseNatural, func(country string, given map[string]string) (string, error) {
		return pki.VirtualPINIdentifier(country, given["virtual_pin"])
	}},
	"TIN": {"serialNumber", []string{"voen"}, true, clauseNatural, func(country string, given map[string]string) (string, error) {
		return pki.PersonalTaxIdentifier(country, given["voen"])
	}},
	"NTR": {"organizationIdentifier", []string{"voen"}, true, clauseLegal, func(country string, given map[string]string) (string, error) {
		return pki.LegalPersonIdentifier(country, given["voen"])
	}},
	"VAT": {"organizationIdentifier", []string{"voen"}, true, clauseLegal, func(country string, given map[string]string) (string, error) {
		return pki.TaxpayerIdentifier(country, given["voen"])
	}},
}

// fields are the request's names of what the attribute is made from.
func (r SubjectRule) fields() []string {
	if form, ok := identifiers[r.Identifier]; ok {
		return form.fields
	}
	return []string{r.Attribute}
}

// value is the attribute's value for a request, "" when the request gives none.
// What is wrong goes into the refusal; then ok is false.
func (r SubjectRule) value(country string, given map[string]string, bad func(field, detail, clause string)) (value string, ok bool) {
	field := r.fields()[0]
	value = given[field]
	switch form, derived := identifiers[r.Identifier]; {
	case r.Value != "":
		if value != "" && value != r.Value {
			bad(field, "is fixed by the profile to another value", clauseOf(r.Attribute))
			return "", false
		}
		return r.Value, true
	case value == "" && r.Required:
		bad(field, "is missing", clauseOf(r.Attribute))
		return "", false
	case derived && value != "":
		made, err := form.make(country, given)
		if err != nil {
			bad(field, err.Error(), form.clause)
			return "", false
		}
		return made, true
	}
	return value, true
}

// subject encodes a request's subject, its attributes in the profile's order.
// The given values are keyed by attribute, or by the fields of the identifier
// where the profile derives one.
func (p *Profile) subject(given map[string]string, r *refusal) []byte {
	values := make(map[string]string, len(p.Subject))
	bad := func(field, detail, clause string) { r.add(CodeInvalid, "subject."+field, detail, clause) }
	for _, rule := range p.Subject {
		if value, ok := rule.value(p.country(), given, bad); ok && value != "" {
			values[rule.Attribute] = value
		}
	}
	for _, field := range p.unknown(given) {
		detail, clause := "is not an attribute of the profile", ""
		if field == "pseudonym" {
			// ETSI EN 319 412-2, Section 4.2.4: never beside a name.
			detail, clause = "does not stand beside a name: the profile names its holder", clauseOf(field)
		}
		bad(field, detail, clause)
	}
	// ETSI EN 319 412-3, Section 4.2.1: the identifier of an organisation
	// differs from its name.
	if o := values["O"]; o != "" && o == values["organizationIdentifier"] {
		bad("O", "is the same as organizationIdentifier", "ETSI EN 319 412-3, Section 4.2.1")
	}
	attributes := make([]pki.Attribute, 0, len(p.Subject))
	for _, rule := range p.Subject {
		value, ok := values[rule.Attribute]
		if !ok {
			if value, ok = expand(rule.Default, values); !ok {
				continue
			}
		}
		oid, _ := pki.AttributeType(rule.Attribute) // check saw to it that it is known
		attributes = append(attributes, pki.Attribute{Type: oid, Value: value})
	}
	name, err := pki.MarshalName(attributes)
	if err != nil {
		// It says what is wrong with one attribute; a refusal says it of each.
		p.checkAttributes(attributes, bad)
	}
	return name
}

// checkAttributes says what is wrong with attributes by the fields that they are
// made from.
func (p *Profile) checkAttributes(attributes []pki.Attribute, bad func(field, detail, clause string)) {
	for _, rule := range p.Subject {
		oid, _ := pki.AttributeType(rule.Attribute)
		for _, attribute := range attributes {
			if !attribute.Type.Equal(oid) {
				continue
			}
			if err := pki.CheckAttribute(attribute); err != nil {
				bad(rule.fields()[0], strings.TrimPrefix(err.Error(), rule.Attribute+" "), "RFC 5280, Section 4.1.2.4")
			}
		}
	}
}

// unknown returns the given fields that are none of the profile's, sorted.
func (p *Profile) unknown(given map[string]string) (fields []string) {
	for field := range given {
		if !slices.ContainsFunc(p.Subject, func(rule SubjectRule) bool {
			return rule.Identifier == "" && rule.Attribute == field || rule.Identifier != "" && slices.Contains(rule.fields(), field)
		}) {
			fields = append(fields, field)
		}
	}
	slices.Sort(fields)
	return fields
}

// expand fills a default's placeholders. It reports false when there is no
// default or a value is missing.
func expand(template string, values map[string]string) (string, bool) {
	if template == "" {
		return "", false
	}
	var text strings.Builder
	for {
		before, rest, found := strings.Cut(template, "{")
		text.WriteString(before)
		if !found {
			return text.String(), true
		}
		key, after, _ := strings.Cut(rest, "}")
		value, ok := values[key]
		if !ok {
			return "", false
		}
		text.WriteString(value)
		template = after
	}
}

// clauseOf names the clause that wants the attribute.
func clauseOf(attribute string) string {
	switch attribute {
	case "surname", "givenName", "serialNumber", "pseudonym", "C", "CN":
		return "ETSI EN 319 412-2, Section 4.2.4"
	case "organizationIdentifier", "O":
		return "ETSI EN 319 412-3, Section 4.2.1"
	}
	return ""
}
