package lint

import (
	"bytes"

	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

const clauseDER = "X.690, Section 11"

var envelopeLints = []Lint{
	{"CERT-01", "RFC 5280, Section 4.1.1.2", "inner and outer signature algorithm are the same octets", sameAlgorithm},
	{"CERT-02", "RFC 5280, Section 4.1.2.1", "version 3 when there are extensions", version3},
	{"CERT-03", "RFC 5280, Section 4.1.2.2", "serial number positive and of at most 20 octets", serialNumber},
	{"CERT-04", "RFC 5280, Section 4.1.2.4", "names in PrintableString or UTF8String, issuer not empty", nameStrings},
	{"CERT-05", "RFC 5280, Section 4.1.2.4", "issuer byte for byte the issuer's subject", issuerName},
	{"CERT-06", "RFC 5280, Section 4.1.2.5", "UTCTime through 2049, GeneralizedTime from 2050", timeTypes},
	{"CERT-07", "RFC 5280, Section 4.1.2.5.1", "times with seconds, in UTC and without fraction", timeForms},
	{"CERT-08", "RFC 5280, Section 4.1.2.6", "empty subject only with a critical alternative name", emptySubject},
	{"CERT-09", "RFC 5280, Section 4.1.2.8", "no unique identifiers", uniqueIdentifiers},
	{"CERT-28", clauseDER, "strict DER", strictDER},
}

func sameAlgorithm(c *certificate, r *report) {
	if !bytes.Equal(c.inner, c.outer) {
		r.must("the algorithm outside is not the one that was signed")
	}
}

func version3(c *certificate, r *report) {
	switch {
	case c.versionThere && (c.version < 1 || c.version > 2):
		r.must("there is no version %d", c.version+1)
	case len(c.extensions) > 0 && c.version != 2:
		r.must("it has extensions and is of version %d", c.version+1)
	}
}

func serialNumber(c *certificate, r *report) {
	switch {
	case c.serial[0]&0x80 != 0:
		r.must("the serial number is negative")
	case len(bytes.TrimLeft(c.serial, "\x00")) == 0:
		r.must("the serial number is zero")
	case len(c.serial) > 20:
		r.must("the serial number has %d octets", len(c.serial))
	case len(c.serial) < 8:
		r.should("a serial number of %d octets does not hold 64 random bits", len(c.serial))
	}
}

func nameStrings(c *certificate, r *report) {
	if len(c.issuer.attributes) == 0 {
		r.must("the issuer is empty")
	}
	for _, n := range []struct {
		which string
		name
	}{{"issuer", c.issuer}, {"subject", c.subject}} {
		for _, a := range n.attributes {
			if fault := a.fault(); fault != "" {
				r.must("%s of the %s %s", a.id, n.which, fault)
			}
		}
	}
}

func issuerName(c *certificate, r *report) {
	if c.parent != nil && !bytes.Equal(c.issuer.raw, c.parent.RawSubject) {
		r.must("the issuer is not the subject of the issuer's certificate")
	}
}

func timeTypes(c *certificate, r *report) {
	for _, t := range []struct {
		which string
		stamp
	}{{"notBefore", c.notBefore}, {"notAfter", c.notAfter}} {
		// What no time was read from is CERT-07's.
		if t.ok && t.tag == cryptobyte_asn1.GeneralizedTime && t.at.Year() < 2050 {
			r.must("%s is before 2050 and no UTCTime", t.which)
		}
	}
}

func timeForms(c *certificate, r *report) {
	if !c.notBefore.ok {
		r.must("notBefore is not of the form with seconds and Z")
	}
	if !c.notAfter.ok {
		r.must("notAfter is not of the form with seconds and Z")
	}
	if c.notBefore.ok && c.notAfter.ok && c.notAfter.at.Before(c.notBefore.at) {
		r.must("notAfter is before notBefore")
	}
}

func emptySubject(c *certificate, r *report) {
	if len(c.subject.attributes) > 0 {
		return
	}
	san := c.extension(pki.OIDSubjectAltName)
	switch {
	case c.ca() || c.usage.has(cRLSign):
		r.must("an authority has no name")
	case san == nil:
		r.must("there is neither a subject nor an alternative name")
	case !san.critical:
		r.must("the subject is empty and the alternative name not critical")
	}
}

func uniqueIdentifiers(c *certificate, r *report) {
	if c.uniqueIDs {
		r.must("there is a unique identifier")
	}
}

// strictDER finds the defaults that are written out (X.690, Section 11.5). The
// rest of DER was judged while parsing.
func strictDER(c *certificate, r *report) {
	if c.versionThere && c.version == 0 {
		r.must("version 1, the default, is written out")
	}
	for _, e := range c.extensions {
		if e.writtenFalse {
			r.must("critical of %s is FALSE, the default, and written out", e.id)
		}
	}
	for _, e := range c.extensions {
		if fault := walkValue(e); fault != "" {
			r.must("%s: %s", e.id, fault)
		}
	}
}

// walkValue judges what is in an extension, as far as that is DER at all: the
// standard's own extensions are, foreign ones may hold anything.
func walkValue(e extension) string {
	if len(e.id) < 3 || !(e.id[0] == 2 && e.id[1] == 5 && e.id[2] == 29) && !e.id.Equal(pki.OIDAuthorityInfoAccess) && !e.id.Equal(pki.OIDQCStatements) {
		return ""
	}
	return der.Fault(e.value)
}
