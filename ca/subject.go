package ca

import (
	"maps"
	"slices"
	"strings"

	"github.com/altamga/altamga/internal/pki"
)

// subject builds the attributes of a request's subject in the profile's order.
// The given values are keyed by attribute, or by "fin" and "voen" where the
// profile derives an identifier from a national number.
func (p *Profile) subject(given map[string]string, r *refusal) []pki.Attribute {
	values := map[string]string{}
	known := map[string]bool{}
	bad := func(field, detail, clause string) { r.add(CodeInvalid, "subject."+field, detail, clause) }
	for _, rule := range p.Subject {
		field := rule.field()
		known[field] = true
		value := given[field]
		switch {
		case rule.Value != "":
			if value != "" && value != rule.Value {
				bad(field, "is fixed by the profile to another value", "")
			}
			value = rule.Value
		case value == "" && rule.Required:
			bad(field, "is missing", clauseOf(rule.Attribute))
			continue
		case value == "":
			continue
		case rule.Identifier == "PNO":
			identifier, err := pki.NaturalPersonIdentifier(p.country(), value)
			if err != nil {
				bad(field, err.Error(), "ETSI EN 319 412-1, Section 5.1.3")
				continue
			}
			value = identifier
		case rule.Identifier == "NTR":
			identifier, err := pki.LegalPersonIdentifier(p.country(), value)
			if err != nil {
				bad(field, err.Error(), "ETSI EN 319 412-1, Section 5.1.4")
				continue
			}
			value = identifier
		}
		values[rule.Attribute] = value
	}
	for _, field := range slices.Sorted(maps.Keys(given)) {
		if !known[field] {
			bad(field, "is not an attribute of the profile", "")
		}
	}
	// ETSI EN 319 412-3, Section 4.2.1: the identifier of an organisation
	// differs from its name.
	if o := values["O"]; o != "" && o == values["organizationIdentifier"] {
		bad("O", "is the same as organizationIdentifier", "ETSI EN 319 412-3, Section 4.2.1")
	}
	var attributes []pki.Attribute
	for _, rule := range p.Subject {
		value, ok := values[rule.Attribute]
		if !ok {
			if value, ok = expand(rule.Default, values); !ok {
				continue
			}
		}
		oid, _ := pki.AttributeType(rule.Attribute) // check saw to it that it is known
		attribute := pki.Attribute{Type: oid, Value: value}
		if _, err := pki.MarshalName([]pki.Attribute{attribute}); err != nil {
			bad(rule.field(), strings.TrimPrefix(err.Error(), rule.Attribute+" "), "RFC 5280, Section 4.1.2.4")
			continue
		}
		attributes = append(attributes, attribute)
	}
	return attributes
}

// expand fills a default's placeholders. It reports false when there is no
// default or a value is missing.
func expand(template string, values map[string]string) (string, bool) {
	if template == "" {
		return "", false
	}
	for _, key := range placeholders(template) {
		value, ok := values[key]
		if !ok {
			return "", false
		}
		template = strings.Replace(template, "{"+key+"}", value, 1)
	}
	return template, true
}

// clauseOf names the clause that wants the attribute.
func clauseOf(attribute string) string {
	switch attribute {
	case "surname", "givenName", "serialNumber":
		return "ETSI EN 319 412-2, Section 4.2.4"
	case "organizationIdentifier":
		return "ETSI EN 319 412-3, Section 4.2.1"
	}
	return ""
}
