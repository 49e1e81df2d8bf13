package pki_test

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/altamga/altamga/internal/pki"
)

func TestMarshalName(t *testing.T) {
	t.Run("CERT-04 Azerbaijani letters are UTF8String, identifiers PrintableString", func(t *testing.T) {
		raw, err := pki.MarshalName([]pki.Attribute{
			{Type: pki.OIDCountryName, Value: "AZ"},
			{Type: pki.OIDSurname, Value: "ə ğ ı ö ş ü ç İ"},
			{Type: pki.OIDSerialNumber, Value: "PNOAZ-1ABC2D3"},
		})
		if err != nil {
			t.Fatal(err)
		}
		// The lengths are checked by parsing; the text by its octets.
		got := hex.EncodeToString(raw)
		for _, part := range []string{"06035504061302415a", "06035504040c17" + hex.EncodeToString([]byte("ə ğ ı ö ş ü ç İ")), "0603550405130d" + hex.EncodeToString([]byte("PNOAZ-1ABC2D3"))} {
			if !strings.Contains(got, part) {
				t.Errorf("%s is not in %s", part, got)
			}
		}
	})
	t.Run("one attribute to a set, in the given order", func(t *testing.T) {
		raw, err := pki.MarshalName([]pki.Attribute{{Type: pki.OIDCommonName, Value: "b"}, {Type: pki.OIDOrganizationName, Value: "a"}, {Type: pki.OIDCountryName, Value: "AZ"}})
		if err != nil {
			t.Fatal(err)
		}
		var rdns pkix.RDNSequence
		if rest, err := asn1.Unmarshal(raw, &rdns); err != nil || len(rest) != 0 {
			t.Fatal(err)
		}
		var got []string
		for _, set := range rdns {
			if len(set) != 1 {
				t.Errorf("a set of %d", len(set))
			}
			got = append(got, set[0].Type.String())
		}
		if want := []string{"2.5.4.3", "2.5.4.10", "2.5.4.6"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
	t.Run("the empty name", func(t *testing.T) {
		if raw, err := pki.MarshalName(nil); err != nil || hex.EncodeToString(raw) != "3000" {
			t.Errorf("got %x, %v", raw, err)
		}
	})
	t.Run("upper bounds count characters", func(t *testing.T) {
		for length, good := range map[int]bool{64: true, 65: false} {
			if _, err := pki.MarshalName([]pki.Attribute{{Type: pki.OIDCommonName, Value: strings.Repeat("ə", length)}}); (err == nil) != good {
				t.Errorf("%d characters: %v", length, err)
			}
		}
	})
	for _, row := range []struct {
		name, value string
		attribute   asn1.ObjectIdentifier
	}{
		{"empty", "", pki.OIDCommonName},
		{"white space", "  ", pki.OIDCommonName},
		{"leading space", " a", pki.OIDCommonName},
		{"trailing space", "a ", pki.OIDCommonName},
		{"not UTF-8", "a\xff", pki.OIDCommonName},
		{"control character", "a\x00b", pki.OIDCommonName},
		{"control character of the second block", "a\u0085b", pki.OIDCommonName},
		{"byte order mark", "a\ufeffb", pki.OIDCommonName},
		{"direction override", "a\u202eb", pki.OIDCommonName},
		{"zero-width space", "a\u200bb", pki.OIDCommonName},
		{"line separator", "a\u2028b", pki.OIDCommonName},
		{"replacement character", "a\ufffdb", pki.OIDCommonName},
		{"country of three letters", "AZE", pki.OIDCountryName},
		{"country outside PrintableString", "Ə", pki.OIDCountryName},
		{"serialNumber outside PrintableString", "PNOAZ_1", pki.OIDSerialNumber},
		{"unknown attribute type", "a", asn1.ObjectIdentifier{1, 2, 3}},
	} {
		t.Run("CERT-04 refuses "+row.name, func(t *testing.T) {
			if raw, err := pki.MarshalName([]pki.Attribute{{Type: row.attribute, Value: row.value}}); err == nil {
				t.Errorf("got %x", raw)
			}
		})
	}
	t.Run("attribute keys", func(t *testing.T) {
		if oid, ok := pki.AttributeType("organizationIdentifier"); !ok || !oid.Equal(pki.OIDOrganizationIdentifier) {
			t.Errorf("got %v", oid)
		}
		if _, ok := pki.AttributeType("cn"); ok {
			t.Error("cn is taken for CN")
		}
	})
}

// FuzzMarshalName feeds hostile values: what is written must be read again as
// the same text.
func FuzzMarshalName(f *testing.F) {
	f.Add("Məmmədzadə", "AZ")
	f.Add("a\u202eb", "A-Z")
	f.Fuzz(func(t *testing.T, cn, serial string) {
		raw, err := pki.MarshalName([]pki.Attribute{{Type: pki.OIDCommonName, Value: cn}, {Type: pki.OIDSerialNumber, Value: serial}})
		if err != nil {
			return
		}
		var rdns pkix.RDNSequence
		if rest, err := asn1.Unmarshal(raw, &rdns); err != nil || len(rest) != 0 {
			t.Fatalf("%x: %v", raw, err)
		}
		if rdns[0][0].Value != cn || rdns[1][0].Value != serial {
			t.Errorf("%q and %q became %v", cn, serial, rdns)
		}
	})
}

// TestMarshalNameLengths encodes names of every form of length as the standard
// library does.
func TestMarshalNameLengths(t *testing.T) {
	for _, n := range []int{1, 60, 61, 62, 63, 64} {
		for times := range 12 {
			var attributes []pki.Attribute
			var sequence pkix.RDNSequence
			for range times {
				value := strings.Repeat("ə", n)
				attributes = append(attributes, pki.Attribute{Type: pki.OIDCommonName, Value: value})
				sequence = append(sequence, pkix.RelativeDistinguishedNameSET{{Type: pki.OIDCommonName, Value: value}})
			}
			want, err := asn1.Marshal(sequence)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := pki.MarshalName(attributes); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d of %d letters: %x, %v, want %x", times, n, got, err, want)
			}
		}
	}
	if _, err := pki.MarshalName(slices.Repeat([]pki.Attribute{{Type: pki.OIDCommonName, Value: strings.Repeat("ə", 64)}}, 1000)); err == nil {
		t.Error("a name of 64 KiB was encoded")
	}
}
