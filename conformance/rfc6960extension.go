package conformance

import (
	"github.com/altamga/altamga/internal/pki"
)

func archiveCutoff(t *trial, r *responder) {
	if r.expired == nil {
		t.skip("there is no expired certificate to ask for; name one with --expired")
	}
	r.alive(t)
	id := r.id(r.expired.serial)
	a := r.reply(t, r.ask(t, "status of the expired certificate", inquiry{ids: [][]byte{id}}), id)
	s := a.single(id)
	if a.status == statusUnauthorized || s == nil {
		t.skip("the responder does not keep expired certificates")
	}
	e := s.extensions.get(oidArchiveCutoff)
	if e == nil {
		t.should("there is no archiveCutoff")
		return
	}
	cutoff, ok := generalizedTime(e.value)
	if !ok || e.critical {
		t.fail("archiveCutoff is critical or no GeneralizedTime")
		return
	}
	if cutoff.After(r.expired.notAfter.at) {
		t.should("archiveCutoff lies after the certificate's end, which the answer is not reliable for, then")
	}
}

// answerExtensions: RFC 6960, Section 4.4.2, Section 4.4.4 and Section 4.4.5 put
// CRL references, archiveCutoff and the extensions of CRL entries into single
// extensions; Section 4.4.8 puts extended-revoke into those of the response.
func answerExtensions(t *trial, r *responder) {
	inSingle := []string{oidCRLReferences.String(), oidArchiveCutoff.String(), pki.OIDReasonCode.String(), pki.OIDInvalidityDate.String(), oidCertificateIssuer.String()}
	for _, a := range r.answers(t) {
		if id, twice := a.extensions.repeated(); twice {
			t.fail("extension %v stands twice in the response", id)
		}
		for _, e := range a.extensions {
			for _, id := range inSingle {
				if e.id.String() == id {
					t.fail("extension %v belongs to single responses", e.id)
				}
			}
			if e.critical {
				t.fail("extension %v of the response is critical", e.id)
			}
		}
		for _, s := range a.singles {
			if id, twice := s.extensions.repeated(); twice {
				t.fail("extension %v stands twice in a single response", id)
			}
			for _, e := range s.extensions {
				switch {
				case e.id.Equal(pki.OIDOCSPExtendedRevoke), e.id.Equal(pki.OIDOCSPNonce):
					t.fail("extension %v belongs to the response", e.id)
				case e.critical && !e.id.Equal(oidCertificateIssuer):
					t.fail("extension %v of a single response is critical", e.id)
				}
			}
		}
	}
}
