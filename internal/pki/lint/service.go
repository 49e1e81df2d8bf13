package lint

import (
	"time"

	"golang.org/x/crypto/cryptobyte"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

var serviceLints = []Lint{
	{"OCSP-12", "RFC 6960, Section 4.2.2.2.1", "nocheck of a responder is NULL, not critical, and nobody else's", noCheck},
	{"OCSP-13", "RFC 9919, Section 3.2.2", "a responder's certificate names no status of its own", responderStatus},
	{"TSA-09", "RFC 3161, Section 2.3", "a time-stamping unit has one purpose, critical", onePurpose},
	{"TSA-10", "RFC 3161, Section 2.3", "a time-stamping unit's key signs and does nothing else", timeStampingKey},
	{"TSA-42", "RFC 3280, Section 4.2.1.4", "the private key's period lies within the certificate's", privateKeyPeriod},
}

func noCheck(c *certificate, r *report) {
	e := c.extension(pki.OIDOCSPNoCheck)
	responder := c.purpose(pki.OIDOCSPSigning) && !c.ca()
	switch {
	case e == nil && responder:
		r.should("a responder has no nocheck")
	case e == nil:
	case !responder:
		r.must("nocheck stands in a certificate that is not a responder's")
	default:
		if e.critical {
			r.should("nocheck is critical")
		}
		if string(e.value) != null {
			r.must("nocheck is not NULL")
		}
	}
}

func responderStatus(c *certificate, r *report) {
	if c.extension(pki.OIDOCSPNoCheck) == nil {
		return
	}
	if c.extension(pki.OIDCRLDistributionPoints) != nil || c.place(pki.OIDAccessOCSP) {
		r.should("a responder that is not to be checked names where to check it")
	}
}

// unit reports whether the certificate is a time-stamping unit's.
func (c *certificate) unit() bool { return !c.ca() && c.purpose(pki.OIDTimeStamping) }

func onePurpose(c *certificate, r *report) {
	if !c.unit() {
		return
	}
	if len(c.purposes) != 1 {
		r.must("time-stamping is not the only purpose")
	}
	if !c.extension(pki.OIDExtKeyUsage).critical {
		r.must("the extended key usage is not critical")
	}
}

func timeStampingKey(c *certificate, r *report) {
	if c.unit() && c.usage.there && c.usage.bits&^(digitalSignature|nonRepudiation) != 0 {
		r.must("the key of a time-stamping unit may do more than sign")
	}
}

func privateKeyPeriod(c *certificate, r *report) {
	e := c.extension(pki.OIDPrivateKeyUsagePeriod)
	if e == nil {
		return
	}
	body, ok := der.Whole(e.value, sequence)
	if !ok || body.Empty() {
		r.must("the period of the private key is malformed or empty")
		return
	}
	if e.critical {
		r.should("the period of the private key is critical")
	}
	ends := [2]time.Time{c.notBefore.at, c.notAfter.at}
	for tag := range ends {
		var text cryptobyte.String
		there := false
		if !body.ReadOptionalASN1(&text, &there, context(uint8(tag))) {
			r.must("the period of the private key is malformed")
			return
		}
		if !there {
			continue
		}
		at, err := time.Parse("20060102150405Z", string(text))
		if err != nil || len(text) != len("20060102150405Z") {
			r.must("the period of the private key is not in seconds and UTC")
			return
		}
		ends[tag] = at
	}
	if ends[0].Before(c.notBefore.at) || ends[1].After(c.notAfter.at) || ends[1].Before(ends[0]) {
		r.must("the period of the private key does not lie within the certificate's")
	}
}
