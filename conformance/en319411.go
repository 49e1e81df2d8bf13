package conformance

import "time"

// inADay is how long a centre has, from the receipt of a request to revoke or
// suspend, until all who rely on the certificate can learn of it, in OCSP as on
// the lists (ETSI EN 319 411-1 V1.5.1, Section 6.2.4, REV-6.2.4-03A and -03C).
// The acknowledgement comes after the receipt. Countries may give less.
const inADay = 24 * time.Hour

// changeChecks are what is asked of a revocation on its way to those who rely on
// the certificate.
var changeChecks = []check[*change]{
	{"REV-01", "ETSI EN 319 411-1, Section 6.2.4", Must, "OCSP says revoked within 24 hours of the acknowledgement", "have a certificate revoked; ask until OCSP says so", wire, func(t *trial, c *change) {
		c.within(t, c.those(t, false), inADay)
	}},
	{"REV-02", "ETSI EN 319 411-1, Section 6.2.4", Must, "the lists have a revocation within 24 hours of the acknowledgement", "have a certificate revoked; fetch until the lists have it", wire, func(t *trial, c *change) {
		c.within(t, c.those(t, true), inADay)
	}},
	{"REV-03", "RFC 6960, Section 2.2", Must, "what was revoked stays revoked, in every later answer and list", "ask on after the first that says so", wire, func(t *trial, c *change) {
		c.steady(t)
	}},
}

// holdChecks are what is asked of a hold and of its end.
var holdChecks = []check[*suspension]{
	{"HOLD-01", "ETSI EN 319 411-1, Section 6.2.4", Must, "OCSP says on hold within 24 hours of the acknowledgement", "have a certificate put on hold; ask until OCSP says so", wire, func(t *trial, s *suspension) {
		s.holdShown(t, false, inADay)
	}},
	{"HOLD-02", "ETSI EN 319 411-1, Section 6.2.4", Must, "the lists have a hold within 24 hours of the acknowledgement", "have a certificate put on hold; fetch until the lists have it", wire, func(t *trial, s *suspension) {
		s.holdShown(t, true, inADay)
	}},
	{"HOLD-03", "RFC 5280, Section 5.3.1", Must, "a hold has the reason certificateHold, in OCSP and on the lists", "have a certificate put on hold; read the reason", wire, holdNamed},
	// The standards give a release no time of its own. A list is issued once a day
	// at least (ETSI EN 319 411-1, Section 6.3.9).
	{"HOLD-04", "RFC 6960, Section 2.2", Should, "OCSP says good again within 24 hours of the acknowledgement of a release", "have the certificate released; ask until OCSP says so", wire, func(t *trial, s *suspension) {
		s.releaseShown(t, false, inADay)
	}},
	{"HOLD-05", "RFC 5280, Section 5.3.1", Should, "the lists have no hold any more within 24 hours of the acknowledgement of a release", "have the certificate released; fetch until it is off the lists", wire, func(t *trial, s *suspension) {
		s.releaseShown(t, true, inADay)
	}},
	{"HOLD-06", "RFC 5280, Section 5.2.4", Must, "a delta list says removeFromCRL to whoever has a list with the hold", "read the delta after the release", wire, holdRemoved},
	{"HOLD-07", "RFC 6960, Section 2.2", Must, "neither a hold nor a release is taken back", "ask on after the first that says so", wire, func(t *trial, s *suspension) {
		s.watched(t)
		s.hold.steady(t)
		s.release.steady(t)
	}},
}
