package conformance

import (
	"crypto"
	"net/http"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"github.com/altamga/altamga/internal/pki"
)

// en319422 is what ETSI EN 319 421 and 319 422 ask of authorities and tokens.
var en319422 = []check[*authority]{
	{"TSA-14", "ETSI EN 319 421, Section 7.7.1", Must, "genTime is within its accuracy of UTC", "compare with a trusted clock, or with this machine's, and the time that the query took", wire, func(t *trial, a *authority) {
		for _, r := range a.replies(t) {
			a.clock.telling(t, r)
		}
	}},
	{"TSA-16", "ETSI EN 319 422, Section 5.2", Must, "accuracy is there and at most a second", "read it", anywhere, eachToken(func(t *trial, _ *authority, r *stampReply) {
		switch i := &r.tst.info; {
		case !i.accuracyThere:
			t.fail("there is no accuracy")
		case !i.accuracyGood:
			t.fail("accuracy is malformed")
		case i.accuracy > time.Second:
			t.fail("the accuracy is %v", i.accuracy)
		}
	})},
	{"TSA-17", "ETSI EN 319 422, Section 5.2", Must, "ordering is absent or false", "read it", anywhere, eachToken(func(t *trial, _ *authority, r *stampReply) {
		switch {
		case r.tst.info.ordering:
			t.fail("ordering is true")
		case r.tst.info.orderingWritten:
			t.should("ordering FALSE, the default, is written out")
		}
	})},
	{"TSA-20", "ETSI EN 319 422, Section 5.2", Must, "no extension of TSTInfo is critical", "read them", anywhere, eachToken(func(t *trial, _ *authority, r *stampReply) {
		for _, e := range r.tst.info.extensions {
			if e.critical {
				t.fail("extension %v is critical", e.id)
			}
		}
		if id, twice := r.tst.info.extensions.repeated(); twice {
			t.fail("extension %v stands twice", id)
		}
	})},
	{"TSA-22", "ETSI EN 319 421, Section 7.7.1", Must, "time does not go back", "stamp five times in a row", wire, func(t *trial, a *authority) {
		var last time.Time
		for _, r := range a.five(t) {
			if r.tst.info.at.Before(last) {
				t.fail("genTime went back by %v", last.Sub(r.tst.info.at))
			}
			last = r.tst.info.at
		}
	}},
	{"TSA-25", "ETSI TS 119 312, Section 5", Must, "SHA-256, SHA-384 and SHA-512 are stamped", "ask with each", wire, func(t *trial, a *authority) {
		for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
			q := a.bare()
			q.hash, q.digest = pki.HashAlgorithm(h), random(h.Size())
			a.stamped(t, "imprint of "+h.String(), q)
		}
	}},
	{"TSA-26", "RFC 5754, Section 2", Must, "parameters of the imprint's hash may be NULL or absent", "ask with both", wire, func(t *trial, a *authority) {
		for _, null := range []bool{false, true} {
			q := a.bare()
			if null {
				q.hash.Parameters = []byte{5, 0}
			}
			a.stamped(t, map[bool]string{false: "hash parameters absent", true: "hash parameters NULL"}[null], q)
		}
	}},
	{"TSA-42", "ETSI EN 319 421, Section 7.8", Must, "no token outside the validity of the unit's certificate and its key's usage period", "compare dates", anywhere, eachToken(func(t *trial, a *authority, r *stampReply) {
		c, at := a.unit(t, r), r.tst.info.at
		if at.Before(c.notBefore.at) || at.After(c.notAfter.at) {
			t.fail("genTime lies outside the validity of the unit's certificate")
		}
		e := c.extensions.get(pki.OIDPrivateKeyUsagePeriod)
		if e == nil {
			return
		}
		body, _ := whole(e.value)
		for tag := range uint8(2) {
			var text cryptobyte.String
			there := false
			if !body.ReadOptionalASN1(&text, &there, implicit(tag)) || !there {
				continue
			}
			end, err := time.Parse("20060102150405Z", string(text))
			if err == nil && (tag == 0 && at.Before(end) || tag == 1 && at.After(end)) {
				t.fail("genTime lies outside the usage period of the unit's key")
			}
		}
	})},
	{"CERT-49", "RFC 5280, Section 6.1.3", Must, "the certificate is signed by its issuer's key", "verify it with the issuer's certificate", anywhere, eachToken(func(t *trial, a *authority, r *stampReply) {
		if len(a.trust) == 0 {
			t.skip("no certificate to trust was given; name one with --trust")
		}
		c := a.unit(t, r)
		// The issuer is given, or came along and is issued by a given one.
		candidates := append(append([]*certificate{}, a.trust...), r.tst.certificates...)
		for depth := 0; depth < 8; depth++ {
			for _, trusted := range a.trust {
				if string(trusted.raw) == string(c.raw) {
					return
				}
			}
			issuer := issuerOf(c, candidates)
			if issuer == nil {
				t.fail("its issuer is none of the certificates given")
				return
			}
			t.judge("its certificate", issuer.signed(c.algorithm, c.tbs, c.signature))
			c = issuer
		}
		t.fail("its chain does not end at a certificate that was given")
	})},
}

// issuerOf finds another certificate whose subject is c's issuer.
func issuerOf(c *certificate, candidates []*certificate) *certificate {
	for _, other := range candidates {
		if string(other.subject) == string(c.issuer) && string(other.raw) != string(c.raw) {
			return other
		}
	}
	return nil
}

// stamped asks what must be granted.
func (a *authority) stamped(t *trial, name string, q stampQuery) {
	a.first(t) // where nothing is stamped, a variation says nothing
	r, err := a.ask(t, name, q)
	switch {
	case err != nil:
		t.fail("%s: %v", name, err)
	case !r.granted() || r.tst == nil:
		t.fail("%s is refused: %s", name, r.refusal())
	case string(r.tst.info.imprint) != string(q.imprint()):
		t.fail("%s: the imprint is another one", name)
	}
}

// How time stamps go over HTTP.
var rfc9110TSA = []check[*authority]{
	{"TSA-37", "RFC 9110, Section 15.5.6", Must, "GET is answered 405 with Allow", "get", wire, func(t *trial, a *authority) {
		a.alive(t)
		x := a.client.ask(t.ctx, question{name: "GET", method: http.MethodGet, url: a.url})
		t.saw(x)
		t.method(x)
	}},
	{"TSA-38", "RFC 9111, Section 3", Should, "no shared cache keeps a token", "read Cache-Control", wire, func(t *trial, a *authority) {
		a.alive(t)
		r, _ := a.baseline(t)
		notKept(t, r.x)
	}},
	{"TSA-39", "RFC 9111, Section 3", Should, "no shared cache keeps a refusal", "read Cache-Control", wire, func(t *trial, a *authority) {
		a.alive(t)
		q := a.bare()
		q.policy = oidUnheardOf
		r, err := a.ask(t, "foreign policy", q)
		if err != nil {
			t.couldNot("%v", err)
		}
		notKept(t, r.x)
	}},
}

// notKept: the answer to a POST is kept only when it says so (RFC 9110, Section
// 9.3.3).
func notKept(t *trial, x *Exchange) {
	age, there := maxAge(x.Header)
	if directive(x.Header, "public") || there && age > 0 && !directive(x.Header, "private") {
		t.should("Cache-Control is %q", clip(x.Header.Get("Cache-Control")))
	}
}
