package conformance

import "context"

// pair is a responder and the list of the same authority.
type pair struct {
	*responder
	list *lists
}

// consistency holds two sources of status against each other.
var consistency = []check[*pair]{
	{"OCSP-62", "RFC 6960, Section 2.2", Must, "OCSP and the list do not contradict each other", "ask both for the same certificates", wire, agreement},
}

// Consistency holds a responder against the list of the same authority.
func (t *Tester) Consistency(ctx context.Context, responder OCSPTarget, list ListTarget) error {
	r, err := t.responder(responder)
	if err != nil {
		return err
	}
	l, err := t.lists(list)
	if err != nil {
		return err
	}
	t.section("ocsp against crl", responder.URL+" against "+list.URL, judgeAll(ctx, consistency, &pair{r, l}, t.options("consistency", false)))
	return nil
}

// agreement fetches the list first: OCSP, asked later, may know more and never
// less.
func agreement(t *trial, p *pair) {
	l := p.list.full(t)
	if string(l.issuer) != string(p.issuer.subject) {
		t.couldNot("the list is another authority's")
	}
	for _, s := range p.subjects() {
		if s.what == "never issued" {
			continue
		}
		a := p.state(t, s.what, s.serial)
		one := a.single(a.asked)
		if one == nil {
			t.couldNot("the answer is about another certificate")
		}
		listed := l.entry(s.serial)
		if listed == nil && !l.covers(s.certificate) {
			continue // another partition answers for it
		}
		switch {
		case listed != nil && one.status != stateRevoked:
			t.fail("the %s certificate is on the list, and OCSP says %s", s.what, stateNames[one.status])
		case listed == nil && one.status == stateRevoked && one.revokedAt.at.Before(l.thisUpdate.at.Add(-clockSkew)):
			t.fail("OCSP says that the %s certificate was revoked at %s, and the list of %s does not have it", s.what, one.revokedAt.text, l.thisUpdate.text)
		case listed == nil || one.status != stateRevoked:
		case !one.revokedAt.at.Equal(listed.at.at):
			t.fail("the %s certificate was revoked at %s by OCSP and at %s by the list", s.what, one.revokedAt.text, listed.at.text)
		case reasonOf(one) != max(listed.reason, 0):
			t.fail("the %s certificate has reason %d by OCSP and %d by the list", s.what, reasonOf(one), listed.reason)
		}
	}
}

// reasonOf is the reason of an answer; none is unspecified.
func reasonOf(s *single) int {
	if s.hasReason {
		return s.reason
	}
	return 0
}
