package ca

import (
	"bytes"
	"crypto/x509"
	"time"
)

// inAdvance is how far ahead a validity may begin.
const inAdvance = 5 * 365 * 24 * time.Hour

// period is the validity that the request asks for, or the profile's from now
// on, cut to the ends of the issuer's certificate and of the one that is
// cross-certified.
func (p *Profile) period(now time.Time, by *issuer, request *Request, r *refusal) (notBefore, notAfter time.Time) {
	notBefore = now.UTC().Truncate(time.Second)
	if at := request.NotBefore; !at.IsZero() {
		if at.Before(now.Add(-tolerance)) || at.After(now.Add(inAdvance)) {
			r.add(CodeInvalid, "not_before", "is in the past or more than five years ahead: nothing is back-dated", "")
		}
		notBefore = at.UTC().Truncate(time.Second)
	}
	notAfter = p.Validity.end(notBefore)
	if at := request.NotAfter; !at.IsZero() {
		if at.After(notAfter) || by.Certificate != nil && at.After(by.Certificate.NotAfter) {
			r.add(CodeInvalid, "not_after", "is later than the profile or the issuer's own end allows", "")
		}
		notAfter = at.UTC().Truncate(time.Second)
	}
	limit := func(c *x509.Certificate) {
		if notAfter.After(c.NotAfter) {
			notAfter = c.NotAfter
		}
	}
	if c := by.Certificate; c != nil {
		if now.Before(c.NotBefore) || !now.Before(c.NotAfter) {
			r.add(CodeIssuerExpired, "issuer", "is outside the validity of its own certificate", "")
		}
		limit(c)
	}
	if c := request.Authority; c != nil && p.Cross {
		limit(c)
		if bytes.Equal(c.RawSubject, by.name) {
			// RFC 4210, Section 4.4: a link between the keys of one authority is
			// valid from the making of the key that it certifies.
			notBefore = c.NotBefore
		}
	}
	if len(r.err.Fields) == 0 && !notAfter.After(notBefore) {
		r.add(CodeInvalid, "not_after", "leaves no time in which the certificate would be valid", "RFC 5280, Section 4.1.2.5")
	}
	return notBefore, notAfter
}
