package conformance_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/http"
	"strings"
	"time"

	"testing"

	"github.com/altamga/altamga/internal/pki"
)

// ocspFault plants a fault into a responder.
type ocspFault struct {
	planted
	plant func(*testing.T, *fakeOCSP)
}

// saying changes every successful reply.
func saying(change func(*ocspQuestion, *ocspReply)) func(*testing.T, *fakeOCSP) {
	return func(_ *testing.T, f *fakeOCSP) {
		f.plan = func(q *ocspQuestion, r *ocspReply) {
			if r.status == 0 {
				change(q, r)
			}
		}
	}
}

// singles changes every single response.
func singles(change func(*ocspSingle)) func(*testing.T, *fakeOCSP) {
	return saying(func(_ *ocspQuestion, r *ocspReply) {
		for i := range r.singles {
			change(&r.singles[i])
		}
	})
}

// transport changes how HTTP is spoken.
func transport(serve func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc)) func(*testing.T, *fakeOCSP) {
	return func(_ *testing.T, f *fakeOCSP) { f.serve = serve }
}

// byDelegate signs with another delegate.
func byDelegate(change func(*centre, *x509.Certificate) identity) func(*testing.T, *fakeOCSP) {
	return func(t *testing.T, f *fakeOCSP) {
		template := delegateTemplate()
		by := change(f.c, template)
		f.delegate = f.c.issued(t, template, by)
	}
}

func header(name string, values ...string) func(*testing.T, *fakeOCSP) {
	return saying(func(q *ocspQuestion, r *ocspReply) {
		if q.method != http.MethodPost || name == "Content-Length" || name == "Content-Type" {
			r.header[name] = values
		}
	})
}

