package crl

import (
	"bytes"
	encoding_asn1 "encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

// Extensions of lists that no certificate has.
var (
	// RFC 5280, Section 5.2.4 and Section 5.3.3.
	oidDeltaIndicator    = encoding_asn1.ObjectIdentifier{2, 5, 29, 27}
	oidCertificateIssuer = encoding_asn1.ObjectIdentifier{2, 5, 29, 29}
	// X.509, Section 9.5.2.8; ETSI EN 319 411-2, Section 6.3.10 asks for it.
	oidExpiredCertsOnCRL = encoding_asn1.ObjectIdentifier{2, 5, 29, 60}
)

// Tail is what stands behind the entries of a list.
type Tail struct {
	// Number is the list's number, nil when it has none.
	CRLNumber *big.Int
	// Base is the BaseCRLNumber of a delta list; nil for a complete list.
	Base *big.Int
	// AuthorityKeyID is the identifier of the key that signed the list; nil when
	// the list does not say.
	AuthorityKeyID []byte
	// Scope is what the issuingDistributionPoint says; the zero Scope when there
	// is none.
	Scope Scope
	// Freshest are the addresses of the delta lists.
	Freshest []string
	// ExpiredSince is the date from which on certificates stay on the list when
	// they expire; zero when it does not say.
	ExpiredSince time.Time
	// Unknown are critical extensions that are none of these: such a list says
	// only what is revoked, and not what is not (RFC 5280, Section 5.2).
	Unknown []encoding_asn1.ObjectIdentifier
	// Signature is the list's signature.
	Signature []byte

	noncritical []encoding_asn1.ObjectIdentifier // what should have been critical
	critical    []encoding_asn1.ObjectIdentifier // what should not
}

// read reads crlExtensions without its outer tag.
func (t *Tail) read(encoded []byte) error {
	s := cryptobyte.String(encoded)
	extensions, ok := der.ReadExtensions(&s)
	if !ok || !s.Empty() {
		return errors.New("extensions that are malformed or there twice")
	}
	for _, x := range extensions {
		value := cryptobyte.String(x.Value)
		ok, critical := true, false
		switch {
		case x.ID.Equal(pki.OIDCRLNumber):
			t.CRLNumber, ok = readNumber(value)
		case x.ID.Equal(oidDeltaIndicator):
			critical = true
			t.Base, ok = readNumber(value)
		case x.ID.Equal(pki.OIDAuthorityKeyIdentifier):
			t.AuthorityKeyID, ok = readKeyID(value)
		case x.ID.Equal(pki.OIDIssuingDistributionPoint):
			critical = true
			t.Scope, ok = readScope(value)
		case x.ID.Equal(pki.OIDFreshestCRL):
			t.Freshest, ok = readPoints(value)
		case x.ID.Equal(oidExpiredCertsOnCRL):
			ok = der.ReadTime(&value, &t.ExpiredSince) && value.Empty()
		case x.Critical:
			t.Unknown = append(t.Unknown, x.ID)
			continue
		default:
			continue
		}
		switch {
		case !ok:
			return fmt.Errorf("extension %v is malformed", x.ID)
		case critical && !x.Critical:
			t.noncritical = append(t.noncritical, x.ID)
		case !critical && x.Critical:
			t.critical = append(t.critical, x.ID)
		}
	}
	return nil
}

// readNumber reads a CRLNumber.
//
// RFC 5280, Section 5.2.3: not negative, and at most 20 octets.
func readNumber(s cryptobyte.String) (*big.Int, bool) {
	n := new(big.Int)
	if len(s) > 2+20 || !s.ReadASN1Integer(n) || !s.Empty() || n.Sign() < 0 {
		return nil, false
	}
	return n, true
}

func readKeyID(s cryptobyte.String) ([]byte, bool) {
	var sequence, id cryptobyte.String
	if !s.ReadASN1(&sequence, asn1.SEQUENCE) || !s.Empty() {
		return nil, false
	}
	there := false
	if !sequence.ReadOptionalASN1(&id, &there, asn1.Tag(0).ContextSpecific()) {
		return nil, false
	}
	if !there {
		return nil, true
	}
	return id, true
}

// readPoints reads the addresses in CRLDistributionPoints.
func readPoints(s cryptobyte.String) ([]string, bool) {
	var list cryptobyte.String
	if !s.ReadASN1(&list, asn1.SEQUENCE) || !s.Empty() || list.Empty() {
		return nil, false
	}
	var urls []string
	for !list.Empty() {
		var point, name cryptobyte.String
		there := false
		if !list.ReadASN1(&point, asn1.SEQUENCE) || !point.ReadOptionalASN1(&name, &there, tagPoint) {
			return nil, false
		}
		if there {
			found, ok := readPointName(name)
			if !ok {
				return nil, false
			}
			urls = append(urls, found...)
		}
	}
	return urls, true
}

// Scope is which certificates a list is about (RFC 5280, Section 5.2.5). The
// zero Scope is that of a list about all certificates of its issuer.
type Scope struct {
	// Point is the encoded DistributionPointName; nil when there is none.
	Point []byte
	// URLs are the addresses in it.
	URLs []string
	// OnlyUsers, OnlyAuthorities and OnlyAttributes: the list is about end
	// entities, authorities or attribute certificates only.
	OnlyUsers, OnlyAuthorities, OnlyAttributes bool
	// SomeReasons are the ReasonFlags that the list is limited to, bit 0 first;
	// 0 for all.
	SomeReasons uint16
	// Indirect: entries may be about certificates of other issuers.
	Indirect bool

	raw []byte // the extension's value
}

// All reports whether there is no issuingDistributionPoint: the list is about
// all certificates of its issuer.
func (s *Scope) All() bool { return s.raw == nil }

// The tags of a DistributionPoint's and a DistributionPointName's first choice.
const (
	tagPoint    = asn1.Tag(0x80 | 0x20)
	tagFullName = asn1.Tag(0x80 | 0x20)
	tagURI      = asn1.Tag(0x80 | 6)
)

func readScope(value cryptobyte.String) (Scope, bool) {
	sc := Scope{raw: bytes.Clone(value)}
	var s cryptobyte.String
	// RFC 5280, Section 5.2.5: never an empty sequence.
	if !value.ReadASN1(&s, asn1.SEQUENCE) || !value.Empty() || s.Empty() {
		return sc, false
	}
	var name, reasons cryptobyte.String
	there := false
	if !s.ReadOptionalASN1(&name, &there, tagPoint) {
		return sc, false
	}
	if there {
		var ok bool
		sc.Point = bytes.Clone(name)
		if sc.URLs, ok = readPointName(name); !ok {
			return sc, false
		}
	}
	ok := readFlag(&s, 1, &sc.OnlyUsers) && readFlag(&s, 2, &sc.OnlyAuthorities) &&
		s.ReadOptionalASN1(&reasons, &there, asn1.Tag(3).ContextSpecific()) &&
		readFlag(&s, 4, &sc.Indirect) && readFlag(&s, 5, &sc.OnlyAttributes) && s.Empty()
	if ok && there {
		if len(reasons) < 2 || len(reasons) > 3 || reasons[0] > 7 {
			return sc, false
		}
		for i, octet := range reasons[1:] {
			for bit := range 8 {
				if octet&(0x80>>bit) != 0 {
					sc.SomeReasons |= 1 << (8*i + bit)
				}
			}
		}
	}
	kinds := 0
	for _, only := range []bool{sc.OnlyUsers, sc.OnlyAuthorities, sc.OnlyAttributes} {
		if only {
			kinds++
		}
	}
	return sc, ok && kinds <= 1
}

// readFlag reads a BOOLEAN DEFAULT FALSE, which DER leaves out when it is FALSE.
func readFlag(s *cryptobyte.String, tag asn1.Tag, out *bool) bool {
	var value cryptobyte.String
	if !s.ReadOptionalASN1(&value, out, tag.ContextSpecific()) {
		return false
	}
	return !*out || len(value) == 1 && value[0] == 0xff
}

// readPointName returns the addresses of a DistributionPointName. A name
// relative to the issuer's has none.
func readPointName(s cryptobyte.String) ([]string, bool) {
	var names cryptobyte.String
	var tag asn1.Tag
	if !s.ReadAnyASN1(&names, &tag) || !s.Empty() {
		return nil, false
	}
	if tag != tagFullName {
		return nil, tag == tagFullName|1
	}
	var urls []string
	for !names.Empty() {
		var name cryptobyte.String
		if !names.ReadAnyASN1(&name, &tag) {
			return nil, false
		}
		if tag == tagURI {
			urls = append(urls, string(name))
		}
	}
	return urls, true
}
