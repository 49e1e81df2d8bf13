package ocsp_test

import (
	"crypto"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/altamga/altamga/ocsp"
)

// TestCertainty: a source that is a copy says as of when it is certain, and the
// responder claims no more.
func TestCertainty(t *testing.T) {
	t.Run("OCSP-20 thisUpdate stands still while the source knows nothing newer", func(t *testing.T) { synctest.Test(t, outage) })
	t.Run("OCSP-24 revoked by a clock that is ahead", func(t *testing.T) {
		a := newAuthority(t, "ehm")
		r, g := newResponder(t, a, nil)
		serial, asOf := nextSerial(), time.Now().Add(-10*time.Second)
		g.set(a.id, serial, ocsp.Status{State: ocsp.Revoked, Reason: 6, RevokedAt: asOf.Add(2 * time.Second), ThisUpdate: asOf})
		got := ask(t, r, a, request(t, nil, a.certID(t, crypto.SHA256, serial)))
		if got.status != ocsp.Successful {
			t.Fatalf("got %v", got.status)
		}
		single := got.basic.Data.Responses[0]
		if at, _ := single.revocation(t); single.ThisUpdate.Before(at) {
			t.Errorf("certain as of %v, and revoked at %v", single.ThisUpdate, at)
		}
	})
	t.Run("OCSP-17 several certificates, the least certain one counts", func(t *testing.T) {
		a := newAuthority(t, "ehm")
		r, g := newResponder(t, a, nil)
		sure, less := nextSerial(), nextSerial()
		asOf := time.Now().Add(-10 * time.Minute)
		g.set(a.id, sure, ocsp.Status{State: ocsp.Good})
		g.set(a.id, less, ocsp.Status{State: ocsp.Good, ThisUpdate: asOf})
		got := ask(t, r, a, request(t, nil, a.certID(t, crypto.SHA256, sure), a.certID(t, crypto.SHA256, less)))
		for _, single := range got.basic.Data.Responses {
			if single.ThisUpdate.After(asOf) || single.NextUpdate.After(asOf.Add(time.Hour)) {
				t.Errorf("certain from %v to %v", single.ThisUpdate, single.NextUpdate)
			}
		}
	})
}

// outage lets a source lose its original for longer than an answer lasts.
func outage(t *testing.T) {
	a := newAuthority(t, "ehm")
	r, g := newResponder(t, a, nil)
	serial, gone := nextSerial(), nextSerial()
	in, inGone := request(t, nil, a.certID(t, crypto.SHA256, serial)), request(t, nil, a.certID(t, crypto.SHA256, gone))
	lost := time.Now()
	g.set(a.id, serial, ocsp.Status{State: ocsp.Good, ThisUpdate: lost})
	// What is final is certain at any time.
	g.set(a.id, gone, ocsp.Status{State: ocsp.Revoked, Reason: 1, RevokedAt: lost})
	for elapsed := time.Duration(0); elapsed < time.Hour-time.Second; elapsed = time.Since(lost) {
		response := post(t, r, in)
		age := response.Header.Get("Cache-Control")
		got := body(t, response, a)
		if got.status != ocsp.Successful {
			t.Fatalf("after %v: %v", elapsed, got.status)
		}
		single := got.basic.Data.Responses[0]
		now := time.Now()
		if !single.ThisUpdate.Equal(lost.UTC().Truncate(time.Second)) || !single.NextUpdate.Equal(single.ThisUpdate.Add(time.Hour)) {
			t.Fatalf("after %v: certain from %v to %v", elapsed, single.ThisUpdate, single.NextUpdate)
		}
		if !now.Before(single.NextUpdate) || got.basic.Data.ProducedAt.After(now) || now.Sub(got.basic.Data.ProducedAt) > time.Minute {
			t.Fatalf("after %v: produced at %v, nextUpdate %v (%s)", elapsed, got.basic.Data.ProducedAt, single.NextUpdate, age)
		}
		time.Sleep(7 * time.Second)
	}
	time.Sleep(time.Second)
	if got := ask(t, r, a, in); got.status != ocsp.TryLater {
		t.Errorf("after %v, good: %v", time.Since(lost), got.status)
	}
	if got := ask(t, r, a, inGone); got.status != ocsp.Successful || got.basic.Data.Responses[0].Status.Tag != revoked {
		t.Errorf("after %v, revoked: %v", time.Since(lost), got.status)
	}
	g.set(a.id, serial, ocsp.Status{State: ocsp.Good, ThisUpdate: time.Now()})
	if got := ask(t, r, a, in); got.status != ocsp.Successful {
		t.Errorf("healed: %v", got.status)
	}
}

