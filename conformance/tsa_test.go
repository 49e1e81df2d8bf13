package conformance_test

import (
	"context"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/altamga/altamga/conformance"

	"github.com/altamga/altamga/internal/pki"
)

type stampFault struct {
	planted
	plant func(*testing.T, *fakeTSA)
}

// stamping changes every granted reply.
func stamping(change func(*stampQuestion, *stampReply)) func(*testing.T, *fakeTSA) {
	return func(_ *testing.T, f *fakeTSA) {
		f.plan = func(q *stampQuestion, r *stampReply) {
			if r.status == 0 {
				change(q, r)
			}
		}
	}
}

// refusing changes the replies to some queries.
func refusing(which func(*stampQuestion) bool, change func(*fakeTSA, *stampQuestion, *stampReply)) func(*testing.T, *fakeTSA) {
	return func(_ *testing.T, f *fakeTSA) {
		f.plan = func(q *stampQuestion, r *stampReply) {
			if which(q) {
				change(f, q, r)
			}
		}
	}
}

// granted stamps what should be refused.
func granted(f *fakeTSA, q *stampQuestion, r *stampReply) {
	r.status, r.fail = 0, -1
	f.grant(q, r)
}

func refusedAs(bit int) func(*fakeTSA, *stampQuestion, *stampReply) {
	return func(_ *fakeTSA, _ *stampQuestion, r *stampReply) { r.status, r.fail, r.token = 2, bit, false }
}

// byUnit signs with another unit.
func byUnit(change func(*centre, *x509.Certificate) identity) func(*testing.T, *fakeTSA) {
	return func(t *testing.T, f *fakeTSA) {
		template := unitTemplate()
		by := change(f.c, template)
		f.unit = f.c.issued(t, template, by)
	}
}

func hashed(id string) func(*stampQuestion) bool {
	return func(q *stampQuestion) bool { return !q.malformed && q.hash.String() == id }
}

