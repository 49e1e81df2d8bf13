package conformance_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/altamga/altamga/conformance"
)

func TestConsistency(t *testing.T) {
	c := newCentre(t)
	for _, row := range []struct {
		name  string
		plant func(*fakeOCSP, *fakePoint)
	}{
		{"", func(*fakeOCSP, *fakePoint) {}},
		{"OCSP-62 revoked on the list, good by OCSP", func(f *fakeOCSP, _ *fakePoint) {
			singles(func(s *ocspSingle) {
				if s.reason == 1 {
					s.state = 0
					s.say()
				}
			})(t, f)
		}},
		{"OCSP-62 revoked by OCSP for long, not on the list", func(_ *fakeOCSP, p *fakePoint) { p.full.entries = p.full.entries[1:] }},
		{"OCSP-62 revoked at another time", func(f *fakeOCSP, _ *fakePoint) {
			singles(func(s *ocspSingle) { s.revoked = s.revoked.Add(-time.Hour); s.say() })(t, f)
		}},
		{"OCSP-62 for another reason", func(f *fakeOCSP, _ *fakePoint) {
			singles(func(s *ocspSingle) {
				if s.reason == 1 {
					s.reason = 4
					s.say()
				}
			})(t, f)
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			f, p := &fakeOCSP{c: c, delegate: c.delegate, began: time.Now()}, newPoint(c)
			row.plant(f, p)
			p.bodies["/list.crl"] = p.full.encode()
			mux := http.NewServeMux()
			mux.Handle("/list.crl", p)
			mux.Handle("/", f)
			server := httptest.NewServer(mux)
			defer server.Close()
			tester, err := conformance.New(conformance.Config{})
			if err != nil {
				t.Fatal(err)
			}
			if err := tester.Consistency(t.Context(), f.target(server.URL+"/"), p.target(server.URL)); err != nil {
				t.Fatal(err)
			}
			if r := tester.Report(); row.name == "" {
				switchboard.sound(t, r)
			} else {
				switchboard.judged(t, planted{row.name, nil}, r)
			}
		})
	}
}
