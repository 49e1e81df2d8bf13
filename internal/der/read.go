package der

import (
	encoding_asn1 "encoding/asn1"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Whole returns the contents of the single element that in must consist of.
// It reports false when the tag differs or anything follows the element.
func Whole(in []byte, tag asn1.Tag) (cryptobyte.String, bool) {
	s := cryptobyte.String(in)
	var out cryptobyte.String
	if !s.ReadASN1(&out, tag) || !s.Empty() {
		return nil, false
	}
	return out, true
}

// ReadTime reads a GeneralizedTime in the form YYYYMMDDHHMMSSZ and no other:
// seconds present, no fraction, UTC.
func ReadTime(s *cryptobyte.String, out *time.Time) bool {
	var raw cryptobyte.String
	if !s.ReadASN1(&raw, asn1.GeneralizedTime) || len(raw) != len("20060102150405Z") {
		return false
	}
	t, err := time.Parse("20060102150405Z", string(raw))
	if err != nil {
		return false
	}
	*out = t
	return true
}

// Extension is one element of an X.509, OCSP or time-stamp extension list.
type Extension struct {
	ID       encoding_asn1.ObjectIdentifier
	Critical bool
	// Value is the contents of the extnValue OCTET STRING. It aliases the
	// input.
	Value []byte
}

// ReadExtensions reads a SEQUENCE OF Extension with at least one element.
//
// RFC 5280, Section 4.2: a list must not hold the same extension twice. A
// critical field that encodes its default, FALSE, is refused as not DER
// (X.690, Section 11.5).
func ReadExtensions(s *cryptobyte.String) ([]Extension, bool) {
	var list cryptobyte.String
	if !s.ReadASN1(&list, asn1.SEQUENCE) || list.Empty() {
		return nil, false
	}
	var out []Extension
	for !list.Empty() {
		var element, value cryptobyte.String
		var e Extension
		if !list.ReadASN1(&element, asn1.SEQUENCE) || !element.ReadASN1ObjectIdentifier(&e.ID) {
			return nil, false
		}
		if element.PeekASN1Tag(asn1.BOOLEAN) {
			if !element.ReadASN1Boolean(&e.Critical) || !e.Critical {
				return nil, false
			}
		}
		if !element.ReadASN1(&value, asn1.OCTET_STRING) || !element.Empty() {
			return nil, false
		}
		for _, earlier := range out {
			if earlier.ID.Equal(e.ID) {
				return nil, false
			}
		}
		e.Value = value
		out = append(out, e)
		// A list longer than any profile uses is an attack on the quadratic
		// duplicate check above.
		if len(out) > 64 {
			return nil, false
		}
	}
	return out, true
}