var stampFaults = []stampFault{
	{planted{"TSA-01 media type timestamp-response", nil}, stamping(func(_ *stampQuestion, r *stampReply) { r.header.Set("Content-Type", "application/timestamp-response") })},
	{planted{"TSA-02 granted without a token", nil}, stamping(func(_ *stampQuestion, r *stampReply) { r.token = false })},
	{planted{"TSA-03 SignedData of version 1", nil}, stamping(func(_ *stampQuestion, r *stampReply) { r.cmsVersion = 1 })},
	{planted{"TSA-04 two SignerInfos", extended("TSA-45")}, stamping(func(_ *stampQuestion, r *stampReply) { r.signers = 2 })},
	{planted{"TSA-05 no ESSCertID", extended("TSA-06")}, stamping(func(_ *stampQuestion, r *stampReply) { delete(r.attributes, oidESSv2.String()) })},
	{planted{"TSA-05 ESSCertIDv2 with SHA-1", nil}, func(_ *testing.T, f *fakeTSA) {
		f.plan = func(_ *stampQuestion, r *stampReply) {
			sum := sha1.Sum(f.unit.cert.Raw)
			if r.status == 0 {
				r.attributes[oidESSv2.String()] = attribute(oidESSv2, seq(seq(seq(seq(oid(pki.OIDSHA1)), tlv(4, sum[:])))))
			}
		}
	}},
	{planted{"TSA-06 the hash of another certificate", nil}, stamping(func(_ *stampQuestion, r *stampReply) {
		r.attributes[oidESSv2.String()] = attribute(oidESSv2, seq(seq(seq(tlv(4, make([]byte, 32))))))
	})},
	{planted{"TSA-07 message-digest of something else", extended("TSA-45")}, stamping(func(_ *stampQuestion, r *stampReply) {
		r.attributes[oidDigest.String()] = attribute(oidDigest, tlv(4, make([]byte, 32)))
	})},
	{planted{"TSA-08 signature of other octets", extended("TSA-45")}, stamping(func(_ *stampQuestion, r *stampReply) { r.spoil = true })},
	{planted{"TSA-09 two purposes", nil}, byUnit(func(c *centre, u *x509.Certificate) identity {
		u.ExtraExtensions = []pkix.Extension{{Id: pki.OIDExtKeyUsage, Critical: true, Value: seq(oid(pki.OIDTimeStamping), oid(pki.OIDClientAuth))}}
		return c.issuer
	})},
	{planted{"TSA-09 purpose not critical", nil}, byUnit(func(c *centre, u *x509.Certificate) identity {
		u.ExtraExtensions = []pkix.Extension{{Id: pki.OIDExtKeyUsage, Value: seq(oid(pki.OIDTimeStamping))}}
		return c.issuer
	})},
	{planted{"TSA-10 key for encipherment", nil}, byUnit(func(c *centre, u *x509.Certificate) identity {
		u.KeyUsage |= x509.KeyUsageKeyEncipherment
		return c.issuer
	})},
	{planted{"TSA-11 another imprint", extended("TSA-25", "TSA-26")}, stamping(func(_ *stampQuestion, r *stampReply) { r.info.imprint = seq(sha256Algorithm, tlv(4, make([]byte, 32))) })},
	{planted{"TSA-12 another nonce", extended("TSA-36")}, stamping(func(q *stampQuestion, r *stampReply) {
		if q.nonce != nil {
			r.info.nonce = integer(4711)
		}
	})},
	{planted{"TSA-13 a fraction that ends with zeros", extended("TSA-45")}, stamping(func(_ *stampQuestion, r *stampReply) {
		r.info.genTime = tlv(0x18, []byte(time.Now().UTC().Format("20060102150405")+".500Z"))
	})},
	{planted{"TSA-14 a clock that is an hour late", nil}, stamping(func(_ *stampQuestion, r *stampReply) { r.info.genTime = generalized(time.Now().Add(-time.Hour)) })},
	{planted{"TSA-14 a second and a half late, by a trusted clock", nil}, func(t *testing.T, f *fakeTSA) {
		f.clock = trusted(0)
		stamping(func(_ *stampQuestion, r *stampReply) {
			r.info.genTime = generalized(time.Now().Add(-1500 * time.Millisecond))
		})(t, f)
	}},
	{planted{"TSA-14 as wrong as this machine, which a trusted clock is not", nil}, func(_ *testing.T, f *fakeTSA) { f.clock = trusted(time.Hour) }},
	{planted{"TSA-15 version 2", nil}, stamping(func(_ *stampQuestion, r *stampReply) { r.info.version = integer(2) })},
	{planted{"TSA-16 no accuracy", nil}, stamping(func(_ *stampQuestion, r *stampReply) { r.info.accuracy = nil })},
	{planted{"TSA-16 accuracy of five seconds", nil}, stamping(func(_ *stampQuestion, r *stampReply) { r.info.accuracy = seq(integer(5)) })},
	{planted{"TSA-17 ordering", nil}, stamping(func(_ *stampQuestion, r *stampReply) { r.info.ordering = []byte{1, 1, 0xff} })},
	{planted{"TSA-18 one serial number for all", nil}, stamping(func(_ *stampQuestion, r *stampReply) { r.info.serial = integer(7) })},
	{planted{"TSA-19 another's name", nil}, stamping(func(_ *stampQuestion, r *stampReply) {
		r.info.tsa = tlv(0xa0, tlv(0xa4, seq(tlv(0x31, seq(oid(pki.OIDCommonName), tlv(0x0c, []byte("x")))))))
	})},
	{planted{"TSA-20 a critical extension", nil}, stamping(func(_ *stampQuestion, r *stampReply) {
		r.info.extensions = tlv(0xa1, extensionOf(unheard, true, []byte{5, 0}))
	})},
	{planted{"TSA-21 a serial number of 168 bits", nil}, stamping(func(q *stampQuestion, r *stampReply) {
		r.info.serial = tlv(2, append(make([]byte, 0, 21), append([]byte{0x7f}, append(make([]byte, 19), byte(q.count))...)...))
	})},
	{planted{"TSA-22 time goes back", extended("TSA-14")}, stamping(func(q *stampQuestion, r *stampReply) {
		r.info.genTime = generalized(time.Now().Add(-time.Duration(q.count) * 5 * time.Second))
	})},
	{planted{"TSA-23 a nonce that nobody asked for", nil}, stamping(func(q *stampQuestion, r *stampReply) {
		if q.nonce == nil {
			r.info.nonce = integer(5)
		}
	})},
	{planted{"TSA-24 certificates that nobody asked for", nil}, stamping(func(_ *stampQuestion, r *stampReply) { r.certs = true })},
	{planted{"TSA-25 no SHA-512", nil}, refusing(hashed(pki.OIDSHA512.String()), refusedAs(0))},
	{planted{"TSA-26 NULL parameters are refused", nil}, refusing(func(q *stampQuestion) bool {
		return !q.malformed && q.hash.Equal(pki.OIDSHA256) && string(q.imprint[:6]) != string(seq(sha256Algorithm, tlv(4, make([]byte, 32)))[:6]) && len(q.imprint) > 49
	}, refusedAs(0))},
	{planted{"TSA-27 MD5 is stamped", nil}, refusing(hashed("1.2.840.113549.2.5"), granted)},
	{planted{"TSA-28 an unknown function is refused as badRequest", nil}, refusing(hashed("2.999.9001"), refusedAs(2))},
	{planted{"TSA-29 SHA-1 is stamped", nil}, refusing(hashed(pki.OIDSHA1.String()), granted)},
	{planted{"TSA-30 an imprint of 31 octets is stamped", nil}, refusing(func(q *stampQuestion) bool { return len(q.digest) == 31 }, granted)},
	{planted{"TSA-31 a foreign policy is taken", nil}, refusing(func(q *stampQuestion) bool { return q.policy.Equal(unheardOf) }, granted)},
	{planted{"TSA-32 the policy asked for is not the token's", nil}, stamping(func(q *stampQuestion, r *stampReply) {
		if q.policy != nil {
			r.info.policy = oid(unheard)
		}
	})},
	{planted{"TSA-33 extensions are ignored", nil}, refusing(func(q *stampQuestion) bool { return q.extensions }, granted)},
	{planted{"TSA-34 version 2 is stamped", nil}, refusing(func(q *stampQuestion) bool { return !q.malformed && q.version == 2 }, granted)},
	{planted{"TSA-35 malformed queries make it break", nil}, func(_ *testing.T, f *fakeTSA) {
		f.serve = func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			if r.ContentLength >= 0 && r.ContentLength < 20 && r.Method == http.MethodPost {
				http.Error(w, "panic", http.StatusInternalServerError)
				return
			}
			next(w, r)
		}
	}},
	{planted{"TSA-36 a negative nonce is refused", nil}, refusing(func(q *stampQuestion) bool { return len(q.nonce) > 0 && q.nonce[0] >= 0x80 }, refusedAs(5))},
	{planted{"TSA-37 GET is answered 200", nil}, func(_ *testing.T, f *fakeTSA) {
		f.serve = func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			if r.Method == http.MethodPost {
				next(w, r)
			}
		}
	}},
	{planted{"TSA-38 tokens for every cache", nil}, stamping(func(_ *stampQuestion, r *stampReply) { r.header.Set("Cache-Control", "public, max-age=60") })},
	{planted{"TSA-39 refusals for every cache", nil}, refusing(func(q *stampQuestion) bool { return q.policy.Equal(unheardOf) }, func(_ *fakeTSA, _ *stampQuestion, r *stampReply) {
		r.header.Set("Cache-Control", "public, max-age=60")
	})},
	{planted{"TSA-40 failInfo of bit 3", extended("TSA-28")}, refusing(hashed("2.999.9001"), refusedAs(3))},
	{planted{"TSA-40 zero bits at the end of failInfo", nil}, refusing(func(q *stampQuestion) bool { return q.policy.Equal(unheardOf) }, func(_ *fakeTSA, _ *stampQuestion, r *stampReply) {
		r.failBits = tlv(3, []byte{0, 0, 1, 0})
	})},
	{planted{"TSA-42 the unit's certificate has expired", nil}, byUnit(func(c *centre, u *x509.Certificate) identity {
		u.NotAfter = time.Now().Add(-time.Hour)
		return c.issuer
	})},
	{planted{"TSA-42 the usage period of the key is over", nil}, byUnit(func(c *centre, u *x509.Certificate) identity {
		u.ExtraExtensions = append(u.ExtraExtensions, pkix.Extension{Id: pki.OIDPrivateKeyUsagePeriod, Value: seq(tlv(0x81, []byte(time.Now().Add(-time.Hour).UTC().Format("20060102150405Z"))))})
		return c.issuer
	})},
	{planted{"TSA-44 protection of another algorithm", extended("TSA-45")}, stamping(func(_ *stampQuestion, r *stampReply) {
		r.attributes[oidProtection.String()] = attribute(oidProtection, seq(seq(oid(pki.OIDSHA512)), tlv(0xa1, oid(pki.OIDECDSAWithSHA256))))
	})},
	{planted{"TSA-45 a token that another client refuses", extended("TSA-08")}, stamping(func(_ *stampQuestion, r *stampReply) { r.spoil = true })},
	{planted{"CERT-49 a unit of another authority", nil}, byUnit(func(c *centre, _ *x509.Certificate) identity { return c.other })},
}

