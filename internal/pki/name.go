package pki

import (
	"encoding/asn1"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
)

// Attribute is one AttributeTypeAndValue of a name.
type Attribute struct {
	Type  asn1.ObjectIdentifier
	Value string
}

// attributeRule is what RFC 5280, Appendix A.1 and EN 319 412-1 say of an
// attribute's string type and its upper bound in characters.
type attributeRule struct {
	oid       asn1.ObjectIdentifier
	key       string
	printable bool
	upper     int
	encoded   []byte // oid
}

// attributeRules lists the attribute types that this module puts into names,
// with the short key that profiles and the API call them by. The upper bounds
// are those of RFC 5280, Appendix A.1.
var attributeRules = encodeTypes([]attributeRule{
	{oid: OIDCountryName, key: "C", printable: true, upper: 2},
	{oid: OIDOrganizationName, key: "O", printable: false, upper: 64},
	{oid: OIDOrganizationalUnitName, key: "OU", printable: false, upper: 64},
	{oid: OIDOrganizationIdentifier, key: "organizationIdentifier", printable: false, upper: 64},
	{oid: OIDLocalityName, key: "L", printable: false, upper: 128},
	{oid: OIDTitle, key: "title", printable: false, upper: 64},
	{oid: OIDSurname, key: "surname", printable: false, upper: 64},
	{oid: OIDGivenName, key: "givenName", printable: false, upper: 64},
	{oid: OIDPseudonym, key: "pseudonym", printable: false, upper: 128},
	{oid: OIDSerialNumber, key: "serialNumber", printable: true, upper: 64},
	{oid: OIDCommonName, key: "CN", printable: false, upper: 64},
})

func encodeTypes(rules []attributeRule) []attributeRule {
	for i := range rules {
		b := cryptobyte.NewBuilder(nil)
		b.AddASN1ObjectIdentifier(rules[i].oid)
		rules[i].encoded = b.BytesOrPanic()
	}
	return rules
}

// AttributeType returns the identifier of the attribute that profiles and the
// API call key ("CN", "serialNumber", …).
func AttributeType(key string) (asn1.ObjectIdentifier, bool) {
	for _, rule := range attributeRules {
		if rule.key == key {
			return rule.oid, true
		}
	}
	return nil, false
}

// MarshalName encodes attributes as a Name, one attribute to each relative
// distinguished name, in the order given.
//
// RFC 5280, Section 4.1.2.4: countryName and serialNumber are PrintableString;
// every other value is UTF8String, so that ə, ğ, ı, İ and the rest arrive
// unchanged. A value that is empty, too long, not UTF-8, or holds control
// characters is refused with the attribute's key.
func MarshalName(attributes []Attribute) ([]byte, error) {
	// Names are encoded for every certificate, so the lengths are reckoned here
	// and each octet is written once.
	whole := 0
	var space [16]attributeRule
	rules := space[:0]
	for _, a := range attributes {
		rule, err := checkAttribute(a)
		if err != nil {
			return nil, err
		}
		rules = append(rules, rule)
		whole += der.Size(der.Size(rule.content(a)))
	}
	if whole > 0xffff {
		return nil, fmt.Errorf("the name has %d octets", whole)
	}
	b := der.AppendHeader(make([]byte, 0, der.Size(whole)), cryptobyte_asn1.SEQUENCE, whole)
	for i, a := range attributes {
		rule := rules[i]
		tag := cryptobyte_asn1.UTF8String
		if rule.printable {
			tag = cryptobyte_asn1.PrintableString
		}
		b = der.AppendHeader(b, cryptobyte_asn1.SET, der.Size(rule.content(a)))
		b = der.AppendHeader(b, cryptobyte_asn1.SEQUENCE, rule.content(a))
		b = append(b, rule.encoded...)
		b = append(der.AppendHeader(b, tag, len(a.Value)), a.Value...)
	}
	return b, nil
}

// content is the length of an AttributeTypeAndValue without its header.
func (r attributeRule) content(a Attribute) int { return len(r.encoded) + der.Size(len(a.Value)) }

// CheckAttribute returns why [MarshalName] would refuse an attribute, or nil.
func CheckAttribute(a Attribute) error {
	_, err := checkAttribute(a)
	return err
}

func checkAttribute(a Attribute) (attributeRule, error) {
	for _, rule := range attributeRules {
		if !rule.oid.Equal(a.Type) {
			continue
		}
		switch {
		case strings.TrimSpace(a.Value) == "":
			return rule, fmt.Errorf("%s is empty", rule.key)
		case strings.TrimSpace(a.Value) != a.Value:
			return rule, fmt.Errorf("%s begins or ends with white space", rule.key)
		case !utf8.ValidString(a.Value):
			return rule, fmt.Errorf("%s is not UTF-8", rule.key)
		case utf8.RuneCountInString(a.Value) > rule.upper:
			return rule, fmt.Errorf("%s is longer than %d characters", rule.key, rule.upper)
		case strings.ContainsFunc(a.Value, invisible):
			return rule, fmt.Errorf("%s holds a control character", rule.key)
		case rule.printable && strings.ContainsFunc(a.Value, notPrintable):
			return rule, fmt.Errorf("%s holds a character outside PrintableString", rule.key)
		}
		return rule, nil
	}
	return attributeRule{}, fmt.Errorf("attribute type %v is not supported in names", a.Type)
}

// invisible reports whether r is a control or format character, a line or
// paragraph separator, or the mark of undecodable text: what can make one name
// look like another.
func invisible(r rune) bool {
	if r < utf8.RuneSelf {
		return r < ' ' || r == 0x7f
	}
	// Between the accented letters and Arabic, where nearly all names are, there
	// are none.
	if 0xc0 <= r && r < 0x600 {
		return false
	}
	return r == utf8.RuneError || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// notPrintable reports whether r is outside PrintableString (X.680, Section
// 41.4).
func notPrintable(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	}
	return !strings.ContainsRune(" '()+,-./:=?", r)
}