// TestReplaceSigner lets signers follow one another, each for an hour, under a
// client that asks all the time.
func TestReplaceSigner(t *testing.T) {
	t.Run("OCSP-14 no answer outlives its signer, and there is always one", func(t *testing.T) { synctest.Test(t, succession) })
	t.Run("OCSP-60 the answers of the signer before stay good", func(t *testing.T) {
		a := newAuthority(t, "ehm")
		r, g := newResponder(t, a, nil)
		serial := nextSerial()
		g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
		in := request(t, nil, a.certID(t, crypto.SHA256, serial))
		before := ask(t, r, a, in)
		old := *a
		a.signer = signer(t, a, newKey(t), nil)
		if err := r.ReplaceSigner(a.id, a.signer); err != nil {
			t.Fatal(err)
		}
		// The kept answer is sent on; with a nonce the new signer answers.
		parse(t, ask(t, r, &old, in).raw, &old)
		if got := ask(t, r, a, request(t, make([]byte, 16), a.certID(t, crypto.SHA256, serial))); got.status != ocsp.Successful {
			t.Errorf("got %v", got.status)
		}
		if end := before.basic.Data.Responses[0].NextUpdate; end.After(old.signer.Certificate.NotAfter) {
			t.Errorf("the answer ends at %v, its signer before", end)
		}
	})
	t.Run("OCSP-11 a signer of another authority is refused", func(t *testing.T) {
		a, other := newAuthority(t, "ehm"), newAuthority(t, "hom")
		r, g := newResponder(t, a, nil)
		g.set(a.id, nextSerial(), ocsp.Status{State: ocsp.Good})
		for name, refused := range map[string]*ocsp.Signer{
			"foreign": signer(t, other, newKey(t), nil), "none": nil, "empty": {},
			"with another's key": {Certificate: a.signer.Certificate, Key: newKey(t)},
		} {
			if err := r.ReplaceSigner(a.id, refused); err == nil {
				t.Errorf("%s: taken", name)
			}
		}
		if err := r.ReplaceSigner("nobody", a.signer); err == nil {
			t.Error("the signer of an unknown issuer was taken")
		}
		if got := ask(t, r, a, request(t, nil, a.certID(t, crypto.SHA256, nextSerial()))); got.status != ocsp.Successful {
			t.Errorf("got %v", got.status)
		}
	})
}

func succession(t *testing.T) {
	a := newAuthority(t, "ehm")
	short := func() *ocsp.Signer {
		template := delegate()
		template.NotBefore, template.NotAfter = time.Now(), time.Now().Add(time.Hour)
		key := newKey(t)
		return &ocsp.Signer{Key: key, Certificate: a.issue(t, template, key.Public())}
	}
	a.signer = short()
	r, g := newResponder(t, a, func(c *ocsp.Config) { c.Validity = 20 * time.Minute })
	serial := nextSerial()
	g.set(a.id, serial, ocsp.Status{State: ocsp.Good})
	in := request(t, nil, a.certID(t, crypto.SHA256, serial))
	signers := []*ocsp.Signer{a.signer}
	var asked atomic.Int64
	for range 5 {
		// Renewed at the last moment, when all answers are cut to its end.
		for time.Until(signers[len(signers)-1].Certificate.NotAfter) > 10*time.Second {
			asked.Add(1)
			raw := post(t, r, in)
			by := signers[len(signers)-1]
			if len(signers) > 1 && time.Since(by.Certificate.NotBefore) < time.Minute {
				by = signers[len(signers)-2] // kept from before
			}
			at := *a
			at.signer = by
			got := body(t, raw, &at)
			if got.status != ocsp.Successful {
				t.Fatalf("got %v", got.status)
			}
			single := got.basic.Data.Responses[0]
			if end := single.NextUpdate; end.After(by.Certificate.NotAfter) || !time.Now().Before(end) {
				t.Fatalf("nextUpdate %v, now %v, the signer ends at %v", end, time.Now(), by.Certificate.NotAfter)
			}
			time.Sleep(61 * time.Second / 4)
		}
		next := short()
		signers = append(signers, next)
		if err := r.ReplaceSigner(a.id, next); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
	}
	if asked.Load() < 500 {
		t.Errorf("asked %d times only", asked.Load())
	}
}
