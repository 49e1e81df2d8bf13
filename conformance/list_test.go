package conformance_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/pki"
)

type listFault struct {
	planted
	plant func(*fakePoint)
}

// full plants a fault into the complete list alone.
func full(change func(*fakeList)) func(*fakePoint) { return func(p *fakePoint) { change(p.full) } }

func everyList(change func(*fakeList)) func(*fakePoint) {
	return func(p *fakePoint) {
		for _, l := range []*fakeList{p.full, p.delta, p.base} {
			change(l)
		}
	}
}

func extended(ids ...string) []string { return ids }

var listFaults = []listFault{
	{planted{"CRL-01 the list is in PEM", nil}, func(p *fakePoint) { p.pem = true }},
	{planted{"CRL-01 HTTP 204", nil}, func(p *fakePoint) {
		p.serve = func(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) { w.WriteHeader(http.StatusNoContent) }
	}},
	{planted{"CRL-02 media type text/plain", nil}, func(p *fakePoint) { p.header.Set("Content-Type", "text/plain") }},
	{planted{"CRL-03 version 1", nil}, full(func(l *fakeList) { l.version = nil })},
	{planted{"CRL-04 another algorithm outside", nil}, full(func(l *fakeList) { l.outer = seq(oid(pki.OIDECDSAWithSHA256), []byte{5, 0}) })},
	{planted{"CRL-05 another name", nil}, everyList(func(l *fakeList) { l.issuer = seq(tlv(0x31, seq(oid(pki.OIDCommonName), tlv(0x0c, []byte("x"))))) })},
	{planted{"CRL-06 signature of other octets", nil}, full(func(l *fakeList) { l.spoil = true })},
	{planted{"CRL-06 SHA-1", nil}, full(func(l *fakeList) { l.inner, l.outer = ecdsaSHA1, ecdsaSHA1 })},
	{planted{"CRL-08 no nextUpdate", nil}, full(func(l *fakeList) { l.nextUpdate = nil })},
	{planted{"CRL-08 GeneralizedTime before 2050", nil}, full(func(l *fakeList) { l.nextUpdate = generalized(time.Now().Add(25 * time.Hour)) })},
	{planted{"CRL-09 nextUpdate has passed", extended("CRL-23")}, full(func(l *fakeList) {
		l.thisUpdate, l.nextUpdate = utc(time.Now().Add(-20*time.Hour)), utc(time.Now().Add(-time.Hour))
	})},
	{planted{"CRL-09 thisUpdate lies in the future", nil}, full(func(l *fakeList) { l.thisUpdate = utc(time.Now().Add(time.Hour)) })},
	{planted{"CRL-10 an extension twice", nil}, full(func(l *fakeList) { l.extensions = append(l.extensions, l.extensions[1]) })},
	{planted{"CRL-10 an unknown critical extension", nil}, full(func(l *fakeList) { l.with(unheard, true, []byte{5, 0}) })},
	{planted{"CRL-11 no authorityKeyIdentifier", nil}, full(func(l *fakeList) { l.without(pki.OIDAuthorityKeyIdentifier) })},
	{planted{"CRL-11 another key's", nil}, full(func(l *fakeList) { l.with(pki.OIDAuthorityKeyIdentifier, false, seq(tlv(0x80, []byte{1, 2}))) })},
	{planted{"CRL-12 no number", nil}, full(func(l *fakeList) { l.without(pki.OIDCRLNumber) })},
	{planted{"CRL-12 number critical", nil}, full(func(l *fakeList) { l.with(pki.OIDCRLNumber, true, integer(7)) })},
	{planted{"CRL-12 the number goes back", nil}, func(p *fakePoint) { p.again = p.c.list(6, p.full.entries...) }},
	{planted{"CRL-12 the number grows and time goes back", nil}, func(p *fakePoint) {
		p.again = p.c.list(8, p.full.entries...)
		p.again.thisUpdate = utc(time.Now().Add(-2 * time.Hour))
	}},
	{planted{"CRL-12 one number, two lists", nil}, func(p *fakePoint) {
		p.again = p.c.list(7, append(p.full.entries, p.c.listed([]byte{9}, 1, p.c.revokedAt))...)
	}},
	{planted{"CRL-13 issuingDistributionPoint not critical", nil}, everyList(func(l *fakeList) { l.with(pki.OIDIssuingDistributionPoint, false, seq(tlv(0x81, []byte{0xff}))) })},
	{planted{"CRL-13 issuingDistributionPoint empty", nil}, everyList(func(l *fakeList) { l.with(pki.OIDIssuingDistributionPoint, true, seq()) })},
	{planted{"CRL-13 of authorities alone", nil}, everyList(func(l *fakeList) { l.with(pki.OIDIssuingDistributionPoint, true, seq(tlv(0x82, []byte{0xff}))) })},
	{planted{"CRL-13 of another place", nil}, everyList(func(l *fakeList) {
		l.with(pki.OIDIssuingDistributionPoint, true, seq(tlv(0xa0, tlv(0xa0, tlv(0x86, []byte("http://elsewhere.example/x.crl"))))))
	})},
	{planted{"CRL-14 an empty list of entries", extended("CRL-19", "CRL-25", "CRL-26")}, full(func(l *fakeList) { l.entries, l.noEntries = nil, seq() })},
	{planted{"CRL-15 a serial twice", extended("CRL-25")}, full(func(l *fakeList) { l.entries = append(l.entries, l.entries[0]) })},
	{planted{"CRL-16 revoked after the list was made", nil}, full(func(l *fakeList) { l.entries[0].at = utc(time.Now().Add(time.Hour)) })},
	{planted{"CRL-17 reason 7", extended("CRL-25")}, full(func(l *fakeList) {
		l.entries[0].extensions = [][]byte{extensionOf(pki.OIDReasonCode, false, tlv(0x0a, []byte{7}))}
	})},
	{planted{"CRL-17 the reason is critical", extended("CRL-10")}, full(func(l *fakeList) {
		l.entries[0].extensions = [][]byte{extensionOf(pki.OIDReasonCode, true, tlv(0x0a, []byte{1}))}
	})},
	{planted{"CRL-17 unspecified written out", extended("CRL-25")}, full(func(l *fakeList) {
		l.entries[0].extensions = [][]byte{extensionOf(pki.OIDReasonCode, false, tlv(0x0a, []byte{0}))}
	})},
	{planted{"CRL-18 certificateIssuer on a direct list", nil}, full(func(l *fakeList) {
		l.entries[0].extensions = append(l.entries[0].extensions, extensionOf(certificateIssuer, true, seq(tlv(0xa4, l.issuer))))
	})},
	{planted{"CRL-19 the revoked certificate is missing", extended("CRL-25")}, full(func(l *fakeList) { l.entries = l.entries[1:] })},
	{planted{"CRL-20 the certificate's distribution point serves nothing", nil}, func(p *fakePoint) { p.url = "/other.crl" }},
	{planted{"CRL-21 no validator", extended("CRL-22")}, func(p *fakePoint) { p.header["Etag"] = nil }},
	{planted{"CRL-22 no 304", nil}, func(p *fakePoint) {
		p.serve = func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			r.Header.Del("If-None-Match")
			next(w, r)
		}
	}},
	{planted{"CRL-23 kept past nextUpdate", nil}, func(p *fakePoint) { p.header.Set("Cache-Control", "max-age=864000") }},
	{planted{"CRL-24 gzip", nil}, func(p *fakePoint) {
		p.serve = func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			if r.Header.Get("Accept-Encoding") == "gzip" {
				w.Header().Set("Content-Encoding", "gzip")
			}
			next(w, r)
		}
	}},
	{planted{"CRL-25 the delta indicator is not critical", nil}, func(p *fakePoint) { p.delta.with(deltaIndicator, false, integer(5)) }},
	{planted{"CRL-25 the delta lacks an entry", extended("CRL-26")}, func(p *fakePoint) { p.delta.entries = p.delta.entries[1:] }},
	{planted{"CRL-25 another scope than the base", nil}, func(p *fakePoint) { p.delta.with(pki.OIDIssuingDistributionPoint, true, seq(tlv(0x81, []byte{0xff}))) }},
	{planted{"CRL-25 a delta that names a delta", nil}, func(p *fakePoint) {
		p.delta.with(pki.OIDFreshestCRL, false, seq(seq(tlv(0xa0, tlv(0xa0, tlv(0x86, []byte("http://x.example/d.crl")))))))
	}},
	{planted{"CRL-26 removeFromCRL on a complete list", extended("CRL-25")}, func(p *fakePoint) {
		p.full.entries = append(p.full.entries, p.c.listed([]byte{0x33}, 8, p.c.revokedAt))
	}},
	{planted{"CRL-26 the released certificate stays on the complete list", extended("CRL-25")}, func(p *fakePoint) {
		p.full.entries = append(p.full.entries, p.c.listed([]byte{0x11, 0x22}, 6, p.c.revokedAt))
	}},
	{planted{"CRL-27 invalidityDate as UTCTime", nil}, full(func(l *fakeList) {
		l.entries[1].extensions[1] = extensionOf(pki.OIDInvalidityDate, false, utc(time.Now()))
	})},
	{planted{"CRL-28 the list is two days old", nil}, full(func(l *fakeList) {
		l.thisUpdate = utc(time.Now().Add(-47 * time.Hour))
		for i := range l.entries {
			l.entries[i].at = utc(time.Now().Add(-48 * time.Hour))
		}
	})},
	{planted{"CRL-29 expiredCertsOnCRL critical", extended("CRL-10")}, full(func(l *fakeList) { l.with(expiredCerts, true, generalized(time.Now())) })},
	{planted{"CRL-29 expiredCertsOnCRL as UTCTime", nil}, full(func(l *fakeList) { l.with(expiredCerts, false, utc(time.Now())) })},
}