var ocspFaults = []ocspFault{
	{planted{"OCSP-01 POST is answered 202", nil}, transport(func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		if r.Method == http.MethodPost && r.ContentLength < 1000 && r.Header.Get("Content-Type") != "text/plain" {
			w.Header().Set("Content-Type", "application/ocsp-response")
			w.WriteHeader(http.StatusAccepted)
		}
		next(w, r)
	})},
	{planted{"OCSP-02 media type text/html", nil}, header("Content-Type", "text/html")},
	{planted{"OCSP-03 no Content-Length", nil}, func(_ *testing.T, f *fakeOCSP) {
		f.serve = func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			next(&chunked{ResponseWriter: w}, r)
		}
	}},
	{planted{"OCSP-04 internalError for a good certificate", nil}, func(_ *testing.T, f *fakeOCSP) {
		f.plan = func(_ *ocspQuestion, r *ocspReply) {
			if r.status == 0 {
				r.status = 2
			}
		}
	}},
	{planted{"OCSP-05 another response type", nil}, saying(func(_ *ocspQuestion, r *ocspReply) { r.kind = oid(unheard) })},
	{planted{"OCSP-06 version written out", nil}, saying(func(_ *ocspQuestion, r *ocspReply) { r.version = tlv(0xa0, integer(0)) })},
	{planted{"OCSP-07 certs there and empty", nil}, func(_ *testing.T, f *fakeOCSP) {
		f.delegate = f.c.issuer
		f.plan = func(_ *ocspQuestion, r *ocspReply) { r.certs = nil }
	}},
	{planted{"OCSP-08 signature of other octets", nil}, saying(func(_ *ocspQuestion, r *ocspReply) {
		r.spoil = func(s []byte) []byte { return append(s[:len(s)-1:len(s)-1], s[len(s)-1]^1) }
	})},
	{planted{"OCSP-09 SHA-1 when the client prefers it", nil}, saying(func(q *ocspQuestion, r *ocspReply) {
		if bytes.Contains(q.preferred, ecdsaSHA1) {
			r.algorithm = ecdsaSHA1
		}
	})},
	{planted{"OCSP-09 SHA-1 always", nil}, saying(func(_ *ocspQuestion, r *ocspReply) { r.algorithm = ecdsaSHA1 })},
	{planted{"OCSP-10 delegate without the purpose", nil}, byDelegate(func(c *centre, d *x509.Certificate) identity { d.ExtKeyUsage = nil; return c.issuer })},
	{planted{"OCSP-11 delegate of another authority", nil}, byDelegate(func(c *centre, d *x509.Certificate) identity { return c.other })},
	{planted{"OCSP-12 delegate without nocheck", nil}, byDelegate(func(c *centre, d *x509.Certificate) identity { d.ExtraExtensions = nil; return c.issuer })},
	{planted{"OCSP-12 nocheck not NULL", nil}, byDelegate(func(c *centre, d *x509.Certificate) identity {
		d.ExtraExtensions = []pkix.Extension{{Id: pki.OIDOCSPNoCheck, Value: []byte{4, 0}}}
		return c.issuer
	})},
	{planted{"OCSP-13 nocheck beside a distribution point", nil}, byDelegate(func(c *centre, d *x509.Certificate) identity {
		d.CRLDistributionPoints = []string{"http://127.0.0.1:1/x.crl"}
		return c.issuer
	})},
	{planted{"OCSP-14 delegate has expired", nil}, byDelegate(func(c *centre, d *x509.Certificate) identity {
		d.NotAfter = time.Now().Add(-time.Hour)
		return c.issuer
	})},
	{planted{"OCSP-15 byName", nil}, func(_ *testing.T, f *fakeOCSP) {
		f.plan = func(_ *ocspQuestion, r *ocspReply) { r.responder = tlv(0xa1, f.delegate.cert.RawSubject) }
	}},
	{planted{"OCSP-16 the hash of no key", nil}, saying(func(_ *ocspQuestion, r *ocspReply) { r.responder = tlv(0xa2, tlv(4, make([]byte, 20))) })},
	{planted{"OCSP-17 CertID with other hash parameters", nil}, singles(func(s *ocspSingle) {
		if other := bytes.Replace(s.id, seq(oid(pki.OIDSHA256)), seq(oid(pki.OIDSHA256), []byte{5, 0}), 1); !bytes.Equal(other, s.id) {
			s.id = tlv(0x30, other[2:])
		}
	})},
	{planted{"OCSP-18 three answers to one question", nil}, saying(func(q *ocspQuestion, r *ocspReply) {
		if len(q.ids) == 1 {
			for _, serial := range []byte{1, 2} {
				s := r.singles[0]
				s.id = seq(q.ids[0].hash, tlv(4, q.ids[0].name), tlv(4, q.ids[0].key), tlv(2, []byte{serial}))
				r.singles = append(r.singles, s)
			}
		}
	})},
	{planted{"OCSP-19 no nextUpdate", nil}, singles(func(s *ocspSingle) { s.nextUpdate = nil })},
	{planted{"OCSP-20 nextUpdate has passed", []string{"OCSP-48", "OCSP-50"}}, singles(func(s *ocspSingle) {
		s.thisUpdate = generalized(time.Now().Add(-2 * time.Hour))
		s.nextUpdate = tlv(0xa0, generalized(time.Now().Add(-time.Hour)))
	})},
	{planted{"OCSP-20 thisUpdate lies in the future", []string{"OCSP-21", "OCSP-48"}}, saying(func(_ *ocspQuestion, r *ocspReply) {
		for i := range r.singles {
			r.singles[i].thisUpdate = generalized(time.Now().Add(time.Hour))
			r.singles[i].nextUpdate = tlv(0xa0, generalized(time.Now().Add(2*time.Hour)))
		}
	})},
	{planted{"OCSP-21 producedAt before thisUpdate", nil}, saying(func(_ *ocspQuestion, r *ocspReply) { r.producedAt = generalized(time.Now().Add(-time.Hour)) })},
	{planted{"OCSP-22 fraction of a second", nil}, saying(func(_ *ocspQuestion, r *ocspReply) {
		r.producedAt = tlv(0x18, []byte(time.Now().UTC().Format("20060102150405")+".5Z"))
	})},
	{planted{"OCSP-23 the good certificate is revoked", nil}, singles(func(s *ocspSingle) {
		if s.state == 0 {
			s.state, s.reason = 1, 1
			s.say()
		}
	})},
	{planted{"OCSP-24 the revoked certificate is good", nil}, singles(func(s *ocspSingle) {
		if s.state == 1 && s.reason == 1 {
			s.state = 0
			s.say()
		}
	})},
	{planted{"OCSP-24 the held certificate has no reason", nil}, singles(func(s *ocspSingle) {
		if s.reason == 6 {
			s.reason = 0
			s.say()
		}
	})},
	{planted{"OCSP-25 reason 7", nil}, singles(func(s *ocspSingle) {
		if s.reason == 1 {
			s.reason = 7
			s.say()
		}
	})},
	{planted{"OCSP-25 unspecified written out", nil}, singles(func(s *ocspSingle) {
		if s.reason == 1 {
			s.status = tlv(0xa1, generalized(s.revoked), tlv(0xa0, []byte{0x0a, 1, 0}))
		}
	})},
	{planted{"OCSP-26 revoked tomorrow", nil}, singles(func(s *ocspSingle) {
		s.revoked = time.Now().Add(24 * time.Hour)
		s.say()
	})},
	{planted{"OCSP-27 SHA-256 is refused", nil}, func(_ *testing.T, f *fakeOCSP) {
		f.plan = func(q *ocspQuestion, r *ocspReply) {
			if r.status == 0 && len(q.ids) > 0 && q.ids[0].hashID.Equal(pki.OIDSHA256) {
				r.status = 6
			}
		}
	}},
	{planted{"OCSP-28 SHA-1 is refused", nil}, func(_ *testing.T, f *fakeOCSP) {
		f.plan = func(q *ocspQuestion, r *ocspReply) {
			if len(q.ids) > 0 && q.ids[0].hashID.Equal(pki.OIDSHA1) {
				r.status = 6
			}
		}
	}},
	{planted{"OCSP-29 NULL parameters are refused", nil}, func(_ *testing.T, f *fakeOCSP) {
		f.plan = func(q *ocspQuestion, r *ocspReply) {
			if len(q.ids) > 0 && bytes.Equal(q.ids[0].hash, seq(oid(pki.OIDSHA256), []byte{5, 0})) {
				r.status = 1
			}
		}
	}},
	{planted{"OCSP-30 a nonce of 32 octets is cut to 20", []string{"OCSP-31"}}, nonce(func(n []byte) []byte { return n[:min(20, len(n))] })},
	{planted{"OCSP-30 one nonce for all", []string{"OCSP-31"}}, nonce(func(n []byte) []byte { return make([]byte, len(n)) })},
	{planted{"OCSP-30 an answer is kept for the next nonce of its length", nil}, func(t *testing.T, f *fakeOCSP) {
		kept := map[int][]byte{}
		nonce(func(n []byte) []byte {
			if kept[len(n)] == nil {
				kept[len(n)] = n
			}
			return kept[len(n)]
		})(t, f)
	}},
	{planted{"OCSP-30 a nonce of 32 octets is left out, of 16 echoed", nil}, nonce(func(n []byte) []byte {
		if len(n) == 32 {
			return nil
		}
		return n
	})},
	{planted{"OCSP-31 a nonce of 33 octets is refused", nil}, func(_ *testing.T, f *fakeOCSP) {
		f.plan = func(q *ocspQuestion, r *ocspReply) {
			if len(q.nonce) > 32 {
				r.status = 1
			}
		}
	}},
	{planted{"OCSP-32 an empty nonce is answered", nil}, func(_ *testing.T, f *fakeOCSP) { lenient(f, func(n int) bool { return n == 0 }) }},
	{planted{"OCSP-33 long nonces are answered", nil}, func(_ *testing.T, f *fakeOCSP) { lenient(f, func(n int) bool { return n > 128 }) }},
	{planted{"OCSP-33 a nonce that nobody asked for", nil}, saying(func(q *ocspQuestion, r *ocspReply) {
		if !q.nonceThere {
			r.extensions = append(r.extensions, extensionOf(pki.OIDOCSPNonce, false, tlv(4, make([]byte, 16))))
		}
	})},
	{planted{"OCSP-34 a serial that was never issued is good", nil}, singles(func(s *ocspSingle) {
		if s.state == 2 {
			s.state = 0
			s.say()
		}
	})},
	{planted{"OCSP-34 or revoked without extended-revoke", nil}, singles(func(s *ocspSingle) {
		if s.state == 2 {
			s.state, s.reason, s.revoked = 1, 6, time.Unix(0, 0)
			s.say()
		}
	})},
	{planted{"OCSP-35 speaks for other authorities", nil}, func(t *testing.T, f *fakeOCSP) {
		f.plan = func(q *ocspQuestion, r *ocspReply) {
			if r.status == 6 && len(q.ids) == 1 {
				*r = *f.answer(&ocspQuestion{ids: []ocspID{{raw: idFor(f, f.c.good), hashID: pki.OIDSHA256, name: nameHash(f), serial: f.c.good.SerialNumber.Bytes()}}})
				r.singles[0].id = q.ids[0].raw
			}
		}
	}},
	{planted{"OCSP-36 only the first of two is answered", nil}, saying(func(_ *ocspQuestion, r *ocspReply) { r.singles = r.singles[:1] })},
	{planted{"OCSP-37 a requestorName is refused", nil}, func(_ *testing.T, f *fakeOCSP) {
		f.plan = func(q *ocspQuestion, r *ocspReply) {
			if q.named {
				r.status = 5
			}
		}
	}},
	{planted{"OCSP-38 unknown extensions are refused", nil}, func(_ *testing.T, f *fakeOCSP) {
		f.serve = func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			swallow(w, r, next, func(in []byte) []byte {
				if bytes.Contains(in, extensionOf(unheardOf, false, []byte{5, 0})) {
					return []byte("no")
				}
				return in
			})
		}
	}},
	{planted{"OCSP-39 critical extensions are ignored", nil}, func(_ *testing.T, f *fakeOCSP) {
		f.serve = func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			swallow(w, r, next, func(in []byte) []byte {
				if bytes.Contains(in, extensionOf(unheardOf, true, []byte{5, 0})) {
					return seq(seq(seq(seq(idFor(f, f.c.good)))))
				}
				return in
			})
		}
	}},
	{planted{"OCSP-40 malformed requests make it break", nil}, transport(func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		if r.Method == http.MethodPost && r.ContentLength < 40 {
			http.Error(w, "panic", http.StatusInternalServerError)
			return
		}
		next(w, r)
	})},
	{planted{"OCSP-40 a refusal has a body", nil}, func(_ *testing.T, f *fakeOCSP) {
		f.plan = func(q *ocspQuestion, r *ocspReply) { r.bodyOnError = r.status == 1 }
	}},
	{planted{"OCSP-41 405 without Allow", nil}, transport(func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		if r.Method == http.MethodPut {
			http.Error(w, "method", http.StatusMethodNotAllowed)
			return
		}
		next(w, r)
	})},
	{planted{"OCSP-42 another media type is answered 500", nil}, transport(func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		if r.Header.Get("Content-Type") == "text/plain" {
			http.Error(w, "media type", http.StatusInternalServerError)
			return
		}
		next(w, r)
	})},
	{planted{"OCSP-43 no GET", []string{"OCSP-45"}}, transport(func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		if r.Method == http.MethodGet {
			http.Error(w, "post it", http.StatusInternalServerError)
			return
		}
		next(w, r)
	})},
	{planted{"OCSP-44 a mux that cleans the path", nil}, transport(func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.EscapedPath()[1:], "//") || strings.HasPrefix(r.URL.EscapedPath(), "//") {
			http.Redirect(w, r, "/clean", http.StatusMovedPermanently)
			return
		}
		next(w, r)
	})},
	{planted{"OCSP-45 a nonsense path is answered 500", nil}, transport(func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		if strings.Contains(r.URL.Path, "no-request") {
			http.Error(w, "what", http.StatusInternalServerError)
			return
		}
		next(w, r)
	})},
	{planted{"OCSP-46 no Date", nil}, header("Date")},
	{planted{"OCSP-47 Last-Modified of yesterday", nil}, header("Last-Modified", time.Now().Add(-24*time.Hour).UTC().Format(http.TimeFormat))},
	{planted{"OCSP-48 Expires before nextUpdate", nil}, header("Expires", time.Now().Add(time.Minute).UTC().Format(http.TimeFormat))},
	{planted{"OCSP-49 ETag of a counter", nil}, header("Etag", `"17"`)},
	{planted{"OCSP-50 max-age of a day", nil}, saying(func(_ *ocspQuestion, r *ocspReply) { r.maxAge = 86400 })},
	{planted{"OCSP-51 no must-revalidate", nil}, header("Cache-Control", "max-age=60, public, no-transform")},
	{planted{"OCSP-52 no-cache", nil}, header("Cache-Control", "max-age=60, public, no-transform, must-revalidate, no-cache")},
	{planted{"OCSP-52 Pragma", nil}, header("Pragma", "no-cache")},
	{planted{"OCSP-53 no 304", nil}, transport(func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		r.Header.Del("If-None-Match")
		next(w, r)
	})},
	{planted{"OCSP-54 no HEAD", nil}, transport(func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		next(w, r)
	})},
	{planted{"OCSP-55 a nonced answer for everybody", nil}, saying(func(q *ocspQuestion, r *ocspReply) {
		if q.nonceThere {
			r.header.Set("Cache-Control", "max-age=60, public")
		}
	})},
	{planted{"OCSP-56 each answer was made before the last", []string{"OCSP-47", "OCSP-53"}}, func(_ *testing.T, f *fakeOCSP) {
		gets := 0
		f.plan = func(q *ocspQuestion, r *ocspReply) {
			if q.method == http.MethodGet && r.status == 0 {
				gets++
				r.producedAt = generalized(time.Now().Add(-time.Duration(gets) * time.Minute))
				for i := range r.singles {
					r.singles[i].thisUpdate = r.producedAt
				}
			}
		}
	}},
	{planted{"OCSP-56 an answer older than its max-age", nil}, header("Age", "3600")},
	{planted{"OCSP-57 no archiveCutoff", nil}, singles(func(s *ocspSingle) { s.extensions = nil })},
	{planted{"OCSP-58 the preference is refused", nil}, func(_ *testing.T, f *fakeOCSP) {
		f.plan = func(q *ocspQuestion, r *ocspReply) {
			if bytes.Contains(q.preferred, ecdsaSHA256) {
				r.status = 2
			}
		}
	}},
	{planted{"OCSP-59 archiveCutoff for the whole response", nil}, saying(func(_ *ocspQuestion, r *ocspReply) {
		r.extensions = append(r.extensions, extensionOf(archiveCutoff, false, generalized(time.Now())))
	})},
	{planted{"OCSP-59 a critical extension", nil}, singles(func(s *ocspSingle) { s.extensions = append(s.extensions, extensionOf(unheard, true, []byte{5, 0})) })},
}
