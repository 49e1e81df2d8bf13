package conformance_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/altamga/altamga/conformance"
)

// underLoad is a server that does something else, once a load is on, with each
// second request.
type underLoad struct {
	http.Handler
	instead func(http.ResponseWriter)
	on      atomic.Bool
	n       atomic.Int64
}

func (u *underLoad) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if u.instead != nil && u.on.Load() && u.n.Add(1)%2 == 0 {
		u.instead(w)
		return
	}
	u.Handler.ServeHTTP(w, r)
}

// judge returns what is said of the load alone.
func (u *underLoad) judge(t *testing.T, judge func(*conformance.Tester, string) error) *conformance.Report {
	t.Helper()
	server := httptest.NewServer(u)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	defer server.Close()
	tester, err := conformance.New(conformance.Config{Load: conformance.Load{Rate: 100, For: 300 * time.Millisecond},
		OnStep: func(section, _ string) { u.on.Store(section == "load") }})
	if err != nil {
		t.Fatal(err)
	}
	if err := judge(tester, server.URL); err != nil {
		t.Fatal(err)
	}
	r := tester.Report()
	r.Sections = r.Sections[1:]
	if len(r.Sections) != 1 || r.Sections[0].Kind != "load" || len(r.Sections[0].Results) != 1 {
		t.Fatalf("got %+v", r.Sections)
	}
	return r
}

// TestLoad presses servers that bear it, refuse it, and break over it.
func TestLoad(t *testing.T) {
	c := newCentre(t)
	ocsp := func(tester *conformance.Tester, url string) error {
		return tester.OCSP(t.Context(), (&fakeOCSP{c: c}).target(url+"/"))
	}
	crl := func(tester *conformance.Tester, url string) error {
		return tester.List(t.Context(), (&fakePoint{c: c}).target(url))
	}
	tsa := func(tester *conformance.Tester, url string) error {
		return tester.Stamps(t.Context(), conformance.StampTarget{URL: url, Policy: demoPolicy.String()})
	}
	responder := func(instead func(http.ResponseWriter)) *underLoad {
		return &underLoad{Handler: &fakeOCSP{c: c, delegate: c.delegate, began: time.Now()}, instead: instead}
	}
	point := func(instead func(http.ResponseWriter)) *underLoad {
		p := newPoint(c)
		p.bodies["/list.crl"], p.bodies["/delta.crl"], p.bodies["/base.crl"] = p.full.encode(), p.delta.encode(), p.base.encode()
		return &underLoad{Handler: alone(p), instead: instead}
	}
	authority := func(instead func(http.ResponseWriter)) *underLoad {
		return &underLoad{Handler: &fakeTSA{c: c, unit: c.unit}, instead: instead}
	}
	// Tokens are wrong once the load is on.
	stamping := func(change func(*stampReply)) *underLoad {
		u := &underLoad{}
		u.Handler = &fakeTSA{c: c, unit: c.unit, plan: func(_ *stampQuestion, r *stampReply) {
			if u.on.Load() {
				change(r)
			}
		}}
		return u
	}
	for name, report := range map[string]*conformance.Report{"OCSP": responder(nil).judge(t, ocsp), "CRL": point(nil).judge(t, crl), "TSA": authority(nil).judge(t, tsa)} {
		switchboard.sound(t, report)
		if details := strings.Join(report.Sections[0].Results[0].Figures, ""); !strings.Contains(details, " per second: ") || !strings.Contains(details, "99 of 100 at most") {
			t.Errorf("%s: there are no figures: %q", name, details)
		}
	}
	// To be refused in the words for it is no finding.
	switchboard.sound(t, responder(func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) }).judge(t, ocsp))
	switchboard.sound(t, responder(func(w http.ResponseWriter) { w.Write(seq([]byte{10, 1, 3})) }).judge(t, ocsp))

	broken := func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) }
	for _, row := range []struct {
		planted
		server *underLoad
		judge  func(*conformance.Tester, string) error
	}{
		{planted{"OCSP-61 it answers 500 under load", nil}, responder(broken), ocsp},
		{planted{"OCSP-61 it drops connections under load", nil}, responder(func(http.ResponseWriter) { panic(http.ErrAbortHandler) }), ocsp},
		{planted{"CRL-30 it answers 500 under load", nil}, point(broken), crl},
		{planted{"CRL-30 it serves torn lists under load", nil}, point(func(w http.ResponseWriter) { w.Write([]byte{0x30, 0x82}) }), crl},
		{planted{"TSA-46 it answers 500 under load", nil}, authority(broken), tsa},
		{planted{"TSA-46 one serial number for all under load", nil}, stamping(func(r *stampReply) { r.info.serial = integer(7) }), tsa},
		{planted{"TSA-46 the token of another under load", nil}, stamping(func(r *stampReply) { r.info.imprint = seq(sha256Algorithm, tlv(4, make([]byte, 32))) }), tsa},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			switchboard.judged(t, row.planted, row.server.judge(t, row.judge))
		})
	}
	for _, bad := range []conformance.Load{{Rate: -1}, {Rate: 1e6}, {Rate: 1, For: time.Hour}} {
		if _, err := conformance.New(conformance.Config{Load: bad}); err == nil {
			t.Errorf("a load of %+v was taken", bad)
		}
	}
}

// alone lets a server answer one request at a time.
func alone(server http.Handler) http.Handler {
	var mu sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		server.ServeHTTP(w, r)
	})
}
