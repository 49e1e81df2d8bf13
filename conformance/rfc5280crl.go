package conformance

import (
	"bytes"
	"encoding/pem"
	"net/http"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

// What RFC 5280, Section 5 says of lists.
var rfc5280CRL = []check[*lists]{
	{"CRL-03", "RFC 5280, Section 5.1.2.1", Must, "version v2", "read it", anywhere, each(func(t *trial, _ *lists, l *list) {
		if !l.versionThere || l.version != 1 {
			t.fail("the list is not of version 2")
		}
	})},
	{"CRL-04", "RFC 5280, Section 5.1.1.2", Must, "inner and outer signature algorithm are the same octets", "compare", anywhere, each(func(t *trial, _ *lists, l *list) {
		if !bytes.Equal(l.inner, l.outer) {
			t.fail("the two differ")
		}
	})},
	{"CRL-05", "RFC 5280, Section 5.1.2.3", Must, "the issuer is byte for byte the authority's subject", "compare", anywhere, each(func(t *trial, s *lists, l *list) {
		s.needIssuer(t)
		if !bytes.Equal(l.issuer, s.issuer.subject) {
			t.fail("the issuer's name differs from the authority's")
		}
	})},
	{"CRL-06", "RFC 5280, Section 5.1.1.3", Must, "the signature verifies", "verify it with the authority's key", anywhere, each(func(t *trial, s *lists, l *list) {
		s.needIssuer(t)
		t.judge("the list", s.issuer.signed(l.algorithm, l.tbs, l.signature))
		if weakAlgorithm(l.algorithm) {
			t.fail("the list is signed with %s", algorithmName(l.algorithm.ID))
		}
	})},
	{"CRL-07", "RFC 5280, Section 4.2.1.3", Must, "the authority's key usage has cRLSign", "read its certificate", anywhere, func(t *trial, s *lists) {
		s.needIssuer(t)
		if bits, there := s.issuer.usage(); there && bits&usageCRLSign == 0 {
			t.fail("the authority's certificate does not say that its key signs lists")
		}
	}},
	{"CRL-08", "RFC 5280, Section 5.1.2.5", Must, "nextUpdate is there; UTCTime through 2049, GeneralizedTime from 2050", "read the raw octets", anywhere, each(func(t *trial, _ *lists, l *list) {
		if !l.nextUpdate.there() {
			t.fail("there is no nextUpdate")
		}
		for _, s := range []stamp{l.thisUpdate, l.nextUpdate} {
			if s.there() {
				timeForm(t, s)
			}
		}
	})},
	{"CRL-09", "RFC 5280, Section 5.1.2.5", Must, "the list is current, at every moment", "compare with this machine's clock; watch it for as long as the user says", anywhere, func(t *trial, s *lists) {
		for _, l := range s.all(t) {
			current(t, l)
		}
		s.watched(t)
	}},
	{"CRL-10", "RFC 5280, Section 5.2", Must, "no extension twice, no unknown one critical, DER throughout", "read every extension", anywhere, each(listExtensions)},
	{"CRL-11", "RFC 5280, Section 5.2.1", Must, "authorityKeyIdentifier is the authority's key identifier", "compare", anywhere, each(listKeyIdentifier)},
	{"CRL-12", "RFC 5280, Section 5.2.3", Must, "cRLNumber is there, not critical, of at most 20 octets, and never goes back", "read it; fetch again", anywhere, listNumber},
	{"CRL-13", "RFC 5280, Section 5.2.5", Must, "issuingDistributionPoint is critical, not empty, and fits the certificate's distribution point", "read it; compare", anywhere, each(listScope)},
	{"CRL-14", "RFC 5280, Section 5.1.2.6", Must, "revokedCertificates is absent rather than empty", "read it", anywhere, each(func(t *trial, _ *lists, l *list) {
		if l.emptyEntries {
			t.fail("it is there and empty")
		}
	})},
	{"CRL-15", "RFC 5280, Section 5.1.2.6", Must, "each serial number stands there once", "read all entries", anywhere, each(func(t *trial, _ *lists, l *list) {
		seen := make(map[string]struct{}, len(l.entries))
		indirect := slices.ContainsFunc(l.entries, func(e entry) bool { return e.extensions.get(oidCertificateIssuer) != nil })
		for i := range l.entries {
			key := string(l.entries[i].serial)
			if _, twice := seen[key]; twice && !indirect {
				t.fail("serial %x stands there twice", key)
			}
			seen[key] = struct{}{}
		}
	})},
	{"CRL-16", "RFC 5280, Section 5.1.2.6", Must, "revocation dates are not after thisUpdate, and in the right form", "read all entries", anywhere, each(func(t *trial, _ *lists, l *list) {
		for i := range l.entries {
			timeForm(t, l.entries[i].at)
			if l.entries[i].at.at.After(l.thisUpdate.at) {
				t.fail("serial %x was revoked at %s, after thisUpdate", l.entries[i].serial, l.entries[i].at.text)
			}
		}
	})},
	{"CRL-17", "RFC 5280, Section 5.3.1", Must, "reasons exist, are not critical, and unspecified is left out", "read all entries", anywhere, each(listReasons)},
	{"CRL-18", "RFC 5280, Section 5.3.3", Must, "certificateIssuer is critical, and only on indirect lists", "read all entries", anywhere, each(func(t *trial, _ *lists, l *list) {
		indirect := false
		if e := l.extensions.get(pki.OIDIssuingDistributionPoint); e != nil {
			indirect = readScope(e.value).indirect
		}
		for i := range l.entries {
			switch e := l.entries[i].extensions.get(oidCertificateIssuer); {
			case e == nil:
			case !indirect:
				t.fail("an entry names a certificateIssuer, and the list is not indirect")
			case !e.critical:
				t.fail("certificateIssuer is not critical")
			}
		}
	})},
	{"CRL-19", "RFC 5280, Section 3.3", Must, "revoked and held certificates are on the list, a good one is not", "look for them", anywhere, membership},
	{"CRL-25", "RFC 5280, Section 5.2.4", Must, "a delta list says so, goes with its base, and together they are the complete list", "combine the delta with its base", anywhere, deltaFits},
	{"CRL-26", "RFC 5280, Section 5.2.4", Must, "removeFromCRL stands on delta lists alone, for what the base has", "read all entries", anywhere, removals},
	{"CRL-27", "RFC 5280, Section 5.3.2", Must, "invalidityDate is a GeneralizedTime in UTC, not critical", "read all entries", anywhere, each(func(t *trial, _ *lists, l *list) {
		for i := range l.entries {
			e := l.entries[i].extensions.get(pki.OIDInvalidityDate)
			if e == nil {
				continue
			}
			if _, ok := generalizedTime(e.value); !ok {
				t.fail("serial %x: invalidityDate is not of the form YYYYMMDDHHMMSSZ", l.entries[i].serial)
			}
			if e.critical {
				t.fail("serial %x: invalidityDate is critical", l.entries[i].serial)
			}
		}
	})},
}

// each judges the list and, when there is one, the delta.
func each(judge func(*trial, *lists, *list)) func(*trial, *lists) {
	return func(t *trial, s *lists) {
		for _, l := range s.all(t) {
			judge(t, s, l)
		}
	}
}

func (s *lists) needIssuer(t *trial) {
	if s.issuer == nil {
		t.couldNot("the authority's certificate is needed: name it with --issuer")
	}
}

// timeForm judges a Time.
//
// RFC 5280, Section 5.1.2.4: UTCTime through 2049, GeneralizedTime from 2050.
func timeForm(t *trial, s stamp) {
	switch {
	case !s.ok:
		t.fail("%q is no time in UTC with seconds and without fraction", clip(s.text))
	case s.tag == cryptobyte_asn1.GeneralizedTime && s.at.Year() < 2050:
		t.fail("%s is a GeneralizedTime before 2050", s.text)
	}
}

// generalizedTime reads an extension's value that is one.
func generalizedTime(value []byte) (time.Time, bool) {
	s := cryptobyte.String(value)
	var at time.Time
	return at, der.ReadTime(&s, &at) && s.Empty()
}

// knownListExtensions are those that a reader must understand; only of them may
// any be critical.
var knownListExtensions = []string{
	pki.OIDIssuingDistributionPoint.String(), oidDeltaCRLIndicator.String(), pki.OIDAuthorityKeyIdentifier.String(), pki.OIDCRLNumber.String(),
}

func listExtensions(t *trial, _ *lists, l *list) {
	if id, twice := l.extensions.repeated(); twice {
		t.fail("extension %v stands twice", id)
	}
	if l.extensionsHere && len(l.extensions) == 0 {
		t.fail("the list of extensions is there and empty")
	}
	for _, e := range l.extensions {
		if e.critical && !slices.Contains(knownListExtensions, e.id.String()) {
			t.fail("extension %v is critical, and no reader has to know it", e.id)
		}
		if e.writtenFalse {
			t.fail("critical FALSE, the default, is written out")
		}
	}
	for i := range l.entries {
		e := &l.entries[i]
		if id, twice := e.extensions.repeated(); twice {
			t.fail("serial %x: extension %v stands twice", e.serial, id)
		}
		for _, x := range e.extensions {
			if x.critical && !x.id.Equal(oidCertificateIssuer) {
				t.fail("serial %x: extension %v is critical", e.serial, x.id)
			}
		}
	}
	if fault := der.Fault(l.raw); fault != "" {
		t.fail("%s", fault)
	}
}

func listKeyIdentifier(t *trial, s *lists, l *list) {
	e := l.extensions.get(pki.OIDAuthorityKeyIdentifier)
	if e == nil {
		t.fail("there is no authorityKeyIdentifier")
		return
	}
	if e.critical {
		t.fail("authorityKeyIdentifier is critical")
	}
	body, ok := whole(e.value)
	var id cryptobyte.String
	there := false
	if !ok || !body.ReadOptionalASN1(&id, &there, implicit(0)) || !there {
		t.fail("authorityKeyIdentifier names no key")
		return
	}
	if s.issuer == nil {
		return
	}
	if ski := s.issuer.extensions.get(pki.OIDSubjectKeyIdentifier); ski != nil {
		value := cryptobyte.String(ski.value)
		var own cryptobyte.String
		if value.ReadASN1(&own, cryptobyte_asn1.OCTET_STRING) && !bytes.Equal(own, id) {
			t.fail("authorityKeyIdentifier is another one than the authority's")
		}
	}
}

func listNumber(t *trial, s *lists) {
	first := s.full(t)
	for _, l := range s.all(t) {
		e := l.extensions.get(pki.OIDCRLNumber)
		switch {
		case e == nil:
			t.fail("there is no cRLNumber")
		case e.critical:
			t.fail("cRLNumber is critical")
		case l.number == nil || l.number.Sign() < 0:
			t.fail("cRLNumber is malformed or negative")
		case l.numberOctets > 20:
			t.fail("cRLNumber has %d octets", l.numberOctets)
		}
	}
	if s.client == nil || first.number == nil {
		return
	}
	again := s.get(t, "the list again", http.MethodGet, s.url, map[string]string{"Cache-Control": "no-cache"})
	if again.Err != nil || again.Status != http.StatusOK {
		t.couldNot("the list cannot be fetched twice")
	}
	monotone(t, first, s.parsed(t, again))
}

// monotone compares two fetches. RFC 5280, Section 5.2.3: numbers increase, and
// two lists of one number are the same.
func monotone(t *trial, first, second *list) {
	if first.number == nil || second.number == nil {
		return
	}
	switch order := second.number.Cmp(first.number); {
	case order < 0:
		t.fail("the number went back from %v to %v", first.number, second.number)
	case order == 0 && !bytes.Equal(first.tbs, second.tbs):
		t.fail("two lists of different contents have the number %v", first.number)
	case order > 0 && second.thisUpdate.at.Before(first.thisUpdate.at):
		t.fail("the number grew and thisUpdate went back")
	}
}

func listScope(t *trial, s *lists, l *list) {
	e := l.extensions.get(pki.OIDIssuingDistributionPoint)
	if e == nil {
		return // a complete list of everything
	}
	d := readScope(e.value)
	switch {
	case d.empty:
		t.fail("issuingDistributionPoint is empty")
	case !d.valid:
		t.fail("issuingDistributionPoint is malformed")
	}
	if !e.critical {
		t.fail("issuingDistributionPoint is not critical")
	}
	if d.writtenFalse {
		t.fail("a FALSE, the default, is written out")
	}
	if count(d.userCerts, d.caCerts, d.attributeCerts) > 1 {
		t.fail("more than one of the scopes of user, authority and attribute certificates is set")
	}
	if d.attributeCerts {
		t.fail("the list is of attribute certificates alone")
	}
	if s.leaf == nil {
		return
	}
	if s.leaf.authority() && d.userCerts || !s.leaf.authority() && d.caCerts {
		t.fail("the list leaves out certificates of the given one's kind")
	}
	// A delta list has the scope of its base, named in the same way.
	_, places := s.leaf.points(pki.OIDCRLDistributionPoints)
	if len(d.place) > 0 && len(places) > 0 && !slices.ContainsFunc(places, func(p []byte) bool { return sharesName(d.place, p) }) {
		t.fail("the distribution point of the list is none of the certificate's")
	}
}

func count(flags ...bool) (n int) {
	for _, f := range flags {
		if f {
			n++
		}
	}
	return n
}

// sharesName compares two DistributionPointNames. RFC 5280, Section 6.3.3 (b)
// (2): one name in common, octet for octet.
func sharesName(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	names := func(place cryptobyte.String) (all []string) {
		var full cryptobyte.String
		if !place.ReadASN1(&full, explicit(0)) {
			return nil
		}
		for !full.Empty() {
			element, _, ok := readAny(&full)
			if !ok {
				return all
			}
			all = append(all, string(element))
		}
		return all
	}
	others := names(b)
	return slices.ContainsFunc(names(a), func(n string) bool { return slices.Contains(others, n) })
}

func listReasons(t *trial, _ *lists, l *list) {
	for i := range l.entries {
		e := &l.entries[i]
		x := e.extensions.get(pki.OIDReasonCode)
		if x == nil {
			continue
		}
		if x.critical {
			t.fail("serial %x: the reason is critical", e.serial)
		}
		switch {
		case e.reason == -2:
			t.fail("serial %x: the reason is malformed", e.serial)
		case e.reason == 0:
			t.should("serial %x: the reason unspecified is written out", e.serial)
		case e.reason == 7 || e.reason > 10 || e.reason < 0:
			t.fail("serial %x: reason %d does not exist", e.serial, e.reason)
		}
	}
}

// covers reports whether a certificate is in the scope of the list: a partition
// answers for those alone that point to it.
func (l *list) covers(c *certificate) bool {
	e := l.extensions.get(pki.OIDIssuingDistributionPoint)
	if e == nil {
		return true
	}
	d := readScope(e.value)
	if c.authority() && d.userCerts || !c.authority() && d.caCerts {
		return false
	}
	_, places := c.points(pki.OIDCRLDistributionPoints)
	return len(d.place) == 0 || len(places) == 0 || slices.ContainsFunc(places, func(p []byte) bool { return sharesName(d.place, p) })
}

func membership(t *trial, s *lists) {
	if s.leaf == nil && s.revoked == nil && s.held == nil {
		t.skip("there is no certificate to look for; name them with --cert, --revoked and --held")
	}
	l := s.full(t)
	if s.leaf != nil && l.entry(s.leaf.serial) != nil {
		t.fail("the good certificate is on the list")
	}
	if s.revoked != nil && l.covers(s.revoked) && l.entry(s.revoked.serial) == nil {
		t.fail("the revoked certificate is not on the list")
	}
	if s.held != nil && l.covers(s.held) {
		if e := l.entry(s.held.serial); e == nil || e.reason != 6 {
			t.fail("the held certificate is not on the list with the reason certificateHold")
		}
	}
}

// isPEM reports whether octets are text in the armour of PEM.
func isPEM(raw []byte) bool {
	block, _ := pem.Decode(raw)
	return block != nil
}
