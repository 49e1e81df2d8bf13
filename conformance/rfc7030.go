package conformance

import (
	"crypto/tls"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
)

// What is asked of EST servers, by a client that has an account there or none.
var rfc7030 = []check[*enrolment]{
	{"EST-01", "RFC 7030, Section 3.2.2", Must, "operations stand below /.well-known/est, and nothing else does", "ask for /cacerts and for an operation that there is none of", wire, func(t *trial, e *enrolment) {
		if x := e.got(t, "cacerts"); x.Status == http.StatusNotFound {
			t.fail("/cacerts is not found")
		}
		if x := e.got(t, "altamga-conformance"); x.Status < 400 {
			t.fail("an operation that there is none of is answered with HTTP %d", x.Status)
		}
	}},
	{"EST-02", "RFC 7030, Section 4.1.3", Must, "/cacerts has the root and the chain, certs-only, in base64", "fetch and read it", wire, authorities},
	{"EST-03", "RFC 7030, Section 4.2.3", Must, "/simpleenroll gives the certificate of the request alone, certs-only, in base64", "with an account, enrol", wire, enrolling},
	{"EST-04", "RFC 7030, Section 4.2.3", Must, "a request that waits for approval is answered 202 with Retry-After", "with an account, enrol", wire, waiting},
	{"EST-05", "RFC 7030, Section 4.2.3", Must, "a refusal has a status of 4xx or 5xx, and is text when it names no media type", "send what is no request", hostile, func(t *trial, e *enrolment) {
		refusal(t, e.posted(t, "simpleenroll", "what is no request", []byte("AAAA")))
	}},
	{"EST-06", "RFC 7030, Section 4.2.2", Must, "a renewal keeps subject and alternative names, whatever the request says", "with an account, renew what was issued, and its own certificate", wire, renewing},
	{"EST-07", "RFC 7030, Section 3.2.3", Must, "nobody enrols or renews without authentication", "send a request without any", wire, func(t *trial, e *enrolment) {
		for _, operation := range []string{"simpleenroll", "simplereenroll"} {
			x := e.posted(t, operation, "without authentication", e.request)
			refusal(t, x)
			// RFC 9110, Section 15.5.2.
			if x.Status == http.StatusUnauthorized && x.Header.Get("WWW-Authenticate") == "" {
				t.fail("/%s answers 401 and does not say how to authenticate", operation)
			}
		}
	}},
	{"EST-08", "RFC 7030, Section 4.5.2", Must, "/csrattrs has attributes in base64, or says that there are none", "fetch and read it", wire, attributes},
	{"EST-09", "RFC 7030, Section 4.4", Must, "no key is made for somebody who is not authenticated", "ask for one", wire, func(t *trial, e *enrolment) {
		if x := e.posted(t, "serverkeygen", "without authentication", e.request); x.Status < 400 {
			t.fail("/serverkeygen answers HTTP %d", x.Status)
		}
	}},
	{"EST-10", "RFC 7030, Section 3.3.1", Must, "the server has a certificate for its name from an authority that is trusted", "connect and verify", wire, func(t *trial, e *enrolment) {
		if !strings.HasPrefix(e.url, "https:") {
			t.fail("it is not asked by HTTPS")
			return
		}
		e.got(t, "cacerts") // it does answer whoever does not verify
		if x := e.ask(t, question{name: "with verification", method: http.MethodGet, url: e.url + "cacerts"}, &tls.Config{RootCAs: e.roots}); x.Status == 0 {
			t.fail("%v", x.Err)
		}
	}},
	{"EST-11", "RFC 8996, Section 5", Must, "TLS 1.0 and 1.1 are refused", "connect with nothing newer", wire, func(t *trial, e *enrolment) {
		if !strings.HasPrefix(e.url, "https:") {
			t.skip("it is not asked by HTTPS")
		}
		e.got(t, "cacerts") // a server that is down refuses everything
		x := e.ask(t, question{name: "with TLS 1.1 at most", method: http.MethodGet, url: e.url + "cacerts"},
			&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11, InsecureSkipVerify: true, CipherSuites: oldSuites()})
		if x.Status != 0 {
			t.fail("it speaks TLS 1.1 or older")
		}
	}},
	{"EST-12", "RFC 7030, Section 3.3.2", Must, "a client certificate that nobody issued authenticates nobody", "renew with a self-signed one", hostile, forged},
}

// oldSuites are all that TLS 1.1 can be spoken with.
func oldSuites() (ids []uint16) {
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		ids = append(ids, s.ID)
	}
	return ids
}

// refusal judges an answer that must be one.
func refusal(t *trial, x *Exchange) {
	if x.Status < 400 || x.Status > 599 {
		t.fail("%s: HTTP %d", x.Name, x.Status)
		return
	}
	if x.Header.Get("Content-Type") == "" && !utf8.Valid(x.Response) {
		t.fail("%s: the answer names no media type and is not text", x.Name)
	}
}

// authorities judges /cacerts.
func authorities(t *trial, e *enrolment) {
	x := e.got(t, "cacerts")
	if x.Status == http.StatusUnauthorized || x.Status == http.StatusForbidden {
		// RFC 7030, Section 4.1.2.
		t.should("/cacerts wants authentication")
		return
	}
	if x.Status != http.StatusOK {
		t.fail("/cacerts answers HTTP %d", x.Status)
		return
	}
	if got := x.Header.Get("Content-Type"); !sameMedia(got, "application/pkcs7-mime") {
		t.fail("the media type is %q", clip(got))
	}
	raw, ok := unbased(x.Response)
	if !ok {
		t.fail("it is not base64")
		return
	}
	all, ok := certsOnly(raw)
	if !ok {
		t.fail("it is not a certs-only CMS message")
		return
	}
	var parsed []*certificate
	for _, one := range all {
		c, err := parseCertificate(one)
		if err != nil {
			t.fail("a certificate of it: %v", err)
			continue
		}
		parsed = append(parsed, c)
	}
	rooted := false
	for _, c := range parsed {
		self := string(c.issuer) == string(c.subject)
		rooted = rooted || self
		if !self && !slices.ContainsFunc(parsed, func(above *certificate) bool { return string(above.subject) == string(c.issuer) }) {
			t.fail("a certificate of it has no issuer in it")
		}
	}
	if !rooted {
		t.fail("it has no root")
	}
}

// attributes judges /csrattrs.
func attributes(t *trial, e *enrolment) {
	switch x := e.got(t, "csrattrs"); x.Status {
	case http.StatusNoContent, http.StatusNotFound:
	case http.StatusUnauthorized, http.StatusForbidden:
		// RFC 7030, Section 4.5.1.
		t.should("/csrattrs wants authentication")
	case http.StatusOK:
		if got := x.Header.Get("Content-Type"); !sameMedia(got, "application/csrattrs") {
			t.fail("the media type is %q", clip(got))
		}
		raw, ok := unbased(x.Response)
		if !ok {
			t.fail("it is not base64")
		} else if !csrAttributes(raw) {
			t.fail("it is not CsrAttrs in DER")
		}
	default:
		t.fail("/csrattrs answers HTTP %d", x.Status)
	}
}

// csrAttributes reads CsrAttrs: identifiers and attributes.
func csrAttributes(raw []byte) bool {
	list, ok := whole(raw)
	for ok && !list.Empty() {
		var one, id, values cryptobyte.String
		if list.PeekASN1Tag(oidTag) {
			ok = list.ReadASN1(&id, oidTag)
			continue
		}
		ok = list.ReadASN1(&one, sequence) && one.ReadASN1(&id, oidTag) && one.ReadASN1(&values, set) && one.Empty()
	}
	return ok
}