func TestSoundLists(t *testing.T) {
	switchboard.sound(t, newPoint(newCentre(t)).judge(t))
}

func TestSoundScopedLists(t *testing.T) {
	p := newPoint(newCentre(t))
	everyList(func(l *fakeList) { l.with(pki.OIDIssuingDistributionPoint, true, seq(tlv(0x81, []byte{0xff}))) })(p)
	switchboard.sound(t, p.judge(t))
}

// A partition answers for the certificates that point to it, and is not blamed
// for others.
func TestSoundPartition(t *testing.T) {
	p := newPoint(newCentre(t))
	p.partition = true
	for _, l := range []*fakeList{p.full, p.delta, p.base} {
		l.entries = nil
	}
	switchboard.sound(t, p.judge(t))
}

func TestListFaults(t *testing.T) {
	c := newCentre(t)
	for _, fault := range listFaults {
		t.Run(fault.name, func(t *testing.T) {
			p := newPoint(c)
			fault.plant(p)
			switchboard.judged(t, fault.planted, p.judge(t))
		})
	}
	t.Run("CRL-07 an authority that does not sign lists", func(t *testing.T) {
		template := authorityTemplate("Issuing")
		template.KeyUsage = 1 << 5 // keyCertSign alone
		own := *c
		own.issuer = own.issued(t, template, c.root)
		p := newPoint(&own)
		switchboard.judged(t, planted{"CRL-07 an authority that does not sign lists", nil}, p.judge(t))
	})
}