func TestSoundAuthority(t *testing.T) {
	f := &fakeTSA{c: newCentre(t)}
	f.unit = f.c.unit
	switchboard.sound(t, f.judge(t))
}

// trusted is a clock that is so much ahead of this machine's.
func trusted(ahead time.Duration) func(context.Context) (conformance.Reading, error) {
	return func(context.Context) (conformance.Reading, error) {
		return conformance.Reading{Ahead: ahead, Within: 10 * time.Millisecond, By: "a clock for tests"}, nil
	}
}

// Where a trusted clock is named, it is what counts: not this machine's, and
// not nothing when it cannot be read.
func TestTrustedClock(t *testing.T) {
	c := newCentre(t)
	right := &fakeTSA{c: c, unit: c.unit, clock: trusted(2 * time.Minute)}
	stamping(func(_ *stampQuestion, r *stampReply) { r.info.genTime = generalized(time.Now().Add(2 * time.Minute)) })(t, right)
	switchboard.sound(t, right.judge(t))
	silent := &fakeTSA{c: c, unit: c.unit, clock: func(context.Context) (conformance.Reading, error) {
		return conformance.Reading{}, errors.New("nobody answers")
	}}
	r := silent.judge(t)
	switchboard.sound(t, r, "TSA-14")
	if r.Conclusion(false) != conformance.Inconclusive {
		t.Errorf("it %s%s", r.Conclusion(false), explain(r))
	}
}

