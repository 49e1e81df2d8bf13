package conformance_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/altamga/altamga/conformance"
)

// What is well at one moment may be wrong over time.
func TestWatch(t *testing.T) {
	c := newCentre(t)
	t.Run("CRL-09 the list goes stale under watch", func(t *testing.T) {
		p := newPoint(c)
		p.bodies["/list.crl"], p.bodies["/delta.crl"], p.bodies["/base.crl"] = p.full.encode(), p.delta.encode(), p.base.encode()
		server := httptest.NewServer(p)
		defer server.Close()
		stale := c.list(8, p.full.entries...)
		stale.thisUpdate, stale.nextUpdate = utc(time.Now().Add(-2*time.Hour)), utc(time.Now().Add(-time.Hour))
		watching, err := conformance.New(conformance.Config{Watch: 5 * time.Second, OnStep: func(_, step string) {
			// It was fetched before, and is watched from here on.
			if step == "CRL-09" {
				p.mu.Lock()
				p.bodies["/list.crl"] = stale.encode()
				p.mu.Unlock()
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		target := p.target(server.URL)
		target.Leaf = nil
		if err := watching.List(t.Context(), target); err != nil {
			t.Fatal(err)
		}
		switchboard.judged(t, planted{"CRL-09 the list goes stale under watch", []string{"CRL-23", "CRL-12", "CRL-22", "CRL-28"}}, watching.Report())
	})
	for _, row := range []struct {
		planted
		plant func(*ocspReply)
	}{
		{planted{"OCSP-56 answers go back in time under watch", []string{"OCSP-53"}}, func(r *ocspReply) {
			r.producedAt = generalized(time.Now().Add(-10 * time.Minute))
			for i := range r.singles {
				r.singles[i].thisUpdate = r.producedAt
			}
		}},
		{planted{"OCSP-56 answers go stale under watch", []string{"OCSP-53"}}, func(r *ocspReply) {
			for i := range r.singles {
				r.singles[i].nextUpdate = tlv(0xa0, generalized(time.Now().Add(-time.Second)))
			}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			watching, err := conformance.New(conformance.Config{Watch: 5 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			f := &fakeOCSP{c: c, delegate: c.delegate, began: time.Now()}
			n := 0
			f.plan = func(q *ocspQuestion, r *ocspReply) {
				if q.method == "GET" && r.status == 0 {
					// So many are asked for before the watch begins; it ends with the
					// first finding.
					if n++; n > 11 {
						row.plant(r)
					}
				}
			}
			server := httptest.NewServer(f)
			defer server.Close()
			if err := watching.OCSP(t.Context(), f.target(server.URL+"/")); err != nil {
				t.Fatal(err)
			}
			switchboard.judged(t, row.planted, watching.Report())
		})
	}
}
