package conformance

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/pki"
)

// How lists go over HTTP.
var rfc2585 = []check[*lists]{
	{"CRL-01", "RFC 2585, Section 3", Must, "the URL serves one list in DER, no PEM", "get it", wire, func(t *trial, s *lists) {
		x := s.fetched(t)
		switch {
		case x.Status != http.StatusOK:
			t.fail("HTTP %d instead of 200", x.Status)
		case isPEM(x.Response):
			t.fail("the list is in PEM")
		default:
			if _, err := parseList(x.Response); err != nil {
				t.fail("%v", err)
			}
		}
	}},
	{"CRL-02", "RFC 2585, Section 4.2", Must, "the media type is application/pkix-crl", "get it; read Content-Type", wire, func(t *trial, s *lists) {
		if x := s.fetched(t); x.Status == http.StatusOK && !sameMedia(x.Header.Get("Content-Type"), listType) {
			t.fail("Content-Type is %q", clip(x.Header.Get("Content-Type")))
		}
	}},
	{"CRL-20", "RFC 5280, Section 4.2.1.13", Must, "the distribution point in the certificate serves this list", "fetch the certificate's URL, if the address policy lets it", wire, func(t *trial, s *lists) {
		if s.leaf == nil {
			t.skip("there is no certificate whose distribution point to ask; name one with --cert")
		}
		uris, _ := s.leaf.points(pki.OIDCRLDistributionPoints)
		uris = slices.DeleteFunc(uris, func(u string) bool { return !strings.HasPrefix(u, "http") })
		if len(uris) == 0 {
			t.skip("the certificate names no distribution point over HTTP")
		}
		l := s.full(t)
		if slices.Contains(uris, s.url) {
			return
		}
		// One place is enough to see whether it is the same list.
		uri := uris[0]
		if err := s.client.permit(uri); err != nil {
			t.skip("the certificate's distribution point is another URL, and not fetched: %v", err)
		}
		x := s.client.ask(t.ctx, question{name: "the certificate's distribution point", method: http.MethodGet, url: uri, limit: maxDownload, found: true})
		t.saw(x)
		if x.Err != nil {
			t.couldNot("%v", x.Err)
		}
		other, err := parseList(x.Response)
		switch {
		case x.Status != http.StatusOK || err != nil:
			t.fail("the certificate's distribution point serves no list")
		case string(other.issuer) != string(l.issuer):
			t.fail("the certificate's distribution point serves the list of another authority")
		default:
			monotone(t, l, other)
		}
	}},
	{"CRL-21", "RFC 9110, Section 8.8", Should, "there is a validator to ask with: ETag or Last-Modified", "get; read the header", wire, func(t *trial, s *lists) {
		x := s.fetched(t)
		s.parsed(t, x)
		if x.Header.Get("ETag") == "" && x.Header.Get("Last-Modified") == "" {
			t.should("there is neither ETag nor Last-Modified")
		}
	}},
	{"CRL-22", "RFC 9110, Section 13.1", Should, "conditional requests are answered 304", "get again with the validators", wire, func(t *trial, s *lists) {
		x := s.fetched(t)
		s.parsed(t, x)
		conditions := map[string]string{}
		if tag := x.Header.Get("ETag"); tag != "" {
			conditions["If-None-Match"] = tag
		} else if at := x.Header.Get("Last-Modified"); at != "" {
			conditions["If-Modified-Since"] = at
		} else {
			t.should("there is nothing to ask with")
			return
		}
		again := s.get(t, "the list on condition", http.MethodGet, s.url, conditions)
		// A new list may have been published in between.
		if again.Err != nil || again.Status != http.StatusNotModified && string(again.Response) == string(x.Response) {
			t.should("the server answers HTTP %d", again.Status)
		}
	}},
	{"CRL-23", "RFC 9111, Section 4.2", Must, "no cache may keep the list beyond nextUpdate", "compare max-age and Expires with nextUpdate", wire, func(t *trial, s *lists) {
		l := s.full(t)
		if !l.nextUpdate.there() {
			t.skip("there is no nextUpdate")
		}
		until := time.Time{}
		if age, there := maxAge(l.x.Header); there {
			until = l.when(t).Add(age)
		} else if at, err := http.ParseTime(l.x.Header.Get("Expires")); err == nil {
			until = at
		}
		if until.After(l.nextUpdate.at.Add(clockSkew)) {
			t.fail("the list may be kept until %s, past nextUpdate %s", until.UTC().Format(time.RFC3339), l.nextUpdate.text)
		}
	}},
	{"CRL-24", "RFC 4387, Section 2", Must, "no content-coding", "get with Accept-Encoding: gzip", wire, func(t *trial, s *lists) {
		s.fetched(t)
		x := s.get(t, "the list with gzip accepted", http.MethodGet, s.url, map[string]string{"Accept-Encoding": "gzip"})
		if x.Err != nil {
			t.couldNot("%v", x.Err)
		}
		if coding := x.Header.Get("Content-Encoding"); coding != "" && coding != "identity" {
			t.fail("the list is coded as %q", clip(coding))
		}
	}},
}

// en319411CRL is what certification policies ask of lists over time.
var en319411CRL = []check[*lists]{
	{"CRL-28", "ETSI EN 319 411-1, Section 6.3.9", Must, "a list at least every 24 hours", "compare thisUpdate with the clock", anywhere, func(t *trial, s *lists) {
		l := s.full(t)
		if l.nextUpdate.there() && l.nextUpdate.at.Year() == 9999 {
			t.skip("it is the last list of an authority that has ended")
		}
		if s.issuer != nil && s.leaf == nil && s.issuer.selfIssued() {
			t.skip("a root's list, of authorities, comes out more rarely")
		}
		if s.leaf != nil && s.leaf.authority() {
			t.skip("a list of authorities' certificates comes out more rarely")
		}
		if age := l.when(t).Sub(l.thisUpdate.at); age > 24*time.Hour+clockSkew {
			t.fail("the list is %s old", ago(age))
		}
	}},
	{"CRL-29", "ETSI EN 319 411-2, Section 6.3.10", Should, "expiredCertsOnCRL, when there, is a GeneralizedTime and not critical", "read it", anywhere, each(func(t *trial, _ *lists, l *list) {
		e := l.extensions.get(oidExpiredCertsOnCRL)
		if e == nil {
			return
		}
		if _, ok := generalizedTime(e.value); !ok {
			t.fail("expiredCertsOnCRL is not of the form YYYYMMDDHHMMSSZ")
		}
		if e.critical {
			t.fail("expiredCertsOnCRL is critical")
		}
	})},
}
