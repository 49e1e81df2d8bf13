package conformance

import "time"

// changeChecks are what ETSI EN 319 411-1 asks of a revocation on its way to
// those who rely on the certificate. Countries may give it other times.
var changeChecks = []check[*change]{
	{"REV-01", "ETSI EN 319 411-1, Section 6.2.4", Must, "OCSP says revoked within 60 minutes of the acknowledgement", "have a certificate revoked; ask until OCSP says so", wire, func(t *trial, c *change) {
		c.within(t, c.those(t, false), time.Hour)
	}},
	{"REV-02", "ETSI EN 319 411-1, Section 6.3.9", Must, "the lists have a revocation within 24 hours of the acknowledgement", "have a certificate revoked; fetch until the lists have it", wire, func(t *trial, c *change) {
		c.within(t, c.those(t, true), 24*time.Hour)
	}},
	{"REV-03", "RFC 6960, Section 2.2", Must, "what was revoked stays revoked, in every later answer and list", "ask on after the first that says so", wire, func(t *trial, c *change) {
		c.watched(t)
		for _, s := range c.sources {
			t.saw(s.evidence...)
			if s.relapse != nil {
				t.fail("%s: %v", s.what, s.relapse)
			}
		}
	}},
}

// those returns the sources that are lists, or are not; it ends the check when
// there was no change, or there are none.
func (c *change) those(t *trial, lists bool) (some []*source) {
	c.watched(t)
	for _, s := range c.sources {
		if s.list == lists {
			some = append(some, s)
		}
	}
	if some == nil {
		t.skip("no such source is named")
	}
	return some
}
