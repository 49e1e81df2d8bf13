package lint

import (
	"encoding/asn1"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/pki"
)

// name is a distinguished name with the string types of its values.
type name struct {
	raw        []byte
	attributes []attribute
}

type attribute struct {
	id    asn1.ObjectIdentifier
	tag   cryptobyte_asn1.Tag
	value []byte
}

func readName(s *cryptobyte.String, out *name) bool {
	var list cryptobyte.String
	if !s.ReadASN1Element((*cryptobyte.String)(&out.raw), sequence) {
		return false
	}
	whole := cryptobyte.String(out.raw)
	if !whole.ReadASN1(&list, sequence) {
		return false
	}
	for !list.Empty() {
		var set cryptobyte.String
		if !list.ReadASN1(&set, cryptobyte_asn1.SET) || set.Empty() {
			return false
		}
		for !set.Empty() {
			var body cryptobyte.String
			var a attribute
			if !set.ReadASN1(&body, sequence) || !readID(&body, &a.id) || !body.ReadAnyASN1((*cryptobyte.String)(&a.value), &a.tag) || !body.Empty() {
				return false
			}
			out.attributes = append(out.attributes, a)
		}
	}
	return true
}

// count says how often the attribute stands in the name.
func (n *name) count(id asn1.ObjectIdentifier) (times int) {
	for _, a := range n.attributes {
		if same(a.id, id) {
			times++
		}
	}
	return times
}

// value is the first value of the attribute, "" when there is none.
func (n *name) value(id asn1.ObjectIdentifier) string {
	for _, a := range n.attributes {
		if same(a.id, id) {
			return string(a.value)
		}
	}
	return ""
}

func (n *name) has(id asn1.ObjectIdentifier) bool { return n.count(id) > 0 }

// fault says what is wrong with the string type of an attribute, "" for
// nothing.
//
// RFC 5280, Section 4.1.2.4 and Appendix A.1: DirectoryString is written as
// PrintableString or UTF8String; country and serial number are PrintableString,
// mail address and domain component IA5String.
func (a attribute) fault() string {
	switch {
	case len(a.value) == 0:
		return "is empty"
	case a.id.Equal(pki.OIDEmailAddress), a.id.Equal(pki.OIDDomainComponent):
		if a.tag != cryptobyte_asn1.IA5String {
			return "is not an IA5String"
		}
	case a.id.Equal(pki.OIDCountryName), a.id.Equal(pki.OIDSerialNumber):
		if a.tag != cryptobyte_asn1.PrintableString {
			return "is not a PrintableString"
		}
	case a.tag != cryptobyte_asn1.PrintableString && a.tag != cryptobyte_asn1.UTF8String:
		return "is neither PrintableString nor UTF8String"
	}
	switch {
	case a.tag == cryptobyte_asn1.PrintableString && !printable(a.value):
		return "is a PrintableString with other characters in it"
	case !utf8.Valid(a.value):
		return "is not UTF-8"
	}
	return ""
}

// printable reports whether s holds the characters of PrintableString alone
// (X.680, Section 41.4).
func printable(s []byte) bool {
	for _, c := range s {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		default:
			known := false
			for _, other := range []byte(" '()+,-./:=?") {
				known = known || other == c
			}
			if !known {
				return false
			}
		}
	}
	return true
}
