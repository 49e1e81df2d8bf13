package ocsp_test

import (
	"bytes"
	"crypto"
	"crypto/sha1"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"regexp"
	"slices"
	"testing"
	"time"

	xocsp "golang.org/x/crypto/ocsp"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
	"github.com/altamga/altamga/ocsp"
)

var oidArchiveCutoff = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 6}

func TestResponse(t *testing.T) {
	a := newAuthority(t, "ehm")
	r, g := newResponder(t, a, nil)
	serial := nextSerial()
	g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
	id := a.certID(t, crypto.SHA256, serial)
	before := time.Now().Truncate(time.Second)
	got := ask(t, r, a, request(t, nil, id))
	after := time.Now()
	data := got.basic.Data
	if got.status != ocsp.Successful || len(data.Responses) != 1 {
		t.Fatalf("got %v with %d responses", got.status, len(data.Responses))
	}
	single := data.Responses[0]
	t.Run("OCSP-04 successful, OCSP-05 id-pkix-ocsp-basic, OCSP-06 DER with the version left out", func(t *testing.T) {
		again, err := asn1.Marshal(struct {
			Responder  asn1.RawValue
			ProducedAt time.Time `asn1:"generalized"`
			Responses  []singleResponse
		}{data.Responder, data.ProducedAt, data.Responses})
		if err != nil || !bytes.Equal(again, data.Raw) {
			t.Errorf("ResponseData is\n% x, encoding/asn1 makes\n% x (%v)", data.Raw, again, err)
		}
	})
	t.Run("OCSP-08 signature verifies by x/crypto/ocsp", func(t *testing.T) {
		parsed, err := xocsp.ParseResponse(got.raw, a.certificate)
		if err != nil || parsed.Status != xocsp.Good || parsed.SerialNumber.Cmp(serial) != 0 {
			t.Errorf("got %+v, %v", parsed, err)
		}
	})
	t.Run("OCSP-09 weak algorithm is not chosen although preferred", func(t *testing.T) {
		// PreferredSignatureAlgorithms: sha1WithRSAEncryption.
		preferred := []byte{0x30, 0x0f, 0x30, 0x0d, 0x30, 0x0b, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5}
		in := marshal(t, &ocsp.Request{List: []ocsp.Single{{CertID: id}}, Extensions: []der.Extension{{ID: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 8}, Value: preferred}}})
		if got := ask(t, r, a, in); !got.basic.Algorithm.Algorithm.Equal(pki.OIDECDSAWithSHA256) {
			t.Errorf("got %v with %v", got.status, got.basic.Algorithm.Algorithm)
		}
	})
	t.Run("OCSP-15 byKey, OCSP-16 of the signer's key", func(t *testing.T) {
		key, err := pki.SubjectPublicKey(a.signer.Certificate.RawSubjectPublicKeyInfo)
		if err != nil {
			t.Fatal(err)
		}
		hash := sha1.Sum(key)
		want := append([]byte{0xa2, 22, 4, 20}, hash[:]...)
		if !bytes.Equal(data.Responder.FullBytes, want) {
			t.Errorf("got responderID % x, want % x", data.Responder.FullBytes, want)
		}
	})
	t.Run("OCSP-07 certs are not empty, OCSP-11 the delegate's certificate alone", func(t *testing.T) {
		if len(got.basic.Certs) != 1 || !bytes.Equal(got.basic.Certs[0].FullBytes, a.signer.Certificate.Raw) {
			t.Errorf("got %d certificates", len(got.basic.Certs))
		}
	})
	t.Run("OCSP-17 CertID is repeated, OCSP-18 in one SingleResponse", func(t *testing.T) {
		parsed, err := ocsp.ParseRequest(request(t, nil, id))
		if err != nil || !bytes.Equal(single.CertID.FullBytes, parsed.List[0].CertID.Raw) {
			t.Errorf("got CertID % x (%v)", single.CertID.FullBytes, err)
		}
	})
	t.Run("OCSP-19 nextUpdate, OCSP-20 thisUpdate has passed, OCSP-21 producedAt equals it", func(t *testing.T) {
		if single.ThisUpdate.Before(before) || single.ThisUpdate.After(after) || !single.ThisUpdate.Equal(data.ProducedAt) {
			t.Errorf("got thisUpdate %v, producedAt %v; asked between %v and %v", single.ThisUpdate, data.ProducedAt, before, after)
		}
		if want := single.ThisUpdate.Add(time.Hour); !single.NextUpdate.Equal(want) {
			t.Errorf("got nextUpdate %v, want %v", single.NextUpdate, want)
		}
	})
	t.Run("OCSP-22 GeneralizedTime with seconds, without fraction", func(t *testing.T) {
		if n := len(regexp.MustCompile(`\x18\x0f\d{14}Z`).FindAll(data.Raw, -1)); n != 3 {
			t.Errorf("found %d times in the plain form, want 3", n)
		}
	})
}

