package conformance

import (
	"errors"
	"net/http"
	"slices"

	"golang.org/x/crypto/ocsp"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

// What RFC 6960 says of answers.
var rfc6960 = []check[*responder]{
	{"OCSP-01", "RFC 6960, Appendix A.1", Must, "a POST is answered 200", "post a request for the good certificate", wire, func(t *trial, r *responder) {
		r.alive(t)
		if x := r.baseline(t); x.Status != http.StatusOK {
			t.fail("HTTP %d instead of 200", x.Status)
		}
	}},
	{"OCSP-02", "RFC 6960, Appendix A.2", Must, "the media type is application/ocsp-response", "post; read Content-Type", wire, func(t *trial, r *responder) {
		r.alive(t)
		x := r.baseline(t)
		if media := x.Header.Get("Content-Type"); x.Status == http.StatusOK && !sameMedia(media, responseType) {
			t.fail("Content-Type is %q", clip(media))
		}
	}},
	{"OCSP-03", "RFC 6960, Appendix A.2", Should, "Content-Length is stated", "post; read the header", wire, func(t *trial, r *responder) {
		r.alive(t)
		if r.baseline(t).Header.Get("Content-Length") == "" {
			t.should("there is no Content-Length")
		}
	}},
	{"OCSP-04", "RFC 6960, Section 4.2.1", Must, "a certificate of the authority is answered successfully", "ask for the good certificate", anywhere, func(t *trial, r *responder) {
		a := r.first(t)
		switch {
		case a.status == statusTryLater:
			t.couldNot("the server asks to try later")
		case a.status != statusSuccessful:
			t.fail("the answer is %s", statusName(a.status))
		case !a.hasBody:
			t.fail("a successful answer has no responseBytes")
		}
	}},
	{"OCSP-05", "RFC 6960, Section 4.2.1", Must, "the response is an id-pkix-ocsp-basic", "read responseType", anywhere, func(t *trial, r *responder) {
		if a := r.first(t); a.hasBody && !a.kind.Equal(pki.OIDOCSPBasic) {
			t.fail("responseType is %v", a.kind)
		}
	}},
	{"OCSP-06", "RFC 6960, Section 4.2.1", Must, "the response is DER, its version left out", "read every octet strictly", anywhere, encodedDER},
	{"OCSP-07", "RFC 6960, Section 4.2.1", Must, "certs is absent rather than empty", "read certs", anywhere, func(t *trial, r *responder) {
		for _, a := range r.answers(t) {
			switch {
			case a.certsThere && len(a.certificates)+a.badCertificates == 0:
				t.fail("certs is there and empty")
			case a.badCertificates > 0:
				t.fail("%d elements of certs are no certificates in DER", a.badCertificates)
			}
		}
	}},
	{"OCSP-08", "RFC 6960, Section 4.2.1", Must, "the signature over ResponseData verifies", "verify it, with a second reader too", anywhere, signatureVerifies},
	{"OCSP-09", "RFC 6960, Section 5.1.2", Must, "no weak signature algorithm, even when the client prefers one", "read the algorithm; prefer SHA-1", anywhere, func(t *trial, r *responder) {
		for _, a := range r.answers(t) {
			if weakAlgorithm(a.algorithm) {
				t.fail("the answer is signed with %s", algorithmName(a.algorithm.ID))
			}
		}
		if r.client == nil {
			return
		}
		r.sound(t)
		id := r.id(r.good.serial)
		x := r.ask(t, "SHA-1 signatures preferred", inquiry{ids: [][]byte{id}, extensions: []der.Extension{preferring(pki.Algorithm{ID: oidSHA1WithRSA, Parameters: []byte{5, 0}}, pki.Algorithm{ID: oidECDSAWithSHA1})}})
		if a := r.reply(t, x, id); a.tbs != nil && weakAlgorithm(a.algorithm) {
			t.fail("the client's preference made the server sign with %s", algorithmName(a.algorithm.ID))
		}
	}},
	{"OCSP-10", "RFC 6960, Section 4.2.2.2", Must, "a delegate has the key purpose OCSPSigning", "read the signer's certificate", anywhere, func(t *trial, r *responder) {
		r.delegates(t, func(_ *answer, c *certificate) {
			if !c.hasPurpose(pki.OIDOCSPSigning) {
				t.fail("the delegate's extended key usage has no id-kp-OCSPSigning")
			}
		})
	}},
	{"OCSP-11", "RFC 6960, Section 4.2.2.2", Must, "a delegate is issued directly by the authority", "verify its certificate with the authority's key", anywhere, func(t *trial, r *responder) {
		r.needIssuer(t)
		r.delegates(t, func(_ *answer, c *certificate) {
			if string(c.issuer) != string(r.issuer.subject) {
				t.fail("the delegate was issued by another name than the authority's")
				return
			}
			t.judge("the delegate's certificate", r.issuer.signed(c.algorithm, c.tbs, c.signature))
		})
	}},
	{"OCSP-12", "RFC 6960, Section 4.2.2.2.1", Should, "a delegate has nocheck, not critical, NULL", "read the signer's certificate", anywhere, func(t *trial, r *responder) {
		r.delegates(t, func(_ *answer, c *certificate) {
			switch e := c.extensions.get(pki.OIDOCSPNoCheck); {
			case e == nil:
				t.should("the delegate has no id-pkix-ocsp-nocheck")
			case e.critical:
				t.should("nocheck is critical")
			case string(e.value) != "\x05\x00":
				t.fail("nocheck is not NULL")
			}
		})
	}},
	{"OCSP-13", "RFC 6960, Section 4.2.2.2.1", Should, "a delegate that is not to be checked names no place to check it", "read the signer's certificate", anywhere, func(t *trial, r *responder) {
		r.delegates(t, func(_ *answer, c *certificate) {
			if c.extensions.get(pki.OIDOCSPNoCheck) == nil {
				return
			}
			if len(c.uris(pki.OIDAccessOCSP)) > 0 || c.extensions.get(pki.OIDCRLDistributionPoints) != nil {
				t.should("the delegate has nocheck and names a responder or a list")
			}
		})
	}},
	{"OCSP-14", "RFC 6960, Section 4.2.2.2", Must, "the delegate is valid when it signs and past nextUpdate", "compare dates", anywhere, func(t *trial, r *responder) {
		r.delegates(t, func(a *answer, c *certificate) {
			if a.producedAt.at.Before(c.notBefore.at) || a.producedAt.at.After(c.notAfter.at) {
				t.fail("producedAt lies outside the delegate's validity")
			}
			for _, s := range a.singles {
				if s.nextUpdate.there() && s.nextUpdate.at.After(c.notAfter.at) {
					t.should("nextUpdate lies past the delegate's validity")
				}
			}
		})
	}},
	{"OCSP-16", "RFC 6960, Section 4.2.2.3", Must, "the responder's identifier is that of the signer", "hash the signer's key, compare names", anywhere, func(t *trial, r *responder) {
		for _, a := range r.answers(t) {
			if r.issuer == nil && len(a.certificates) == 0 {
				t.couldNot("the file holds no certificate; --issuer names the authority's")
			}
			if a.signer(r.issuer) == nil {
				t.fail("the identifier fits neither the authority nor a certificate in the answer")
			}
		}
	}},
	{"OCSP-17", "RFC 6960, Section 4.2.2.3", Must, "the CertID that was asked for is answered, octet for octet", "compare it with the request's", wire, func(t *trial, r *responder) {
		for _, a := range r.answers(t) {
			if !slices.ContainsFunc(a.singles, func(s single) bool { return string(s.id.raw) == string(a.asked) }) {
				t.fail("%s: no SingleResponse has the CertID that was asked for", a.x.Name)
			}
		}
	}},
	{"OCSP-20", "RFC 6960, Section 2.4", Must, "thisUpdate has passed and nextUpdate has not", "compare with this machine's clock", anywhere, func(t *trial, r *responder) {
		r.each(t, func(a *answer, s *single) {
			now := a.when(t)
			if s.thisUpdate.at.After(now.Add(clockSkew)) {
				t.fail("thisUpdate %s lies in the future", s.thisUpdate.text)
			}
			if s.nextUpdate.there() && !now.Before(s.nextUpdate.at.Add(clockSkew)) {
				t.fail("nextUpdate %s has passed", s.nextUpdate.text)
			}
			if s.nextUpdate.there() && !s.thisUpdate.at.Before(s.nextUpdate.at) {
				t.fail("nextUpdate is not after thisUpdate")
			}
		})
	}},
	{"OCSP-21", "RFC 6960, Section 2.4", Must, "producedAt is when the answer was signed", "compare with thisUpdate and the clock", anywhere, func(t *trial, r *responder) {
		for _, a := range r.answers(t) {
			if a.producedAt.at.After(a.when(t).Add(clockSkew)) {
				t.fail("producedAt %s lies in the future", a.producedAt.text)
			}
			for _, s := range a.singles {
				if a.producedAt.at.Before(s.thisUpdate.at) {
					t.fail("producedAt %s lies before thisUpdate %s", a.producedAt.text, s.thisUpdate.text)
				}
			}
		}
	}},
	{"OCSP-22", "RFC 6960, Section 4.2.1", Must, "times are of the form YYYYMMDDHHMMSSZ", "read the raw octets", anywhere, func(t *trial, r *responder) {
		for _, a := range r.answers(t) {
			stamps := []stamp{a.producedAt}
			for _, s := range a.singles {
				stamps = append(stamps, s.thisUpdate, s.nextUpdate, s.revokedAt)
			}
			for _, s := range stamps {
				if fault := s.fault(); fault != "" {
					t.fail("%s", fault)
				}
			}
		}
	}},
	{"OCSP-38", "RFC 6960, Section 4.1.2", Must, "an unknown extension that is not critical is ignored", "send one, for the request and for the certificate", wire, func(t *trial, r *responder) {
		r.sound(t)
		id := r.id(r.good.serial)
		for _, q := range []struct {
			name string
			inquiry
		}{
			{"unknown extension of the request", inquiry{ids: [][]byte{id}, extensions: []der.Extension{unheardOf(false)}}},
			{"unknown extension of the certificate", inquiry{ids: [][]byte{id}, singleExts: []der.Extension{unheardOf(false)}}},
		} {
			x := r.ask(t, q.name, q.inquiry)
			if a := r.honest(t, x); a != nil && (a.status != statusSuccessful || !a.has(id)) {
				t.fail("%s: the answer is %s", q.name, statusName(a.status))
			}
		}
	}},
	{"OCSP-39", "RFC 6960, Section 4.1.2", Must, "an unknown critical extension is refused", "send one", wire, func(t *trial, r *responder) {
		r.sound(t)
		id := r.id(r.good.serial)
		for _, q := range []struct {
			name string
			inquiry
		}{
			{"unknown critical extension of the request", inquiry{ids: [][]byte{id}, extensions: []der.Extension{unheardOf(true)}}},
			{"unknown critical extension of the certificate", inquiry{ids: [][]byte{id}, singleExts: []der.Extension{unheardOf(true)}}},
		} {
			x := r.ask(t, q.name, q.inquiry)
			if a := r.honest(t, x); a != nil && a.status == statusSuccessful {
				t.fail("%s: the answer is successful", q.name)
			}
		}
	}},
	{"OCSP-40", "RFC 6960, Section 2.3", Must, "what is no request is answered malformedRequest, unsigned, and hurts nothing", "send torn, empty, padded and huge bodies", hostile, malformedBodies},
	{"OCSP-57", "RFC 6960, Section 4.4.4", Should, "an expired certificate that is retained is answered with archiveCutoff", "ask for an expired certificate", wire, archiveCutoff},
	{"OCSP-58", "RFC 6960, Section 4.4.7", Should, "a preference for the algorithm in use is honoured", "prefer it", wire, func(t *trial, r *responder) {
		before := r.state(t, "good", r.good.serial)
		id := r.id(r.good.serial)
		a := r.honest(t, r.ask(t, "own signature algorithm preferred", inquiry{ids: [][]byte{id}, extensions: []der.Extension{preferring(before.algorithm)}}))
		switch {
		case a == nil:
		case a.status != statusSuccessful:
			t.should("the answer is %s", statusName(a.status))
		case !a.algorithm.ID.Equal(before.algorithm.ID):
			t.should("it is answered with %s", algorithmName(a.algorithm.ID))
		}
	}},
	{"OCSP-59", "RFC 6960, Section 4.4", Must, "extensions stand where they belong, once, none critical that a client cannot know", "read both lists", anywhere, answerExtensions},
}

// first is the answer for the good certificate, of whatever kind.
func (r *responder) first(t *trial) *answer {
	if r.file != nil {
		t.saw(r.file.x)
		return r.file
	}
	r.alive(t)
	return r.reply(t, r.baseline(t), r.id(r.good.serial))
}

func (r *responder) needIssuer(t *trial) {
	if r.issuer == nil {
		t.couldNot("the authority's certificate is needed: name it with --issuer")
	}
}

func encodedDER(t *trial, r *responder) {
	var raws []*Exchange
	if r.file != nil {
		raws = append(raws, r.file.x)
	} else {
		r.alive(t)
		for _, s := range r.subjects() {
			if x := r.status(t, s.what, r.id(s.serial)); x.Err == nil && x.Status == http.StatusOK {
				raws = append(raws, x)
			}
		}
	}
	if len(raws) == 0 {
		t.couldNot("there is no answer to judge")
	}
	for _, x := range raws {
		t.saw(x)
		a, err := parseAnswer(x.Response)
		if err != nil {
			t.fail("%s: %v", x.Name, err)
			continue
		}
		if fault := der.Fault(x.Response); fault != "" {
			t.fail("%s: %s", x.Name, fault)
		}
		if fault := der.Fault(a.tbs); fault != "" {
			t.fail("%s: ResponseData: %s", x.Name, fault)
		}
		if a.versionWritten && a.version == 0 {
			t.fail("%s: version v1, the default, is written out", x.Name)
		}
		for _, e := range a.extensions {
			if e.writtenFalse {
				t.fail("%s: critical FALSE, the default, is written out", x.Name)
			}
		}
	}
}

// secondReader reports whether x/crypto/ocsp knows an algorithm: of those that
// are in use, it lacks RSASSA-PSS and EdDSA.
func secondReader(a pki.Algorithm) bool {
	return !a.ID.Equal(pki.OIDRSASSAPSS) && !a.ID.Equal(pki.OIDEd25519)
}

func signatureVerifies(t *trial, r *responder) {
	r.needIssuer(t)
	for _, a := range r.answers(t) {
		signer := a.signer(r.issuer)
		if signer == nil {
			t.couldNot("the answer names a signer whose certificate is not in it")
		}
		t.judge("the response", signer.signed(a.algorithm, a.tbs, a.signature))
		// A second opinion: what another reader refuses, relying parties refuse.
		delegated := string(signer.spki) != string(r.issuer.spki)
		if r.issuer.std == nil || len(a.singles) != 1 || weakAlgorithm(a.algorithm) || !secondReader(a.algorithm) || !secondReader(signer.algorithm) ||
			delegated && (!signer.hasPurpose(pki.OIDOCSPSigning) || r.issuer.signed(signer.algorithm, signer.tbs, signer.signature) != nil) {
			continue // it would refuse for what other checks find
		}
		if slices.ContainsFunc(a.singles[0].extensions, func(e extension) bool { return e.critical }) {
			continue
		}
		if _, err := ocsp.ParseResponse(a.raw, r.issuer.std); err != nil {
			if _, refused := errors.AsType[ocsp.ResponseError](err); !refused {
				t.fail("another reader refuses the response: %v", err)
			}
		}
	}
}