// A reply with ESSCertID and SHA-1, as older authorities write it, is as good.
func TestSoundAuthorityWithESSCertID(t *testing.T) {
	f := &fakeTSA{c: newCentre(t)}
	f.unit = f.c.unit
	f.plan = func(_ *stampQuestion, r *stampReply) {
		if r.status == 0 {
			delete(r.attributes, oidESSv2.String())
			sum := sha1.Sum(f.unit.cert.Raw)
			r.attributes[oidESS.String()] = attribute(oidESS, seq(seq(seq(tlv(4, sum[:])))))
		}
	}
	switchboard.sound(t, f.judge(t))
}

// A report is stamped, or the reader is told why not.
func TestStamp(t *testing.T) {
	c := newCentre(t)
	for name, plant := range map[string]func(*testing.T, *fakeTSA){
		"":                    func(*testing.T, *fakeTSA) {},
		"another's signature": stamping(func(_ *stampQuestion, r *stampReply) { r.spoil = true }),
		"another imprint":     stamping(func(_ *stampQuestion, r *stampReply) { r.info.imprint = seq(sha256Algorithm, tlv(4, make([]byte, 32))) }),
		"another nonce":       stamping(func(_ *stampQuestion, r *stampReply) { r.info.nonce = integer(1) }),
		"no certificate":      stamping(func(_ *stampQuestion, r *stampReply) { r.certs = false }),
		"refused":             refusing(func(*stampQuestion) bool { return true }, refusedAs(14)),
	} {
		f := &fakeTSA{c: c, unit: c.unit}
		plant(t, f)
		server := httptest.NewServer(f)
		reply, err := conformance.Stamp(t.Context(), server.URL, []byte("a report"))
		server.Close()
		if (err == nil) != (name == "") || (reply == nil) != (err != nil) {
			t.Errorf("%q: %d octets, %v", name, len(reply), err)
		}
	}
}

func TestStampFaults(t *testing.T) {
	c := newCentre(t)
	for _, fault := range stampFaults {
		t.Run(fault.name, func(t *testing.T) {
			f := &fakeTSA{c: c, unit: c.unit}
			fault.plant(t, f)
			switchboard.judged(t, fault.planted, f.judge(t))
		})
	}
}