func TestStatuses(t *testing.T) {
	a := newAuthority(t, "ehm")
	r, g := newResponder(t, a, func(c *ocsp.Config) { c.Retention = 10 * 365 * 24 * time.Hour })
	single := func(t *testing.T, s ocsp.Status) singleResponse {
		t.Helper()
		serial := nextSerial()
		g.set(a.id, serial, s)
		got := ask(t, r, a, request(t, nil, a.certID(t, crypto.SHA256, serial)))
		if got.status != ocsp.Successful {
			t.Fatalf("got %v", got.status)
		}
		return got.basic.Data.Responses[0]
	}
	since := time.Now().Add(-time.Hour).Truncate(time.Second)
	t.Run("OCSP-23 good", func(t *testing.T) {
		got := single(t, ocsp.Status{State: ocsp.Good})
		if got.Status.Tag != good || len(got.Status.Bytes) != 0 || len(got.Extensions) != 0 {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("OCSP-24 revoked with time and reason", func(t *testing.T) {
		for _, reason := range []int{1, 2, 3, 4, 5, 6, 9, 10} {
			at, got := single(t, ocsp.Status{State: ocsp.Revoked, Reason: reason, RevokedAt: since}).revocation(t)
			if !at.Equal(since) || got != reason {
				t.Errorf("got %v %d, want %v %d", at, got, since, reason)
			}
		}
	})
	t.Run("OCSP-25 unspecified reason is left out", func(t *testing.T) {
		if got := single(t, ocsp.Status{State: ocsp.Revoked, RevokedAt: since}); len(got.Status.Bytes) != 17 {
			t.Errorf("got RevokedInfo % x, want a time only", got.Status.Bytes)
		}
	})
	t.Run("OCSP-26 revocation time is not in the future", func(t *testing.T) {
		got := single(t, ocsp.Status{State: ocsp.Revoked, Reason: 1, RevokedAt: time.Now().Add(time.Hour)})
		if at, _ := got.revocation(t); at.After(got.ThisUpdate) || got.ThisUpdate.After(time.Now()) {
			t.Errorf("got revoked at %v, thisUpdate %v", at, got.ThisUpdate)
		}
	})
	t.Run("reason that does not exist is not signed", func(t *testing.T) {
		for _, reason := range []int{-1, 7, 8, 11} {
			serial := nextSerial()
			g.set(a.id, serial, ocsp.Status{State: ocsp.Revoked, Reason: reason})
			if got := ask(t, r, a, request(t, nil, a.certID(t, crypto.SHA1, serial))); got.status != ocsp.InternalError {
				t.Errorf("reason %d got %v, want internalError", reason, got.status)
			}
		}
	})
	t.Run("OCSP-57 archive cutoff of expired certificates", func(t *testing.T) {
		got := single(t, ocsp.Status{State: ocsp.Good, Expired: true})
		if len(got.Extensions) != 1 || !got.Extensions[0].Id.Equal(oidArchiveCutoff) || got.Extensions[0].Critical {
			t.Fatalf("got extensions %+v", got.Extensions)
		}
		want := got.ThisUpdate.Add(-10 * 365 * 24 * time.Hour).Format("\x18\x0f20060102150405Z")
		if string(got.Extensions[0].Value) != want {
			t.Errorf("got %q, want %q", got.Extensions[0].Value, want)
		}
	})
}

// TestExtensions: whatever is answered, an extension stands in the list that it
// belongs to, once, and none is critical.
func TestExtensions(t *testing.T) {
	a := newAuthority(t, "ehm")
	r, g := newResponder(t, a, func(c *ocsp.Config) { c.Retention, c.NonIssued = 24*time.Hour, "revoked" })
	since := time.Now().Add(-time.Hour)
	for name, s := range map[string]ocsp.Status{
		"good": {State: ocsp.Good}, "good and expired": {State: ocsp.Good, Expired: true},
		"held":                {State: ocsp.Revoked, Reason: 6, RevokedAt: since},
		"revoked":             {State: ocsp.Revoked, Reason: 1, RevokedAt: since},
		"revoked and expired": {State: ocsp.Revoked, Reason: 1, RevokedAt: since, Expired: true},
		"never issued":        {},
	} {
		t.Run("OCSP-59 "+name, func(t *testing.T) {
			serial := nextSerial()
			if s.State != ocsp.NonIssued {
				g.set(a.id, serial, s)
			}
			for _, nonce := range [][]byte{nil, make([]byte, 32)} {
				got := ask(t, r, a, request(t, nonce, a.certID(t, crypto.SHA256, serial), a.certID(t, crypto.SHA1, serial)))
				var whole, single []string
				if nonce != nil {
					whole = append(whole, pki.OIDOCSPNonce.String())
				}
				if s.State == ocsp.NonIssued {
					whole = append(whole, pki.OIDOCSPExtendedRevoke.String())
				}
				if s.Expired {
					single = append(single, oidArchiveCutoff.String())
				}
				onlyThese(t, "responseExtensions", got.basic.Data.Extensions, whole)
				for _, one := range got.basic.Data.Responses {
					onlyThese(t, "singleExtensions", one.Extensions, single)
				}
			}
		})
	}
}

// onlyThese holds a list of extensions to what belongs there.
func onlyThese(t *testing.T, list string, got []pkix.Extension, want []string) {
	t.Helper()
	var ids []string
	for _, e := range got {
		if e.Critical {
			t.Errorf("%s: %v is critical", list, e.Id)
		}
		ids = append(ids, e.Id.String())
	}
	slices.Sort(ids)
	slices.Sort(want)
	if !slices.Equal(ids, want) {
		t.Errorf("%s: got %v, want %v", list, ids, want)
	}
}

func TestNonIssued(t *testing.T) {
	a := newAuthority(t, "ehm")
	t.Run("OCSP-34 non-issued serial is unknown", func(t *testing.T) {
		r, _ := newResponder(t, a, nil)
		response := post(t, r, request(t, nil, a.certID(t, crypto.SHA256, big.NewInt(4711))))
		got := body(t, response, a)
		if got.status != ocsp.Successful || got.basic.Data.Responses[0].Status.Tag != unknown {
			t.Errorf("got %v", got.status)
		}
		if cc := response.Header.Get("Cache-Control"); cc != "no-store" {
			t.Errorf("got Cache-Control %q", cc)
		}
	})
	t.Run("OCSP-34 or revoked on hold since 1970, with extended-revoke", func(t *testing.T) {
		r, _ := newResponder(t, a, func(c *ocsp.Config) { c.NonIssued = "revoked" })
		got := ask(t, r, a, request(t, make([]byte, 32), a.certID(t, crypto.SHA256, big.NewInt(4711))))
		at, reason := got.basic.Data.Responses[0].revocation(t)
		if !at.Equal(time.Unix(0, 0)) || reason != 6 {
			t.Errorf("got revoked at %v for %d", at, reason)
		}
		if value, ok := got.extension(pki.OIDOCSPExtendedRevoke); !ok || !bytes.Equal(value, asn1.NullBytes) {
			t.Errorf("got extended-revoke % x, %v", value, ok)
		}
		if _, ok := got.extension(pki.OIDOCSPNonce); !ok {
			t.Error("the nonce is missing beside it")
		}
	})
	t.Run("certificate issued after it was asked about is good at once", func(t *testing.T) {
		r, g := newResponder(t, a, nil)
		in := request(t, nil, a.certID(t, crypto.SHA256, big.NewInt(4712)))
		if got := ask(t, r, a, in).basic.Data.Responses[0].Status.Tag; got != unknown {
			t.Errorf("got %d, want unknown", got)
		}
		g.set(a.id, big.NewInt(4712), ocsp.Status{State: ocsp.Good})
		if got := ask(t, r, a, in).basic.Data.Responses[0].Status.Tag; got != good {
			t.Errorf("got %d, want good", got)
		}
	})
}
