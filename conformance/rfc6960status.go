package conformance

import (
	"time"

	"github.com/altamga/altamga/internal/pki"
)

// rfc6960Status is what RFC 6960 says of the status of certificates.
var rfc6960Status = []check[*responder]{
	{"OCSP-23", "RFC 6960, Section 2.2", Must, "a good certificate is good", "ask for it", wire, func(t *trial, r *responder) {
		a := r.state(t, "good", r.good.serial)
		if s := a.single(a.asked); s == nil {
			t.couldNot("the answer is about another certificate")
		} else if s.status != stateGood {
			t.fail("it is %s", stateNames[s.status])
		}
	}},
	{"OCSP-24", "RFC 6960, Section 2.2", Must, "a revoked certificate is revoked, a held one on hold, with the time", "ask for them", wire, revokedStates},
	{"OCSP-25", "RFC 5280, Section 5.3.1", Must, "the reason is one that exists; unspecified is left out", "read revocationReason", anywhere, func(t *trial, r *responder) {
		r.each(t, func(_ *answer, s *single) {
			switch {
			case !s.hasReason:
			case s.reason == 0:
				t.should("the reason unspecified is written out")
			case s.reason < 0 || s.reason == 7 || s.reason == 8 || s.reason > 10:
				t.fail("reason %d is none of an answer's", s.reason)
			}
		})
	}},
	{"OCSP-26", "RFC 6960, Section 2.2", Must, "the revocation time has passed", "compare with the clock", anywhere, func(t *trial, r *responder) {
		r.each(t, func(a *answer, s *single) {
			if s.status == stateRevoked && s.revokedAt.at.After(a.when(t).Add(clockSkew)) {
				t.fail("revocationTime %s lies in the future", s.revokedAt.text)
			}
		})
	}},
	{"OCSP-34", "RFC 6960, Section 4.4.8", Must, "a serial that was never issued is not good", "ask for a random serial", wire, neverIssued},
	{"OCSP-36", "RFC 6960, Section 4.2.2.3", Must, "all certificates of a request are answered, or none", "ask for two at once", wire, severalAtOnce},
}

func revokedStates(t *trial, r *responder) {
	if r.revoked == nil && r.held == nil {
		t.skip("there is no revoked and no held certificate to ask for; name them with --revoked and --held")
	}
	if r.revoked != nil {
		a := r.state(t, "revoked", r.revoked.serial)
		switch s := a.single(a.asked); {
		case s == nil:
			t.couldNot("the answer is about another certificate")
		case s.status != stateRevoked:
			t.fail("the revoked certificate is %s", stateNames[s.status])
		case s.hasReason && s.reason == 6:
			t.fail("the revoked certificate is on hold")
		// A certificate may be revoked before the day from which it is valid, and
		// not before there is somebody to do it.
		case s.revokedAt.at.Before(r.issuer.notBefore.at.Add(-clockSkew)):
			t.fail("it was revoked at %s, before the authority itself was valid", s.revokedAt.text)
		}
	}
	if r.held != nil {
		a := r.state(t, "held", r.held.serial)
		switch s := a.single(a.asked); {
		case s == nil:
			t.couldNot("the answer is about another certificate")
		case s.status != stateRevoked || !s.hasReason || s.reason != 6:
			t.fail("the held certificate is not revoked with the reason certificateHold")
		}
	}
}

// neverIssued: EN 319 411-2 and the browsers' rules agree that such a serial is
// never good.
func neverIssued(t *trial, r *responder) {
	r.alive(t)
	id := r.id(r.missing)
	a := r.reply(t, r.ask(t, "status of the never issued certificate", inquiry{ids: [][]byte{id}}), id)
	if a.status == statusUnauthorized {
		return
	}
	if a.status != statusSuccessful {
		t.couldNot("the answer is %s", statusName(a.status))
	}
	extended := a.extensions.get(pki.OIDOCSPExtendedRevoke)
	switch s := a.single(id); {
	case s == nil:
		t.couldNot("the answer is about another certificate")
	case s.status == stateGood:
		t.fail("a serial that was never issued is good")
	case s.status == stateRevoked && extended == nil:
		t.fail("it is revoked without the extended-revoke extension")
	case s.status == stateRevoked && extended.critical:
		t.fail("extended-revoke is critical")
	case s.status == stateRevoked && (!s.hasReason || s.reason != 6 || !s.revokedAt.at.Equal(time.Unix(0, 0))):
		t.fail("it is revoked with another reason than certificateHold or another time than the beginning of 1970")
	}
}

func severalAtOnce(t *trial, r *responder) {
	r.sound(t)
	other := r.missing
	if r.revoked != nil {
		other = r.revoked.serial
	}
	ids := [][]byte{r.id(r.good.serial), r.id(other)}
	a := r.honest(t, r.ask(t, "two certificates at once", inquiry{ids: ids}))
	if a == nil || a.status == statusUnauthorized {
		return
	}
	if a.status != statusSuccessful {
		t.fail("the answer is %s", statusName(a.status))
		return
	}
	for i, id := range ids {
		if !a.has(id) {
			t.fail("certificate %d of 2 is not answered", i+1)
		}
	}
}
